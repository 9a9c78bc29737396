/** Which request does what: the small part of Elasticsearch's API that the embedded store speaks. The rest is 501 with a sentence. */
import { bulk, result } from './bulk.ts';
import type { StoreDatabase } from './database.ts';
import { deleteDocument, writeDocument } from './document-operations.ts';
import { getDocument, getSource, multiGet } from './get.ts';
import { resolveIndices } from './index-expression.ts';
import { catIndices, describeIndex, health, license, root } from './metadata.ts';
import { isObject } from './query.ts';
import { count, openPointInTime, scroll, search } from './search.ts';
import { checkIndexName, illegalArgument, indexNotFound, notImplemented, StoreError } from './store-error.ts';

export interface StoreRequest {
  /** HEAD comes as GET; the server leaves the body out. */
  readonly method: string;
  /** Unescaped segments of the path. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

export interface StoreAnswer {
  readonly status: number;
  /** An object is written as JSON, bytes are JSON already, a string is plain text. */
  readonly body: Readonly<Record<string, unknown>> | readonly unknown[] | Buffer | string;
}

/** Errors: StoreError with the status and the body to answer. */
export function route(database: StoreDatabase, request: StoreRequest): StoreAnswer {
  const [first] = request.path;
  if (first === undefined) return ok(root(database.clusterUuid));
  const answer =
    first.startsWith('_') && first !== '_all' ? routeWhole(database, request) : routeIndex(database, request, first);
  if (answer === undefined) throw notImplemented(`${request.method} /${request.path.join('/')}`);
  return answer;
}

function routeWhole(database: StoreDatabase, request: StoreRequest): StoreAnswer | undefined {
  const { method, path, query, body } = request;
  const [first, second, third] = path;
  switch (first) {
    case '_bulk':
      return isWrite(method) ? ok(bulk(database, body, undefined)) : undefined;
    case '_mget':
      return ok(multiGet(database, jsonBody(body), undefined, query));
    case '_search':
      if (second === 'scroll') return routeScroll(database, request);
      return second === undefined ? ok(search(database, undefined, jsonBody(body), query)) : undefined;
    case '_count':
      return counted(database, undefined, request);
    case '_pit':
      return method === 'DELETE' ? ok({ succeeded: true, num_freed: 1 }) : undefined;
    case '_refresh':
    case '_flush':
      return ok({ _shards: { total: 1, successful: 1, failed: 0 } });
    case '_cluster':
      return second === 'health' ? ok(health(database)) : undefined;
    case '_license':
      return ok(license());
    case '_cat':
      return second === 'indices' ? ok(catIndices(database, resolveIndices(database, third, query), query)) : undefined;
    case '_mapping':
    case '_settings':
    case '_alias':
      return method === 'GET' ? ok(describeAll(database, undefined, first, query)) : undefined;
    default:
      return undefined;
  }
}

function routeIndex(database: StoreDatabase, request: StoreRequest, name: string): StoreAnswer | undefined {
  const { method, path, query, body } = request;
  switch (path[1]) {
    case undefined:
      return routeIndexItself(database, request, name);
    case '_bulk':
      return isWrite(method) ? ok(bulk(database, body, name)) : undefined;
    case '_doc':
    case '_create':
      return routeDocument(database, request, name);
    case '_source':
      return ok(getSource(database, name, path[2] ?? '', query));
    case '_mget':
      return ok(multiGet(database, jsonBody(body), name, query));
    case '_search':
      return path[2] === undefined ? ok(search(database, name, jsonBody(body), query)) : undefined;
    case '_count':
      return counted(database, name, request);
    case '_pit':
      return method === 'POST'
        ? ok({
            id: openPointInTime(database, name, query),
            _shards: { total: 1, successful: 1, skipped: 0, failed: 0 },
          })
        : undefined;
    case '_refresh':
    case '_flush':
      resolveIndices(database, name, query);
      return ok({ _shards: { total: 1, successful: 1, failed: 0 } });
    case '_mapping':
    case '_settings':
    case '_alias':
      // The store indexes nothing, so a mapping changes nothing: it is taken and forgotten.
      return method === 'PUT' && path[1] === '_mapping'
        ? ok({ acknowledged: true })
        : ok(describeAll(database, name, path[1], query));
    default:
      return undefined;
  }
}

function routeIndexItself(
  database: StoreDatabase,
  { method, query }: StoreRequest,
  name: string,
): StoreAnswer | undefined {
  if (method === 'GET') return ok(describeAll(database, name, undefined, query));
  if (method === 'PUT') {
    checkIndexName(name);
    const there = database.index(name);
    if (there !== undefined) {
      throw new StoreError(400, 'resource_already_exists_exception', `index [${name}/${there.uuid}] already exists`, {
        index_uuid: there.uuid,
        index: name,
      });
    }
    database.transaction(() => database.makeIndex(name));
    return ok({ acknowledged: true, shards_acknowledged: true, index: name });
  }
  if (method !== 'DELETE') return undefined;
  const gone = resolveIndices(database, name, query);
  database.transaction(() => {
    for (const index of gone) database.dropIndex(index);
  });
  return ok({ acknowledged: true });
}

function routeDocument(
  database: StoreDatabase,
  { method, path, query, body }: StoreRequest,
  index: string,
): StoreAnswer | undefined {
  const id = path[2];
  if (method === 'GET') {
    const answer = getDocument(database, index, id ?? '', query);
    return { status: answer.found ? 200 : 404, body: answer.text };
  }
  const ifSeqNo = query.has('if_seq_no') ? Number(query.get('if_seq_no')) : undefined;
  if (method === 'DELETE') {
    const gone = database.transaction(() => deleteDocument(database, index, id ?? '', ifSeqNo));
    const answer = result(
      index,
      id ?? '',
      gone ?? { version: 1, seqNo: 0 },
      gone === undefined ? 'not_found' : 'deleted',
    );
    return { status: gone === undefined ? 404 : 200, body: answer };
  }
  if (!isWrite(method)) return undefined;
  const create = path[1] === '_create' || query.get('op_type') === 'create';
  const routing = query.get('routing') ?? undefined;
  const written = database.transaction(() =>
    writeDocument(database, { index, id, source: body, routing, create, ifSeqNo }),
  );
  const answer = result(index, written.id, written, written.created ? 'created' : 'updated');
  return { status: written.created ? 201 : 200, body: answer };
}

function routeScroll(database: StoreDatabase, { method, query, body }: StoreRequest): StoreAnswer {
  if (method === 'DELETE') return ok({ succeeded: true, num_freed: 1 });
  const given = jsonBody(body);
  const id = isObject(given) && typeof given.scroll_id === 'string' ? given.scroll_id : query.get('scroll_id');
  if (id === null) throw illegalArgument('scroll_id is missing');
  return ok(scroll(database, id));
}

function counted(database: StoreDatabase, expression: string | undefined, { body, query }: StoreRequest): StoreAnswer {
  return ok({
    count: count(database, expression, jsonBody(body), query),
    _shards: { total: 1, successful: 1, skipped: 0, failed: 0 },
  });
}

function describeAll(
  database: StoreDatabase,
  expression: string | undefined,
  part: string | undefined,
  query: URLSearchParams,
) {
  const indices = resolveIndices(database, expression, query);
  if (indices.length === 0 && expression !== undefined && !expression.includes('*')) throw indexNotFound(expression);
  return Object.fromEntries(indices.map((index) => [index.name, describeIndex(index, part)]));
}

function isWrite(method: string): boolean {
  return method === 'POST' || method === 'PUT';
}

/** undefined for an empty body. Errors: parsing_exception. */
function jsonBody(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new StoreError(400, 'parsing_exception', 'the request body is not JSON');
  }
}

function ok(body: StoreAnswer['body']): StoreAnswer {
  return { status: 200, body };
}
