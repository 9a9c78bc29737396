/**
 * Search, count, scroll and points in time over the embedded store. Reads documents in the order of writing; a cursor is the
 * sequence number of the last hit, so paging needs no state here. Memory: one page, or for a sort by field the keys of a few.
 */
import type { StoreDatabase, StoredIndex } from './database.ts';
import { resolveIndices } from './index-expression.ts';
import type { Matcher } from './query.ts';
import { compileQuery, isObject } from './query.ts';
import { scan } from './scan.ts';
import type { SortKey } from './sort.ts';
import { compareSortValues, parseSort, sortValues } from './sort.ts';
import type { SourceFilter } from './source-filter.ts';
import { filterSource, sourceFilter } from './source-filter.ts';
import { illegalArgument, notImplemented, StoreError } from './store-error.ts';

/** As index.max_result_window of Elasticsearch. */
const WINDOW_MAX = 10_000;

const members = new Set(
  'query from size sort search_after pit slice _source track_total_hits timeout version seq_no_primary_term stored_fields track_scores'.split(
    ' ',
  ),
);

interface Search {
  readonly indices: readonly StoredIndex[];
  readonly matches: Matcher | undefined;
  readonly from: number;
  readonly size: number;
  readonly sort: readonly SortKey[];
  readonly after: readonly unknown[] | undefined;
  readonly before: number | undefined;
  readonly slice: { id: number; max: number } | undefined;
  readonly source: SourceFilter | false | undefined;
  readonly totalMax: number;
  readonly seqNo: boolean;
  readonly version: boolean;
  readonly pit: string | undefined;
}

interface Hit {
  readonly index: string;
  readonly id: string;
  readonly seqNo: number;
  readonly version: number;
  readonly source: Buffer | undefined;
  readonly sort: readonly unknown[] | undefined;
}

/** The answer's JSON text, `_source` in it to the byte. */
export function search(
  database: StoreDatabase,
  expression: string | undefined,
  body: unknown,
  query: URLSearchParams,
): Buffer {
  const wanted = parseSearch(database, expression, body, query);
  return answer(wanted, run(database, wanted), scrollId(wanted, query, expression, body));
}

export function scroll(database: StoreDatabase, id: string): Buffer {
  const state = decodeState(id);
  const body = { ...(isObject(state.body) ? state.body : {}), search_after: [state.after] };
  const query = new URLSearchParams({ scroll: '1m' });
  return search(database, typeof state.expression === 'string' ? state.expression : undefined, body, query);
}

export function openPointInTime(database: StoreDatabase, expression: string, query: URLSearchParams): string {
  const indices = resolveIndices(database, expression, query).map(({ name }) => name);
  const { last } = database.prepare('SELECT coalesce(max(seq_no), -1) AS last FROM documents').get() as {
    last: number;
  };
  return Buffer.from(JSON.stringify({ indices, before: last + 1 })).toString('base64url');
}

export function count(
  database: StoreDatabase,
  expression: string | undefined,
  body: unknown,
  query: URLSearchParams,
): number {
  const indices = resolveIndices(database, expression, query);
  const matches = compileQuery(isObject(body) ? body.query : undefined);
  if (matches === undefined) return countAll(database, indices);
  let total = 0;
  for (const row of scan(database, { indices })) if (matches(row)) total += 1;
  return total;
}

function parseSearch(
  database: StoreDatabase,
  expression: string | undefined,
  given: unknown,
  query: URLSearchParams,
): Search {
  const body = isObject(given) ? given : {};
  const unknown = Object.keys(body).find((name) => !members.has(name));
  if (unknown !== undefined) throw notImplemented(`[${unknown}] in a search`);
  if (query.has('q')) throw notImplemented('query string syntax (?q=)');
  const pit = isObject(body.pit) ? String(body.pit.id) : undefined;
  const state = pit === undefined ? undefined : decodeState(pit);
  const names = Array.isArray(state?.indices) ? state.indices.map(String) : [];
  const number = (name: string, otherwise: number) => Number(body[name] ?? query.get(name) ?? otherwise);
  const [from, size] = [number('from', 0), number('size', 10)];
  if (!(from >= 0 && size >= 0)) throw illegalArgument('[from] and [size] must not be negative');
  if (from + size > WINDOW_MAX) {
    throw illegalArgument(
      `Result window is too large, from + size must be less than or equal to: [${WINDOW_MAX}] but was [${from + size}]`,
    );
  }
  const tracked = body.track_total_hits ?? query.get('track_total_hits') ?? WINDOW_MAX;
  return {
    indices:
      state === undefined
        ? resolveIndices(database, expression, query)
        : names.flatMap((name) => database.index(name) ?? []),
    matches: compileQuery(body.query),
    from,
    size,
    sort: parseSort(body.sort ?? query.get('sort')?.split(',')),
    after: Array.isArray(body.search_after) ? body.search_after : undefined,
    before: typeof state?.before === 'number' ? state.before : undefined,
    slice: isObject(body.slice) ? { id: Number(body.slice.id), max: Math.max(1, Number(body.slice.max)) } : undefined,
    source: sourceFilter(body._source, query),
    totalMax: String(tracked) === 'true' ? Number.POSITIVE_INFINITY : String(tracked) === 'false' ? 0 : Number(tracked),
    seqNo: String(body.seq_no_primary_term ?? query.get('seq_no_primary_term')) === 'true',
    version: String(body.version ?? query.get('version')) === 'true',
    pit,
  };
}

interface Found {
  readonly hits: readonly Hit[];
  readonly total: number;
  /** Whether counting stopped before the end. */
  readonly more: boolean;
}

function run(database: StoreDatabase, wanted: Search): Found {
  return wanted.sort.some(({ field }) => field !== undefined)
    ? runSorted(database, wanted)
    : runInOrder(database, wanted);
}

/** In the order of writing; stops as soon as the page is full and enough is counted. */
function runInOrder(database: StoreDatabase, wanted: Search): Found {
  const { indices, before, slice, matches, from, size, totalMax } = wanted;
  const after = wanted.after === undefined ? undefined : Number(wanted.after.at(-1));
  const withSort = wanted.sort.length > 0 || wanted.pit !== undefined;
  const cheapTotal = matches === undefined && slice === undefined;
  const hits: Hit[] = [];
  let total = 0;
  let more = false;
  for (const row of scan(database, { indices, after, before, slice })) {
    if (matches !== undefined && !matches(row)) continue;
    total += 1;
    if (total > from && hits.length < size) {
      const { index, id, seqNo, version } = row;
      hits.push({ index, id, seqNo, version, source: row.source(), sort: withSort ? [seqNo] : undefined });
    }
    more = hits.length === size && (cheapTotal || total > totalMax);
    if (more) break;
  }
  if (cheapTotal && totalMax > 0) return { hits, total: countAll(database, indices), more: false };
  return { hits, total: Math.min(total, totalMax), more };
}

/** By fields: the best keys of all matches first, then the sources of one page. */
function runSorted(database: StoreDatabase, wanted: Search): Found {
  const { indices, before, slice, matches, from, size, sort } = wanted;
  const keys: { values: unknown[]; seqNo: number }[] = [];
  const order = (a: (typeof keys)[number], b: (typeof keys)[number]) =>
    compareSortValues(a.values, b.values, sort) || a.seqNo - b.seqNo;
  let total = 0;
  for (const row of scan(database, { indices, before, slice })) {
    if (matches !== undefined && !matches(row)) continue;
    total += 1;
    const values = [...sortValues(row.document(), row.seqNo, sort), ...(wanted.pit === undefined ? [] : [row.seqNo])];
    if (wanted.after !== undefined && compareSortValues(values, wanted.after, sort) <= 0) continue;
    keys.push({ values, seqNo: row.seqNo });
    // What is not on the page by now never will be.
    if (keys.length >= 2 * (from + size) + 1024) keys.sort(order).splice(from + size);
  }
  keys.sort(order);
  const hits = keys.slice(from, from + size).flatMap(({ values, seqNo }) => {
    const [row] = scan(database, { indices, after: seqNo - 1, before: seqNo + 1 });
    return row === undefined
      ? []
      : [{ index: row.index, id: row.id, seqNo, version: row.version, source: row.source(), sort: values }];
  });
  return { hits, total, more: false };
}

function answer(wanted: Search, { hits, total, more }: Found, scroll: ((last: number) => string) | undefined): Buffer {
  const { sort, source: filter, seqNo, version, pit, totalMax } = wanted;
  const last = hits.at(-1)?.seqNo;
  const head: Record<string, unknown> = {
    ...(scroll !== undefined && { _scroll_id: scroll(last ?? Number.MAX_SAFE_INTEGER) }),
    ...(pit !== undefined && { pit_id: pit }),
    took: 0,
    timed_out: false,
    _shards: { total: 1, successful: 1, skipped: 0, failed: 0 },
  };
  const counted = totalMax === 0 ? '' : `"total":${JSON.stringify({ value: total, relation: more ? 'gte' : 'eq' })},`;
  const scored = sort.length === 0 && pit === undefined;
  const parts: Buffer[] = [
    Buffer.from(
      `${JSON.stringify(head).slice(0, -1)},"hits":{${counted}"max_score":${scored && hits.length > 0 ? '1.0' : 'null'},"hits":[`,
    ),
  ];
  for (const [at, hit] of hits.entries()) {
    const fields = {
      _index: hit.index,
      _id: hit.id,
      ...(version && { _version: hit.version }),
      ...(seqNo && { _seq_no: hit.seqNo, _primary_term: 1 }),
    };
    parts.push(
      Buffer.from(`${at > 0 ? ',' : ''}${JSON.stringify(fields).slice(0, -1)},"_score":${scored ? '1.0' : 'null'}`),
    );
    if (filter !== false && hit.source !== undefined)
      parts.push(Buffer.from(',"_source":'), filterSource(hit.source, filter));
    parts.push(Buffer.from(hit.sort === undefined ? '}' : `,"sort":${JSON.stringify(hit.sort)}}`));
  }
  parts.push(Buffer.from(']}}'));
  return Buffer.concat(parts);
}

function countAll(database: StoreDatabase, indices: readonly StoredIndex[]): number {
  const one = database.prepare('SELECT count(*) AS total FROM documents WHERE index_number = ?');
  return indices.reduce((sum, { number }) => sum + Number((one.get(number) as { total: number }).total), 0);
}

/** A scroll is its own request with the place to go on; it works in the order of writing only. */
function scrollId(
  wanted: Search,
  query: URLSearchParams,
  expression: string | undefined,
  body: unknown,
): ((last: number) => string) | undefined {
  if (!query.has('scroll')) return undefined;
  if (wanted.sort.some(({ field }) => field !== undefined)) throw notImplemented('scroll sorted by a field');
  return (last) =>
    Buffer.from(
      JSON.stringify({ expression, body: { ...(isObject(body) ? body : {}), size: wanted.size }, after: last }),
    ).toString('base64url');
}

function decodeState(id: string): Readonly<Record<string, unknown>> {
  try {
    const state: unknown = JSON.parse(Buffer.from(id, 'base64url').toString());
    if (isObject(state)) return state;
  } catch {
    // Falls through: not one of ours.
  }
  throw new StoreError(404, 'search_context_missing_exception', 'No search context found for this id');
}
