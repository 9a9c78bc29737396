/** A write-ahead log with small sizes, and what was acknowledged by it, for tests that break the disk under it. */

import type { LogsealError } from '../../src/errors.ts';
import type { FileSystem } from '../../src/lib/file-system.ts';
import type { LogKeys } from '../../src/wal/frame-cipher.ts';
import type { Position } from '../../src/wal/position.ts';
import { WalReader } from '../../src/wal/reader.ts';
import type { LogOptions } from '../../src/wal/write-ahead-log.ts';
import { WriteAheadLog } from '../../src/wal/write-ahead-log.ts';
import { ManualClock } from './manual-clock.ts';

export interface Opened {
  wal: WriteAheadLog;
  recovery: { frames: number; bytes: number; tornBytes: number };
  fatal: LogsealError[];
  clock: ManualClock;
}

export async function openWal(fs: FileSystem, options: Partial<LogOptions> = {}): Promise<Opened> {
  const fatal: LogsealError[] = [];
  const clock = new ManualClock();
  const opened = await WriteAheadLog.open({
    dir: '/wal',
    bytesMax: 1024 * 1024,
    reserveBytes: 4096,
    segmentBytes: 2048,
    keepMs: 0,
    clock,
    cursor: undefined,
    fatal: (error) => fatal.push(error),
    fs,
    ...options,
  });
  return { ...opened, fatal, clock };
}

/** A payload that names itself. */
export function payloadOf(n: number, size = 40): Buffer {
  return Buffer.from(`${n}:`.padEnd(Math.max(size, `${n}:`.length), String(n % 10)));
}

export function numberOf(payload: Buffer): number {
  const n = Number.parseInt(payload.toString('latin1', 0, 12), 10);
  if (!payload.equals(payloadOf(n, payload.length))) throw new Error(`the payload of ${n} is damaged`);
  return n;
}

/** All frames from `from` to `limit`: their numbers, and where each ends. */
export async function readAll(
  fs: FileSystem,
  from?: Position,
  limit?: Position,
  keys?: LogKeys,
): Promise<{ n: number; position: Position; next: Position }[]> {
  await using reader = await WalReader.open(keys === undefined ? '/wal' : { path: '/wal', keys }, from, fs);
  const found = [];
  for (;;) {
    const frames = await reader.next(limit);
    if (frames === undefined) return found;
    for (const { payload, position, next } of frames) found.push({ n: numberOf(payload), position, next });
  }
}
