/** Medians, the machine, and the two forms of a table: for a terminal and for docs/performance.md. */

import { cpus, totalmem } from 'node:os';

export interface Table {
  title: string;
  head: string[];
  rows: (string | number)[][];
  notes?: string[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/** Three digits that matter. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

function cells({ head, rows }: Table): string[][] {
  return [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? short(cell) : cell)))];
}

export function forTerminal(table: Table): string {
  const all = cells(table);
  const widths = table.head.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)));
  const lines = all.map((row) => row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  '));
  return `\n${table.title}\n${lines.join('\n')}\n${(table.notes ?? []).map((note) => `${note}\n`).join('')}`;
}

export function forMarkdown(table: Table): string {
  const [head = [], ...rows] = cells(table);
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`;
  const notes = (table.notes ?? []).map((note) => `\n${note}\n`).join('');
  return `### ${table.title}\n\n${line(head)}\n${line(head.map(() => '--:'))}\n${rows.map(line).join('\n')}\n${notes}`;
}

/** What the numbers were taken on. */
export function machine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores (${cpu?.model ?? 'unknown'}), ${memory} GiB of memory, Node ${process.version}`;
}
