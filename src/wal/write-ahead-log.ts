/**
 * The write-ahead log: opaque payloads, durable in order before anybody is answered for them.
 * Limits: a payload has at most 512 MiB, a segment about `segmentBytes`, the log `bytesMax` of wanted bytes and
 * `reserveBytes` beside it, the queue `queueBytesMax`.
 * Recovery: `open` drops a torn tail, names damage (WAL_CORRUPT), and writes what is still wanted anew; ENOSPC refuses
 * appends (LOG_FULL) and ends by itself; any other failure to write or sync is final (WAL_FAILED): stop, start, recover.
 * Assumes one process in the directory (lock.ts), and a disk whose fdatasync and directory fsync tell the truth.
 * Must never answer an append before it is on disk. See docs/formats/wal.md.
 */

import type { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { diskFileSystem, isFullError, isMissingError } from '../lib/file-system.ts';
import type { LogKeys } from './frame-cipher.ts';
import type { Position } from './position.ts';
import { comparePositions } from './position.ts';
import type { RecoveredLog, Recovery } from './recovery.ts';
import { noRoomToRecover, recoverLog } from './recovery.ts';
import { Reserve, reservePath } from './reserve.ts';
import { firstOffset } from './segment.ts';
import type { Space } from './space.ts';
import { LogSpace } from './space.ts';
import { GroupWriter } from './writer.ts';

export interface LogOptions {
  dir: string;
  /** Bytes of frames that are still wanted, above which `normal` appends are refused. */
  bytesMax: number;
  /** Disk space kept aside for `reserve` appends, beside `bytesMax`. */
  reserveBytes: number;
  /** About how large a segment becomes; a larger payload has one of its own. */
  segmentBytes: number;
  /** How long a segment is kept for WalReader after everything in it was done. */
  keepMs: number;
  clock: Clock;
  /** Where the work begins: everything before it is done. Undefined: all frames are wanted. */
  cursor: Position | undefined;
  /** Called once, when the log can no longer reach its disk. Every append is refused from then on. */
  fatal(error: LogsealError): void;
  /** Under which payloads are encrypted; without them they are written in clear, and only such can be read. */
  keys?: LogKeys | undefined;
  fs?: FileSystem;
  /** Bytes of appends that may wait for the disk. Default 256 MiB. */
  queueBytesMax?: number;
}

const queueBytesMaxDefault = 256 * 1024 * 1024;
const noKeys: LogKeys = { current: undefined, previous: [] };

export class WriteAheadLog {
  readonly #space: LogSpace;
  readonly #writer: GroupWriter;
  readonly #reserve: Reserve;
  readonly #bytesMax: number;
  readonly #encrypted: boolean;
  readonly #listeners: ((durable: Position) => void)[] = [];
  #trimming: Promise<unknown> = Promise.resolve();

  private constructor(options: LogOptions, fs: FileSystem, log: RecoveredLog, reserve: Reserve) {
    const { dir: directory, clock, bytesMax, reserveBytes, segmentBytes, keepMs } = options;
    const sizes = { bytesMax, reserveBytes, segmentBytes, keepMs };
    const end = log.segments.at(-1)?.end ?? 0;
    this.#bytesMax = bytesMax;
    this.#encrypted = options.keys?.current !== undefined;
    this.#reserve = reserve;
    this.#space = new LogSpace({ fs, clock, directory, ...sizes, segments: log.segments, reserve });
    this.#writer = new GroupWriter({
      fs,
      clock,
      directory,
      segmentBytes,
      queueBytesMax: options.queueBytesMax ?? queueBytesMaxDefault,
      space: this.#space,
      keys: options.keys ?? noKeys,
      header: log.header,
      file: log.file,
      end,
      marked: log.marked,
      committed: (durable) => {
        for (const listener of this.#listeners) listener(durable);
      },
      failed: options.fatal,
    });
  }

  /**
   * Recovers the log in `dir`, which is made if it is missing. The positions of frames are the same as before.
   * Throws WAL_CORRUPT for damage (with segment and offset), LOG_FULL if there is no room to write one segment anew, and
   * ENCRYPTION_KEY_MISSING or ENCRYPTION_KEY_WRONG, with nothing changed, for segments that `keys` do not open.
   */
  static async open(options: LogOptions): Promise<{ wal: WriteAheadLog; recovery: Recovery }> {
    const { dir: directory, cursor, clock, reserveBytes } = options;
    const fs = options.fs ?? diskFileSystem;
    await fs.makeDirectory(directory);
    const request = { fs, directory, cursor, keys: options.keys ?? noKeys, nowMs: clock.now() };
    const log = await recoverLog(request).catch(async (error: unknown) => {
      if (!isFullError(error)) throw error;
      await removeReserve(fs, directory);
      return recoverLog(request).catch((second: unknown) => {
        throw isFullError(second) ? noRoomToRecover(directory, second) : second;
      });
    });
    const reserve = await Reserve.open(fs, directory, reserveBytes);
    const wal = new WriteAheadLog(options, fs, log, reserve);
    if (cursor !== undefined) await wal.trim(cursor);
    return { wal, recovery: log.recovery };
  }

  /**
   * Resolves with the payload's position when it is on disk. The payload is not copied: do not touch it until then.
   * Rejects with LOG_FULL (nothing of it was kept; `reserve` appends still go on), WAL_FAILED (it may come back at the next
   * start, and nobody was told that it is there), or STOPPING. Throws RangeError for an empty or too large payload.
   */
  append(payload: Buffer, space: Space): Promise<Position> {
    return this.#writer.append(payload, space);
  }

  /** Everything before it is on disk. */
  get durable(): Position {
    return this.#writer.end;
  }

  /** Where the next frame begins, unless a new segment is begun for it. */
  get end(): Position {
    return this.#writer.end;
  }

  /** Calls `listener` after each group, with the new `durable`. It must not throw. */
  onDurable(listener: (durable: Position) => void): void {
    this.#listeners.push(listener);
  }

  /** Segments on disk whose payloads stand in clear although new ones are encrypted. */
  get clearSegments(): number {
    return this.#encrypted ? this.#space.clearSegments : 0;
  }

  /** Bytes that are wanted or wait to be written. Segments that are only kept do not count. */
  get usedBytes(): number {
    return this.#space.usedBytes + this.#writer.queuedBytes;
  }

  /** Bytes of the log from `position` to its durable end. */
  bytesFrom(position: Position): number {
    return this.#space.bytesFrom(position);
  }

  /** Bytes that `normal` appends may still take; 0 while the disk is full. */
  get freeBytes(): number {
    return this.#space.diskFull ? 0 : Math.max(0, this.#bytesMax - this.usedBytes);
  }

  /** What an empty log takes: more never has room. */
  get largestBytes(): number {
    return this.#bytesMax - firstOffset;
  }

  /** Whether a `normal` append of `bytes` would be admitted now. */
  room(bytes: number): boolean {
    return bytes <= this.freeBytes;
  }

  /** Nothing before `before` is wanted any more: whole segments go, after `keepMs`, or sooner when room is needed. */
  trim(before: Position): Promise<void> {
    const done = this.#trimming.then(async () => {
      if (comparePositions(before, this.durable) > 0) throw new RangeError('cannot trim what is not on disk');
      await this.#space.trim(before);
      if (await this.#writer.giveUpWaste()) await this.#space.trim(before);
    });
    this.#trimming = done.catch(() => undefined);
    return done;
  }

  /** Writes what waits and closes the files. */
  async close(): Promise<void> {
    this.#writer.stop();
    this.#space.close();
    await this.#trimming;
    await this.#writer.close();
    await this.#reserve.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function removeReserve(fs: FileSystem, directory: string): Promise<void> {
  try {
    await fs.remove(reservePath(directory));
  } catch (error) {
    if (!isMissingError(error)) throw error;
  }
}
