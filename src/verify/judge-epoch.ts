/**
 * Judges the records of one sealed epoch against its seal: gaps, order, twins, links, and the root over all leaves.
 *
 * Owns the rules for one epoch. A damaged record never condemns its neighbour: links are compared only between records that
 * hold their place, and the root only when every leaf is there. Without a key the root alone decides.
 */
import type { EntryTable } from './entry.ts';
import { epochRoot } from './epoch-root.ts';
import type { JudgeContext, JudgedChain } from './judge-context.ts';
import { findingAt } from './judge-context.ts';
import { conclude, judgeTwins } from './judge-place.ts';

/** One row for each place that is held, in order of index. */
export interface HeldPlaces {
  rows: number[];
  /** Rows that hold the same place with another leaf, by place: without a key one of them may be the true one. */
  rivals: Map<number, number[]>;
}

export interface SealedEpoch {
  seal: number;
  epoch: number;
  first: number;
  count: number;
  /** mac[0..16] of the seal before it, if that is there. */
  linkBefore: Buffer | undefined;
  provenSeal: boolean;
  /** Sealed so short a time ago that something of it may be on its way. */
  young: boolean;
}

export interface EpochJudge {
  context: JudgeContext;
  chain: JudgedChain;
  table: EntryTable;
  /** Places `from` to `to` of this epoch are held by nobody. */
  missing: (from: number, to: number) => void;
  /** A place of this epoch is held; called in ascending order together with `missing`. */
  held: (row: number) => void;
}

/** `rows`: all rows that hold places of this epoch, by index. Returns those whose headers are proven. */
export function judgeSealedEpoch(judge: EpochJudge, sealed: SealedEpoch, rows: readonly number[]): readonly number[] {
  const { chain, context } = judge;
  if (!chain.withKey && !sealed.provenSeal && context.forked(chain.instance)) {
    context.unprovable(rows.length);
    return [];
  }
  const { inside, outside } = beyond(judge, sealed, rows);
  const held = holdPlaces(judge, inside);
  gaps(judge, sealed, held, outside);
  const verdict = rootVerdict(judge, sealed, held);
  if (verdict === 'rebuilt' || chain.withKey) links(judge, sealed, held);
  if (verdict === 'differs') rootDiffers(judge, sealed, held);
  if (!chain.withKey && verdict === 'incomplete' && held.rows.length > 0) notRebuilt(judge, sealed, held);
  const counted = chain.withKey || verdict === 'rebuilt';
  const pending = counted && !chain.withKey && !sealed.provenSeal;
  const standing = !counted ? 'unproven' : pending ? 'pending' : sealed.young ? 'settling' : 'good';
  for (const row of held.rows) conclude(context, chain, judge.table, row, standing);
  return counted ? held.rows : [];
}

/** Puts rows of one index together: one holds the place, the others are twins or rivals of it. */
export function holdPlaces(judge: EpochJudge, rows: readonly number[]): HeldPlaces {
  const { table } = judge;
  const held: HeldPlaces = { rows: [], rivals: new Map() };
  let at = 0;
  while (at < rows.length) {
    const first = rows[at] ?? 0;
    const index = table.word(first, 'index');
    let end = at + 1;
    while (end < rows.length && table.word(rows[end] ?? 0, 'index') === index) end += 1;
    if (end === at + 1) held.rows.push(first);
    else held.rows.push(judgeTwins(judge, rows.slice(at, end), held.rivals));
    at = end;
  }
  return held;
}

/** `outside`: seqs of records that verify, and whose index the seal does not count. */
function beyond(
  judge: EpochJudge,
  sealed: SealedEpoch,
  rows: readonly number[],
): { inside: readonly number[]; outside: ReadonlySet<number> } {
  const { context, chain, table } = judge;
  const end = rows.findLastIndex((row) => table.word(row, 'index') < sealed.count) + 1;
  const outside = new Set<number>();
  for (const row of rows.slice(end)) {
    const detail = `The seal of epoch ${sealed.epoch} counts ${sealed.count} records, and this one is number ${table.word(row, 'index')}.`;
    context.tally.find(findingAt(context, chain, table, row, chain.withKey ? 'EQUIVOCATION' : 'FORGED', detail));
    // Without the key its tag is only taken as given, and proves no seq.
    if (chain.withKey) outside.add(table.number(row, 'seq'));
  }
  return { inside: rows.slice(0, end), outside };
}

/** Places that no index holds; a seq that a record beyond the count holds is not missing as well. */
function gaps(judge: EpochJudge, sealed: SealedEpoch, held: HeldPlaces, outside: ReadonlySet<number>): void {
  const missing = (from: number, to: number): void => {
    let start = from;
    for (const seq of [...outside].filter((one) => one >= from && one <= to).sort((a, b) => a - b)) {
      if (seq > start) judge.missing(start, seq - 1);
      start = seq + 1;
    }
    if (start <= to) judge.missing(start, to);
  };
  let expected = 0;
  for (const row of held.rows) {
    const index = judge.table.word(row, 'index');
    if (index > expected) missing(sealed.first + expected, sealed.first + index - 1);
    judge.held(row);
    expected = index + 1;
  }
  if (expected < sealed.count) missing(sealed.first + expected, sealed.first + sealed.count - 1);
}

type RootVerdict = 'rebuilt' | 'differs' | 'incomplete';

/** Compares the root; without a key it tries the rivals of a place, and calls those that are not under the seal FORGED. */
function rootVerdict(judge: EpochJudge, sealed: SealedEpoch, held: HeldPlaces): RootVerdict {
  const { chain, context, table } = judge;
  const wanted = context.seals.part(sealed.seal, 'root');
  const retired = context.facts.retiredLeaves(chain.id, sealed.epoch, sealed.first, sealed.count);
  const compute = (): Buffer | undefined => epochRoot(chain.suite, sealed.count, table, held.rows, retired);
  const root = compute();
  if (root === undefined) return 'incomplete';
  if (root.equals(wanted)) {
    settleRivals(judge, held);
    return 'rebuilt';
  }
  if (chain.withKey) return 'differs';
  for (const [position, row] of held.rows.entries()) {
    for (const rival of held.rivals.get(row) ?? []) {
      held.rows[position] = rival;
      if (compute()?.equals(wanted) === true) {
        forged(judge, row);
        return 'rebuilt';
      }
    }
    held.rows[position] = row;
  }
  return 'differs';
}

function settleRivals(judge: EpochJudge, held: HeldPlaces): void {
  if (judge.chain.withKey) return;
  for (const rivals of held.rivals.values()) for (const rival of rivals) forged(judge, rival);
}

function forged(judge: EpochJudge, row: number): void {
  const { context, chain, table } = judge;
  const detail = 'Another document is the one that the seal was made over; this one is not under it.';
  context.tally.find(findingAt(context, chain, table, row, 'FORGED', detail));
}

function rootDiffers(judge: EpochJudge, sealed: SealedEpoch, held: HeldPlaces): void {
  if (!judge.chain.withKey) {
    notRebuilt(judge, sealed, held);
    return;
  }
  judge.context.tally.find({
    verdict: 'EQUIVOCATION',
    chain: judge.chain.id,
    epoch: sealed.epoch,
    seq: sealed.first,
    time: judge.context.seals.number(sealed.seal, 'closed'),
    detail: `The seal of epoch ${sealed.epoch} was made over other records than those whose tags verify: its root differs.`,
  });
}

/** Once for the epoch: without the key nobody can say which record it is. */
function notRebuilt(judge: EpochJudge, sealed: SealedEpoch, held: HeldPlaces): void {
  const { context, chain } = judge;
  if (!context.gapsJudged && held.rows.length < sealed.count) {
    context.unprovable(held.rows.length);
    return;
  }
  const missing = sealed.count - held.rows.length;
  const why = missing > 0 ? `${missing} of its ${sealed.count} records are not there` : 'at least one record differs';
  context.tally.find({
    verdict: 'MODIFIED',
    chain: chain.id,
    epoch: sealed.epoch,
    time: context.seals.number(sealed.seal, 'closed'),
    detail: `The root of epoch ${sealed.epoch} cannot be rebuilt: ${why}. Without the key none of its records counts as verified.`,
  });
}

function links(judge: EpochJudge, sealed: SealedEpoch, held: HeldPlaces): void {
  const { context, chain, table } = judge;
  let before = -1;
  for (const row of held.rows) {
    const index = table.word(row, 'index');
    const consecutive = before >= 0 && table.word(before, 'index') === index - 1;
    const linked =
      index === 0
        ? sealed.linkBefore === undefined || table.prev(row).equals(sealed.linkBefore)
        : !consecutive || table.follows(row, before);
    const seq = table.number(row, 'seq');
    if (seq !== sealed.first + index) {
      const detail = `Its seq is ${seq}; as number ${index} of an epoch that begins at ${sealed.first} it should be ${sealed.first + index}.`;
      context.tally.find(findingAt(context, chain, table, row, 'REORDERED', detail));
    } else if (!linked) {
      const detail = 'It was signed as the successor of another record than the one that stands before it.';
      context.tally.find(findingAt(context, chain, table, row, 'REORDERED', detail));
    }
    before = row;
  }
  lastTag(judge, sealed, before);
}

function lastTag(judge: EpochJudge, sealed: SealedEpoch, last: number): void {
  const { context, chain, table } = judge;
  const present = last >= 0 && table.word(last, 'index') === sealed.count - 1;
  const expected = sealed.count === 0 ? sealed.linkBefore : present ? table.tag(last) : undefined;
  if (expected === undefined || context.seals.part(sealed.seal, 'prev').equals(expected)) return;
  context.tally.find({
    verdict: 'EQUIVOCATION',
    chain: chain.id,
    epoch: sealed.epoch,
    seq: sealed.first + Math.max(0, sealed.count - 1),
    time: context.seals.number(sealed.seal, 'closed'),
    detail: `The seal of epoch ${sealed.epoch} names another last tag than the record before it has.`,
  });
}
