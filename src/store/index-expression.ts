/** Which indices a path names: `a,logs-*,-logs-old`, `_all`, and what happens if there are none. */

import { matchesGlob } from '../lib/glob.ts';
import type { StoreDatabase, StoredIndex } from './database.ts';
import { indexNotFound } from './store-error.ts';

/** `undefined` and `_all` name all. Errors: index_not_found_exception for a plain name that is not there. */
export function resolveIndices(
  database: StoreDatabase,
  expression: string | undefined,
  query: URLSearchParams,
): StoredIndex[] {
  const lenient = query.get('ignore_unavailable') === 'true';
  const hidden = /hidden|all/.test(query.get('expand_wildcards') ?? '');
  const chosen = new Map<string, StoredIndex>();
  const parts = expression === undefined || expression === '_all' || expression === '' ? ['*'] : expression.split(',');
  let patterned = false;
  for (const part of parts) {
    // As in Elasticsearch: without a pattern before it, a dash is a part of the name.
    const exclude = part.startsWith('-') && patterned;
    const pattern = exclude ? part.slice(1) : part;
    patterned ||= part.includes('*');
    if (!pattern.includes('*')) {
      const index = database.index(pattern);
      if (index === undefined && !lenient && !exclude) throw indexNotFound(pattern);
      if (exclude) chosen.delete(pattern);
      else if (index !== undefined) chosen.set(pattern, index);
      continue;
    }
    for (const index of database.indices()) {
      if (!matchesGlob(pattern, index.name) || (index.name.startsWith('.') && !hidden && !pattern.startsWith('.')))
        continue;
      if (exclude) chosen.delete(index.name);
      else chosen.set(index.name, index);
    }
  }
  if (chosen.size === 0 && query.get('allow_no_indices') === 'false') throw indexNotFound(expression ?? '_all');
  return [...chosen.values()];
}
