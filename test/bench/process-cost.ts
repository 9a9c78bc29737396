/** What a process has cost so far, as Linux counts it. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/** Ticks a second in /proc: 100 on every Linux that matters. */
const ticks = 100;

/** Seconds of CPU, all threads, user and system. `waitedFor`: of the children that ended, instead. */
export function cpuSeconds(pid: number | 'self', waitedFor = false): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const from = waitedFor ? 13 : 11;
  return (Number(fields[from]) + Number(fields[from + 1])) / ticks;
}

/** MiB: the most since the last `resetPeak`, and now. */
export function memory(pid: number): { peak: number; now: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const value = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { peak: value('VmHWM'), now: value('VmRSS') };
}

export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Ties all threads of a process, and what it starts later, to one core. */
export function pin(pid: number, core: number): void {
  execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' });
}
