/** What a start says when the disk has no room for it: where, how much is free, and how much it takes. Assumes nothing was accepted yet. */
import type { Config } from '../config/config.ts';
import { LogsealError } from '../errors.ts';
import { diskFileSystem, isFullError } from '../lib/file-system.ts';

/** Cursors, the log of seals and its spare file, small files. */
const fixedBytes = 20 * 1024 * 1024;

/** The error to end with: LOG_FULL for a full disk, naming file and bytes; any other as it is. */
export async function fullStart(error: unknown, { dataDir, wal }: Config): Promise<unknown> {
  const cause = error instanceof LogsealError ? error.cause : error;
  if (!isFullError(cause)) return error;
  const at = pathOf(error) ?? pathOf(cause) ?? dataDir;
  const freeBytes = await diskFileSystem.freeBytes(dataDir).catch(() => undefined);
  const neededBytes = fixedBytes + wal.segmentBytes;
  const why = error instanceof LogsealError ? error.message : `the disk has no room for ${at}`;
  const sentence = `${why}; ${freeBytes ?? 'unknown'} bytes are free in ${dataDir}, a start takes up to ${neededBytes}: make room, and start again`;
  return new LogsealError('LOG_FULL', sentence, { cause, path: at, freeBytes, neededBytes });
}

function pathOf(error: unknown): string | undefined {
  if (error instanceof LogsealError) return typeof error.details.path === 'string' ? error.details.path : undefined;
  return error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : undefined;
}
