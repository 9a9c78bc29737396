/**
 * The rows of one partition in memory, in the order of judging: by epoch, index and seq.
 *
 * Owns the sorting. Rows that hold no place are kept as the seqs they name, no more.
 */
import { EntryTable, mark } from './entry.ts';
import { SeqSet } from './seq-set.ts';

export interface LoadedPart {
  table: EntryTable;
  /** Rows that hold their place, by epoch and index. */
  holders: Uint32Array;
  /** How many of them have been taken. */
  at: number;
  /** Seqs that documents name which hold no place. */
  named: SeqSet;
}

export function loadPart(bytes: Buffer): LoadedPart {
  const table = new EntryTable(bytes);
  const named = new SeqSet();
  const all = new Uint32Array(table.length);
  let count = 0;
  for (let row = 0; row < table.length; row++) {
    if (table.has(row, mark.holds)) all[count++] = row;
    else named.add(table.number(row, 'seq'), table.number(row, 'seq'));
  }
  const compare = (a: number, b: number): number =>
    table.word(a, 'epoch') - table.word(b, 'epoch') ||
    table.word(a, 'index') - table.word(b, 'index') ||
    table.number(a, 'seq') - table.number(b, 'seq');
  const holders = all.subarray(0, count);
  // Documents come mostly in the order of signing: then there is nothing to sort.
  if (holders.some((row, at) => at > 0 && compare(holders[at - 1] ?? 0, row) > 0)) holders.sort(compare);
  return { table, holders, at: 0, named };
}

/** Takes the rows up to an epoch, not included, off the part. */
export function takeBefore(part: LoadedPart, epoch: number): number[] {
  const from = part.at;
  let to = from;
  while (to < part.holders.length && part.table.word(part.holders[to] ?? 0, 'epoch') < epoch) to += 1;
  part.at = to;
  return [...part.holders.subarray(from, to)];
}
