/**
 * Records for whose answer a shipper is waiting (`ack: store`). Assumes that a record is watched before delivery is told
 * that the log has grown to it. Holds nothing about records that nobody watches.
 */
import type { Outcome } from '../bulk/intake.ts';
import type { Item } from './item.ts';
import type { DeliveryHost, SettledRecord } from './port.ts';

interface Range {
  from: number;
  /** One past the last. */
  end: number;
  open: number;
  /** 1 for each record that was settled: a lane may meet one again. */
  settled: Uint8Array;
}

export class Watchers {
  readonly #host: DeliveryHost;
  readonly #ranges = new Map<string, Range[]>();
  #settled: SettledRecord[] = [];

  constructor(host: DeliveryHost) {
    this.#host = host;
  }

  get any(): boolean {
    return this.#ranges.size > 0;
  }

  watch(chain: string, from: number, count: number): void {
    if (count <= 0) return;
    const ranges = this.#ranges.get(chain);
    const range = { from, end: from + count, open: count, settled: new Uint8Array(count) };
    if (ranges === undefined) this.#ranges.set(chain, [range]);
    else ranges.push(range);
  }

  watches(item: Item): boolean {
    return this.any && this.#rangeOf(item) !== undefined;
  }

  settle(item: Item, outcome: Outcome): void {
    if (!this.any) return;
    const range = this.#rangeOf(item);
    if (range === undefined) return;
    if (range.settled[item.seq - range.from] === 1) return;
    range.settled[item.seq - range.from] = 1;
    this.#settled.push({ chain: item.frame.chain, seq: item.seq, outcome });
    range.open -= 1;
    if (range.open === 0) this.unwatch(item.frame.chain, range.from);
  }

  /** Lets go of the range that begins there, if it is still watched. */
  unwatch(chain: string, from: number): void {
    const ranges = (this.#ranges.get(chain) ?? []).filter((range) => range.from !== from);
    if (ranges.length === 0) this.#ranges.delete(chain);
    else this.#ranges.set(chain, ranges);
  }

  /** Tells what was settled since the last call, in one message. */
  flush(): void {
    if (this.#settled.length === 0) return;
    const settled = this.#settled;
    this.#settled = [];
    this.#host.settled(settled);
  }

  #rangeOf(item: Item): Range | undefined {
    return this.#ranges.get(item.frame.chain)?.find((range) => range.from <= item.seq && item.seq < range.end);
  }
}
