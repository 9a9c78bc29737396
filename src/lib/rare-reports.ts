/**
 * Keeps reports that anybody outside can cause from flooding the log: the first of a kind passes at once, later ones at most
 * once in a while, with the number of those left out.
 */
import type { Clock } from './clock.ts';

/** Kinds are meant to be few; what is beyond shares one. */
const kindsMax = 100;

export class RareReports {
  readonly #clock: Clock;
  readonly #pauseMs: number;
  readonly #seen = new Map<string, { until: number; leftOut: number }>();

  constructor(clock: Clock, pauseMs = 60_000) {
    this.#clock = clock;
    this.#pauseMs = pauseMs;
  }

  /** Calls `report` with the number of reports of this kind that were left out since the last, or not at all. */
  offer(kind: string, report: (leftOut: number) => void): void {
    const name = this.#seen.has(kind) || this.#seen.size < kindsMax ? kind : '';
    const now = this.#clock.monotonic();
    const seen = this.#seen.get(name);
    if (seen !== undefined && now < seen.until) {
      seen.leftOut += 1;
      return;
    }
    this.#seen.set(name, { until: now + this.#pauseMs, leftOut: 0 });
    report(seen?.leftOut ?? 0);
  }
}
