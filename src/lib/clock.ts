/** Time as a stage receives it, so that tests can move it. Timers and durations use the monotonic clock, records the wall clock. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  now(): number;
  /** Monotonic clock, milliseconds. Never goes back. */
  monotonic(): number;
  /** Calls `fn` once after `ms`; does not keep the process alive. */
  after(ms: number, fn: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

const delayMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, fn) {
    // A longer one would be due at once.
    const timer = setTimeout(fn, Math.min(ms, delayMsMax));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
