/**
 * Reads frames in order, from any thread or process, beside a log that is being written.
 * Holds no lock and writes nothing. Assumes that a given limit is at or before the writer's `durable`; without a limit it
 * reads what is there, which may include frames that are not yet on disk. Must never return a frame at or past the limit,
 * nor hold more than about 4 MiB and one frame.
 */

import { LogsealError } from '../errors.ts';
import type { BufferPool } from '../lib/buffer-pool.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { diskFileSystem } from '../lib/file-system.ts';
import { readFrames } from '../lib/frame-file.ts';
import { corrupt, listSegments } from './format.ts';
import type { FrameCipher, LogDirectory } from './frame-cipher.ts';
import { cipherOf, pathOf } from './frame-cipher.ts';
import type { Position } from './position.ts';
import { comparePositions, describePosition } from './position.ts';
import type { OpenSegment } from './segment.ts';
import { firstOffset, openSegment, readSegmentHeader } from './segment.ts';

export interface Frame {
  position: Position;
  /** Where reading goes on after this frame: what a cursor holds when the frame is done. */
  next: Position;
  /** A view into memory that belongs to the frames of one `next` call together, and is lent where the reader has a pool. */
  payload: Buffer;
}

interface Bound {
  bound: number;
  closed: boolean;
}

export class WalReader {
  readonly #fs: FileSystem;
  readonly #log: LogDirectory;
  readonly #directory: string;
  readonly #pool: BufferPool | undefined;
  #at: Position | undefined;
  #open: OpenSegment | undefined;
  /** Of the open segment; undefined if it is in clear. */
  #cipher: FrameCipher | undefined;

  private constructor(fs: FileSystem, log: LogDirectory, from: Position | undefined, pool: BufferPool | undefined) {
    this.#fs = fs;
    this.#pool = pool;
    this.#log = log;
    this.#directory = pathOf(log);
    this.#at = from;
  }

  /** Begins at `from`, or at the oldest frame that is kept. Memory comes from `pool`, to which the caller gives it back. */
  static async open(
    dir: LogDirectory,
    from: Position | undefined,
    fs: FileSystem = diskFileSystem,
    pool?: BufferPool,
  ): Promise<WalReader> {
    const reader = new WalReader(fs, dir, from, pool);
    if (from === undefined) reader.#at = await reader.#oldest();
    return reader;
  }

  /**
   * The next frames before `limit`, at least one, up to about 4 MiB; undefined if there are none.
   * Throws WAL_CORRUPT (segment, offset) for damage, WAL_TRIMMED if the segment to read was deleted, ENCRYPTION_KEY_MISSING
   * and ENCRYPTION_KEY_WRONG for a segment that cannot be read with the keys given.
   */
  async next(limit: Position | undefined): Promise<Frame[] | undefined> {
    for (;;) {
      this.#at ??= await this.#oldest();
      if (this.#at === undefined || (limit !== undefined && comparePositions(this.#at, limit) >= 0)) return undefined;
      const step = await this.#step(this.#at, limit);
      if (step === undefined || step.length > 0) return step;
    }
  }

  /** Reading goes on at `position`, which is a frame's `position` or `next`. */
  seek(position: Position): void {
    this.#at = position;
  }

  async close(): Promise<void> {
    const opened = this.#open;
    this.#open = undefined;
    await opened?.file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Frames; none if it only moved on (to the next segment, over a mark); undefined if there is nothing more. */
  async #step(at: Position, limit: Position | undefined): Promise<Frame[] | undefined> {
    const reused = this.#open?.header.number === at.segment;
    const segment = await this.#segment(at.segment);
    if (segment === undefined) return this.#afterMissing(at);
    const end = await this.#boundOf(segment, at, limit);
    if (end.closed && at.offset === end.bound) {
      this.#at = { segment: at.segment + 1, offset: firstOffset };
      return [];
    }
    const run = await readFrames(segment.file, segment.header, at.offset, Math.max(end.bound, at.offset), this.#pool);
    if (run.next === at.offset) {
      // A writer that was started since may have written the segment anew: look once at the file that has the name now.
      await this.close();
      if (reused) return [];
      if (limit === undefined && !end.closed) return undefined;
      throw corrupt(at.segment, at.offset, 'a frame is missing or fails its checksum');
    }
    const frames = run.frames
      .filter((frame) => frame.payload.length > 0)
      .map(({ offset, next: end, payload }) => ({
        position: { segment: at.segment, offset },
        next: { segment: at.segment, offset: end },
        payload: this.#inClear(payload, at.segment, offset),
      }));
    this.#at = { segment: at.segment, offset: run.next };
    return frames;
  }

  #inClear(stored: Buffer, segment: number, offset: number): Buffer {
    const payload = this.#cipher === undefined ? stored : this.#cipher.decrypt(stored, offset);
    if (payload === undefined) throw corrupt(segment, offset, 'a frame fails its authentication');
    return payload;
  }

  /** Up to where frames may be read in this segment, and whether that is where it ends for good. */
  async #boundOf(segment: OpenSegment, at: Position, limit: Position | undefined): Promise<Bound> {
    if (limit?.segment === at.segment) return { bound: limit.offset, closed: false };
    // Looked up before the frames are read: once there is a next segment, all of this one is complete.
    const next = await readSegmentHeader(this.#fs, this.#directory, at.segment + 1);
    if (next !== undefined) return { bound: next.previousEnd, closed: true };
    return { bound: await segment.file.size(), closed: false };
  }

  /** Its end may be the same place as the start of the next segment; else what was to be read is gone. */
  async #afterMissing(at: Position): Promise<Frame[]> {
    const next = await readSegmentHeader(this.#fs, this.#directory, at.segment + 1);
    if (next === undefined || next.previousEnd !== at.offset) {
      throw new LogsealError('WAL_TRIMMED', `the write-ahead log no longer has ${describePosition(at)}`, { ...at });
    }
    this.#at = { segment: next.number, offset: firstOffset };
    return [];
  }

  async #segment(number: number): Promise<OpenSegment | undefined> {
    if (this.#open?.header.number === number) return this.#open;
    await this.close();
    const opened = await openSegment(this.#fs, this.#directory, number);
    this.#open = opened;
    this.#cipher = opened === undefined ? undefined : cipherOf(this.#log, opened.header);
    return opened;
  }

  async #oldest(): Promise<Position | undefined> {
    const { segments } = await listSegments(this.#fs, this.#directory);
    return segments[0] === undefined ? undefined : { segment: segments[0], offset: firstOffset };
  }
}
