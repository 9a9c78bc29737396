/**
 * Whether a record of the write-ahead log still waits for the search engine, as the delivery cursor on disk has it. The cursor
 * lags a little behind what was answered, so some of what waits here is stored already.
 */
import type { CursorValue, LaneCursor } from '../delivery/cursor-keeper.ts';
import { beginning } from '../delivery/cursor-keeper.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';

export class WaitingRule {
  readonly #main: Position;
  readonly #seals: Position;
  /** Before it no record waits, whatever its destination. */
  readonly #earliest: Position;
  readonly #lanes = new Map<string, LaneCursor>();
  /** Parked records by frame. */
  readonly #parked = new Map<string, Set<number>>();

  /** Without a cursor nothing was delivered yet. */
  constructor(cursor: CursorValue | undefined) {
    this.#main = cursor?.main ?? beginning;
    this.#seals = cursor?.seals ?? beginning;
    let earliest = this.#main;
    for (const lane of cursor?.lanes ?? []) {
      for (const dest of lane.dests) this.#lanes.set(dest, lane);
      for (const { position, seq } of lane.parked) {
        const seqs = this.#parked.get(keyOf(position)) ?? new Set();
        this.#parked.set(keyOf(position), seqs.add(seq));
      }
      for (const position of [lane.position, ...lane.parked.map((one) => one.position)]) {
        if (comparePositions(position, earliest) < 0) earliest = position;
      }
    }
    this.#earliest = earliest;
  }

  /** Whether any record of a frame at `position` can wait: asked before its records are looked at. */
  mayWait(position: Position): boolean {
    return comparePositions(position, this.#earliest) >= 0;
  }

  waits(dest: string, position: Position, seq: number): boolean {
    const from = this.#lanes.get(dest)?.position ?? this.#main;
    if (comparePositions(position, from) >= 0) return true;
    return this.#parked.size > 0 && this.#parked.get(keyOf(position))?.has(seq) === true;
  }

  sealWaits(position: Position): boolean {
    return comparePositions(position, this.#seals) >= 0;
  }
}

function keyOf({ segment, offset }: Position): string {
  return `${segment}:${offset}`;
}
