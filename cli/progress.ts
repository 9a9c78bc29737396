/** Progress on stderr with rate and time left, on a terminal only: a log file or a pipe gets nothing of it. */
import cliProgress from 'cli-progress';
import type { Terminal } from './terminal.ts';

export interface Progress {
  /** `done` so far; `total` when it becomes known or changes. Cheap enough for every batch. */
  update(done: number, total?: number): void;
  /** Takes the bar away. */
  stop(): void;
}

const silent: Progress = { update() {}, stop() {} };

/** `what` is done to how many `unit`: `progress(terminal, 'verifying', 'records')`. */
export function startProgress(terminal: Terminal, what: string, unit: string): Progress {
  if (terminal.stderr.isTTY !== true) return silent;
  const bar = new cliProgress.SingleBar({
    stream: terminal.stderr,
    fps: 4,
    hideCursor: true,
    clearOnComplete: true,
    etaBuffer: 50,
    format: (_options, params, payload: { rate: number }) => line(what, unit, params, payload.rate),
  });
  const began = performance.now();
  bar.start(0, 0, { rate: 0 });
  return {
    update(done, total) {
      if (total !== undefined) bar.setTotal(total);
      bar.update(done, { rate: (done * 1000) / Math.max(1, performance.now() - began) });
    },
    stop: () => bar.stop(),
  };
}

function line(what: string, unit: string, params: { value: number; total: number }, rate: number): string {
  const { value, total } = params;
  const speed = `${Math.round(rate).toLocaleString('en')} ${unit}/s`;
  if (total === 0) return `${what} ${value.toLocaleString('en')} ${unit} · ${speed}`;
  const share = Math.min(1, value / total);
  const bar = '█'.repeat(Math.round(share * 24)).padEnd(24, '░');
  const left = rate > 0 ? timeLeft((total - value) / rate) : '…';
  return `${what} ${bar} ${Math.floor(share * 100)} % · ${value.toLocaleString('en')} of ${total.toLocaleString('en')} ${unit} · ${speed} · ${left} left`;
}

function timeLeft(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
