/** Reading single documents: GET, `_source`, `_mget`. `_source` comes back as the bytes that were stored. */
import type { StoreDatabase } from './database.ts';
import { isObject } from './query.ts';
import type { SourceFilter } from './source-filter.ts';
import { filterSource, sourceFilter } from './source-filter.ts';
import { illegalArgument, indexNotFound, StoreError } from './store-error.ts';

/** Documents of one `_mget`. */
const ITEMS_MAX = 10_000;

/** Errors: index_not_found_exception. A document that is not there is an answer too. */
export function getDocument(
  database: StoreDatabase,
  index: string,
  id: string,
  query: URLSearchParams,
): { found: boolean; text: Buffer } {
  const text = documentText(database, index, id, sourceFilter(undefined, query));
  if (text === undefined) throw indexNotFound(index);
  return text;
}

export function getSource(database: StoreDatabase, indexName: string, id: string, query: URLSearchParams): Buffer {
  const index = database.index(indexName);
  if (index === undefined) throw indexNotFound(indexName);
  const stored = database.get(index, id);
  if (stored === undefined)
    throw new StoreError(404, 'resource_not_found_exception', `Document not found [${indexName}]/[${id}]`);
  const filter = sourceFilter(undefined, query);
  return filterSource(stored.source, filter === false ? undefined : filter);
}

/** `{"docs":[{"_index","_id"}]}` or `{"ids":[…]}`; each in its place, errors too. */
export function multiGet(
  database: StoreDatabase,
  body: unknown,
  defaultIndex: string | undefined,
  query: URLSearchParams,
): Buffer {
  const given = isObject(body) ? body : {};
  const docs = Array.isArray(given.docs)
    ? given.docs
    : Array.isArray(given.ids)
      ? given.ids.map((id) => ({ _id: id }))
      : [];
  if (docs.length === 0)
    throw new StoreError(400, 'action_request_validation_exception', 'Validation Failed: 1: no documents to get;');
  if (docs.length > ITEMS_MAX)
    throw illegalArgument(`[_mget] of ${docs.length} documents, at most ${ITEMS_MAX} at once`);
  const parts: Buffer[] = [Buffer.from('{"docs":[')];
  for (const [at, doc] of docs.entries()) {
    const index = isObject(doc) && typeof doc._index === 'string' ? doc._index : (defaultIndex ?? '');
    const id = isObject(doc) ? String(doc._id) : '';
    const filter = sourceFilter(isObject(doc) ? doc._source : undefined, query);
    if (at > 0) parts.push(Buffer.from(','));
    const text = documentText(database, index, id, filter)?.text;
    parts.push(
      text ?? Buffer.from(JSON.stringify({ _index: index, _id: id, error: indexNotFound(index).body().error })),
    );
  }
  parts.push(Buffer.from(']}'));
  return Buffer.concat(parts);
}

/** undefined: there is no such index. */
function documentText(
  database: StoreDatabase,
  indexName: string,
  id: string,
  filter: SourceFilter | false | undefined,
) {
  const index = database.index(indexName);
  if (index === undefined) return undefined;
  const stored = database.get(index, id);
  if (stored === undefined)
    return { found: false, text: Buffer.from(JSON.stringify({ _index: indexName, _id: id, found: false })) };
  const { version, seqNo, routing } = stored;
  const fields = {
    _index: indexName,
    _id: id,
    _version: version,
    _seq_no: seqNo,
    _primary_term: 1,
    ...(routing !== undefined && { _routing: routing }),
    found: true,
  };
  const head = JSON.stringify(fields);
  if (filter === false) return { found: true, text: Buffer.from(head) };
  return {
    found: true,
    text: Buffer.concat([
      Buffer.from(`${head.slice(0, -1)},"_source":`),
      filterSource(stored.source, filter),
      Buffer.from('}'),
    ]),
  };
}
