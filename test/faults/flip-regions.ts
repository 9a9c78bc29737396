/** The parts of each file of a data directory in which a flipped bit may mean something of its own. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { neededFrom, readCursorValue } from '../../src/delivery/cursor-keeper.ts';
import { CursorFile, slotBytes } from '../../src/wal/cursor.ts';
import type { Position } from '../../src/wal/position.ts';

export interface Region {
  /** From the data directory. */
  path: string;
  /** For the table: the same for all files of one kind. */
  file: string;
  part: string;
  from: number;
  to: number;
  /** What a reader may find that comes later than the start. */
  readLater?: true;
  /** Not distinguishable from a torn write (docs/formats/wal.md). */
  torn?: true;
}

const fileHeaderBytes = 64;
const frameHeaderBytes = 16;
/** Of a cursor slot, before the value. */
const slotHeaderBytes = 24;

interface Frame {
  at: number;
  length: number;
  group: number;
}

export async function regionsOf(dataDir: string, stopped: boolean): Promise<Region[]> {
  const cursor = await CursorFile.peek(join(dataDir, 'delivery', 'cursor'), readCursorValue);
  return [
    ...segments(dataDir, cursor === undefined ? { segment: 0, offset: 0 } : neededFrom(cursor), stopped),
    ...seals(dataDir),
    ...slots(dataDir, join('delivery', 'cursor'), 'delivery/cursor'),
    ...slots(dataDir, 'unsealed', 'unsealed'),
    ...smallFiles(dataDir),
  ];
}

function segments(dataDir: string, needed: Position, stopped: boolean): Region[] {
  const names = readdirSync(join(dataDir, 'wal'))
    .filter((name) => name.endsWith('.wal'))
    .sort();
  const regions: Region[] = [];
  for (const [index, name] of names.entries()) {
    const path = join('wal', name);
    const number = Number.parseInt(name, 10);
    const bytes = readFileSync(join(dataDir, path));
    const frames = framesOf(bytes);
    const last = index === names.length - 1;
    const add = (part: string, from: number, to: number, more: Partial<Region> = {}) =>
      regions.push({ path, file: 'wal/*.wal', part, from, to, ...more });
    add(last ? 'header' : 'header of an earlier segment', 0, fileHeaderBytes);
    const isDone = ({ at }: Frame) => number < needed.segment || (number === needed.segment && at < needed.offset);
    const group = frames.at(-1)?.group ?? 0;
    const records = frames.filter(({ length, at }) => length > 0 && !(last && !stopped && at >= group));
    const done = records.filter(isDone).at(0);
    const waiting = records.filter((frame) => !isDone(frame)).at(-1);
    if (done !== undefined) addFrame(add, 'delivered frame', done, { readLater: true });
    if (waiting !== undefined) addFrame(add, 'waiting frame', waiting);
    const final = frames.at(-1);
    if (!last || final === undefined) continue;
    if (final.length === 0) add('mark at the end', final.at, final.at + frameHeaderBytes, { torn: true });
    else addFrame(add, 'last group before kill -9', final, { torn: true });
  }
  return regions;
}

function addFrame(
  add: (part: string, from: number, to: number, more?: Partial<Region>) => void,
  part: string,
  { at, length }: Frame,
  more: Partial<Region> = {},
): void {
  add(`${part}: header`, at, at + frameHeaderBytes, more);
  add(`${part}: body`, at + frameHeaderBytes, at + frameHeaderBytes + length, more);
}

function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = fileHeaderBytes; at + frameHeaderBytes <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const group = bytes.readUInt32BE(at + 4);
    if (group === 0) break;
    frames.push({ at, length, group });
    at += Math.ceil((frameHeaderBytes + length) / 8) * 8;
  }
  return frames;
}

function seals(dataDir: string): Region[] {
  const name =
    readdirSync(join(dataDir, 'log'))
      .filter((one) => one.endsWith('.seals'))
      .sort()
      .at(-1) ?? '';
  const path = join('log', name);
  const bytes = readFileSync(join(dataDir, path));
  const frames = framesOf(bytes);
  const regions: Region[] = [{ path, file: 'log/*.seals', part: 'header', from: 0, to: fileHeaderBytes }];
  const add = (part: string, from: number, to: number) => regions.push({ path, file: 'log/*.seals', part, from, to });
  const [first, last] = [frames[0], frames.at(-1)];
  if (first !== undefined) addFrame(add, 'first seal', first);
  if (last !== undefined) {
    addFrame(add, 'last seal', last);
    const end = last.at + frameHeaderBytes + last.length + 8;
    add('room for more', end, bytes.length);
  }
  return regions;
}

function slots(dataDir: string, path: string, file: string): Region[] {
  if (!existsSync(join(dataDir, path))) return [];
  const bytes = readFileSync(join(dataDir, path));
  const numbers = [0, 1].map((slot) =>
    bytes[slot * slotBytes] === 0 ? -1 : Number(bytes.readBigUInt64BE(slot * slotBytes + 8)),
  );
  const newest = (numbers[0] ?? -1) >= (numbers[1] ?? -1) ? 0 : 1;
  return [newest, 1 - newest].flatMap((slot) => {
    const from = slot * slotBytes;
    if (bytes[from] === 0) return [];
    const to = from + slotHeaderBytes + bytes.readUInt32BE(from + 16);
    return [{ path, file, part: slot === newest ? 'newest slot' : 'slot before', from, to }];
  });
}

function smallFiles(dataDir: string): Region[] {
  const keys = readdirSync(join(dataDir, 'keys')).filter((name) => name.endsWith('.key'));
  const whole: [string, string][] = [
    ...keys.slice(0, 1).map((name): [string, string] => [join('keys', name), 'keys/*.key']),
    [join('keys', 'checkpoint.pem'), 'keys/checkpoint.pem'],
    ['instance.json', 'instance.json'],
    ['trust.json', 'trust.json'],
    [join('delivery', 'places'), 'delivery/places'],
    [join('log', 'head'), 'log/head'],
    [join('log', 'next.tmp'), 'log/next.tmp'],
    [join('development-auditor', 'auditor.cert.pem'), 'development-auditor/auditor.cert.pem'],
    [join('wal', 'reserve'), 'wal/reserve'],
    ['lock.pid', 'lock.pid'],
  ];
  return whole.flatMap(([path, file]) => {
    if (!existsSync(join(dataDir, path))) return [];
    return [{ path, file, part: 'all of it', from: 0, to: statSync(join(dataDir, path)).size }];
  });
}
