/**
 * One process a data directory. The lock is the kernel's: SQLite (part of Node) holds its byte-range lock on the empty file
 * `lock`, and the kernel drops it when the process ends, however it ends; there is no stale lock, and nothing to clean up.
 * Why not others: a pid file lies after kill -9 and between containers, an abstract socket is blind between network
 * namespaces and does not exist on macOS.
 * Assumes a file system whose POSIX locks work (local disks do, NFS from version 4 on), and that nobody deletes `lock`
 * while it is held. `lock.pid` is for the message alone and decides nothing.
 * Must never write into `lock`: a damaged database could not be locked.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LogsealError } from '../errors.ts';
import { makeDirectory } from '../lib/durable-file.ts';

/** SQLITE_BUSY: another connection, of this process or another one, holds the lock. */
const busy = 5;

export class DirectoryLock {
  readonly #database: DatabaseSync;
  /** The lock lives as long as this object; it has to be reachable until it is released. */
  static readonly #held = new Set<DirectoryLock>();

  private constructor(database: DatabaseSync) {
    this.#database = database;
    DirectoryLock.#held.add(this);
  }

  /** Locks `directory`, which is made if it is missing. Throws DATA_DIR_LOCKED, naming the process that holds it. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    await makeDirectory(directory);
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(join(directory, 'lock'), { timeout: 0 });
      // In memory: nothing beside the lock file is written or left behind.
      database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    } catch (error) {
      database?.close();
      if (!(error instanceof Error && 'errcode' in error && error.errcode === busy)) {
        const problem = `cannot lock the data directory ${directory}`;
        throw new LogsealError('DATA_DIR_INVALID', problem, { cause: error, directory });
      }
      throw await lockedBy(directory);
    }
    await writeFile(join(directory, 'lock.pid'), `${process.pid}\n`, { mode: 0o600 });
    return new DirectoryLock(database);
  }

  release(): void {
    if (!DirectoryLock.#held.delete(this)) return;
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

async function lockedBy(directory: string): Promise<LogsealError> {
  const text = await readFile(join(directory, 'lock.pid'), 'utf8').catch(() => '');
  const pid = /^\d+\n$/.test(text) ? Number(text) : undefined;
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new LogsealError('DATA_DIR_LOCKED', `the data directory ${directory} is in use by ${holder}`, {
    directory,
    pid,
  });
}
