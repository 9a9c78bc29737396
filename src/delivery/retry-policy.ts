/**
 * How long to wait before the next try, and when trying ends. Owns no state of records. The random source and the clock are
 * given, so that a test decides both.
 */
import type { Clock } from '../lib/clock.ts';

export interface BackoffOptions {
  minMs: number;
  maxMs: number;
  /** In [0, 1). */
  random: () => number;
}

/** Doubles up to a bound, each wait between half of it and all of it: waiting senders must not come back as one wave. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Milliseconds to wait now; `atLeastMs` is what the search engine asked for. */
  next(atLeastMs = 0): number {
    const { minMs, maxMs, random } = this.#options;
    const full = Math.min(maxMs, minMs * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    return Math.max(atLeastMs, full * (0.5 + random() / 2));
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** The longest silence of the cluster that still counts as answering. */
const silenceMsMax = 5 * 60 * 1000;

/**
 * Time that a record was refused while the cluster answered others. A cluster that answers nobody is down, and a day of that
 * is a normal day: it must not push records into the rejects.
 */
export class BlockedTime {
  #ms: number;
  #last: { atMs: number; answered: number } | undefined;

  constructor(ms = 0) {
    this.#ms = ms;
  }

  get ms(): number {
    return this.#ms;
  }

  /** Call at every refusal; `answered` counts the batches that the cluster answered for anybody. */
  refused(clock: Clock, answered: number): void {
    const now = clock.monotonic();
    if (this.#last !== undefined) {
      if (answered === this.#last.answered) return;
      this.#ms += Math.min(now - this.#last.atMs, silenceMsMax);
    }
    this.#last = { atMs: now, answered };
  }

  reset(): void {
    this.#ms = 0;
    this.#last = undefined;
  }
}

/** A wait that a stop ends early. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      timer.cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.after(ms, end);
    signal.addEventListener('abort', end);
  });
}
