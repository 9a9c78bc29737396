/**
 * Who waits for the search engine's word about a record: requests with `ack: store`.
 * Bounded by the open requests; a watcher that is never settled goes with its request's process.
 */
import type { Outcome } from '../bulk/intake.ts';

export interface Expectation {
  promise: Promise<Outcome[]>;
  /** Says which records stand for the given places of the batch, before they are in the log. */
  watch(chain: string, firstSeq: number, places: Int32Array): void;
}

export class Watchers {
  readonly #waiting = new Map<string, (outcome: Outcome) => void>();
  readonly #announce: (chain: string, firstSeq: number, count: number) => void;

  /** `announce` tells delivery what to report; it must arrive there before the records do. */
  constructor(announce: (chain: string, firstSeq: number, count: number) => void) {
    this.#announce = announce;
  }

  /** Prepares for `count` outcomes, in batch order. */
  expect(count: number): Expectation {
    const outcomes = new Array<Outcome>(count);
    let open = count;
    const { promise, resolve } = Promise.withResolvers<Outcome[]>();
    const watch = (chain: string, firstSeq: number, places: Int32Array): void => {
      this.#announce(chain, firstSeq, places.length);
      places.forEach((place, offset) => {
        this.#waiting.set(`${chain}:${firstSeq + offset}`, (outcome) => {
          outcomes[place] = outcome;
          open -= 1;
          if (open === 0) resolve(outcomes);
        });
      });
    };
    return { promise, watch };
  }

  /** What delivery reports. Records that nobody waits for are passed over. */
  settle(settled: readonly { chain: string; seq: number; outcome: Outcome }[]): void {
    for (const { chain, seq, outcome } of settled) {
      const key = `${chain}:${seq}`;
      const waiting = this.#waiting.get(key);
      this.#waiting.delete(key);
      waiting?.(outcome);
    }
  }
}
