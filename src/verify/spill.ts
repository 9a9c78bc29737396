/**
 * Rows of many partitions in one temporary file: blocks of each are buffered, appended, and read back together.
 *
 * Owns one file that is unlinked as soon as it is open, so that nothing stays behind however the process ends.
 * Assumes that one partition fits into memory; must never hold more than its bound of buffered rows.
 */
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const blockBytesMax = 64 * 1024;

interface Partition {
  buffer: Buffer;
  used: number;
  /** Pairs of offset and length in the file. */
  blocks: number[];
  bytes: number;
}

export class Spill {
  readonly #file: number;
  readonly #bufferedBytesMax: number;
  readonly #partitions: Map<number, Partition> = new Map();
  /** One buffer for all that is read back: partitions of 20 MB each would pile up between collections. */
  #taken: Buffer = Buffer.alloc(0);
  #end = 0;
  #buffered = 0;

  constructor(file: number, bufferedBytesMax: number) {
    this.#file = file;
    this.#bufferedBytesMax = bufferedBytesMax;
  }

  /** A new empty spill in a temporary file below `directory`. */
  static open(directory: string, bufferedBytesMax: number = 32 * 1024 * 1024): Spill {
    return new Spill(openUnlinked(directory), bufferedBytesMax);
  }

  /** Appends a copy of `row` to a partition. */
  append(number: number, row: Buffer): void {
    let partition = this.#partitions.get(number);
    if (partition === undefined) {
      partition = { buffer: Buffer.alloc(0), used: 0, blocks: [], bytes: 0 };
      this.#partitions.set(number, partition);
    }
    if (partition.used + row.length > partition.buffer.length) this.#room(partition, row.length);
    row.copy(partition.buffer, partition.used);
    partition.used += row.length;
    partition.bytes += row.length;
  }

  /** Numbers of all partitions that have rows. */
  names(): number[] {
    return [...this.#partitions.keys()];
  }

  /** All rows of a partition in the order of appending; empty if there are none. A view that is good until the next `take`. */
  take(number: number): Buffer {
    const partition = this.#partitions.get(number);
    if (partition === undefined) return Buffer.alloc(0);
    this.#partitions.delete(number);
    this.#buffered -= partition.buffer.length;
    if (this.#taken.length < partition.bytes) this.#taken = Buffer.allocUnsafeSlow(partition.bytes);
    const rows = this.#taken.subarray(0, partition.bytes);
    let at = 0;
    for (let block = 0; block < partition.blocks.length; block += 2) {
      const length = partition.blocks[block + 1] ?? 0;
      readFully(this.#file, rows, at, length, partition.blocks[block] ?? 0);
      at += length;
    }
    partition.buffer.copy(rows, at, 0, partition.used);
    return rows;
  }

  close(): void {
    closeSync(this.#file);
    this.#partitions.clear();
  }

  #room(partition: Partition, bytes: number): void {
    const grown = Math.max(bytes, Math.min(blockBytesMax, Math.max(1024, partition.buffer.length * 4)));
    if (grown > partition.buffer.length) {
      if (this.#buffered + grown - partition.buffer.length > this.#bufferedBytesMax) this.#flushAll();
      const buffer = Buffer.allocUnsafe(grown);
      partition.buffer.copy(buffer, 0, 0, partition.used);
      this.#buffered += grown - partition.buffer.length;
      partition.buffer = buffer;
    }
    if (partition.used + bytes > partition.buffer.length) this.#flush(partition);
  }

  #flushAll(): void {
    for (const partition of this.#partitions.values()) {
      this.#flush(partition);
      this.#buffered -= partition.buffer.length;
      partition.buffer = Buffer.alloc(0);
    }
  }

  #flush(partition: Partition): void {
    if (partition.used === 0) return;
    let written = 0;
    while (written < partition.used) {
      written += writeSync(this.#file, partition.buffer, written, partition.used - written, this.#end + written);
    }
    partition.blocks.push(this.#end, partition.used);
    this.#end += partition.used;
    partition.used = 0;
  }
}

/** Byte strings of any length, one after the other, in a temporary file: ids and control documents. */
export class Spool {
  readonly #file: number;
  readonly #buffer: Buffer = Buffer.allocUnsafe(blockBytesMax);
  #used = 0;
  #flushed = 0;

  constructor(file: number) {
    this.#file = file;
  }

  static open(directory: string): Spool {
    return new Spool(openUnlinked(directory));
  }

  /** Where the next byte string will begin. */
  get end(): number {
    return this.#flushed + this.#used;
  }

  /** Appends and says at which offset. */
  append(bytes: Buffer): number {
    const at = this.end;
    if (bytes.length > this.#buffer.length - this.#used) this.#flush();
    if (bytes.length > this.#buffer.length) {
      writeFully(this.#file, bytes, this.#flushed);
      this.#flushed += bytes.length;
    } else {
      bytes.copy(this.#buffer, this.#used);
      this.#used += bytes.length;
    }
    return at;
  }

  read(offset: number, length: number): Buffer {
    this.#flush();
    const bytes = Buffer.allocUnsafe(length);
    readFully(this.#file, bytes, 0, length, offset);
    return bytes;
  }

  close(): void {
    closeSync(this.#file);
  }

  #flush(): void {
    writeFully(this.#file, this.#buffer.subarray(0, this.#used), this.#flushed);
    this.#flushed += this.#used;
    this.#used = 0;
  }
}

function openUnlinked(directory: string): number {
  const folder = mkdtempSync(join(directory, 'logseal-verify-'));
  const path = join(folder, 'rows');
  const file = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  rmdirSync(folder);
  fstatSync(file);
  return file;
}

function writeFully(file: number, bytes: Buffer, at: number): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(file, bytes, written, bytes.length - written, at + written);
  }
}

function readFully(file: number, into: Buffer, at: number, length: number, position: number): void {
  let done = 0;
  while (done < length) {
    const read = readSync(file, into, at + done, length - done, position + done);
    if (read === 0) throw new RangeError('a temporary file of verification is shorter than what was written to it');
    done += read;
  }
}
