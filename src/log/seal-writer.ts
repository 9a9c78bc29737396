/**
 * Appends to the last file of the seal log and goes on in the next one. Seals that come together share one write and one
 * fdatasync. Must never begin a write before the one before it is durable, nor write to a file after it has tried the next.
 */

import { LogsealError } from '../errors.ts';
import type { DiskFile } from '../lib/file-system.ts';
import { isFullError, writeAll } from '../lib/file-system.ts';
import { bodyCrcOf, encodeFrameHeader, frameBytes, frameHeaderBytes, paddingOf } from '../lib/frame.ts';
import type { FrameFileHeader } from '../lib/frame-file.ts';
import { fileHeaderBytes } from '../lib/frame-file.ts';
import type { SealFiles, SealTail } from './seal-file.ts';
import { entryBytesMax, fillSpare, startSealFile } from './seal-file.ts';

interface Append {
  text: Buffer;
  resolve(entry: number): void;
  reject(error: Error): void;
}

export class SealWriter {
  readonly #files: SealFiles;
  readonly #started: (firstEntry: number) => void;
  #header: FrameFileHeader;
  #file: DiskFile;
  #end: number;
  #offsets: number[];
  #queue: Append[] = [];
  #flying: Append[] = [];
  #running: Promise<void> | undefined;
  #spareFilled = true;
  #failure: LogsealError | undefined;
  #closing = false;

  /** `started` is told the first entry of each new file. The spare file is filled. */
  constructor(files: SealFiles, tail: SealTail, started: (firstEntry: number) => void) {
    this.#files = files;
    this.#started = started;
    this.#header = tail.header;
    this.#file = tail.file;
    this.#end = tail.end;
    this.#offsets = tail.offsets;
  }

  /** Entries that are on disk. */
  get size(): number {
    return this.#header.number + this.#offsets.length;
  }

  /** Where the frames of the last file end. */
  get end(): number {
    return this.#end;
  }

  /** Where an entry of the last file begins. */
  offsetOf(entry: number): number | undefined {
    return this.#offsets[entry - this.#header.number];
  }

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

  async close(): Promise<void> {
    this.#closing = true;
    while (this.#running !== undefined) await this.#running;
    await this.#file.close();
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
      // Always changed at the same fill, whatever waits: the next file's name may be on disk already, with this one's end.
      const full = this.#end + frameBytes(entryBytesMax) > this.#files.fileBytes;
      if (full && !(await this.#changeFile())) return;
      this.#flying = this.#takeGroup();
      await this.#write(this.#flying);
      this.#flying = [];
    }
  }

  #takeGroup(): Append[] {
    let end = this.#end;
    let count = 0;
    for (const { text } of this.#queue) {
      end += frameBytes(text.length);
      if (end > this.#files.fileBytes) break;
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
    const header = { number: this.size, id: this.#header.id, previousEnd: this.#end, createdMs: 0 };
    try {
      if (!this.#spareFilled) await fillSpare(this.#files);
      this.#spareFilled = false;
      const file = await startSealFile(this.#files, header);
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
    this.#started(header.number);
    await this.#fillSpare();
    return true;
  }

  /** Without room now, it is tried again when the file is needed. */
  async #fillSpare(): Promise<void> {
    try {
      await fillSpare(this.#files);
      this.#spareFilled = true;
    } catch (error) {
      if (!isFullError(error)) throw error;
    }
  }

  #fail(cause: unknown): void {
    const { directory } = this.#files;
    const what = `the seal log in ${directory} failed to reach the disk; it must be recovered`;
    this.#failure = new LogsealError('WAL_FAILED', what, { cause, directory });
    for (const append of [...this.#flying, ...this.#queue.splice(0)]) append.reject(this.#failure);
    this.#flying = [];
  }
}
