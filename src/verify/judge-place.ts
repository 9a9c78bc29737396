/**
 * Judges who holds a place, and whether it lies where it belongs.
 *
 * Owns the choice among several documents of one place, and the verdicts of a record that verifies. The one that lies in its
 * dest under its own id is judged; a copy of it is DUPLICATED; a second valid statement about the place is EQUIVOCATION.
 */
import type { EntryTable } from './entry.ts';
import { mark } from './entry.ts';
import type { JudgeContext, JudgedChain } from './judge-context.ts';
import { findingAt, placeOf } from './judge-context.ts';
import type { EpochJudge } from './judge-epoch.ts';

/** Several rows name one place: returns the one that is judged. */
export function judgeTwins(judge: EpochJudge, rows: readonly number[], rivals: Map<number, number[]>): number {
  const { context, chain, table } = judge;
  const [best = 0, ...others] = rows.toSorted((a, b) => rank(table, b) - rank(table, a));
  const places = new Map<number, number>();
  for (const other of others) {
    if (table.same(best, other)) {
      duplicate(context, chain, table, best, other);
      continue;
    }
    const known = [...places.keys()].find((row) => table.same(row, other));
    if (known !== undefined) {
      duplicate(context, chain, table, known, other);
      continue;
    }
    places.set(other, other);
    if (chain.withKey) {
      const detail = `Two valid tags for this place: the other is in ${placeOf(context, chain, table, best)}.`;
      context.tally.find(findingAt(context, chain, table, other, 'EQUIVOCATION', detail));
    }
  }
  if (!chain.withKey && places.size > 0) rivals.set(best, [...places.keys()]);
  return best;
}

/**
 * `pending`: its epoch is open, or nothing proves its seal yet. `settling`: sealed so short a time ago that the control record which
 * says where it lies may be on its way. `unproven`: without a key its epoch cannot be rebuilt.
 */
export type Standing = 'good' | 'settling' | 'pending' | 'unproven';

/** The last word on a row that is the one judged for its place. */
export function conclude(
  context: JudgeContext,
  chain: JudgedChain,
  table: EntryTable,
  row: number,
  standing: Standing,
): void {
  const marks = table.word(row, 'marks');
  const seq = table.number(row, 'seq');
  const rejected = (marks & mark.inRejects) !== 0;
  const named = rejected && context.facts.isRejected(chain.id, seq);
  const home = (marks & mark.inPlace) !== 0 || named;
  const young = standing === 'pending' || standing === 'settling';
  if (!home && young && (marks & mark.idMatches) !== 0) {
    // Place and reject records are on disk before the document is stored, and may be seen after it.
    if ((marks & (mark.judged | mark.control)) === 0 && !chain.lacksKey) context.tally.good('PENDING', 1);
    return;
  }
  if (!home || (marks & mark.idMatches) === 0) {
    context.tally.find(
      findingAt(context, chain, table, row, 'MOVED', movedDetail(context, table, row, rejected, home)),
    );
    return;
  }
  if ((marks & (mark.judged | mark.control)) !== 0 || standing === 'unproven' || chain.lacksKey) return;
  if (standing === 'pending') context.tally.good('PENDING', 1);
  else if ((marks & mark.erased) !== 0) context.tally.good('ERASED-OK', 1);
  else context.tally.good(rejected ? 'REJECTED-OK' : 'OK', 1);
}

function movedDetail(context: JudgeContext, table: EntryTable, row: number, rejected: boolean, home: boolean): string {
  const dest = context.destNames[table.word(row, 'dest')] ?? '';
  if (rejected && !home) return `It lies among the rejects, but no reject record names it; it belongs into ${dest}.`;
  if (home) return 'It lies under another _id than the one it was signed with.';
  return `It was signed for ${dest}; the index it lies in is no place of that.`;
}

function duplicate(context: JudgeContext, chain: JudgedChain, table: EntryTable, kept: number, other: number): void {
  const seq = table.number(other, 'seq');
  if (!table.has(other, mark.control)) context.tally.records -= 1;
  const across = table.has(kept, mark.inRejects) !== table.has(other, mark.inRejects);
  if (across && context.facts.isRetried(chain.id, seq) && context.facts.isRejected(chain.id, seq)) return;
  const detail = `A copy of the record in ${placeOf(context, chain, table, kept)}.`;
  context.tally.find(findingAt(context, chain, table, other, 'DUPLICATED', detail));
}

/** In its dest under its own id, then in its dest, then a reject, then anywhere; undamaged before damaged. */
function rank(table: EntryTable, row: number): number {
  const marks = table.word(row, 'marks');
  const place = (marks & mark.inPlace) !== 0 ? 8 : (marks & mark.inRejects) !== 0 ? 2 : 0;
  const id = (marks & mark.idMatches) !== 0 ? 4 : 0;
  return place + id + ((marks & mark.judged) !== 0 ? 0 : 1);
}
