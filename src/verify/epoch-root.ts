/**
 * The Merkle root of an epoch from the leaves of its records, and from the subtrees that a retire record kept of others.
 *
 * Owns the mixing of both, left to right. Assumes rows ascend by index without twins.
 */
import { CompactRange } from '../chain/merkle.ts';
import type { Suite } from '../chain/suite.ts';
import type { EntryTable } from './entry.ts';

/** A complete subtree of retired leaves: its first leaf, how many, and its root. */
export interface RetiredSubtree {
  start: number;
  size: number;
  root: Buffer;
}

/** The root over `count` leaves; undefined if some leaf is neither there nor retired. */
export function epochRoot(
  suite: Suite,
  count: number,
  table: EntryTable,
  rows: readonly number[],
  retired: readonly RetiredSubtree[] | undefined,
): Buffer | undefined {
  if (rows.length !== count && retired === undefined) return undefined;
  const range = new CompactRange(suite);
  const gone = rows.length === count ? [] : (retired ?? []);
  let subtree = 0;
  let row = 0;
  while (range.size < count) {
    const next = gone[subtree];
    if (next !== undefined && next.start === range.size) {
      range.appendSubtree(next.root, next.size);
      subtree += 1;
      while (row < rows.length && table.word(rows[row] ?? 0, 'index') < range.size) row += 1;
      continue;
    }
    const at = rows[row];
    if (at === undefined || table.word(at, 'index') !== range.size) return undefined;
    range.append(table.leaf(at));
    row += 1;
  }
  return range.root();
}
