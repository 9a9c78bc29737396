/**
 * Reads every segment of a log for somebody who only looks at it, beside a proxy that appends and deletes meanwhile, or
 * without one. Takes no lock, writes nothing, holds about 4 MiB and one frame. Payloads are opaque here.
 * Assumes that segments are deleted oldest first: if one is gone while it is looked for, so is everything before it.
 */
import { LogsealError } from '../errors.ts';
import type { BufferPool } from '../lib/buffer-pool.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { diskFileSystem } from '../lib/file-system.ts';
import type { FrameFileHeader } from '../lib/frame-file.ts';
import type { FrameVisitor } from '../lib/frame-walk.ts';
import { walkFrames, walkPool } from '../lib/frame-walk.ts';
import { listSegments, segmentPath } from './format.ts';
import type { Position } from './position.ts';
import { openSegment, readSegmentHeader } from './segment.ts';

/** Bytes that are not what they were: in which file, where, and what is seen there. */
export interface Damage {
  file: string;
  offset: number;
  what: string;
}

export interface SegmentState {
  number: number;
  createdMs: number;
  /** Where the segment before it ends. */
  previousEnd: number;
  /** Of the whole file. */
  bytes: number;
  /** Where its frames end. */
  end: number;
  /** Without marks. */
  frames: number;
  payloadBytes: number;
  /** A segment follows that says where this one ends. */
  closed: boolean;
  /** Bytes after the end: the rest of a torn write, or a write under way. */
  tailBytes: number;
}

export interface WalkedSegment<V> {
  state: SegmentState;
  /** What `begin` gave for this segment; it has seen every frame up to `state.end` once. */
  visitor: V;
  header: FrameFileHeader;
}

/** One of both is there, or both. */
export interface WalkStep<V> {
  segment?: WalkedSegment<V>;
  damage?: Damage;
}

export interface WalkOptions<V> {
  directory: string;
  /** A visitor for one segment, which sees payloads as they stand on disk. A segment that has to be read again gets a new one. */
  begin(header: FrameFileHeader): V & { frame: FrameVisitor };
  /** Before it nothing is wanted: segments that are missing there are the rest of a cut-off trim. */
  wantedFrom: Position | undefined;
  /** Only so many of the newest segments. */
  newest?: number;
  fs?: FileSystem;
}

/** Two looks that see the same thing are enough to believe it. */
const looksMax = 4;

export async function* walkLog<V>(options: WalkOptions<V>): AsyncGenerator<WalkStep<V>> {
  const { directory, wantedFrom, fs = diskFileSystem } = options;
  const all = await listWithoutRace(fs, directory);
  const numbers = options.newest === undefined ? all : all.slice(-options.newest);
  let before: FrameFileHeader | undefined;
  const pool = walkPool();
  for (const [index, number] of numbers.entries()) {
    const missing = (numbers[index - 1] ?? number - 1) + 1;
    if (missing !== number && (wantedFrom === undefined || wantedFrom.segment < missing)) {
      yield { damage: { file: segmentPath(directory, missing), offset: 0, what: 'the segment is missing' } };
    }
    const step = await walkSegment(options, fs, number, numbers[index + 1] === number + 1, pool);
    if (step === 'gone') continue;
    yield step;
    const header = step.segment?.header;
    if (header !== undefined && before !== undefined && !header.id.equals(before.id)) {
      yield { damage: { file: segmentPath(directory, number), offset: 24, what: 'the segment is of another log' } };
    }
    before = header ?? before;
  }
}

/** Names that come and go while a directory is read can leave a hole that is none. */
async function listWithoutRace(fs: FileSystem, directory: string): Promise<number[]> {
  for (let look = 1; ; look += 1) {
    const { segments } = await listSegments(fs, directory);
    const whole = segments.every((number, index) => index === 0 || number === (segments[index - 1] ?? 0) + 1);
    if (whole || look === looksMax) return segments;
  }
}

async function walkSegment<V>(
  options: WalkOptions<V>,
  fs: FileSystem,
  number: number,
  followed: boolean,
  pool: BufferPool,
): Promise<WalkStep<V> | 'gone'> {
  let seen: WalkStep<V> | undefined;
  for (let look = 1; ; look += 1) {
    // A proxy that starts writes segments anew, one that runs out of disk takes bytes back: then the file is another one now.
    const step = await lookAtSegment(options, fs, number, followed, pool);
    if (step === 'gone' || step.damage === undefined || look === looksMax) return step;
    if (seen?.damage?.offset === step.damage.offset) return step;
    seen = step;
  }
}

async function lookAtSegment<V>(
  options: WalkOptions<V>,
  fs: FileSystem,
  number: number,
  followed: boolean,
  pool: BufferPool,
): Promise<WalkStep<V> | 'gone'> {
  const { directory, begin } = options;
  const path = segmentPath(directory, number);
  const opened = await headerFault(openSegment(fs, directory, number));
  if (opened === undefined) return 'gone';
  if (typeof opened === 'string') return { damage: { file: path, offset: 0, what: opened } };
  const { file, header } = opened;
  try {
    const next = await headerFault(readSegmentHeader(fs, directory, number + 1));
    if (next === undefined && followed) return 'gone';
    // A next segment with a damaged header is damage of its own, and says nothing about this one.
    const knownEnd = typeof next === 'object' ? next.previousEnd : undefined;
    const visitor = begin(header);
    let [frames, payloadBytes] = [0, 0];
    const visit = (payload: Buffer, offset: number, end: number) => {
      if (payload.length > 0) frames += 1;
      payloadBytes += payload.length;
      visitor.frame(payload, offset, end);
    };
    const walk = await walkFrames(file, header, knownEnd, visit, pool);
    const { end, tailBytes, damage } = walk;
    const { createdMs, previousEnd } = header;
    const closed = knownEnd !== undefined;
    const bytes = await file.size();
    const state = { number, createdMs, previousEnd, bytes, end, frames, payloadBytes, closed, tailBytes };
    return {
      segment: { state, visitor, header },
      ...(damage === undefined ? {} : { damage: { file: path, ...damage } }),
    };
  } finally {
    await file.close();
  }
}

/** What is wrong with a header instead of the error. */
async function headerFault<T>(opening: Promise<T>): Promise<T | string> {
  try {
    return await opening;
  } catch (error) {
    if (error instanceof LogsealError && error.code === 'WAL_CORRUPT') return error.message;
    throw error;
  }
}
