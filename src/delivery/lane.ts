/**
 * Brings the records of destinations that refuse, beside the main reader: a lane is only (destinations, position) and reads
 * the log again for its own, so it needs no memory for what waits. Single records that go on being refused while others pass
 * are parked, a few, and tried now and then; when the lane has caught up and none is parked, the main reader takes over.
 * Assumes that nothing of its destinations is under way in the main reader once `inMain` is 0. Its own files are not tried
 * before that.
 */
import { entryKinds } from '../journal/entry-kind.ts';
import { recordsHeaderBytes } from '../journal/records-entry.ts';
import type { Clock } from '../lib/clock.ts';
import type { EventName } from '../log.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';
import type { Frame } from '../wal/reader.ts';
import { WalReader } from '../wal/reader.ts';
import { Bell } from './bell.ts';
import type { CursorKeeper, LaneCursor } from './cursor-keeper.ts';
import { beginning, readFrom, SentMark } from './cursor-keeper.ts';
import { describeRefusal } from './describe-refusal.ts';
import type { Destination, Destinations } from './destinations.ts';
import type { Attempt, Dispatch } from './dispatch.ts';
import type { Item } from './item.ts';
import { recordsFrame, viewOf } from './item.ts';
import { ItemReader } from './item-reader.ts';
import { ParkedItems } from './parked.ts';
import { Backoff, BlockedTime, pause } from './retry-policy.ts';

export interface LaneOptions {
  dir: LogDirectory;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  destinations: Destinations;
  dispatch: Dispatch;
  keeper: CursorKeeper;
  /** How far the main reader has looked. */
  routed(): Position;
  backoffMsMin: number;
  backoffMsMax: number;
  giveUpAfterMs: number;
  batchBytesMax: number;
  batchItemsMax: number;
  parkedMax: number;
  event(level: 'info' | 'warn' | 'error', name: EventName, fields: Record<string, unknown>): void;
  /** So many records that the main reader had left out are answered for or parked. */
  brought(count: number): void;
}

/** Failed tries of a batch before its refused records are parked. */
const triesBeforeParking = 2;

export class Lane {
  readonly members = new Set<Destination>();
  readonly #options: LaneOptions;
  readonly #left: (lane: Lane) => void;
  readonly #bell = new Bell();
  readonly #items: ItemReader;
  readonly #parked: ParkedItems;
  readonly #backoff: Backoff;
  readonly #blocked: BlockedTime;
  readonly #sent: SentMark;
  #position: Position;
  #unknownUntil: Position;
  #rewound = true;
  #done = false;
  #triedMs: number | undefined;

  /** `saved`: the cursor on disk has this lane. `left` is called in the moment in which the main reader takes over. */
  constructor(options: LaneOptions, cursor: LaneCursor, saved: boolean, left: (lane: Lane) => void) {
    this.#options = options;
    this.#left = left;
    this.#position = cursor.position;
    this.#unknownUntil = cursor.sent;
    this.#sent = new SentMark(cursor.sent, saved ? cursor.sent : beginning);
    this.#blocked = new BlockedTime(cursor.blockedMs);
    this.#items = new ItemReader(options.destinations);
    const { clock, random, dispatch, backoffMsMin, backoffMsMax, giveUpAfterMs, parkedMax } = options;
    this.#backoff = new Backoff({ minMs: backoffMsMin, maxMs: backoffMsMax, random });
    this.#parked = new ParkedItems({ clock, random, dispatch, backoffMsMin, backoffMsMax, giveUpAfterMs, parkedMax });
    this.#parked.expect(cursor.parked);
    for (const name of cursor.dests) this.#admit(options.destinations.of(name));
  }

  get parked(): number {
    return this.#parked.count;
  }

  /** Time of the oldest record that is being tried; undefined while there is none in memory. */
  get oldestMs(): number | undefined {
    const { oldestMs } = this.#parked;
    return oldestMs === undefined ? this.#triedMs : Math.min(oldestMs, this.#triedMs ?? oldestMs);
  }

  get position(): Position {
    return this.#parked.earliest(this.#position);
  }

  cursor(): LaneCursor {
    return {
      dests: Array.from(this.members, (member) => member.name),
      position: this.#position,
      sent: this.#sent.wanted,
      blockedMs: Math.round(this.#blocked.ms),
      parked: this.#parked.cursor(),
    };
  }

  /** Takes over a destination, or an earlier record of one that is here already. */
  join(destination: Destination, position: Position): void {
    const isNew = !this.members.has(destination);
    this.#admit(destination);
    if (comparePositions(position, this.#position) < 0) {
      this.#position = position;
      this.#rewound = true;
    }
    if (!isNew) return;
    // What is read already was read without it.
    this.#rewound = true;
    const routed = this.#options.routed();
    if (comparePositions(routed, this.#unknownUntil) > 0) this.#unknownUntil = routed;
    this.#sent.cover(routed);
  }

  /** The log has grown, or the main reader has settled something. */
  wake(): void {
    this.#bell.ring();
  }

  /** Until the lane has caught up with the main reader, or the signal. */
  async run(): Promise<void> {
    const { signal, dir } = this.#options;
    signal.addEventListener('abort', () => this.#bell.ring());
    const reader = await WalReader.open(dir, readFrom(this.#position));
    try {
      await this.#parked.load(dir, this.#items);
      while (!signal.aborted && !this.#done) await this.#step(reader);
    } finally {
      await reader.close();
    }
  }

  async #step(reader: WalReader): Promise<void> {
    if ([...this.members].some((member) => member.inMain > 0)) {
      await this.#bell.wait();
      return;
    }
    await this.#tryParked();
    if (this.#rewound) {
      this.#rewound = false;
      const from = readFrom(this.#position);
      if (from !== undefined) reader.seek(from);
    }
    const routed = this.#options.routed();
    const frames = comparePositions(this.#position, routed) < 0 ? await reader.next(routed) : undefined;
    if (frames !== undefined) {
      await this.#bring(frames);
      return;
    }
    if (this.#rewound) return;
    this.#position = routed;
    if (this.#parked.count > 0) await this.#waitForParked();
    else if (comparePositions(routed, this.#options.routed()) === 0) this.#leave();
  }

  /** From the next frame on these destinations are the main reader's again; no await since `routed` was compared. */
  #leave(): void {
    this.#done = true;
    for (const member of this.members) {
      member.inLane = false;
      member.held = undefined;
    }
    this.#left(this);
  }

  async #bring(frames: readonly Frame[]): Promise<void> {
    const items: Item[] = [];
    const wants = (destination: Destination) => this.members.has(destination);
    for (const { payload, position, next } of frames) {
      if (payload[0] !== entryKinds.records || payload.length <= recordsHeaderBytes) continue;
      const unknown = comparePositions(position, this.#unknownUntil) < 0;
      this.#items.read(recordsFrame(payload, position, next), unknown, wants, items);
    }
    const { batchBytesMax, batchItemsMax, signal } = this.#options;
    let from = 0;
    while (from < items.length && !signal.aborted && !this.#rewound) {
      let end = from;
      let bytes = 0;
      while (end < items.length && end - from < batchItemsMax && bytes < batchBytesMax) {
        bytes += (items[end] as Item).bytes;
        end += 1;
      }
      await this.#carry(items.slice(from, end));
      if (signal.aborted) return;
      from = end;
      const following = items[from];
      if (following !== undefined && !this.#rewound) this.#position = following.frame.position;
    }
    const last = frames.at(-1);
    if (last !== undefined && !signal.aborted && !this.#rewound) this.#position = last.next;
  }

  /** Until every item is answered for or parked. */
  async #carry(batch: readonly Item[]): Promise<void> {
    const { clock, dispatch, signal } = this.#options;
    let items = batch;
    let tries = 0;
    let again = 0;
    const [first] = batch;
    this.#triedMs = first === undefined ? undefined : viewOf(first).timeMs;
    while (items.length > 0 && !signal.aborted) {
      await this.#askHeld(items);
      const attempt = await dispatch.attempt(items, () => this.#reach(items));
      again += attempt.found;
      const left = attempt.left.map((entry) => entry.item);
      if (left.length === 0) break;
      if (attempt.outage === undefined) {
        tries += 1;
        this.#note(attempt);
        if (this.#park(attempt, tries)) break;
        items = await this.#giveUp(attempt);
      } else items = left;
      if (items.length > 0) await pause(clock, this.#backoff.next(attempt.outage?.retryAfterMs), signal);
      await this.#tryParked();
    }
    this.#triedMs = undefined;
    if (signal.aborted) return;
    this.#options.brought(batch.length - again);
    this.#backoff.reset();
    this.#blocked.reset();
    for (const { destination } of batch) if (!this.#parked.has(destination)) destination.held = undefined;
  }

  /** A held destination is asked about again: only its facts can free it. */
  async #askHeld(items: readonly Item[]): Promise<void> {
    const { destinations } = this.#options;
    const held = new Set<Destination>();
    for (const { destination } of items) if (destination.held?.facts) held.add(destination);
    for (const destination of held) await destinations.refresh(destination);
  }

  #note(attempt: Attempt): void {
    for (const { item, refusal } of attempt.left) {
      if (refusal !== undefined) this.#options.destinations.wait(item.destination, describeRefusal(refusal));
    }
    this.#blocked.refused(this.#options.clock, this.#options.dispatch.answered);
  }

  /** True when everything that was left could be put aside. */
  #park({ left }: Attempt, tries: number): boolean {
    if (tries < triesBeforeParking || !left.every(({ refusal }) => refusal?.kind === 'refused')) return false;
    if (!this.#parked.hasRoom(left.length)) return false;
    for (const { item, refusal } of left) if (refusal !== undefined) this.#parked.add(item, refusal);
    return true;
  }

  /** Old records of a destination that was refused for long enough go to the rejects. Returns what is left. */
  async #giveUp({ left }: Attempt): Promise<Item[]> {
    const { giveUpAfterMs, clock, dispatch } = this.#options;
    const items = left.map((entry) => entry.item);
    if (this.#blocked.ms < giveUpAfterMs) return items;
    const remaining: Item[] = [];
    for (const { item, refusal } of left) {
      const old = clock.now() - viewOf(item).timeMs >= giveUpAfterMs;
      if (!old || item.destination.system || refusal === undefined) remaining.push(item);
      else remaining.push(...(await dispatch.reject([item], 'blocked', refusal)));
    }
    return remaining;
  }

  async #tryParked(): Promise<void> {
    if (this.#parked.due) await this.#parked.attempt((items) => this.#reach(items));
  }

  async #waitForParked(): Promise<void> {
    const timer = this.#options.clock.after(this.#parked.dueInMs, () => this.#bell.ring());
    await this.#bell.wait();
    timer.cancel();
  }

  async #reach(items: readonly Item[]): Promise<void> {
    let last = this.#position;
    for (const { frame } of items) if (comparePositions(frame.next, last) > 0) last = frame.next;
    await this.#sent.reach(last, this.#options.keeper);
  }

  #admit(destination: Destination): void {
    this.members.add(destination);
    destination.inLane = true;
  }
}
