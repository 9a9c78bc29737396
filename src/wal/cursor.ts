/**
 * A small value that has to survive: how far the log is done. Two slots in one file of fixed size, written in turn, so that
 * a save needs no new disk space and a torn one leaves the value before it.
 * Assumes one writer. Must never resolve a save before it is on disk.
 *
 *   0                          slotBytes                  2 × slotBytes
 *   ┌──────────────────────────┬──────────────────────────┐
 *   │ slot 0 (even saves)      │ slot 1 (odd saves)       │
 *   └──────────────────────────┴──────────────────────────┘
 *   slot:  0 magic (8) ‖ 8 save number u64 ‖ 16 length u32 ‖ 20 CRC-32 over bytes 0–19 and the value ‖ 24 value, JSON
 */

import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { LogsealError } from '../errors.ts';
import type { DiskFile, FileSystem } from '../lib/file-system.ts';
import { diskFileSystem, isMissingError, writeAll } from '../lib/file-system.ts';

const magic = Buffer.from('LSPCUR\r\n', 'latin1');
const slotHeaderBytes = 24;
export const slotBytes = 256 * 1024;

export class CursorFile<T> {
  readonly #file: DiskFile;
  readonly #path: string;
  #saves: number;
  #turn: Promise<void> = Promise.resolve();
  #waiting: { text: string; saved: Promise<void> } | undefined;
  #failure: LogsealError | undefined;

  private constructor(file: DiskFile, path: string, saves: number) {
    this.#file = file;
    this.#path = path;
    this.#saves = saves;
  }

  /**
   * Opens or makes the file at `path`; its directory must be there. `value` is what was saved last, undefined if nothing was.
   * `read` checks the parsed JSON and throws for a wrong shape. Throws DATA_DIR_INVALID for a file with no readable slot.
   */
  static async open<T>(
    path: string,
    read: (value: unknown) => T,
    fs: FileSystem = diskFileSystem,
  ): Promise<{ cursor: CursorFile<T>; value: T | undefined }> {
    let file: DiskFile;
    try {
      file = await fs.open(path, 'edit');
    } catch (error) {
      if (!isMissingError(error)) throw error;
      return { cursor: new CursorFile<T>(await makeFile(fs, path), path, 0), value: undefined };
    }
    const newest = await newestSlot(file, path).catch(async (error: unknown) => {
      await file.close();
      throw error;
    });
    const cursor = new CursorFile<T>(file, path, newest.saves);
    if (newest.text === '') return { cursor, value: undefined };
    const value = read(JSON.parse(newest.text));
    // What the cache shows need not be on the disk (a failed fsync before the last stop): say it again.
    await cursor.#write(newest.text);
    return { cursor, value };
  }

  /** What was saved last, read beside the process that owns the file; nothing is written. Undefined if nothing was saved. */
  static async peek<T>(
    path: string,
    read: (value: unknown) => T,
    fs: FileSystem = diskFileSystem,
  ): Promise<T | undefined> {
    let file: DiskFile;
    try {
      file = await fs.open(path, 'read');
    } catch (error) {
      if (isMissingError(error)) return undefined;
      throw error;
    }
    try {
      const text = (await newestSlot(file, path)).text;
      return text === '' ? undefined : read(JSON.parse(text));
    } finally {
      await file.close();
    }
  }

  /** Resolves when this value, or one given later, is on disk. Rejects with WAL_FAILED, for good, if the disk fails. */
  save(value: T): Promise<void> {
    const text = JSON.stringify(value);
    if (Buffer.byteLength(text) > slotBytes - slotHeaderBytes) {
      throw new RangeError(`a cursor has at most ${slotBytes - slotHeaderBytes} bytes`);
    }
    if (this.#waiting !== undefined) {
      this.#waiting.text = text;
      return this.#waiting.saved;
    }
    const saved = this.#turn.then(async () => {
      const newest = this.#waiting?.text ?? text;
      this.#waiting = undefined;
      await this.#write(newest);
    });
    this.#waiting = { text, saved };
    this.#turn = saved.catch(() => undefined);
    return saved;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#file.close();
  }

  async #write(text: string): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const saves = this.#saves + 1;
      await writeAll(this.#file, [encodeSlot(saves, text)], (saves % 2) * slotBytes);
      await this.#file.syncBytes();
      this.#saves = saves;
    } catch (cause) {
      const path = this.#path;
      this.#failure = new LogsealError('WAL_FAILED', `the cursor file ${path} failed to reach the disk`, {
        cause,
        path,
      });
      throw this.#failure;
    }
  }
}

/** Both slots hold bytes on disk, so that no later save needs room; the name comes last. */
async function makeFile(fs: FileSystem, path: string): Promise<DiskFile> {
  const temporary = `${path}.tmp`;
  const file = await fs.open(temporary, 'create');
  const empty = encodeSlot(0, '');
  await writeAll(file, [empty, Buffer.alloc(2 * slotBytes - empty.length)], 0);
  await file.sync();
  await fs.rename(temporary, path);
  await fs.syncDirectory(dirname(path));
  return file;
}

function encodeSlot(saves: number, text: string): Buffer {
  const value = Buffer.from(text);
  const bytes = Buffer.alloc(slotHeaderBytes + value.length);
  magic.copy(bytes);
  bytes.writeBigUInt64BE(BigInt(saves), 8);
  bytes.writeUInt32BE(value.length, 16);
  value.copy(bytes, slotHeaderBytes);
  bytes.writeUInt32BE(crc32(value, crc32(bytes.subarray(0, 20))), 20);
  return bytes;
}

/** Of two slots at most one is torn: the other is whole. */
async function newestSlot(file: DiskFile, path: string): Promise<{ saves: number; text: string }> {
  const slots = [await readSlot(file, 0), await readSlot(file, 1)].filter((slot) => slot !== undefined);
  const newest = slots.sort((a, b) => b.saves - a.saves)[0];
  if (newest !== undefined) return newest;
  throw new LogsealError('DATA_DIR_INVALID', `the cursor file ${path} has no readable slot`, { path });
}

async function readSlot(file: DiskFile, slot: 0 | 1): Promise<{ saves: number; text: string } | undefined> {
  const bytes = Buffer.alloc(slotBytes);
  if ((await file.read(bytes, slot * slotBytes)) < slotHeaderBytes || !bytes.subarray(0, 8).equals(magic))
    return undefined;
  const length = bytes.readUInt32BE(16);
  if (length > slotBytes - slotHeaderBytes) return undefined;
  const value = bytes.subarray(slotHeaderBytes, slotHeaderBytes + length);
  if (crc32(value, crc32(bytes.subarray(0, 20))) !== bytes.readUInt32BE(20)) return undefined;
  return { saves: Number(bytes.readBigUInt64BE(8)), text: value.toString() };
}
