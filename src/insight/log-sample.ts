/** What the newest segments of a write-ahead log tell about the records that come: where they go, how large they are, how fast. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beginning } from '../delivery/cursor-keeper.ts';
import { diskFileSystem } from '../lib/file-system.ts';
import { listSegments, segmentPath } from '../wal/format.ts';
import type { LogKeys } from '../wal/frame-cipher.ts';
import { walkLog } from '../wal/walk.ts';
import { SegmentTally } from './segment-tally.ts';
import { WaitingRule } from './waiting-rule.ts';
import { openerOf } from './wal-survey.ts';

export interface LogSample {
  records: number;
  /** Of the documents as they came in. */
  contentBytes: number;
  /** Of the log that holds them, frames and seals included. */
  logBytes: number;
  /** Times of the first and the last record, milliseconds since 1970. */
  firstMs: number | undefined;
  lastMs: number | undefined;
  /** The destinations with most records first. */
  destinations: string[];
  /** When the newest segment was begun, as the clock then was. */
  newestMs: number | undefined;
}

/** Of the newest segments, about `bytesMax` of them. Undefined if there is no log. Damage is left to `logseal wal check`. */
export async function sampleLog(dataDir: string, bytesMax: number, keys?: LogKeys): Promise<LogSample | undefined> {
  const directory = join(dataDir, 'wal');
  const rule = new WaitingRule({ main: beginning, sent: beginning, seals: beginning, lanes: [] });
  const sample: LogSample = {
    records: 0,
    contentBytes: 0,
    logBytes: 0,
    firstMs: undefined,
    lastMs: undefined,
    destinations: [],
    newestMs: undefined,
  };
  const byDest = new Map<string, number>();
  const walk = walkLog({
    directory,
    begin: (header) => new SegmentTally(header.number, rule, openerOf(directory, keys, header), []),
    wantedFrom: undefined,
    newest: await newestWithin(directory, bytesMax),
  });
  for await (const { segment } of walk) {
    if (segment === undefined) continue;
    const { state, visitor } = segment;
    const { records, contentBytes, firstMs, lastMs } = visitor.counts;
    sample.newestMs = state.createdMs;
    if (records === 0 || firstMs === undefined || lastMs === undefined) continue;
    sample.records += records;
    sample.contentBytes += contentBytes;
    sample.logBytes += state.end;
    sample.firstMs = Math.min(sample.firstMs ?? firstMs, firstMs);
    sample.lastMs = Math.max(sample.lastMs ?? lastMs, lastMs);
    // Nothing is done by this rule's cursor, so what waits is all.
    for (const [dest, waiting] of visitor.waiting) byDest.set(dest, (byDest.get(dest) ?? 0) + waiting.records);
  }
  if (sample.newestMs === undefined) return undefined;
  sample.destinations = [...byDest].sort(([, a], [, b]) => b - a).map(([dest]) => dest);
  return sample;
}

/** How many of the newest segments have so many bytes together; at least one. */
async function newestWithin(directory: string, bytesMax: number): Promise<number> {
  const { segments } = await listSegments(diskFileSystem, directory);
  let [count, bytes] = [0, 0];
  for (const segment of segments.reverse()) {
    const found = await stat(segmentPath(directory, segment)).catch(() => undefined);
    bytes += found?.size ?? 0;
    if (count > 0 && bytes > bytesMax) break;
    count += 1;
  }
  return Math.max(1, count);
}
