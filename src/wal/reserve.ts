/**
 * Disk space kept aside from the start, so that a full log can still take the seals and control records that let it drain.
 * A file of random bytes (a compressing file system must not make it small) that is cut shorter when space is needed.
 * Assumes that blocks freed by ftruncate can be allocated at once; a file system with snapshots of the data directory breaks
 * that. Must never make its owner fail: no room for the reserve is a state, not an error.
 */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { DiskFile, FileSystem } from '../lib/file-system.ts';
import { isFullError, isMissingError, writeAll } from '../lib/file-system.ts';

const stepBytes = 1024 * 1024;

export class Reserve {
  readonly #file: DiskFile;
  #bytes: number;
  /** One change of the file at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(file: DiskFile, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Opens or makes the file; it is as large as `bytes` afterwards if there is room. */
  static async open(fs: FileSystem, directory: string, bytes: number): Promise<Reserve> {
    const path = reservePath(directory);
    let file: DiskFile;
    try {
      file = await fs.open(path, 'edit');
    } catch (error) {
      if (!isMissingError(error)) throw error;
      file = await fs.open(path, 'create');
    }
    const reserve = new Reserve(file, await file.size());
    await reserve.fit(bytes);
    return reserve;
  }

  /** Bytes that are kept aside now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Gives up `bytes`, rounded up to whole MiB, or what is left. False if there was nothing. */
  take(bytes: number): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#bytes === 0) return false;
      await this.#shrink(Math.max(0, this.#bytes - roundUp(bytes)));
      return true;
    });
  }

  /** Makes the file `bytes` long. False if there is no room for that; then it keeps the size it had. */
  fit(bytes: number): Promise<boolean> {
    return this.#inTurn(async () => {
      if (bytes <= this.#bytes) {
        if (bytes < this.#bytes) await this.#shrink(bytes);
        return true;
      }
      const block = randomBytes(Math.min(stepBytes, bytes - this.#bytes));
      try {
        for (let at = this.#bytes; at < bytes; at += stepBytes) {
          await writeAll(this.#file, [block.subarray(0, bytes - at)], at);
        }
        await this.#file.sync();
        this.#bytes = bytes;
        return true;
      } catch (error) {
        if (!isFullError(error)) throw error;
        await this.#shrink(this.#bytes);
        return false;
      }
    });
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#file.close());
  }

  async #shrink(bytes: number): Promise<void> {
    await this.#file.truncate(bytes);
    // Some file systems give blocks back only when the shorter size is on disk.
    await this.#file.sync();
    this.#bytes = bytes;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

export function reservePath(directory: string): string {
  return join(directory, 'reserve');
}

export function roundUp(bytes: number): number {
  return Math.ceil(bytes / stepBytes) * stepBytes;
}
