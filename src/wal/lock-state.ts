/**
 * Whether a process holds the lock of a data directory, without taking it from anybody: asks for a read of the locked file,
 * which the holder's lock refuses. A proxy that starts in the same instant (some microseconds) would find the directory in use.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const busy = 5;

/** `pid` is what the holder wrote, for the message only. Undefined: nobody holds it. */
export async function lockHolder(directory: string): Promise<{ pid: number | undefined } | undefined> {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(directory, 'lock'), { readOnly: true, timeout: 0 });
    database.prepare('SELECT count(*) FROM sqlite_schema').get();
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && 'errcode' in error && error.errcode === busy)) return undefined;
    const text = await readFile(join(directory, 'lock.pid'), 'utf8').catch(() => '');
    return { pid: /^\d+\n$/.test(text) ? Number(text) : undefined };
  } finally {
    database?.close();
  }
}
