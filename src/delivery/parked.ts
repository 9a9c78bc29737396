/**
 * Single records of a lane that are refused while others of their destination pass: few, kept in memory and named in the
 * cursor, tried together now and then until they are taken or given up.
 */
import { entryKinds } from '../journal/entry-kind.ts';
import { recordsHeaderBytes } from '../journal/records-entry.ts';
import type { Clock } from '../lib/clock.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import { WalReader } from '../wal/reader.ts';
import type { ParkedCursor } from './cursor-keeper.ts';
import { earliest } from './cursor-keeper.ts';
import type { Destination } from './destinations.ts';
import type { Dispatch } from './dispatch.ts';
import type { Item } from './item.ts';
import { recordsFrame, viewOf } from './item.ts';
import type { ItemReader } from './item-reader.ts';
import type { Refusal } from './outcomes.ts';
import { Backoff, BlockedTime } from './retry-policy.ts';

export interface ParkedOptions {
  clock: Clock;
  random: () => number;
  dispatch: Dispatch;
  backoffMsMin: number;
  backoffMsMax: number;
  giveUpAfterMs: number;
  parkedMax: number;
}

interface Parked {
  item: Item;
  blocked: BlockedTime;
  refusal: Refusal;
}

const parkedBytesMax = 32 * 1024 * 1024;

const notYetTried: Refusal = { kind: 'refused', status: 0, type: 'unknown', reason: 'not tried since the start' };

export class ParkedItems {
  readonly #options: ParkedOptions;
  readonly #backoff: Backoff;
  #entries: Parked[] = [];
  /** Named in the cursor and not read back yet. */
  #expected: readonly ParkedCursor[] = [];
  #bytes = 0;
  #dueAtMs = 0;

  constructor(options: ParkedOptions) {
    this.#options = options;
    const { backoffMsMin, backoffMsMax, random } = options;
    this.#backoff = new Backoff({ minMs: backoffMsMin, maxMs: backoffMsMax, random });
  }

  get count(): number {
    return this.#entries.length + this.#expected.length;
  }

  /** Time of the oldest of them that is in memory. */
  get oldestMs(): number | undefined {
    const [first] = this.#entries;
    if (first === undefined) return undefined;
    return this.#entries.reduce((least, { item }) => Math.min(least, viewOf(item).timeMs), viewOf(first.item).timeMs);
  }

  has(destination: Destination): boolean {
    return this.#entries.some((entry) => entry.item.destination === destination);
  }

  get due(): boolean {
    return this.#entries.length > 0 && this.#options.clock.monotonic() >= this.#dueAtMs;
  }

  get dueInMs(): number {
    return Math.max(1, this.#dueAtMs - this.#options.clock.monotonic());
  }

  hasRoom(count: number): boolean {
    return this.count + count <= this.#options.parkedMax && this.#bytes < parkedBytesMax;
  }

  /** The earliest of `position` and the places of all parked records. */
  earliest(position: Position): Position {
    const parked = this.#entries.map((entry) => entry.item.frame.position);
    return earliest([...parked, ...this.#expected.map((entry) => entry.position)], position);
  }

  cursor(): ParkedCursor[] {
    const entries = this.#entries.map(({ item, blocked }) => ({
      position: item.frame.position,
      seq: item.seq,
      blockedMs: Math.round(blocked.ms),
    }));
    return [...entries, ...this.#expected];
  }

  /** Keeps the record's own bytes, not the whole read they came in. */
  add(item: Item, refusal: Refusal): void {
    const { payload, position, next } = item.frame;
    const own = Buffer.concat([
      payload.subarray(0, recordsHeaderBytes),
      payload.subarray(item.at, item.at + item.bytes),
    ]);
    const frame = recordsFrame(own, position, next);
    this.#entries.push({ item: { ...item, frame, at: recordsHeaderBytes }, blocked: new BlockedTime(), refusal });
    this.#bytes += own.length;
    if (this.#entries.length === 1) this.#schedule();
  }

  expect(parked: readonly ParkedCursor[]): void {
    this.#expected = parked;
  }

  /** Reads back what the cursor names. */
  async load(dir: LogDirectory, reader: ItemReader): Promise<void> {
    const expected = this.#expected;
    for (const { position, seq, blockedMs } of expected) {
      const log = await WalReader.open(dir, position);
      const [frame] = (await log.next(undefined)) ?? [];
      await log.close();
      if (frame === undefined || frame.payload[0] !== entryKinds.records) continue;
      const items: Item[] = [];
      reader.read(recordsFrame(frame.payload, frame.position, frame.next), true, () => true, items);
      const item = items.find((candidate) => candidate.seq === seq);
      if (item === undefined) continue;
      this.add(item, notYetTried);
      const entry = this.#entries.at(-1);
      if (entry !== undefined) entry.blocked = new BlockedTime(blockedMs);
    }
    this.#expected = [];
  }

  async attempt(ready: (items: readonly Item[]) => Promise<void>): Promise<void> {
    const { dispatch, clock, giveUpAfterMs } = this.#options;
    const items = this.#entries.map((entry) => entry.item);
    const { left, outage } = await dispatch.attempt(items, () => ready(items));
    const refusals = new Map(left.map(({ item, refusal }) => [item, refusal]));
    const remaining: Parked[] = [];
    for (const entry of this.#entries) {
      if (!refusals.has(entry.item)) continue;
      entry.refusal = refusals.get(entry.item) ?? entry.refusal;
      if (outage === undefined) entry.blocked.refused(clock, dispatch.answered);
      const over = entry.blocked.ms >= giveUpAfterMs && !entry.item.destination.system;
      if (over && (await dispatch.reject([entry.item], 'blocked', entry.refusal)).length === 0) continue;
      remaining.push(entry);
    }
    this.#entries = remaining;
    this.#bytes = remaining.reduce((sum, { item }) => sum + item.frame.payload.length, 0);
    if (remaining.length === 0) this.#backoff.reset();
    this.#schedule();
  }

  #schedule(): void {
    this.#dueAtMs = this.#options.clock.monotonic() + this.#backoff.next();
  }
}
