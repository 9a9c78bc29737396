/**
 * How much the log holds, how much more it may take, and what is given up when there is no room: first segments that are
 * kept only for `keepMs`, then (for seals and control records alone) the reserve.
 * Owns the list of segments and the deletion of old ones. Must never delete a segment that is not wholly before the
 * position given to `trim`, nor the one that is written to.
 */

import type { Clock, Timer } from '../lib/clock.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { segmentPath } from './format.ts';
import type { Position } from './position.ts';
import { comparePositions } from './position.ts';
import type { RecoveredSegment } from './recovery.ts';
import type { Reserve } from './reserve.ts';
import { roundUp } from './reserve.ts';
import { firstOffset } from './segment.ts';

/** What an append may use: `reserve` is for what lets a full log drain. */
export type Space = 'normal' | 'reserve';

export interface SpaceOptions {
  fs: FileSystem;
  clock: Clock;
  directory: string;
  bytesMax: number;
  reserveBytes: number;
  segmentBytes: number;
  keepMs: number;
  segments: RecoveredSegment[];
  reserve: Reserve;
}

/** How often a full disk is looked at. */
const fullCheckMs = 1000;
/** Room beside the reserve that must be free before a disk that was full takes normal appends again. */
const roomToResumeBytes = 16 * 1024 * 1024;

export class LogSpace {
  readonly #options: SpaceOptions;
  readonly #segments: RecoveredSegment[];
  #before: Position = { segment: 0, offset: 0 };
  /** Bytes in segments that are closed: still wanted, and kept for a while. */
  #closedBytes = 0;
  #keptBytes = 0;
  #diskFull: boolean;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: SpaceOptions) {
    this.#options = options;
    this.#segments = options.segments;
    this.#diskFull = options.reserve.bytes < options.reserveBytes;
    if (this.#diskFull) this.#watchDisk();
    this.#count();
  }

  /** Bytes that are still wanted. Segments kept after that do not count: they go when room is needed. */
  get usedBytes(): number {
    return this.#closedBytes + this.#active.end;
  }

  /** Segments whose payloads stand in clear. */
  get clearSegments(): number {
    return this.#segments.filter((segment) => segment.inClear).length;
  }

  /** Bytes of the segments from `position` on. */
  bytesFrom({ segment, offset }: Position): number {
    let bytes = 0;
    for (const { number, end } of this.#segments) {
      if (number === segment) bytes += Math.max(0, end - Math.max(offset, firstOffset));
      else if (number > segment) bytes += end - firstOffset;
    }
    return bytes;
  }

  get diskFull(): boolean {
    return this.#diskFull;
  }

  /** Whether `bytes` more may be written. */
  admits(bytes: number, space: Space): boolean {
    const { bytesMax, reserveBytes } = this.#options;
    if (space === 'reserve') return this.usedBytes + bytes <= bytesMax + reserveBytes;
    return !this.#diskFull && this.usedBytes + bytes <= bytesMax;
  }

  /** The segment that is written to now ends at `end`. */
  grew(end: number): void {
    this.#active.end = end;
  }

  /** A new segment is written to from now on. */
  started(segment: RecoveredSegment): void {
    this.#segments.push(segment);
    this.#count();
  }

  /** Whether everything in the segment that is written to is before the trim position, and it should be given up early. */
  get activeIsWaste(): boolean {
    const { number, end } = this.#active;
    const scarce = this.#diskFull || this.usedBytes > this.#options.bytesMax / 2;
    return scarce && end > firstOffset && comparePositions(this.#before, { segment: number, offset: end }) >= 0;
  }

  /** Keeps what is on disk below `bytesMax` by giving up segments that are only kept. */
  async prepare(bytes: number): Promise<void> {
    while (this.usedBytes + this.#keptBytes + bytes > this.#options.bytesMax) {
      if (!(await this.#dropOldest())) return;
    }
  }

  /** After an overdraft on bytesMax or its end: the reserve file is as much smaller as the log is too large. */
  async balance(): Promise<void> {
    const wanted = this.#wantedReserve();
    const { reserve } = this.#options;
    if (reserve.bytes > wanted) await reserve.fit(wanted);
    else if (reserve.bytes < wanted && !this.#diskFull && !(await reserve.fit(wanted))) this.setDiskFull();
  }

  /** After ENOSPC: frees what may be freed for `space`; false if there is nothing left to free. */
  async makeRoom(bytes: number, space: Space): Promise<boolean> {
    if (await this.#dropOldest()) return true;
    return space === 'reserve' && (await this.#options.reserve.take(bytes));
  }

  /** The disk has no room: only `reserve` appends go on, until there is room again for the whole reserve and more. */
  setDiskFull(): void {
    if (this.#diskFull) return;
    this.#diskFull = true;
    this.#watchDisk();
  }

  /** Nothing before `before` is wanted any more. Deletes whole segments that have been closed for `keepMs`. */
  async trim(before: Position): Promise<void> {
    if (comparePositions(before, this.#before) > 0) this.#before = before;
    this.#count();
    const { clock, keepMs, fs, directory } = this.#options;
    let dropped = false;
    for (;;) {
      const closedMs = this.#segments[1]?.createdMs;
      const wanted = closedMs === undefined || clock.now() - closedMs < keepMs;
      if (wanted && !this.#diskFull) break;
      if (!(await this.#dropOldest())) break;
      dropped = true;
    }
    if (dropped) await fs.syncDirectory(directory);
    if (this.#diskFull) await this.#checkDisk();
    else await this.balance();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  get #active(): RecoveredSegment {
    return this.#segments[this.#segments.length - 1] as RecoveredSegment;
  }

  #isDone(segment: RecoveredSegment): boolean {
    return comparePositions(this.#before, { segment: segment.number, offset: segment.end }) >= 0;
  }

  #count(): void {
    this.#closedBytes = 0;
    this.#keptBytes = 0;
    for (const segment of this.#segments.slice(0, -1)) {
      if (this.#isDone(segment)) this.#keptBytes += segment.end;
      else this.#closedBytes += segment.end;
    }
  }

  async #dropOldest(): Promise<boolean> {
    const oldest = this.#segments[0];
    if (oldest === undefined || this.#segments.length < 2 || !this.#isDone(oldest)) return false;
    this.#segments.shift();
    this.#count();
    await this.#options.fs.remove(segmentPath(this.#options.directory, oldest.number));
    return true;
  }

  #wantedReserve(): number {
    const overdraft = Math.max(0, this.usedBytes - this.#options.bytesMax);
    return Math.max(0, this.#options.reserveBytes - roundUp(overdraft));
  }

  #watchDisk(): void {
    this.#timer = this.#options.clock.after(fullCheckMs, () => {
      // A failure to look is no failure of the log: it is looked at again.
      this.#checkDisk()
        .catch(() => undefined)
        .finally(() => {
          if (this.#diskFull && !this.#closed) this.#watchDisk();
        });
    });
  }

  async #checkDisk(): Promise<void> {
    const { fs, directory, reserve, segmentBytes } = this.#options;
    const wanted = this.#wantedReserve();
    const room = Math.min(segmentBytes, roomToResumeBytes);
    if ((await fs.freeBytes(directory)) < wanted - reserve.bytes + room) return;
    if (await reserve.fit(wanted)) this.#diskFull = false;
  }
}
