/**
 * Group commit: one pwritev and one fdatasync serve every append that waits, while the next group fills.
 * Assumes that nobody else writes to the segment. Must never resolve an append before its fdatasync, never begin a group
 * before the one before it is durable (readers tell torn from damaged by that), and never leave bytes of a refused append
 * where a restart would find them.
 *
 *   append → queue ─┐            ┌─ room → pwritev → fdatasync → resolve, tell `committed`
 *   append → queue ─┼─ group ────┤
 *   append → queue ─┘            └─ ENOSPC → ftruncate, fsync → free kept segments, reserve → again, or LOG_FULL
 */

import { randomBytes } from 'node:crypto';
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { DiskFile, FileSystem } from '../lib/file-system.ts';
import { isFullError, writeAll } from '../lib/file-system.ts';
import {
  bodyCrcOf,
  encodeFrameHeader,
  encodeMark,
  frameHeaderBytes,
  paddingOf,
  payloadBytesMax,
} from '../lib/frame.ts';
import type { FrameFileHeader } from '../lib/frame-file.ts';
import type { Append } from './append-queue.ts';
import { AppendQueue, fullError } from './append-queue.ts';
import type { LogKeys } from './frame-cipher.ts';
import { encryptionBytes, FrameCipher, keyIdOf, nonceBytes } from './frame-cipher.ts';
import type { Position } from './position.ts';
import { createSegment, firstOffset } from './segment.ts';
import type { LogSpace, Space } from './space.ts';

export interface WriterOptions {
  fs: FileSystem;
  clock: Clock;
  directory: string;
  segmentBytes: number;
  queueBytesMax: number;
  space: LogSpace;
  keys: LogKeys;
  /** The segment to go on with; only if it is encrypted as new ones are, else a new one is begun. */
  header: FrameFileHeader;
  file: DiskFile;
  end: number;
  marked: boolean;
  committed(durable: Position): void;
  failed(error: LogsealError): void;
}

/** A group is written at once; more would only make its first append wait. */
const groupBytesMax = 8 * 1024 * 1024;

export class GroupWriter {
  readonly #options: WriterOptions;
  #header: FrameFileHeader;
  #file: DiskFile;
  #end: number;
  #marked: boolean;
  readonly #keyId: Buffer | undefined;
  #cipher: FrameCipher | undefined;
  readonly #queue: AppendQueue;
  #running: Promise<void> | undefined;
  /** Set again only by success: the next segment's name may be on disk already, with this one's end in it. */
  #rotateNext = false;
  #failure: LogsealError | undefined;
  #closing = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#header = options.header;
    this.#file = options.file;
    this.#end = options.end;
    this.#marked = options.marked;
    const { current } = options.keys;
    this.#queue = new AppendQueue(current === undefined ? 0 : encryptionBytes);
    this.#keyId = current === undefined ? undefined : keyIdOf(current);
    this.#cipher = current === undefined ? undefined : new FrameCipher(current, options.header);
    // What an earlier process began in clear, or under another key, gets no further frame.
    this.#rotateNext = this.#keyId?.toString('hex') !== options.header.keyId?.toString('hex');
  }

  /** One past the last durable frame. */
  get end(): Position {
    return { segment: this.#header.number, offset: this.#end };
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  append(payload: Buffer, space: Space): Promise<Position> {
    const refusal = this.#refusal(payload.length, space);
    if (refusal !== undefined) return Promise.reject(refusal);
    const appended = this.#queue.add(payload, space);
    this.#start();
    return appended;
  }

  /** Moves on to a new segment if everything in this one is waste, so that it can be deleted. True if it did. */
  async giveUpWaste(): Promise<boolean> {
    if (this.#failure !== undefined || this.#closing || !this.#options.space.activeIsWaste) return false;
    const waste = this.#header.number;
    this.#rotateNext = true;
    this.#start();
    await this.#running;
    return this.#header.number > waste;
  }

  /** Later appends are refused. */
  stop(): void {
    this.#closing = true;
  }

  /** Writes what waits, then a mark, and closes the segment. */
  async close(): Promise<void> {
    this.stop();
    while (this.#running !== undefined) await this.#running;
    try {
      if (this.#failure === undefined && !this.#marked) {
        await writeAll(this.#file, [encodeMark(this.#header, this.#end)], this.#end);
        await this.#file.syncBytes();
      }
    } catch (error) {
      // The mark only sharpens the next start's judgement; a torn one is a torn tail.
      if (!isFullError(error)) throw error;
    } finally {
      await this.#file.close();
    }
  }

  #refusal(length: number, space: Space): LogsealError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closing) return new LogsealError('STOPPING', 'the write-ahead log is closing');
    const lengthMax = payloadBytesMax - encryptionBytes;
    if (length === 0 || length > lengthMax)
      throw new RangeError(`a payload has 1 to ${lengthMax} bytes, not ${length}`);
    const bytes = this.#queue.bytes + this.#queue.bytesOf(length);
    if (bytes > this.#options.queueBytesMax && this.#queue.bytes > 0) {
      return fullError('the queue of the write-ahead log', { queuedBytes: this.#queue.bytes });
    }
    return this.#options.space.admits(bytes, space) ? undefined : fullError('the write-ahead log', { space });
  }

  #start(): void {
    // A tick later, so that appends made together share the first group too.
    this.#running ??= Promise.resolve()
      .then(() => this.#run())
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#running = undefined;
        if (this.#queue.first !== undefined && this.#failure === undefined) this.#start();
      });
  }

  async #run(): Promise<void> {
    while (this.#queue.first !== undefined || this.#rotateNext) {
      const { first } = this.#queue;
      if (first !== undefined && this.#end > firstOffset && this.#end + first.bytes > this.#options.segmentBytes) {
        this.#rotateNext = true;
      }
      if (!this.#rotateNext) await this.#commit();
      else if (!(await this.#rotate())) return;
    }
  }

  async #commit(): Promise<void> {
    const { space, segmentBytes } = this.#options;
    let appends = this.#queue.take(Math.min(groupBytesMax, segmentBytes - this.#end));
    if (space.diskFull) appends = this.#queue.refuseFlying('normal', diskFullError());
    while (appends.length > 0) {
      const bytes = appends.reduce((sum, append) => sum + append.bytes, 0);
      await space.prepare(bytes);
      if (await this.#write(appends)) {
        await this.#file.syncBytes();
        await this.#settle(bytes);
        return;
      }
      appends = await this.#afterFull(appends, bytes);
    }
  }

  /** True if all of it is with the kernel; false if there is no room, and then none of it is in the file. */
  async #write(appends: readonly Append[]): Promise<boolean> {
    try {
      await writeAll(this.#file, this.#encode(appends), this.#end);
      return true;
    } catch (error) {
      if (!isFullError(error)) throw error;
      // Durably: a refused frame that a restart finds would give its numbers to two records.
      await this.#file.truncate(this.#end);
      await this.#file.sync();
      return false;
    }
  }

  /** The bytes of a group from `#end` on. Made anew, with new nonces, when a smaller group is tried after ENOSPC. */
  #encode(appends: readonly Append[]): Buffer[] {
    const cipher = this.#cipher;
    const headers = Buffer.allocUnsafe(appends.length * frameHeaderBytes);
    const nonces = cipher === undefined ? undefined : randomBytes(appends.length * nonceBytes);
    const parts: Buffer[] = [];
    let offset = this.#end;
    for (const [index, append] of appends.entries()) {
      const at = index * frameHeaderBytes;
      const nonce = nonces?.subarray(index * nonceBytes, (index + 1) * nonceBytes);
      const body =
        cipher === undefined || nonce === undefined ? [append.payload] : cipher.encrypt(append.payload, offset, nonce);
      const length = body.reduce((sum, part) => sum + part.length, 0);
      const header = { length, group: this.#end, bodyCrc: append.bodyCrc ?? bodyCrcOf(...body) };
      encodeFrameHeader(headers, at, this.#header, offset, header);
      parts.push(headers.subarray(at, at + frameHeaderBytes), ...body);
      if (length % 8 !== 0) parts.push(paddingOf(length));
      offset += append.bytes;
    }
    return parts;
  }

  /** What of the group may be tried again. */
  async #afterFull(appends: Append[], bytes: number): Promise<Append[]> {
    const { space } = this.#options;
    const normal = appends.some((append) => append.space === 'normal');
    if (await space.makeRoom(bytes, normal ? 'normal' : 'reserve')) return appends;
    space.setDiskFull();
    return this.#queue.refuseFlying(normal ? 'normal' : undefined, diskFullError());
  }

  async #settle(bytes: number): Promise<void> {
    const { space } = this.#options;
    const position = this.end;
    this.#end += bytes;
    this.#marked = false;
    space.grew(this.#end);
    this.#queue.resolveFlying(position);
    this.#options.committed(this.end);
    await space.balance();
  }

  /** Goes on in a new segment, or refuses what waits because there is no room for one. False if nothing is left to do. */
  async #rotate(): Promise<boolean> {
    const { fs, clock, directory, space } = this.#options;
    const createdMs = clock.now();
    const { keys } = this.#options;
    const header: FrameFileHeader = {
      ...{ number: this.#header.number + 1, id: this.#header.id, previousEnd: this.#end, createdMs },
      ...(this.#keyId !== undefined && { keyId: this.#keyId }),
    };
    let file: DiskFile;
    try {
      file = await createSegment(fs, directory, header);
    } catch (error) {
      if (!isFullError(error)) throw error;
      return this.#afterFullRotation();
    }
    const old = this.#file;
    this.#rotateNext = false;
    this.#header = header;
    this.#cipher = keys.current === undefined ? undefined : new FrameCipher(keys.current, header);
    this.#file = file;
    this.#end = firstOffset;
    this.#marked = true;
    space.started({ number: header.number, createdMs, end: firstOffset, inClear: this.#keyId === undefined });
    await old.close();
    return true;
  }

  async #afterFullRotation(): Promise<boolean> {
    const { space } = this.#options;
    const normal = this.#queue.hasNormal;
    if (await space.makeRoom(1, normal ? 'normal' : 'reserve')) return true;
    space.setDiskFull();
    this.#queue.refuseWaiting(normal ? 'normal' : undefined, diskFullError());
    return this.#queue.first !== undefined;
  }

  #fail(cause: unknown): void {
    const { directory } = this.#options;
    const what = `the write-ahead log in ${directory} failed to reach the disk; it must be recovered`;
    const failure = new LogsealError('WAL_FAILED', what, { cause, directory });
    this.#failure = failure;
    this.#queue.refuseFlying(undefined, failure);
    this.#queue.refuseWaiting(undefined, failure);
    this.#options.failed(failure);
  }
}

function diskFullError(): LogsealError {
  return fullError('the disk of the write-ahead log');
}
