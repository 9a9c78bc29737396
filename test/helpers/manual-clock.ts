import type { Clock } from '../../src/lib/clock.ts';

/** A clock that moves only when told; due timers run in order during `advance`. */
export class ManualClock implements Clock {
  #wall: number;
  #mono = 0;
  #timers: { at: number; fn: () => void }[] = [];

  constructor(wall = 1_763_891_234_567) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#mono;
  }

  after(ms: number, fn: () => void): { cancel(): void } {
    const timer = { at: this.#mono + ms, fn };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Moves both clocks on and runs what falls due. */
  advance(ms: number): void {
    const end = this.#mono + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#wall += due.at - this.#mono;
      this.#mono = due.at;
      due.fn();
    }
    this.#wall += end - this.#mono;
    this.#mono = end;
  }

  /** Moves the wall clock alone, as an administrator or NTP would. */
  jump(ms: number): void {
    this.#wall += ms;
  }
}
