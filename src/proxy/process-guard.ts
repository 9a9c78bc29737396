/**
 * Keeps the memory of this process, in which keys are, from being asked for by others on this machine, as far as a process can
 * do that for itself. What it cannot do it says: whether a crash leaves a core dump is decided outside.
 */
import { readFileSync } from 'node:fs';
import type { EventLog } from '../log.ts';

export function guardProcess(log: Pick<EventLog, 'event'>): void {
  // Node's own answer is to open a debugger on a port, for anybody on this machine.
  process.on('SIGUSR1', () => log.event('debugger-refused'));
  // A report names addresses, not contents, but it would hold the whole environment.
  process.report.excludeEnv = true;
  if (coreDumps()) log.event('core-dumps-on');
}

/** Undefined where the system does not say. */
function coreDumps(): boolean | undefined {
  try {
    const soft = /^Max core file size +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? undefined : soft !== '0';
  } catch {
    return undefined;
  }
}
