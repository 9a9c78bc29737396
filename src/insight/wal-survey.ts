/**
 * What stands in the logs of a data directory, and what of it is damaged: every frame of the write-ahead log, every seal, the
 * cursors, and whether they fit together. For an operator, beside a running proxy or without one; writes nothing and takes no
 * lock. Memory does not grow with the log, but with its segments, chains and seals (some bytes each).
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { CursorValue } from '../delivery/cursor-keeper.ts';
import { neededFrom, readCursorValue } from '../delivery/cursor-keeper.ts';
import { cursorName } from '../delivery/message.ts';
import { LogsealError } from '../errors.ts';
import { isMissingError } from '../lib/file-system.ts';
import type { FrameFileHeader } from '../lib/frame-file.ts';
import type { SealLogState } from '../log/seal-walk.ts';
import { walkSealLog } from '../log/seal-walk.ts';
import { CursorFile } from '../wal/cursor.ts';
import { segmentPath } from '../wal/format.ts';
import type { LogKeys } from '../wal/frame-cipher.ts';
import { cipherOf } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions, readPosition } from '../wal/position.ts';
import { reservePath } from '../wal/reserve.ts';
import { firstOffset } from '../wal/segment.ts';
import type { Damage, SegmentState } from '../wal/walk.ts';
import { walkLog } from '../wal/walk.ts';
import type { OpenPayload, SegmentCounts, Waiting } from './segment-tally.ts';
import { addWaiting, SegmentTally } from './segment-tally.ts';
import { WaitingRule } from './waiting-rule.ts';

export interface WalSurvey {
  dataDir: string;
  segments: (SegmentState & SegmentCounts)[];
  /** Of all segments together. */
  total: SegmentCounts;
  /** Undefined: nothing was delivered yet, or the file is damaged. */
  cursor: CursorValue | undefined;
  /** Before it every record is sealed. */
  unsealed: Position | undefined;
  /** Before it nothing is needed any more: those segments are only kept. */
  neededFrom: Position | undefined;
  /** By destination. */
  waiting: Map<string, Waiting>;
  /** Of the file that is kept aside, bytes. */
  reserveBytes: number;
  sealLog: SealLogState;
  damage: Damage[];
}

export interface SurveyOptions {
  dataDir: string;
  /** For encrypted segments; those that none of them opens are looked at from outside only. */
  keys?: LogKeys | undefined;
  onProgress?(bytes: number): void;
}

interface Cursors {
  cursor: CursorValue | undefined;
  unsealed: Position | undefined;
  damage: Damage[];
}

/** Throws DATA_DIR_INVALID for a directory that is none of a proxy; damage is no error. */
export async function surveyWal(options: SurveyOptions): Promise<WalSurvey> {
  const { dataDir, keys, onProgress } = options;
  const directory = join(dataDir, 'wal');
  if (!(await sizeOf(directory)) || !(await sizeOf(join(dataDir, 'instance.json')))) {
    const sentence = `${dataDir} is no data directory of a proxy: it has no instance.json, or no directory wal`;
    throw new LogsealError('DATA_DIR_INVALID', sentence, { directory: dataDir });
  }
  const cursors = await readCursors(dataDir);
  const { cursor, unsealed } = cursors;
  const rule = new WaitingRule(cursor);
  const places = placesOf(cursors);
  const from = earliestOf(cursor, unsealed);
  const survey: WalSurvey = {
    ...{ dataDir, segments: [], total: emptyCounts(), cursor, unsealed, neededFrom: from, waiting: new Map() },
    reserveBytes: (await sizeOf(reservePath(directory))) ?? 0,
    sealLog: { files: 0, entries: 0, bytes: 0, headSize: undefined, damage: [] },
    damage: [...cursors.damage],
  };
  const seals = new Map<number, number>();
  const follow = new ChainFollower();
  const begin = (header: FrameFileHeader) =>
    new SegmentTally(header.number, rule, openerOf(directory, keys, header), offsetsIn(header.number, places));
  let bytes = 0;
  for await (const { segment, damage } of walkLog({ directory, begin, wantedFrom: from })) {
    if (damage !== undefined) survey.damage.push(damage);
    if (segment === undefined) continue;
    const { state, visitor } = segment;
    addSegment(survey, state, visitor, damage !== undefined);
    follow.segment(state.number, visitor, survey, damage !== undefined);
    for (const [entry, crc] of visitor.seals) seals.set(entry, crc);
    bytes += state.bytes;
    onProgress?.(bytes);
  }
  await checkRange(survey, places);
  await surveySeals(survey, seals);
  return survey;
}

/** Undefined if none of the keys is that of the segment. */
export function openerOf(
  directory: string,
  keys: LogKeys | undefined,
  header: FrameFileHeader,
): OpenPayload | undefined {
  try {
    const cipher = cipherOf(keys === undefined ? directory : { path: directory, keys }, header);
    return cipher === undefined ? (payload) => payload : (stored, offset) => cipher.decrypt(stored, offset);
  } catch (error) {
    const codes: unknown[] = ['ENCRYPTION_KEY_MISSING', 'ENCRYPTION_KEY_WRONG'];
    if (error instanceof LogsealError && codes.includes(error.code)) return undefined;
    throw error;
  }
}

function addSegment(survey: WalSurvey, state: SegmentState, tally: SegmentTally, damaged: boolean): void {
  const { counts } = tally;
  const { total } = survey;
  survey.segments.push({ ...state, ...counts });
  for (const name of [
    'records',
    'controls',
    'seals',
    'recordBytes',
    'contentBytes',
    'sealsWaiting',
    'closedFrames',
  ] as const)
    total[name] += counts[name];
  if (counts.firstMs !== undefined) total.firstMs = Math.min(total.firstMs ?? counts.firstMs, counts.firstMs);
  if (counts.lastMs !== undefined) total.lastMs = Math.max(total.lastMs ?? counts.lastMs, counts.lastMs);
  for (const [dest, waiting] of tally.waiting) addWaiting(survey.waiting, dest, waiting);
  const file = segmentPath(join(survey.dataDir, 'wal'), state.number);
  for (const fault of tally.faults) survey.damage.push({ file, ...fault });
  if (damaged) return;
  for (const offset of tally.astray) {
    if (offset === firstOffset) continue;
    survey.damage.push({ file, offset, what: `a cursor is there, but no frame (the frames end at byte ${state.end})` });
  }
}

/** The places of a chain follow one another over the ends of segments too. */
class ChainFollower {
  readonly #last = new Map<string, number>();
  #broken = false;
  #segment: number | undefined;

  segment(number: number, { chains }: SegmentTally, survey: WalSurvey, damaged: boolean): void {
    // After a hole nothing is known of what stood in it.
    if (this.#broken || (this.#segment !== undefined && number !== this.#segment + 1)) this.#last.clear();
    this.#segment = number;
    this.#broken = damaged;
    for (const [chain, { first, last }] of chains) {
      const before = this.#last.get(chain);
      if (before !== undefined && first !== before + 1) {
        const file = segmentPath(join(survey.dataDir, 'wal'), number);
        survey.damage.push({
          file,
          offset: firstOffset,
          what: `record ${first} of chain ${chain} follows record ${before}`,
        });
      }
      this.#last.set(chain, last);
    }
  }
}

async function surveySeals(survey: WalSurvey, seals: ReadonlyMap<number, number>): Promise<void> {
  const directory = join(survey.dataDir, 'log');
  const different: number[] = [];
  survey.sealLog = await walkSealLog(directory, (entry, text) => {
    const crc = seals.get(entry);
    if (crc !== undefined && crc !== crc32(text)) different.push(entry);
  });
  survey.damage.push(...survey.sealLog.damage);
  for (const entry of different.slice(0, 10)) {
    const what = `entry ${entry} is another seal than the write-ahead log has for it`;
    survey.damage.push({ file: directory, offset: 0, what });
  }
}

async function readCursors(dataDir: string): Promise<Cursors> {
  const damage: Damage[] = [];
  const read = async <T>(path: string, check: (value: unknown) => T): Promise<T | undefined> => {
    for (let look = 1; ; look += 1) {
      try {
        return await CursorFile.peek(path, check);
      } catch (error) {
        // A save under way can hide one slot, and a second one the other.
        if (look < 4) continue;
        if (!(error instanceof LogsealError || error instanceof TypeError)) throw error;
        damage.push({ file: path, offset: 0, what: error.message });
        return undefined;
      }
    }
  };
  const cursor = await read(join(dataDir, 'delivery', cursorName), readCursorValue);
  const unsealed = await read(join(dataDir, 'unsealed'), readPosition);
  return { cursor, unsealed, damage };
}

/** What has to be at a frame. `sent` marks go ahead of the log by a stride, so they are at none. */
function placesOf({ cursor, unsealed }: Pick<Cursors, 'cursor' | 'unsealed'>): Position[] {
  const lanes = (cursor?.lanes ?? []).flatMap(({ position, parked }) => [
    position,
    ...parked.map((one) => one.position),
  ]);
  const places = [cursor?.main, cursor?.seals, unsealed, ...lanes].filter((place) => place !== undefined);
  return places.filter(({ segment }) => segment > 0);
}

function offsetsIn(segment: number, places: readonly Position[]): number[] {
  return places.filter((place) => place.segment === segment).map(({ offset }) => offset);
}

function earliestOf(cursor: CursorValue | undefined, unsealed: Position | undefined): Position | undefined {
  if (cursor === undefined) return undefined;
  const needed = neededFrom(cursor);
  const first = unsealed !== undefined && comparePositions(unsealed, needed) < 0 ? unsealed : needed;
  return first.segment === 0 ? undefined : first;
}

/** A cursor before the first segment or after the last one. What was trimmed meanwhile, the cursors have passed meanwhile. */
async function checkRange(survey: WalSurvey, places: readonly Position[]): Promise<void> {
  const [first, last] = [survey.segments[0], survey.segments.at(-1)];
  if (first === undefined || last === undefined) {
    if (places.length > 0) reportRange(survey, places, 'there is a cursor but no log');
    return;
  }
  // The end of a segment that is gone is the same place as the start of the next one.
  const before = ({ segment, offset }: Position) =>
    segment < first.number - 1 || (segment === first.number - 1 && offset !== first.previousEnd);
  const after = (place: Position) => place.segment > last.number;
  reportRange(
    survey,
    places.filter(after),
    `a cursor is after the end of the log (segment ${last.number}, byte ${last.end})`,
  );
  if (!places.some(before)) return;
  const fresh = placesOf(await readCursors(survey.dataDir));
  reportRange(survey, fresh.filter(before), `a cursor is before the oldest segment (${first.number})`);
}

function reportRange(survey: WalSurvey, places: readonly Position[], what: string): void {
  for (const { segment, offset } of places) {
    survey.damage.push({ file: segmentPath(join(survey.dataDir, 'wal'), segment), offset, what });
  }
}

function emptyCounts(): SegmentCounts {
  return {
    ...{ records: 0, controls: 0, seals: 0, firstMs: undefined, lastMs: undefined, recordBytes: 0 },
    ...{ contentBytes: 0, sealsWaiting: 0, closedFrames: 0 },
  };
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissingError(error)) return undefined;
    throw error;
  }
}
