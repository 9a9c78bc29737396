/**
 * The few file operations that durable files are built from, as an interface, so that tests can run out of space, fail an
 * fsync, write short, and cut the power.
 * Assumes POSIX: `sync` makes a file's bytes and size durable but not its name, `syncDirectory` makes names durable, and
 * `rename` over an existing name is atomic. Must never retry a failed sync: what it did not write may be gone from the cache.
 */

import { close, fdatasync, fstat, fsync, ftruncate, open, read, writev } from 'node:fs';
import { readdir, rename, statfs, unlink } from 'node:fs/promises';
import { platform } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { makeDirectory } from './durable-file.ts';

export interface FileSystem {
  /** `read`: existing, read only · `edit`: existing · `create`: read and write, emptied if it exists. */
  open(path: string, mode: 'read' | 'edit' | 'create'): Promise<DiskFile>;
  /** The names in a directory; empty if it does not exist. */
  names(directory: string): Promise<string[]>;
  /** With its name durable. */
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Bytes that this user can still write on the disk of `path`. */
  freeBytes(path: string): Promise<number>;
}

export interface DiskFile {
  /** Fills `target` from `position`; returns fewer bytes only at the end of the file. */
  read(target: Buffer, position: number): Promise<number>;
  /** One pwritev; may write fewer bytes than given. Use `writeAll`. */
  write(parts: readonly Buffer[], position: number): Promise<number>;
  /** fdatasync: the bytes, and the size where it grew. */
  syncBytes(): Promise<void>;
  /** fsync. */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** Writes all of `parts` at `position`, however short the single writes are. After an error any part of it may be in the file. */
export async function writeAll(file: DiskFile, parts: readonly Buffer[], position: number): Promise<void> {
  let rest = parts;
  let at = position;
  for (;;) {
    let written = await file.write(rest, at);
    at += written;
    let index = 0;
    for (; index < rest.length; index++) {
      const length = (rest[index] as Buffer).length;
      if (written < length) break;
      written -= length;
    }
    if (index === rest.length) return;
    const torn = (rest[index] as Buffer).subarray(written);
    rest = [torn, ...rest.slice(index + 1)];
  }
}

/** Replaces a small file: whoever reads it, also after a crash, finds the old bytes or the new ones. */
export async function replaceDurably(fs: FileSystem, path: string, parts: readonly Buffer[]): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await fs.open(temporary, 'create');
  try {
    await writeAll(file, parts, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await fs.rename(temporary, path);
  await fs.syncDirectory(dirname(path));
}

/** No room on the disk, in the quota, or in the file system's largest file: full, not broken. */
export function isFullError(error: unknown): boolean {
  const code = errorCodeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}

export function isMissingError(error: unknown): boolean {
  return errorCodeOf(error) === 'ENOENT';
}

function errorCodeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

const calls = {
  open: promisify(open),
  read: promisify(read) as (fd: number, target: Buffer, offset: number, length: number, position: number) => ReadResult,
  writev: promisify(writev) as (fd: number, parts: readonly Buffer[], position: number) => WriteResult,
  fdatasync: promisify(fdatasync),
  fsync: promisify(fsync),
  ftruncate: promisify(ftruncate),
  fstat: promisify(fstat),
  close: promisify(close),
};
type ReadResult = Promise<{ bytesRead: number }>;
type WriteResult = Promise<{ bytesWritten: number }>;

class NodeFile implements DiskFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async read(target: Buffer, position: number): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      const { bytesRead } = await calls.read(this.#fd, target, filled, target.length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  async write(parts: readonly Buffer[], position: number): Promise<number> {
    return (await calls.writev(this.#fd, parts, position)).bytesWritten;
  }

  syncBytes(): Promise<void> {
    return calls.fdatasync(this.#fd);
  }

  sync(): Promise<void> {
    return calls.fsync(this.#fd);
  }

  truncate(bytes: number): Promise<void> {
    return calls.ftruncate(this.#fd, bytes);
  }

  async size(): Promise<number> {
    return (await calls.fstat(this.#fd)).size;
  }

  close(): Promise<void> {
    return calls.close(this.#fd);
  }
}

const flags = { read: 'r', edit: 'r+', create: 'w+' } as const;

/** The machine's own files. New files are readable by their owner alone. */
export const diskFileSystem: FileSystem = {
  async open(path, mode) {
    return new NodeFile(await calls.open(path, flags[mode], 0o600));
  },
  async names(directory) {
    try {
      return await readdir(directory);
    } catch (error) {
      if (isMissingError(error)) return [];
      throw error;
    }
  },
  makeDirectory,
  rename,
  remove: unlink,
  async syncDirectory(path) {
    // Windows cannot open a directory for fsync; it is no platform for promises about power loss.
    if (platform() === 'win32') return;
    const fd = await calls.open(path, 'r');
    try {
      await calls.fsync(fd);
    } finally {
      await calls.close(fd);
    }
  },
  async freeBytes(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};
