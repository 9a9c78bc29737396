/**
 * How far delivery has come, on disk. Owns the order: places before the cursor that passes them, `sent` marks before what
 * lies beyond them is sent, the cursor before the log is trimmed to it. Everything between a cursor and its `sent` mark is of
 * unknown outcome after a restart, so a mark goes ahead by a stride: one write for many batches, and little to look up.
 */
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';
import type { Places } from './places.ts';

export interface ParkedCursor {
  position: Position;
  seq: number;
  blockedMs: number;
}

export interface LaneCursor {
  dests: string[];
  position: Position;
  sent: Position;
  blockedMs: number;
  parked: ParkedCursor[];
}

export interface CursorValue {
  main: Position;
  sent: Position;
  /** Every seal before it is published. */
  seals: Position;
  lanes: LaneCursor[];
}

/** Something that keeps one value durably: the cursor file, or a test's. */
export interface CursorStore {
  save(value: CursorValue): Promise<void>;
}

/** Before every frame; stands for the oldest frame that is kept. */
export const beginning: Position = { segment: 0, offset: 0 };

/** Where a reader opens for a position that may be the beginning. */
export function readFrom(position: Position): Position | undefined {
  return position.segment === 0 ? undefined : position;
}

const sentStrideBytes = 32 * 1024 * 1024;

export function earliest(positions: readonly Position[], bound: Position): Position {
  return positions.reduce((least, position) => (comparePositions(position, least) < 0 ? position : least), bound);
}

/** What no reader needs any more lies before this. */
export function neededFrom(value: CursorValue): Position {
  const lanes = value.lanes.flatMap((lane) => [lane.position, ...lane.parked.map((parked) => parked.position)]);
  return earliest([value.seals, ...lanes], value.main);
}

/** The cursor, with everything before `position` of unknown outcome. */
export function sentAtLeast(value: CursorValue | undefined, position: Position): CursorValue {
  const later = (sent: Position) => (comparePositions(sent, position) < 0 ? position : sent);
  const { main, sent, seals, lanes } = value ?? { main: beginning, sent: beginning, seals: beginning, lanes: [] };
  return { main, sent: later(sent), seals, lanes: lanes.map((lane) => ({ ...lane, sent: later(lane.sent) })) };
}

/** Checks a value that was read back. Throws TypeError for another shape. */
export function readCursorValue(value: unknown): CursorValue {
  const cursor = value as CursorValue;
  const whole = isPosition(cursor?.main) && isPosition(cursor.sent) && isPosition(cursor.seals);
  if (!whole || !Array.isArray(cursor.lanes) || !cursor.lanes.every(isLane)) {
    throw new TypeError('the delivery cursor has an unknown shape');
  }
  return cursor;
}

function isPosition(value: unknown): value is Position {
  const position = value as Position | undefined;
  return Number.isSafeInteger(position?.segment) && Number.isSafeInteger(position?.offset);
}

function isLane(lane: LaneCursor): boolean {
  return Array.isArray(lane.dests) && isPosition(lane.position) && isPosition(lane.sent) && Array.isArray(lane.parked);
}

export class CursorKeeper {
  readonly #store: CursorStore;
  readonly #places: Places;
  readonly #snapshot: () => CursorValue;
  readonly #trim: (before: Position) => void;
  #turn: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(store: CursorStore, places: Places, snapshot: () => CursorValue, trim: (before: Position) => void) {
    this.#store = store;
    this.#places = places;
    this.#snapshot = snapshot;
    this.#trim = trim;
  }

  /** Resolves when a value taken at or after this call is on disk. */
  save(): Promise<void> {
    this.#next ??= this.#turn.then(async () => {
      this.#next = undefined;
      const value = this.#snapshot();
      await this.#places.save();
      await this.#store.save(value);
      this.#trim(neededFrom(value));
    });
    const next = this.#next;
    this.#turn = next.catch(() => undefined);
    return next;
  }
}

/** A `sent` mark: how far one reader may send. */
export class SentMark {
  /** Goes into the cursor; on disk only up to `#durable`. */
  wanted: Position;
  #durable: Position;
  #resets = 0;

  /** `durable`: what the cursor on disk says of this reader already. */
  constructor(wanted: Position, durable: Position) {
    this.wanted = wanted;
    this.#durable = durable;
  }

  /** Others have sent what this reader would meet again after a restart. Nothing of it is lost with the next save. */
  raise(position: Position): void {
    if (comparePositions(position, this.wanted) > 0) this.wanted = position;
  }

  /** The reader now also brings what the cursor on disk gives to another: it sends nothing before the next save. */
  cover(position: Position): void {
    this.raise(position);
    this.#durable = beginning;
    this.#resets += 1;
  }

  /** Moves the mark to at least `next`, and resolves when it is on disk. */
  async reach(next: Position, keeper: CursorKeeper): Promise<void> {
    while (comparePositions(next, this.#durable) > 0) {
      if (comparePositions(next, this.wanted) > 0) {
        this.wanted = { segment: next.segment, offset: next.offset + sentStrideBytes };
      }
      const { wanted } = this;
      const resets = this.#resets;
      await keeper.save();
      if (resets === this.#resets && comparePositions(wanted, this.#durable) > 0) this.#durable = wanted;
    }
  }
}
