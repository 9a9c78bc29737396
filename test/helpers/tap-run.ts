/** `tap run` as a child of a script of ours, its output read as it comes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TapReport } from './tap-report.ts';

/** Resolves with the exit code. Signals to this process end the run. */
export async function runTap(args: readonly string[], report: TapReport): Promise<number> {
  const tap = spawn('tap', ['run', '--reporter=tap', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ends = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    const end = () => void tap.kill(signal);
    process.on(signal, end);
    return () => process.off(signal, end);
  });
  const ended = once(tap, 'exit');
  for await (const line of createInterface({ input: tap.stdout })) report.line(line);
  const [code] = await ended;
  for (const forget of ends) forget();
  return typeof code === 'number' ? code : 1;
}
