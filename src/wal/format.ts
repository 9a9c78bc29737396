/**
 * What a segment looks like: its name, its header, and then frames (src/lib/frame.ts) up to its end.
 * Owns names and numbers of segments. The end of a segment that is not the last stands in the header of the next one.
 *
 *   wal/0000000000000007.wal
 *   ┌──────────────────────┬─────────┬─────────┬─────┬────────────────────────────┐
 *   │ header, 64 bytes     │ frame   │ frame   │  …  │ end, or the rest of a torn │
 *   │ number 7, end of 6   │         │         │     │ write in the last segment  │
 *   └──────────────────────┴─────────┴─────────┴─────┴────────────────────────────┘
 */

import { join } from 'node:path';
import { LogsealError } from '../errors.ts';
import type { FileSystem } from '../lib/file-system.ts';

export const segmentMagic = Buffer.from('LSPWAL\r\n', 'latin1');
export const firstSegmentNumber = 1;
const temporarySuffix = '.tmp';

export function segmentPath(directory: string, segment: number): string {
  return join(directory, `${String(segment).padStart(16, '0')}.wal`);
}

export function temporaryPath(path: string): string {
  return `${path}${temporarySuffix}`;
}

/** Segment numbers in a directory, ascending, and the names of unfinished files. */
export async function listSegments(
  fs: FileSystem,
  directory: string,
): Promise<{ segments: number[]; unfinished: string[] }> {
  const names = await fs.names(directory);
  const segments = names.flatMap((name) => {
    const digits = /^(\d{16})\.wal$/.exec(name)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
  return {
    segments: segments.sort((a, b) => a - b),
    unfinished: names.filter((name) => name.endsWith(temporarySuffix)),
  };
}

/** WAL_CORRUPT, with segment and offset in the sentence and in the details. */
export function corrupt(segment: number, offset: number, what: string): LogsealError {
  return new LogsealError('WAL_CORRUPT', `write-ahead log segment ${segment}: ${what} at byte ${offset}`, {
    segment,
    offset,
  });
}
