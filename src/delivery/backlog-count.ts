/**
 * How many records wait in the log at a start, counted while it is looked through anyway. Assumes frames in log order, from
 * the oldest place of any reader on.
 */
import { RecordView, readRecordsHeader, recordsHeaderBytes } from '../journal/records-entry.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';
import type { CursorValue } from './cursor-keeper.ts';
import type { Backlog } from './port.ts';

export class BacklogCount {
  readonly #cursor: CursorValue;
  readonly #view = new RecordView();
  readonly found: Backlog = { records: 0, inLanes: 0, oldestMs: undefined };

  constructor(cursor: CursorValue) {
    this.#cursor = cursor;
  }

  add(payload: Buffer, position: Position): void {
    const waits = comparePositions(position, this.#cursor.main) >= 0;
    const inLanes = waits ? 0 : this.#countLanes(payload, position);
    if (waits) this.found.records += readRecordsHeader(payload).count;
    this.found.inLanes += inLanes;
    if (waits || inLanes > 0) this.found.oldestMs ??= this.#view.seek(payload, recordsHeaderBytes).timeMs;
  }

  /** Before the main reader's place only records of destinations that have a lane wait. */
  #countLanes(payload: Buffer, position: Position): number {
    const lanes = this.#cursor.lanes.filter((lane) => comparePositions(position, lane.position) >= 0);
    if (lanes.length === 0) return 0;
    const dests = new Set(lanes.flatMap((lane) => lane.dests));
    let count = 0;
    for (let at = recordsHeaderBytes; at < payload.length; at = this.#view.next) {
      if (dests.has(this.#view.seek(payload, at).dest)) count += 1;
    }
    return count;
  }
}
