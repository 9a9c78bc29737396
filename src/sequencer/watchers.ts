/**
 * Who waits for the search engine's word about a record: requests with `ack: store`.
 * Bounded by the open requests: whoever stops waiting says so, and delivery hears of it too. The search engine may be away for
 * a day while shippers come again every minute.
 */
import type { Outcome, Outcomes } from '../bulk/intake.ts';

export interface Expectation extends Outcomes {
  /** Says which records stand for the given places of the batch, before they are in the log. */
  watch(chain: string, firstSeq: number, places: Int32Array): void;
}

export interface WatcherHost {
  /** Tells delivery what to report; it must arrive there before the records do. */
  watch(chain: string, firstSeq: number, count: number): void;
  /** Takes back what `watch` said with the same words. */
  unwatch(chain: string, firstSeq: number, count: number): void;
}

interface Range {
  chain: string;
  firstSeq: number;
  count: number;
}

export class Watchers {
  readonly #waiting = new Map<string, (outcome: Outcome) => void>();
  readonly #host: WatcherHost;

  constructor(host: WatcherHost) {
    this.#host = host;
  }

  /** Records that somebody waits for. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Prepares for `count` outcomes, in batch order. */
  expect(count: number): Expectation {
    const outcomes = new Array<Outcome>(count);
    const ranges: Range[] = [];
    let open = count;
    const { promise, resolve } = Promise.withResolvers<Outcome[]>();
    const watch = (chain: string, firstSeq: number, places: Int32Array): void => {
      this.#host.watch(chain, firstSeq, places.length);
      ranges.push({ chain, firstSeq, count: places.length });
      places.forEach((place, offset) => {
        this.#waiting.set(keyOf(chain, firstSeq + offset), (outcome) => {
          outcomes[place] = outcome;
          open -= 1;
          if (open === 0) resolve(outcomes);
        });
      });
    };
    const forget = () => {
      if (open === 0) return;
      for (const range of ranges.splice(0)) this.#forget(range);
    };
    return { promise, watch, forget };
  }

  /** What delivery reports. Records that nobody waits for are passed over. */
  settle(settled: readonly { chain: string; seq: number; outcome: Outcome }[]): void {
    for (const { chain, seq, outcome } of settled) {
      const key = keyOf(chain, seq);
      const waiting = this.#waiting.get(key);
      this.#waiting.delete(key);
      waiting?.(outcome);
    }
  }

  #forget({ chain, firstSeq, count }: Range): void {
    for (let seq = firstSeq; seq < firstSeq + count; seq += 1) this.#waiting.delete(keyOf(chain, seq));
    this.#host.unwatch(chain, firstSeq, count);
  }
}

function keyOf(chain: string, seq: number): string {
  return `${chain}:${seq}`;
}
