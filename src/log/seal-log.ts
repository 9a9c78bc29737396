/**
 * Every seal of the instance, for ever, in order: entry n is the n-th text that was appended.
 * Limits: an entry has at most 64 KiB. Recovery: a torn tail is dropped at open (its append was never answered), damage in
 * the last file is named at open and elsewhere when it is read (LOG_CORRUPT: entry, file, offset); ENOSPC refuses the append
 * (LOG_FULL), which needs a disk full for longer than 8 MiB of seals; any other failure is final (WAL_FAILED).
 * Assumes one process in the directory, and that fdatasync tells the truth. Must never change an entry, nor answer an append
 * before it is on disk.
 */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { LogsealError } from '../errors.ts';
import type { DiskFile, FileSystem } from '../lib/file-system.ts';
import { diskFileSystem, isFullError, writeAll } from '../lib/file-system.ts';
import { bodyCrcOf, encodeFrameHeader, frameBytes, frameHeaderBytes, paddingOf } from '../lib/frame.ts';
import type { FrameFileHeader } from '../lib/frame-file.ts';
import { fileHeaderBytes, readFrames } from '../lib/frame-file.ts';
import type { Head } from './head-file.ts';
import { readHead, writeHead } from './head-file.ts';
import type { SealTail } from './seal-file.ts';
import {
  corruptSeal,
  entryBytesMax,
  fileRoomBytes,
  fillFile,
  listSealFiles,
  openSealFile,
  rewriteTail,
  sealFileBytes,
  startSealFile,
} from './seal-file.ts';

export interface SealEntry {
  entry: number;
  text: Buffer;
}

interface Append {
  text: Buffer;
  resolve(entry: number): void;
  reject(error: Error): void;
}

export class SealLog {
  readonly #fs: FileSystem;
  readonly #directory: string;
  /** First entries of all files, ascending; the last one is written to. */
  readonly #files: number[];
  readonly #head: Head | undefined;
  readonly tornBytes: number;
  #header: FrameFileHeader;
  #file: DiskFile;
  #end: number;
  /** Offsets of the entries of the last file. */
  #offsets: number[];
  #queue: Append[] = [];
  #running: Promise<void> | undefined;
  #spareFilled = false;
  #failure: LogsealError | undefined;
  #closing = false;

  private constructor(fs: FileSystem, directory: string, files: number[], tail: SealTail, head?: Head) {
    this.#fs = fs;
    this.#directory = directory;
    this.#files = files;
    this.#head = head;
    this.#header = tail.header;
    this.#file = tail.file;
    this.#end = tail.end;
    this.#offsets = tail.offsets;
    this.tornBytes = tail.tornBytes;
  }

  /** Opens or makes the log in `directory`. Throws LOG_CORRUPT, or LOG_FULL if there is no room to start. */
  static async open(directory: string, fs: FileSystem = diskFileSystem): Promise<SealLog> {
    await fs.makeDirectory(directory);
    try {
      return await SealLog.#recover(directory, fs);
    } catch (error) {
      if (!isFullError(error)) throw error;
      throw new LogsealError('LOG_FULL', `no room in ${directory} to open the seal log`, { cause: error });
    }
  }

  static async #recover(directory: string, fs: FileSystem): Promise<SealLog> {
    const files = await listSealFiles(fs, directory);
    const head = await readHead(fs, directory);
    const spare = sparePath(directory);
    await fillFile(fs, spare);
    const last = files.at(-1);
    let tail: SealTail;
    if (last === undefined) {
      const header = { number: 0, id: randomBytes(8), previousEnd: 0, createdMs: 0 };
      const file = await startSealFile(fs, directory, spare, header);
      tail = { file, header, end: fileHeaderBytes, offsets: [], tornBytes: 0 };
      files.push(0);
    } else {
      tail = await rewriteTail(fs, directory, last, spare);
    }
    const log = new SealLog(fs, directory, files, tail, head);
    if (head !== undefined && head.size > log.size) {
      await log.close();
      throw corruptSeal(
        log.size,
        tail.end,
        tail.header.number,
        `the log ends here, its head knows ${head.size} entries`,
      );
    }
    await fillFile(fs, spare);
    log.#spareFilled = true;
    return log;
  }

  /** Entries that are on disk. */
  get size(): number {
    return this.#header.number + this.#offsets.length;
  }

  /** Resolves with the entry's number when it is on disk. Several at once share one write. */
  append(text: Buffer): Promise<number> {
    if (text.length === 0 || text.length > entryBytesMax) {
      throw new RangeError(`an entry has 1 to ${entryBytesMax} bytes, not ${text.length}`);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing) return Promise.reject(new LogsealError('STOPPING', 'the seal log is closing'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ text, resolve, reject });
      this.#start();
    });
  }

  /** Entries from `from` on, as many as there were when it began; reads at most one file to find the first. */
  async *read(from: number): AsyncGenerator<SealEntry> {
    const end = this.size;
    let entry = from;
    while (entry < end) {
      const index = this.#files.findLastIndex((first) => first <= entry);
      const first = this.#files[index];
      if (first === undefined) throw new RangeError(`there is no entry ${from}`);
      const next = this.#files[index + 1];
      for await (const found of this.#readFile(first, next, entry, Math.min(end, next ?? end))) {
        yield found;
        entry = found.entry + 1;
      }
    }
  }

  /** Keeps what the owner knows after the first `size` entries, all of which are on disk. */
  async saveHead(blob: Buffer, size = this.size): Promise<void> {
    if (size > this.size) throw new RangeError(`a head of ${size} entries, the log has ${this.size}`);
    await writeHead(this.#fs, this.#directory, { size, blob });
  }

  /** The head as it was at open. */
  loadHead(): Head | undefined {
    return this.#head;
  }

  async close(): Promise<void> {
    this.#closing = true;
    while (this.#running !== undefined) await this.#running;
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Entries `from` to `to` (exclusive) of one file. */
  async *#readFile(first: number, next: number | undefined, from: number, to: number): AsyncGenerator<SealEntry> {
    // Taken before anything is awaited: meanwhile an append may go on in a new file.
    const end = this.#end;
    const known = next === undefined ? this.#offsets[from - first] : undefined;
    const { file, header } = await openSealFile(this.#fs, this.#directory, first);
    try {
      const bound = next === undefined ? end : await this.#endBefore(next);
      let offset = known ?? fileHeaderBytes;
      let entry = known === undefined ? first : from;
      while (entry < to) {
        const run = await readFrames(file, header, offset, bound);
        if (run.frames.length === 0)
          throw corruptSeal(entry, offset, first, 'the frame is missing or fails its checksum');
        for (const frame of run.frames) {
          if (entry >= from && entry < to) yield { entry, text: frame.payload };
          entry += 1;
        }
        offset = run.next;
      }
    } finally {
      await file.close();
    }
  }

  async #endBefore(next: number): Promise<number> {
    const { file, header } = await openSealFile(this.#fs, this.#directory, next);
    await file.close();
    return header.previousEnd;
  }

  #start(): void {
    this.#running ??= Promise.resolve()
      .then(() => this.#run())
      .catch((cause: unknown) => this.#fail(cause))
      .finally(() => {
        this.#running = undefined;
        if (this.#queue.length > 0) this.#start();
      });
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      if (this.#end > fileRoomBytes && !(await this.#changeFile())) return;
      const group = this.#takeGroup();
      try {
        await this.#write(group);
      } catch (error) {
        this.#queue.unshift(...group);
        throw error;
      }
    }
  }

  #takeGroup(): Append[] {
    let bytes = 0;
    let count = 0;
    for (const { text } of this.#queue) {
      bytes += frameBytes(text.length);
      if (count > 0 && this.#end + bytes > sealFileBytes) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #write(group: Append[]): Promise<void> {
    const parts: Buffer[] = [];
    const offsets: number[] = [];
    let offset = this.#end;
    for (const { text } of group) {
      const header = Buffer.alloc(frameHeaderBytes);
      const fields = { length: text.length, group: this.#end, bodyCrc: bodyCrcOf(text) };
      encodeFrameHeader(header, 0, this.#header, offset, fields);
      parts.push(header, text, paddingOf(text.length));
      offsets.push(offset);
      offset += frameBytes(text.length);
    }
    await writeAll(this.#file, parts, this.#end);
    await this.#file.syncBytes();
    const first = this.size;
    this.#end = offset;
    this.#offsets.push(...offsets);
    for (const [index, append] of group.entries()) append.resolve(first + index);
  }

  /** Goes on in the next file. False if there is no room for one: then what waits is refused. */
  async #changeFile(): Promise<boolean> {
    const { id } = this.#header;
    const header = { number: this.size, id, previousEnd: this.#end, createdMs: 0 };
    try {
      const spare = sparePath(this.#directory);
      if (!this.#spareFilled) await fillFile(this.#fs, spare);
      this.#spareFilled = false;
      const file = await startSealFile(this.#fs, this.#directory, spare, header);
      await this.#file.close();
      this.#file = file;
    } catch (error) {
      if (!isFullError(error)) throw error;
      const refusal = new LogsealError('LOG_FULL', 'no room for the next file of the seal log', { cause: error });
      for (const append of this.#queue.splice(0)) append.reject(refusal);
      return false;
    }
    this.#header = header;
    this.#end = fileHeaderBytes;
    this.#offsets = [];
    this.#files.push(header.number);
    await this.#fillSpare();
    return true;
  }

  /** Without room now, it is tried again when the file is needed. */
  async #fillSpare(): Promise<void> {
    try {
      await fillFile(this.#fs, sparePath(this.#directory));
      this.#spareFilled = true;
    } catch (error) {
      if (!isFullError(error)) throw error;
    }
  }

  #fail(cause: unknown): void {
    this.#failure = new LogsealError('WAL_FAILED', 'the seal log failed to reach the disk; it must be recovered', {
      cause,
    });
    for (const append of this.#queue.splice(0)) append.reject(this.#failure);
  }
}

function sparePath(directory: string): string {
  return join(directory, 'next.tmp');
}
