/**
 * How much a client may send: records and bytes a second. A request is taken whole while nothing is owed, and what it has above
 * the rate is owed: so one larger than a second's worth is possible, and the mean holds.
 */

export interface Rates {
  /** Undefined: not limited. */
  readonly recordsPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
}

/** A client that was silent may send so many seconds' worth at once. */
const burstSeconds = 2;

export class RateLimit {
  readonly #records: Bucket | undefined;
  readonly #bytes: Bucket | undefined;

  constructor(rates: Rates, before?: RateLimit) {
    this.#records = bucketOf(rates.recordsPerSecond, before === undefined ? undefined : before.#records);
    this.#bytes = bucketOf(rates.bytesPerSecond, before === undefined ? undefined : before.#bytes);
  }

  /** Milliseconds until the next request may come; 0: now. `nowMs` is monotonic. */
  waitMs(nowMs: number): number {
    return Math.max(this.#records?.waitMs(nowMs) ?? 0, this.#bytes?.waitMs(nowMs) ?? 0);
  }

  take(records: number, bytes: number, nowMs: number): void {
    this.#records?.take(records, nowMs);
    this.#bytes?.take(bytes, nowMs);
  }
}

class Bucket {
  readonly perSecond: number;
  /** Below zero: owed. */
  #left: number;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
    this.#left = perSecond * burstSeconds;
  }

  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#left > 0 ? 0 : Math.max(1, Math.ceil((-this.#left / this.perSecond) * 1000));
  }

  take(count: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#left -= count;
  }

  #refill(nowMs: number): void {
    const most = this.perSecond * burstSeconds;
    const passedMs = nowMs - this.#atMs;
    this.#left =
      passedMs === Number.POSITIVE_INFINITY ? most : Math.min(most, this.#left + (passedMs * this.perSecond) / 1000);
    this.#atMs = nowMs;
  }
}

function bucketOf(perSecond: number | undefined, before: Bucket | undefined): Bucket | undefined {
  if (perSecond === undefined) return undefined;
  return before?.perSecond === perSecond ? before : new Bucket(perSecond);
}
