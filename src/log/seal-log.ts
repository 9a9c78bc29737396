/**
 * Every seal of the instance, for ever, in order: entry n is the n-th text that was appended.
 * Limits: an entry has at most 64 KiB. Recovery: a torn tail is dropped at open (its append was never answered), damage in
 * the last file is named at open and elsewhere when it is read (LOG_CORRUPT: entry, file, offset); ENOSPC refuses the append
 * (LOG_FULL), which needs a disk that stays full for 8 MiB of seals; any other failure is final (WAL_FAILED).
 * Assumes one process in the directory, and that fdatasync tells the truth. Must never change an entry, nor answer an append
 * before it is on disk.
 */

import { randomBytes } from 'node:crypto';
import { LogsealError } from '../errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { diskFileSystem, isFullError } from '../lib/file-system.ts';
import { fileHeaderBytes, readFrames } from '../lib/frame-file.ts';
import type { Head } from './head-file.ts';
import { readHead, writeHead } from './head-file.ts';
import type { SealFiles, SealTail } from './seal-file.ts';
import {
  corruptSeal,
  fillSpare,
  listSealFiles,
  openSealFile,
  rewriteTail,
  sealFileBytes,
  startSealFile,
} from './seal-file.ts';
import { SealWriter } from './seal-writer.ts';

export interface SealEntry {
  entry: number;
  text: Buffer;
}

export interface SealLogOptions {
  fs?: FileSystem;
  /** Size of each file, a multiple of 64 KiB, at least two. Default 8 MiB. */
  fileBytes?: number;
}

export class SealLog {
  /** Bytes of a torn write that open dropped. */
  readonly tornBytes: number;
  readonly #files: SealFiles;
  /** First entries of all files, ascending; the last one is written to. */
  readonly #firsts: number[];
  readonly #head: Head | undefined;
  readonly #writer: SealWriter;

  private constructor(files: SealFiles, firsts: number[], tail: SealTail, head: Head | undefined) {
    this.#files = files;
    this.#firsts = firsts;
    this.#head = head;
    this.tornBytes = tail.tornBytes;
    this.#writer = new SealWriter(files, tail, (first) => this.#firsts.push(first));
  }

  /** Opens or makes the log in `directory`. Throws LOG_CORRUPT, or LOG_FULL if there is no room to start. */
  static async open(directory: string, options: SealLogOptions = {}): Promise<SealLog> {
    const { fs = diskFileSystem, fileBytes = sealFileBytes } = options;
    const files = { fs, directory, fileBytes };
    await fs.makeDirectory(directory);
    try {
      return await SealLog.#recover(files);
    } catch (error) {
      if (!isFullError(error)) throw error;
      throw new LogsealError('LOG_FULL', `no room in ${directory} to open the seal log`, { cause: error });
    }
  }

  static async #recover(files: SealFiles): Promise<SealLog> {
    const firsts = await listSealFiles(files.fs, files.directory);
    const head = await readHead(files.fs, files.directory);
    if (firsts.length > 0 && firsts[0] !== 0) throw corruptSeal(0, 0, 0, 'the file is missing');
    await fillSpare(files);
    const last = firsts.at(-1);
    const tail = last === undefined ? await startLog(files) : await rewriteTail(files, last);
    if (last === undefined) firsts.push(0);
    const size = tail.header.number + tail.offsets.length;
    if (head !== undefined && head.size > size) {
      await tail.file.close();
      throw corruptSeal(
        size,
        tail.end,
        tail.header.number,
        `the log ends here, but its head knows ${head.size} entries`,
      );
    }
    await fillSpare(files);
    return new SealLog(files, firsts, tail, head);
  }

  /** Entries that are on disk. */
  get size(): number {
    return this.#writer.size;
  }

  /** Resolves with the entry's number when it is on disk. Several at once share one write. */
  append(text: Buffer): Promise<number> {
    return this.#writer.append(text);
  }

  /**
   * Entries from `from` on, as many as there were when it began. Finds the first one in memory if it is in the last file,
   * else by reading at most one file; holds about 4 MiB.
   */
  async *read(from: number): AsyncGenerator<SealEntry> {
    const end = this.size;
    let entry = from;
    while (entry < end) {
      const index = this.#firsts.findLastIndex((first) => first <= entry);
      const first = this.#firsts[index];
      if (first === undefined) throw new RangeError(`there is no entry ${from}`);
      const next = this.#firsts[index + 1];
      const to = Math.min(end, next ?? end);
      yield* this.#readFile(first, next, entry, to);
      entry = to;
    }
  }

  /** Keeps what the owner knows after the first `size` entries, all of which are on disk. */
  async saveHead(blob: Buffer, size = this.size): Promise<void> {
    if (size > this.size) throw new RangeError(`a head of ${size} entries, the log has ${this.size}`);
    await writeHead(this.#files.fs, this.#files.directory, { size, blob });
  }

  /** The head as it was at open. Undefined: none, or not readable; then read from 0. */
  loadHead(): Head | undefined {
    return this.#head;
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Entries `from` to `to` (exclusive) of the file that begins with `first`. */
  async *#readFile(first: number, next: number | undefined, from: number, to: number): AsyncGenerator<SealEntry> {
    const { fs, directory } = this.#files;
    // Taken before anything is awaited: meanwhile an append may go on in a new file.
    const end = this.#writer.end;
    const known = next === undefined ? this.#writer.offsetOf(from) : undefined;
    const { file, header } = await openSealFile(fs, directory, first);
    try {
      const bound = next === undefined ? end : await endBefore(this.#files, next);
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
}

async function startLog(files: SealFiles): Promise<SealTail> {
  const header = { number: 0, id: randomBytes(8), previousEnd: 0, createdMs: 0 };
  const file = await startSealFile(files, header);
  return { file, header, end: fileHeaderBytes, offsets: [], tornBytes: 0 };
}

async function endBefore(files: SealFiles, next: number): Promise<number> {
  const { file, header } = await openSealFile(files.fs, files.directory, next);
  await file.close();
  return header.previousEnd;
}
