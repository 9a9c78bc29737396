/** A survey of the logs as one screen for people, and as objects for programs. Destinations' names are shown, documents never. */
import type { LaneCursor } from '../delivery/cursor-keeper.ts';
import type { Position } from '../wal/position.ts';
import { describePosition } from '../wal/position.ts';
import type { Waiting } from './segment-tally.ts';
import type { WalSurvey } from './wal-survey.ts';
import { countOf, countText, durationText, sizeText, timeText } from './words.ts';

export interface TextOptions {
  nowMs: number;
  /** Destinations that are named; the others are counted. */
  top: number;
  /** Segments that are listed; those in the middle are left out. */
  segmentsMax: number;
}

interface WalSums {
  bytes: number;
  /** In segments that are only kept for redelivery. */
  keptBytes: number;
  tailBytes: number;
  waiting: Waiting | undefined;
}

function sumsOf({ segments, neededFrom, waiting }: WalSurvey): WalSums {
  const sums: WalSums = { bytes: 0, keptBytes: 0, tailBytes: 0, waiting: undefined };
  for (const { number, end, tailBytes, closed } of segments) {
    sums.bytes += end;
    sums.tailBytes += tailBytes;
    if (closed && neededFrom !== undefined && number < neededFrom.segment) sums.keptBytes += end;
  }
  for (const { records, bytes, oldestMs } of waiting.values()) {
    const sum = sums.waiting ?? { records: 0, bytes: 0, oldestMs };
    const least = Math.min(sum.oldestMs, oldestMs);
    sums.waiting = { records: sum.records + records, bytes: sum.bytes + bytes, oldestMs: least };
  }
  return sums;
}

/** Rows of cells are for the caller to align. */
export type Block = { lines: string[] } | { rows: string[][] };

export function walBlocks(survey: WalSurvey, options: TextOptions): Block[] {
  const sums = sumsOf(survey);
  return [
    { lines: [...logLines(survey, sums), ''] },
    { rows: segmentRows(survey, options.segmentsMax) },
    { lines: ['', ...cursorLines(survey), '', ...waitingLines(survey, sums, options.nowMs)] },
    { rows: destinationRows(survey, options) },
    { lines: ['', ...sealLogLines(survey)] },
  ];
}

export function damageLines({ damage }: WalSurvey): string[] {
  return damage.map(({ file, offset, what }) => `DAMAGE ${file}, byte ${offset}: ${what}`);
}

function logLines(
  { dataDir, segments, total, reserveBytes }: WalSurvey,
  { bytes, keptBytes, tailBytes }: WalSums,
): string[] {
  const [first, last] = [segments[0], segments.at(-1)];
  const kept = keptBytes === 0 ? '' : `, of them ${sizeText(keptBytes)} only kept for logseal redeliver (wal.keep)`;
  const lines = [`Write-ahead log of ${dataDir}`];
  if (first === undefined || last === undefined) lines.push('  no segment that can be read');
  else lines.push(`  segments  ${first.number} to ${last.number}: ${segments.length} with ${sizeText(bytes)}${kept}`);
  const { records, controls, seals, firstMs, lastMs, closedFrames } = total;
  const span = firstMs === undefined ? '' : `; ${timeText(firstMs)} to ${timeText(lastMs)}`;
  lines.push(
    `  holds     ${countOf(records, 'record')}, ${countOf(controls, 'control record')}, ${countOf(seals, 'seal')}${span}`,
  );
  if (closedFrames > 0)
    lines.push(
      `  encrypted ${countOf(closedFrames, 'frame')}, whose contents are not counted: no key that opens them was given`,
    );
  if (tailBytes > 0) {
    lines.push(
      `  tail      ${countText(tailBytes)} bytes after the last whole frame: a write under way, or one that a crash cut off; nobody was answered for it`,
    );
  }
  lines.push(`  reserve   ${sizeText(reserveBytes)} kept aside`);
  return lines;
}

function segmentRows({ segments }: WalSurvey, max: number): string[][] {
  const head = ['segment', 'size', 'frames', 'records', 'control', 'seals', 'created', 'first', 'last', ''];
  const rows = segments.map((one) => [
    ...[String(one.number), sizeText(one.end), countText(one.frames), countText(one.records), countText(one.controls)],
    ...[countText(one.seals), timeText(one.createdMs), timeText(one.firstMs), timeText(one.lastMs)],
    one.closed ? '' : 'written to',
  ]);
  if (rows.length <= max) return [head, ...rows];
  const begin = Math.floor(max / 2);
  const left = rows.length - max;
  return [head, ...rows.slice(0, begin), ['…', `${left} more`], ...rows.slice(begin + left)];
}

function cursorLines({ cursor, unsealed }: WalSurvey): string[] {
  if (cursor === undefined) return ['Cursor', '  none: nothing was delivered yet'];
  const { main, sent, seals, lanes } = cursor;
  return [
    'Cursor',
    `  delivered up to   ${place(main)}; may be sent up to ${place(sent)}`,
    `  seals up to       ${place(seals)}`,
    ...(unsealed === undefined ? [] : [`  sealed up to      ${place(unsealed)}`]),
    ...lanes.map(laneLine),
  ];
}

function laneLine({ dests, position, blockedMs, parked }: LaneCursor): string {
  const names = dests.length > 3 ? `${dests.slice(0, 3).join(', ')} and ${dests.length - 3} more` : dests.join(', ');
  const aside = parked.length === 0 ? '' : `, ${parked.length} records tried apart`;
  return `  held: ${names}  from ${place(position)}, refused for ${durationText(blockedMs)}${aside}`;
}

function place(position: Position): string {
  return position.segment === 0 ? 'the beginning' : describePosition(position);
}

function waitingLines({ total }: WalSurvey, { waiting }: WalSums, nowMs: number): string[] {
  const seals = total.sealsWaiting === 0 ? '' : `; ${countOf(total.sealsWaiting, 'seal')} not published yet`;
  if (waiting === undefined) return [`Waiting for the search engine: no records${seals}`];
  const since = `the oldest for ${durationText(nowMs - waiting.oldestMs)} (${timeText(waiting.oldestMs)})`;
  return [
    `Waiting for the search engine: ${countOf(waiting.records, 'record')}, ${sizeText(waiting.bytes)}, ${since}${seals}`,
  ];
}

function destinationRows({ waiting }: WalSurvey, { top, nowMs }: TextOptions): string[][] {
  const sorted = byRecords(waiting);
  const rows = sorted
    .slice(0, top)
    .map(([dest, { records, bytes, oldestMs }]) => [
      ...[`  ${dest}`, countOf(records, 'record'), sizeText(bytes), `since ${durationText(nowMs - oldestMs)}`],
    ]);
  return sorted.length <= top ? rows : [...rows, [`  and ${countText(sorted.length - top)} more destinations`]];
}

function sealLogLines({ sealLog: { files, entries, bytes, headSize } }: WalSurvey): string[] {
  const head = headSize === undefined ? 'no head' : `head of ${countText(headSize)}`;
  return [`Seal log: ${countOf(entries, 'seal')} in ${countOf(files, 'file')}, ${sizeText(bytes)}, ${head}`];
}

function byRecords(waiting: ReadonlyMap<string, Waiting>): [string, Waiting][] {
  return [...waiting].sort(([, a], [, b]) => b.records - a.records);
}

/** One object a segment, a destination, a damage, and the whole last; `kept` tells which of them are wanted. */
export function walObjects(survey: WalSurvey, nowMs: number): Record<string, unknown>[] {
  const { segments, waiting, damage, total, cursor, unsealed, neededFrom, reserveBytes, sealLog, dataDir } = survey;
  const { damage: _damage, ...log } = sealLog;
  const sums = sumsOf(survey);
  const age = (oldestMs: number) => Math.max(0, nowMs - oldestMs) / 1000;
  return [
    ...segments.map((segment) => ({ type: 'wal-segment', v: 1, ...segment })),
    ...byRecords(waiting).map(([dest, { records, bytes, oldestMs }]) => {
      return { type: 'wal-waiting', v: 1, dest, records, bytes, oldestMs, oldestAgeSeconds: age(oldestMs) };
    }),
    ...damage.map((one) => ({ type: 'wal-damage', v: 1, ...one })),
    {
      ...{ type: 'wal', v: 1, dataDir, segments: segments.length, ...total },
      ...{ bytes: sums.bytes, keptBytes: sums.keptBytes, tailBytes: sums.tailBytes, reserveBytes },
      ...(sums.waiting === undefined
        ? { waitingRecords: 0, waitingBytes: 0 }
        : {
            ...{ waitingRecords: sums.waiting.records, waitingBytes: sums.waiting.bytes },
            ...{ oldestMs: sums.waiting.oldestMs, oldestAgeSeconds: age(sums.waiting.oldestMs) },
          }),
      ...{ cursor, unsealed, neededFrom, sealLog: log, damage: damage.length },
    },
  ];
}
