/** The laboratory's second table: what becomes of a flipped bit, by file and part of it. Handed over as row.ts does. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Table } from '../bench/table.ts';

export interface FlipRow {
  file: string;
  /** Which part of it. */
  part: string;
  flips: number;
  /** Flips that stop the start (or, if said so, a later reader), by error code; the message names file and place. */
  detected: Readonly<Record<string, number>>;
  /** The start writes these bytes anew. */
  rewritten: number;
  /** They are still there, and mean nothing. */
  harmless: number;
  /** Taken for a torn write, and its records with it. */
  torn: number;
  /** Must be 0. */
  wrong: number;
}

const fileName = 'disk.flips';

export function recordFlips(row: FlipRow): void {
  const directory = process.env.LOGSEAL_TEST_FAULTS_ROWS;
  if (directory !== undefined) appendFileSync(join(directory, fileName), `${JSON.stringify(row)}\n`);
}

export function readFlips(directory: string): FlipRow[] {
  const path = join(directory, fileName);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as FlipRow);
}

/** None for no rows. Rows of the same part are one. */
export function flipTables(rows: readonly FlipRow[]): Table[] {
  const sums = new Map<string, FlipRow>();
  for (const row of rows) {
    const key = `${row.file} ${row.part}`;
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? row : added(sum, row));
  }
  if (sums.size === 0) return [];
  const head = ['file', 'flipped', 'flips', 'found, by code', 'written anew', 'no harm', 'taken for torn', 'wrong'];
  return [{ title: 'disk: bit flips in the data directory', head, rows: [...sums.values()].map(cells) }];
}

function added(a: FlipRow, b: FlipRow): FlipRow {
  const detected = { ...a.detected };
  for (const [code, count] of Object.entries(b.detected)) detected[code] = (detected[code] ?? 0) + count;
  return {
    ...a,
    flips: a.flips + b.flips,
    detected,
    rewritten: a.rewritten + b.rewritten,
    harmless: a.harmless + b.harmless,
    torn: a.torn + b.torn,
    wrong: a.wrong + b.wrong,
  };
}

function cells({ file, part, flips, detected, rewritten, harmless, torn, wrong }: FlipRow): string[] {
  const found = Object.entries(detected).map(([code, count]) => `${count} ${code}`);
  return [file, part, String(flips), found.join(', ') || '0', ...[rewritten, harmless, torn, wrong].map(String)];
}
