/**
 * What happens to the log before it is used again: the torn tail goes, damage is named, and every segment that still has
 * work in it is written anew.
 * Why anew: after a failed fsync the page cache shows bytes that the disk may not have, so only what this process has
 * written and synced itself counts. Each segment is copied to a new file, synced, and renamed over the old one, so that a
 * crash at any point leaves either of two equal files, positions keep their meaning, and one segment of room is enough.
 * Assumes that it is alone in the directory (lock.ts). Must never drop a frame that anybody was promised.
 */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { LogsealError } from '../errors.ts';
import { BufferPool } from '../lib/buffer-pool.ts';
import type { DiskFile, FileSystem } from '../lib/file-system.ts';
import { writeAll } from '../lib/file-system.ts';
import { encodeMark, frameHeaderBytes } from '../lib/frame.ts';
import type { FrameFileHeader, FrameRun } from '../lib/frame-file.ts';
import { encodeFileHeader, findProofOfDamage, readFrames } from '../lib/frame-file.ts';
import { corrupt, firstSegmentNumber, listSegments, segmentMagic, segmentPath, temporaryPath } from './format.ts';
import type { LogKeys } from './frame-cipher.ts';
import { cipherOf, encryptionBytes, keyIdOf } from './frame-cipher.ts';
import type { Position } from './position.ts';
import { createSegment, firstOffset, openSegment, readSegmentHeader } from './segment.ts';

export interface Recovery {
  /** Frames at and after the cursor, and the bytes of their payloads. */
  frames: number;
  bytes: number;
  /** Bytes after the last whole frame that were dropped; nobody had been answered for them. */
  tornBytes: number;
}

export interface RecoveredSegment {
  number: number;
  createdMs: number;
  /** Where its frames end. */
  end: number;
  /** Whether its payloads stand in clear. */
  inClear: boolean;
}

export interface RecoveredLog {
  recovery: Recovery;
  /** Ascending; the last one is open for writing as `file`. */
  segments: RecoveredSegment[];
  header: FrameFileHeader;
  file: DiskFile;
  /** Whether the last frame is a mark. */
  marked: boolean;
}

export interface RecoveryOptions {
  fs: FileSystem;
  directory: string;
  cursor: Position | undefined;
  keys: LogKeys;
  nowMs: number;
}

export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  const { fs, directory, cursor, keys } = options;
  const { segments: numbers, unfinished } = await listSegments(fs, directory);
  for (const name of unfinished) await fs.remove(join(directory, name));
  const recovery: Recovery = { frames: 0, bytes: 0, tornBytes: 0 };
  if (numbers.length === 0) return startLog(options, recovery);
  const headers: FrameFileHeader[] = [];
  for (const number of numbers) headers.push(await headerOf(fs, directory, number));
  // Before anything is written: without its key a segment could be copied, but nobody could deliver it.
  for (const header of headers) cipherOf({ path: directory, keys }, header);
  const first = await dropBeforeGap(options, headers);
  const from = startOf(headers, cursor);
  const segments: RecoveredSegment[] = [];
  for (const [index, header] of headers.entries()) {
    if (index < first) continue;
    const next = headers[index + 1];
    if (next !== undefined && header.number < from.segment) {
      segments.push({ ...factsOf(header), end: next.previousEnd });
      continue;
    }
    const copy = await rewriteSegment(options, header, next?.previousEnd, from, recovery);
    segments.push({ ...factsOf(header), end: copy.end });
    if (next !== undefined) {
      await copy.file.close();
      continue;
    }
    await fs.syncDirectory(directory);
    return { recovery, segments, header, file: copy.file, marked: copy.marked };
  }
  throw new Error('the last segment was not reached');
}

async function startLog(options: RecoveryOptions, recovery: Recovery): Promise<RecoveredLog> {
  const { fs, directory, cursor, keys, nowMs } = options;
  if (cursor !== undefined) throw corrupt(cursor.segment, cursor.offset, 'there is a cursor but no log');
  const header: FrameFileHeader = {
    ...{ number: firstSegmentNumber, id: randomBytes(8), previousEnd: 0, createdMs: nowMs },
    ...(keys.current !== undefined && { keyId: keyIdOf(keys.current) }),
  };
  const file = await createSegment(fs, directory, header);
  const segments = [{ ...factsOf(header), end: firstOffset }];
  return { recovery, segments, header, file, marked: true };
}

function factsOf({ number, createdMs, keyId }: FrameFileHeader): Omit<RecoveredSegment, 'end'> {
  return { number, createdMs, inClear: keyId === undefined };
}

async function headerOf(fs: FileSystem, directory: string, number: number): Promise<FrameFileHeader> {
  const header = await readSegmentHeader(fs, directory, number);
  if (header === undefined) throw corrupt(number, 0, 'the file has vanished');
  return header;
}

/**
 * A trim that a crash cut off can leave old segments before a hole; they hold nothing that is still wanted and go.
 * A hole at or after the cursor is damage. Returns the index of the first segment that stays.
 */
async function dropBeforeGap(options: RecoveryOptions, headers: readonly FrameFileHeader[]): Promise<number> {
  const { fs, directory, cursor } = options;
  let first = 0;
  for (const [index, header] of headers.entries()) {
    const before = headers[index - 1];
    if (before === undefined) continue;
    if (!header.id.equals(before.id)) throw corrupt(header.number, 24, 'the segment is of another log');
    if (header.number === before.number + 1) continue;
    const missing = before.number + 1;
    if (cursor === undefined || cursor.segment < missing) throw corrupt(missing, 0, 'the segment is missing');
    first = index;
  }
  for (const header of headers.slice(0, first)) await fs.remove(segmentPath(directory, header.number));
  if (first > 0) await fs.syncDirectory(directory);
  return first;
}

/** Where the work begins, checked against the segments that there are. */
function startOf(headers: readonly FrameFileHeader[], cursor: Position | undefined): Position {
  const first = headers[0] as FrameFileHeader;
  if (cursor === undefined) return { segment: first.number, offset: firstOffset };
  if (headers.some((header) => header.number === cursor.segment)) return cursor;
  // At the end of a segment that was deleted: the same place as the start of the next one.
  const next = headers.find((header) => header.number === cursor.segment + 1);
  if (next !== undefined && next.previousEnd === cursor.offset) return { segment: next.number, offset: firstOffset };
  throw corrupt(cursor.segment, cursor.offset, 'the cursor points into a segment that is missing');
}

/** Memory of pieces that is used again; a frame that is larger than a piece has its own. */
const copyBytesMax = 32 * 1024 * 1024;

interface Copy {
  file: DiskFile;
  end: number;
  marked: boolean;
}

/** `knownEnd`: from the next segment's header, undefined for the last one. Returns the new file, still open. */
async function rewriteSegment(
  options: RecoveryOptions,
  header: FrameFileHeader,
  knownEnd: number | undefined,
  from: Position,
  recovery: Recovery,
): Promise<Copy> {
  const { fs, directory } = options;
  const path = segmentPath(directory, header.number);
  const opened = await openSegment(fs, directory, header.number);
  if (opened === undefined) throw corrupt(header.number, 0, 'the file has vanished');
  let file: DiskFile | undefined;
  try {
    file = await fs.open(temporaryPath(path), 'create');
    await writeAll(file, [encodeFileHeader(segmentMagic, header)], 0);
    const copy = await copyFrames(opened.file, file, header, knownEnd, from, recovery);
    await file.sync();
    await fs.rename(temporaryPath(path), path);
    return { file, ...copy };
  } catch (error) {
    await file?.close().catch(() => undefined);
    throw error;
  } finally {
    await opened.file.close();
  }
}

async function copyFrames(
  source: DiskFile,
  target: DiskFile,
  header: FrameFileHeader,
  knownEnd: number | undefined,
  from: Position,
  recovery: Recovery,
): Promise<{ end: number; marked: boolean }> {
  const segment = header.number;
  const bound = knownEnd ?? (await source.size());
  let cursorSeen = segment !== from.segment || from.offset === firstOffset;
  let end = firstOffset;
  let marked = true;
  // Two pieces: one is read and checked while the other is written.
  const pool = new BufferPool(copyBytesMax);
  let writing: Promise<void> = Promise.resolve();
  // The disk begins with the first pieces while the last are read: the sync that counts, at the end, finds little left to do.
  let syncing: Promise<void> | undefined;
  const syncEarly = () => {
    syncing ??= target.syncBytes().then(() => {
      syncing = undefined;
    });
    syncing.catch(() => undefined);
  };
  for (;;) {
    const run = await readFrames(source, header, end, bound, pool);
    await writing;
    const written = run.bytes.length > 0 ? writeAll(target, [run.bytes], end) : Promise.resolve();
    writing = written.then(() => pool.giveBack(run.bytes)).then(syncEarly);
    // It is awaited below; until then its failure belongs to nobody.
    writing.catch(() => undefined);
    const added = header.keyId === undefined ? 0 : encryptionBytes;
    const seen = countFrames(run, segment === from.segment ? from.offset : 0, added, recovery);
    cursorSeen ||= seen;
    const last = run.frames.at(-1);
    if (last !== undefined) marked = last.payload.length === 0;
    end = run.next;
    if (run.stop === 'piece') continue;
    if (run.stop === 'damage') {
      await writing;
      if (knownEnd !== undefined) throw corrupt(segment, end, 'a frame fails its checksum');
      const proof = await findProofOfDamage(source, header, end, bound);
      if (proof !== undefined) {
        throw corrupt(segment, end, `a frame fails its checksum, though frames follow (at byte ${proof})`);
      }
      recovery.tornBytes += bound - end;
    }
    break;
  }
  await writing;
  await syncing;
  if (!cursorSeen) throw corrupt(segment, from.offset, `the cursor is at no frame (the log ends at byte ${end})`);
  if (knownEnd !== undefined || marked) return { end, marked };
  await writeAll(target, [encodeMark(header, end)], end);
  return { end: end + frameHeaderBytes, marked: true };
}

/** Adds the frames from `offset` on to the count; true if `offset` is where one of them begins or the run ends. */
function countFrames(run: FrameRun, offset: number, addedBytes: number, recovery: Recovery): boolean {
  let seen = run.next === offset;
  for (const frame of run.frames) {
    seen ||= frame.offset === offset;
    if (frame.offset < offset || frame.payload.length === 0) continue;
    recovery.frames += 1;
    recovery.bytes += frame.payload.length - addedBytes;
  }
  return seen;
}

/** There is not even room to write one segment anew. */
export function noRoomToRecover(directory: string, cause: unknown): LogsealError {
  return new LogsealError('LOG_FULL', `no room in ${directory} to write a segment of the log anew: free some space`, {
    cause,
  });
}
