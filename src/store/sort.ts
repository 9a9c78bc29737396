/** The sort of a search: `_doc` and `_shard_doc` are the order of writing, anything else is a field of the documents. */
import { compare, isObject, valuesAt } from './query.ts';
import { illegalArgument } from './store-error.ts';

export interface SortKey {
  /** undefined: the order of writing. */
  readonly field: string | undefined;
  readonly descending: boolean;
}

/** `"_doc"`, `"field:desc"`, `{"field":"desc"}`, `{"field":{"order":"desc"}}`, or a list of these. */
export function parseSort(given: unknown): SortKey[] {
  if (given === undefined || given === null) return [];
  return (Array.isArray(given) ? given : [given]).flatMap((entry): SortKey[] => {
    if (typeof entry === 'string') {
      const [field = '', order] = entry.split(':');
      return [key(field, order)];
    }
    if (!isObject(entry)) throw illegalArgument('[sort] malformed');
    return Object.entries(entry).map(([field, options]) => key(field, isObject(options) ? options.order : options));
  });
}

/** The values a hit is sorted by, as they are given back in `sort`; null where the field is missing. */
export function sortValues(document: unknown, seqNo: number, keys: readonly SortKey[]): unknown[] {
  return keys.map(({ field, descending }) => {
    if (field === undefined) return seqNo;
    const values = valuesAt(document, field).filter((value) => value !== null && !isObject(value));
    values.sort((a, b) => compare(a, b) * (descending ? -1 : 1));
    return values[0] ?? null;
  });
}

/** Missing values last, whatever the order; values beyond the keys are tie breakers, ascending. */
export function compareSortValues(a: readonly unknown[], b: readonly unknown[], keys: readonly SortKey[]): number {
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    const [x, y] = [a[at], b[at]];
    if (x === y) continue;
    if (x === null) return 1;
    if (y === null) return -1;
    const order = compare(x, y);
    if (order !== 0) return keys[at]?.descending === true ? -order : order;
  }
  return 0;
}

function key(name: string, order: unknown): SortKey {
  const field = name === '_doc' || name === '_shard_doc' || name === '_score' ? undefined : name;
  return { field, descending: field !== undefined && order === 'desc' };
}
