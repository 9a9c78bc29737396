/** One line of the laboratory's table; how the experiments of a run, each in a process of its own, hand their lines over. */
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Table } from '../bench/table.ts';

export interface Row {
  class: string;
  fault: string;
  /** What the proxy ran without, where this is a control run. */
  without?: string;
  injected: number;
  acknowledged: number;
  lost: number;
  twice: number;
  outOfPlace: number;
  /** `clean`, or the verdicts. */
  verify: string;
  /** The longest, from the restart (or the end of the fault) to the first acknowledged record; undefined: none was needed. */
  recoverMs?: number;
  /** From the end of the load until everything was stored. */
  drainedMs?: number;
}

/** Written where LOGSEAL_TEST_FAULTS_ROWS says: without it the row only was an assertion. */
export function record(row: Row): void {
  const directory = process.env.LOGSEAL_TEST_FAULTS_ROWS;
  if (directory !== undefined) appendFileSync(join(directory, `${row.class}.jsonl`), `${JSON.stringify(row)}\n`);
}

export function readRows(directory: string): Row[] {
  if (!existsSync(directory)) return [];
  const files = readdirSync(directory).filter((name) => name.endsWith('.jsonl'));
  const lines = files.flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'));
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
}

/** Rows of the same fault are one: numbers added, times the longest, anything that is not clean kept. */
export function addUp(rows: readonly Row[]): Row[] {
  const sums = new Map<string, Row>();
  for (const row of rows) {
    const key = JSON.stringify([row.class, row.fault, row.without]);
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? { ...row } : added(sum, row));
  }
  return [...sums.values()];
}

function added(a: Row, b: Row): Row {
  const verify = a.verify === 'clean' || a.verify === b.verify ? b.verify : a.verify;
  const sum: Row = {
    ...a,
    injected: a.injected + b.injected,
    acknowledged: a.acknowledged + b.acknowledged,
    lost: a.lost + b.lost,
    twice: a.twice + b.twice,
    outOfPlace: a.outOfPlace + b.outOfPlace,
    verify,
  };
  const recoverMs = longest(a.recoverMs, b.recoverMs);
  const drainedMs = longest(a.drainedMs, b.drainedMs);
  if (recoverMs !== undefined) sum.recoverMs = recoverMs;
  if (drainedMs !== undefined) sum.drainedMs = drainedMs;
  return sum;
}

function longest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : Math.max(a, b ?? 0);
}

const head = [
  'fault',
  'times injected',
  'records acknowledged',
  'lost',
  'twice',
  'out of place',
  'verify says',
  'time to recover',
];

/** Of one class: what must be zero, then the control runs. */
export function tablesOf(rows: readonly Row[]): Table[] {
  const classes = [...new Set(rows.map((row) => row.class))];
  return classes.flatMap((name) => {
    const mine = rows.filter((row) => row.class === name);
    const runs = mine.filter((row) => row.without === undefined);
    const controls = mine.filter((row) => row.without !== undefined);
    const tables: Table[] = [{ title: name, head, rows: runs.map((row) => cells(row, row.fault)) }];
    if (controls.length === 0) return tables;
    const named = controls.map((row) => cells(row, `${row.fault}, without ${row.without}`));
    return [...tables, { title: `${name}: control runs`, head, rows: named }];
  });
}

function cells(row: Row, fault: string): string[] {
  const counts = [row.injected, row.acknowledged, row.lost, row.twice, row.outOfPlace];
  const recovered = row.recoverMs === undefined ? '–' : `${(row.recoverMs / 1000).toFixed(1)} s`;
  return [fault, ...counts.map((count) => count.toLocaleString('en')), row.verify, recovered];
}
