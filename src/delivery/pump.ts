/**
 * The main reader: follows the log to its durable end, makes batches and sends several at once. Destinations that refuse are
 * given to lanes and left out from then on. Reads no further ahead than `windowBytesMax` of frames that are not answered for,
 * so memory is bounded while the search engine is away.
 */
import { entryKinds } from '../journal/entry-kind.ts';
import { BufferPool } from '../lib/buffer-pool.ts';
import type { Clock } from '../lib/clock.ts';
import { diskFileSystem } from '../lib/file-system.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';
import type { Frame } from '../wal/reader.ts';
import { WalReader } from '../wal/reader.ts';
import type { Adaptive } from './adaptive.ts';
import { Bell } from './bell.ts';
import { readFrom } from './cursor-keeper.ts';
import type { Destination, Destinations } from './destinations.ts';
import type { Attempt, Dispatch } from './dispatch.ts';
import { InFlight } from './in-flight.ts';
import type { Item } from './item.ts';
import { recordsFrame } from './item.ts';
import { ItemReader } from './item-reader.ts';
import type { Refusal } from './outcomes.ts';
import { Backoff, pause } from './retry-policy.ts';

export interface PumpOptions {
  dir: LogDirectory;
  from: Position;
  /** Records before it may have been sent by an earlier process. */
  unknownUntil: Position;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  destinations: Destinations;
  dispatch: Dispatch;
  adaptive: Adaptive;
  windowBytesMax: number;
  batchItemsMax: number;
  backoffMsMax: number;
  /** Makes the `sent` mark reach this, durably. */
  sent(next: Position): Promise<void>;
  /** A destination refuses: from `position` on its records are a lane's. */
  divert(destination: Destination, position: Position, why: Refusal): void;
  seal(frame: Frame): void;
  /** The first unanswered frame, or a destination's count, has moved. */
  moved(): void;
  /** So many more records are a lane's to bring. */
  leftOut(count: number): void;
}

/** Tries of a refused record before its destination gets a lane. */
const triesMax = 2;
const busyTriesMax = 7;
/** Longest pause while nobody answers the door: what waits should not wait for us once somebody does. */
const knockMsMax = 1000;
/** Memory that frames were read into, kept for the next ones. */
const keptBytesMax = 32 * 1024 * 1024;

export class Pump {
  readonly #options: PumpOptions;
  readonly #inFlight: InFlight;
  readonly #items: ItemReader;
  readonly #bell = new Bell();
  readonly #memory = new BufferPool(keptBytesMax);
  /** Frames with unanswered items, by the memory that they stand in; it is lent again once there are none. */
  readonly #uses = new Map<ArrayBufferLike, number>();
  #reader: WalReader | undefined;
  #routed: Position;
  #limit: Position;
  #queue: Item[] = [];
  #queueBytes = 0;
  readonly #carrying = new Set<Promise<void>>();
  /** Records of the frames that were looked at, and those of them that are not settled. */
  records = 0;
  pending = 0;

  constructor(options: PumpOptions, limit: Position) {
    this.#options = options;
    this.#inFlight = new InFlight(options.from);
    this.#items = new ItemReader(options.destinations);
    this.#routed = options.from;
    this.#limit = limit;
  }

  /** Everything before it is answered for or belongs to a lane. */
  get position(): Position {
    return this.#inFlight.position;
  }

  /** Every frame before it has been looked at: its records are in memory, done, or a lane's. */
  get routed(): Position {
    return this.#routed;
  }

  get inFlight(): InFlight {
    return this.#inFlight;
  }

  grew(durable: Position): void {
    this.#limit = durable;
    this.#bell.ring();
  }

  /** Runs until the signal; what is under way then is waited for. */
  async run(): Promise<void> {
    const { signal, from } = this.#options;
    signal.addEventListener('abort', () => this.#bell.ring());
    this.#reader = await WalReader.open(this.#options.dir, readFrom(from), diskFileSystem, this.#memory);
    while (!signal.aborted) {
      const frames = this.#hasRoom() ? await this.#reader.next(this.#limit) : undefined;
      if (frames !== undefined) await this.#take(frames);
      else if (this.#queue.length > 0 && this.#options.adaptive.free) await this.#startBatch();
      else await this.#bell.wait();
    }
    await Promise.all(this.#carrying);
    await this.#reader.close();
  }

  #hasRoom(): boolean {
    return this.#inFlight.bytes < this.#options.windowBytesMax;
  }

  async #take(frames: readonly Frame[]): Promise<void> {
    const [first] = frames;
    if (first !== undefined) this.#use(first.payload, 1);
    for (const frame of frames) this.#route(frame);
    if (first !== undefined) this.#use(first.payload, -1);
    const { adaptive, batchItemsMax, signal } = this.#options;
    while (!signal.aborted && (this.#queueBytes >= adaptive.batchBytes || this.#queue.length >= batchItemsMax)) {
      await this.#startBatch();
    }
  }

  /** One frame at once, without waiting: a lane that catches up with `routed` must find no frame half taken. */
  #route(frame: Frame): void {
    const { position, next, payload } = frame;
    if (payload[0] === entryKinds.records) {
      const records = recordsFrame(payload, position, next);
      const unknown = comparePositions(position, this.#options.unknownUntil) < 0;
      const before = this.#queue.length;
      this.#queueBytes += this.#items.read(records, unknown, isMain, this.#queue);
      for (let i = before; i < this.#queue.length; i += 1) (this.#queue[i] as Item).destination.inMain += 1;
      this.records += records.header.count;
      this.pending += records.pending;
      if (records.pending < records.header.count) this.#options.leftOut(records.header.count - records.pending);
      this.#inFlight.add(records);
      if (records.pending > 0) this.#use(payload, 1);
    } else {
      this.#inFlight.pass(next);
      if (payload[0] === entryKinds.seal) this.#options.seal({ ...frame, payload: Buffer.from(payload) });
    }
    this.#routed = next;
    this.#options.moved();
  }

  async #startBatch(): Promise<void> {
    const { adaptive } = this.#options;
    await adaptive.enter();
    const batch = this.#takeBatch();
    const carried = this.#carry(batch).finally(() => {
      this.#carrying.delete(carried);
      adaptive.leave();
      this.#bell.ring();
    });
    this.#carrying.add(carried);
  }

  #takeBatch(): Item[] {
    const { adaptive, batchItemsMax } = this.#options;
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < batchItemsMax && bytes < adaptive.batchBytes) {
      bytes += (this.#queue[count] as Item).bytes;
      count += 1;
    }
    const batch = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    this.#queueBytes -= bytes;
    return batch;
  }

  /** Until every item is answered for or belongs to a lane. */
  async #carry(batch: readonly Item[]): Promise<void> {
    const { clock, random, signal, backoffMsMax, dispatch } = this.#options;
    const backoff = new Backoff({ minMs: 200, maxMs: backoffMsMax, random });
    let refusals = 0;
    let items = this.#keepMain(batch);
    while (items.length > 0 && !signal.aborted) {
      const attempt = await dispatch.attempt(items, () => this.#reach(items));
      const left = new Set(attempt.left.map((entry) => entry.item));
      for (const item of items) if (left.size === 0 || !left.has(item)) this.#settle(item);
      this.#tell();
      if (attempt.outage === undefined) {
        refusals += 1;
        this.#divert(attempt, refusals);
      }
      items = this.#keepMain([...left]);
      if (items.length === 0) return;
      const waitMs = backoff.next(attempt.outage?.retryAfterMs);
      await pause(clock, attempt.outage?.unreachable === true ? Math.min(waitMs, knockMsMax) : waitMs, signal);
    }
  }

  #divert(attempt: Attempt, refusals: number): void {
    for (const { item, refusal } of attempt.left) {
      if (refusal === undefined || item.destination.inLane) continue;
      const tries = refusal.kind === 'busy' ? busyTriesMax : refusal.kind === 'held' ? 1 : triesMax;
      if (refusals >= tries) this.#options.divert(item.destination, item.frame.position, refusal);
    }
  }

  /** Gives up items whose destination has a lane by now. */
  #keepMain(items: readonly Item[]): readonly Item[] {
    if (!items.some((item) => item.destination.inLane)) return items;
    const kept = items.filter((item) => {
      if (!item.destination.inLane) return true;
      this.#options.divert(item.destination, item.frame.position, laneIsOpen);
      this.#settle(item);
      this.#options.leftOut(1);
      return false;
    });
    this.#tell();
    return kept;
  }

  async #reach(items: readonly Item[]): Promise<void> {
    let last = this.#options.from;
    let frame: Item['frame'] | undefined;
    for (const item of items) {
      if (item.frame === frame) continue;
      frame = item.frame;
      if (comparePositions(frame.next, last) > 0) last = frame.next;
    }
    await this.#options.sent(last);
  }

  #settle(item: Item): void {
    item.destination.inMain -= 1;
    this.pending -= 1;
    this.#inFlight.settle(item.frame);
    if (item.frame.pending === 0) this.#use(item.frame.payload, -1);
  }

  #use(payload: Buffer, frames: 1 | -1): void {
    const uses = (this.#uses.get(payload.buffer) ?? 0) + frames;
    this.#uses.set(payload.buffer, uses);
    if (uses > 0) return;
    this.#uses.delete(payload.buffer);
    this.#memory.giveBack(payload);
  }

  /** Something was settled: once for many items. */
  #tell(): void {
    this.#options.moved();
    this.#bell.ring();
  }
}

const laneIsOpen: Refusal = { kind: 'held', status: 0, type: 'held', reason: 'waits behind earlier records' };

function isMain(destination: Destination): boolean {
  return !destination.inLane;
}
