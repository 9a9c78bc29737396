/**
 * Compares the seals that are there with the checkpoints, and both with what the verifier remembers of this log.
 *
 * Owns FORK, TRUNCATED, ROLLED-BACK and the order of the log. The `entry` beside a seal is a hint: only the root proves the order.
 * Assumes seals that do not verify have been left out.
 */
import { CompactRange } from '../chain/merkle.ts';
import { logSuite } from '../chain/suite.ts';
import type { SealTable } from './seal-table.ts';
import { sealMark } from './seal-table.ts';
import type { KnownInstance } from './state-file.ts';
import type { Tally } from './tally.ts';

/** A checkpoint whose signature verifies. */
export interface ValidCheckpoint {
  size: number;
  root: Buffer;
  /** Where it was found, for a finding. */
  found: { _index: string; _id?: string };
}

export interface LogQuestion {
  origin: string;
  /** Rows of this instance's seals, forged and foreign ones left out. */
  rows: number[];
  table: SealTable;
  checkpoints: ValidCheckpoint[];
  known: KnownInstance | undefined;
  /** Seals that do not verify and stand for entries that are therefore missing. */
  standIns: number;
  tally: Tally;
  /** Says where a seal was found. */
  foundAt: (row: number) => { _index: string; _id?: string };
}

export interface LogAnswer {
  /** Rows in the order of the log. */
  order: number[];
  /** Entries that a checkpoint proves. */
  provenSize: number;
  /** The newest checkpoint, if there is one. */
  newest: ValidCheckpoint | undefined;
  /** Two statements about this log differ: without the key a seal that no checkpoint proves says nothing. */
  forked: boolean;
  /** Entries that are not there and that no damaged seal stands for: by the newest checkpoint, or without one by the hints. */
  lost: number;
  /** Whether the newest checkpoint is over the seals that are there, and over what the verifier knew. */
  consistent: boolean;
}

export function checkLog(question: LogQuestion): LogAnswer {
  const { table, tally, origin, known } = question;
  const newest = question.checkpoints.reduce<ValidCheckpoint | undefined>(
    (best, next) => (best === undefined || next.size > best.size ? next : best),
    undefined,
  );
  const order = orderOf(question, newest);
  const contiguous = contiguousSize(order, table, newest);
  const roots = rootsAt(order, contiguous, table, question);
  const forked = findFork(question, roots);
  const proven = question.checkpoints
    .filter(({ size, root }) => roots.get(size)?.equals(root) === true)
    .reduce((most, { size }) => Math.max(most, size), 0);
  for (const row of order.slice(0, proven)) table.mark(row, sealMark.proven);
  const whole = newest !== undefined && roots.get(newest.size)?.equals(newest.root) === true;
  const there = order.filter((row) => table.number(row, 'entry') < (newest?.size ?? 0)).length;
  const cut = whole ? 0 : Math.max(0, (newest?.size ?? 0) - there);
  if (cut - question.standIns > 0 && newest !== undefined) {
    tally.find({
      verdict: 'TRUNCATED',
      count: cut - question.standIns,
      found: newest.found,
      detail: `The checkpoint of ${origin} counts ${newest.size} seals, and ${newest.size - cut} of them are there.`,
    });
  }
  const rolledBack = known !== undefined && (newest?.size ?? 0) < known.size;
  if (rolledBack) {
    tally.find({
      verdict: 'ROLLED-BACK',
      time: known.time,
      detail: `The newest checkpoint of ${origin} counts ${newest?.size ?? 0} seals; this verifier has seen ${known.size} on ${new Date(known.time).toISOString()}.`,
    });
  }
  return {
    order,
    provenSize: proven,
    newest,
    forked,
    lost: Math.max(0, (newest === undefined ? hintedHoles(order, table) : cut) - question.standIns),
    consistent: !forked && !rolledBack && cut === 0 && newest !== undefined,
  };
}

function hintedHoles(order: readonly number[], table: SealTable): number {
  const hints = order.map((row) => table.number(row, 'entry')).filter((entry) => entry >= 0);
  return hints.reduce((most, entry) => Math.max(most, entry + 1), 0) - hints.length;
}

/** By hint; where two seals claim one entry, the one that makes the newest checkpoint's root. */
function orderOf(question: LogQuestion, newest: ValidCheckpoint | undefined): number[] {
  const { table } = question;
  const byHint = question.rows.toSorted(
    (a, b) =>
      table.number(a, 'entry') - table.number(b, 'entry') || table.number(a, 'closed') - table.number(b, 'closed'),
  );
  const rivals = new Map<number, number[]>();
  const order: number[] = [];
  for (const row of byHint) {
    const last = order.at(-1);
    const entry = table.number(row, 'entry');
    if (last !== undefined && entry >= 0 && table.number(last, 'entry') === entry) {
      rivals.set(order.length - 1, [...(rivals.get(order.length - 1) ?? []), row]);
    } else order.push(row);
  }
  if (newest === undefined) return order;
  if (order.length >= newest.size && rootOf(order, newest.size, table).equals(newest.root)) {
    return [...order, ...settle(question, order, rivals.values())];
  }
  const byTime = question.rows.toSorted((a, b) => table.number(a, 'closed') - table.number(b, 'closed') || a - b);
  if (byTime.length >= newest.size && rootOf(byTime, newest.size, table).equals(newest.root)) return byTime;
  for (const [position, others] of rivals) {
    for (const other of others) {
      const swapped = order.with(position, other);
      if (!rootOf(swapped, newest.size, table).equals(newest.root)) continue;
      return [...swapped, ...settle(question, swapped, [[order[position] ?? 0]])];
    }
  }
  return order;
}

/**
 * Seals that claim the entry of another which the checkpoint proves. One that verifies is no forgery: its hint is wrong, and it comes
 * after the others, or it is a second seal of an epoch, which is judged with its chain. Returns those that come after.
 */
function settle(question: LogQuestion, order: readonly number[], losers: Iterable<readonly number[]>): number[] {
  const { table, tally, foundAt } = question;
  const after: number[] = [];
  for (const row of [...losers].flat()) {
    if (table.has(row, sealMark.verified)) {
      if (!order.some((other) => isSameEpoch(table, row, other))) after.push(row);
      continue;
    }
    table.mark(row, sealMark.rejected);
    const detail = 'A seal that is not under the checkpoint: another one has its entry in the log.';
    const epoch = table.word(row, 'epoch');
    tally.find({ verdict: 'FORGED', epoch, found: foundAt(row), time: table.number(row, 'closed'), detail });
  }
  return after.sort((a, b) => table.number(a, 'closed') - table.number(b, 'closed'));
}

function isSameEpoch(table: SealTable, a: number, b: number): boolean {
  return table.word(a, 'chain') === table.word(b, 'chain') && table.word(a, 'epoch') === table.word(b, 'epoch');
}

function rootOf(order: readonly number[], size: number, table: SealTable): Buffer {
  const range = new CompactRange(logSuite);
  for (const row of order.slice(0, size)) range.append(table.part(row, 'leaf'));
  return range.root();
}

/** How many entries follow each other from 0 on without a hole. Where the root proves the order, hints do not matter. */
function contiguousSize(order: readonly number[], table: SealTable, newest: ValidCheckpoint | undefined): number {
  const proven =
    newest !== undefined && order.length >= newest.size && rootOf(order, newest.size, table).equals(newest.root);
  const hole = order.findIndex((row, position) => table.number(row, 'entry') !== position);
  return proven || hole < 0 || order.every((row) => table.number(row, 'entry') < 0) ? order.length : hole;
}

/** Roots at all sizes that somebody asks for. */
function rootsAt(order: readonly number[], size: number, table: SealTable, question: LogQuestion): Map<number, Buffer> {
  const wanted = new Set(question.checkpoints.map((checkpoint) => checkpoint.size));
  if (question.known !== undefined) wanted.add(question.known.size);
  const range = new CompactRange(logSuite);
  const roots = new Map<number, Buffer>();
  if (wanted.has(0)) roots.set(0, range.root());
  for (const row of order.slice(0, size)) {
    range.append(table.part(row, 'leaf'));
    if (wanted.has(range.size)) roots.set(range.size, range.root());
  }
  return roots;
}

/** Reports the smallest size at which two statements differ. */
function findFork({ checkpoints, known, origin, tally }: LogQuestion, roots: Map<number, Buffer>): boolean {
  const first = new Map<number, Buffer>();
  for (const { size, root, found } of checkpoints.toSorted((a, b) => a.size - b.size)) {
    const other = roots.get(size) ?? first.get(size);
    if (other !== undefined && !other.equals(root)) {
      const with_ = roots.has(size) ? 'the seals that are there' : 'another valid checkpoint of that size';
      const detail = `The checkpoint of ${origin} over ${size} seals does not agree with ${with_}.`;
      tally.find({ verdict: 'FORK', found, detail });
      return true;
    }
    first.set(size, root);
  }
  const remembered = known === undefined ? undefined : (roots.get(known.size) ?? first.get(known.size));
  if (known === undefined || remembered === undefined || remembered.toString('base64') === known.root) return false;
  const seen = new Date(known.time).toISOString();
  const detail = `The log of ${origin} is not the one that this verifier saw on ${seen}: its first ${known.size} seals are others.`;
  tally.find({ verdict: 'FORK', time: known.time, detail });
  return true;
}
