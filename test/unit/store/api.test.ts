import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gzipSync } from 'node:zlib';
import type { Test } from 'tap';
import t from 'tap';
import { StoreDatabase } from '../../../src/store/database.ts';
import { StoreReader } from '../../../src/store/reader.ts';
import { createStoreServer } from '../../../src/store/server.ts';
import type { RunningStore } from '../../../src/store/worker.ts';
import { startStore } from '../../../src/store/worker.ts';

interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely here
  json: any;
}

function client(store: Pick<RunningStore, 'socketPath'>) {
  return (
    method: string,
    path: string,
    body?: string | Buffer | object,
    headers: Record<string, string> = {},
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const bytes =
        body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const length = { 'content-length': String(Buffer.byteLength(bytes ?? '')) };
      const sent = request(
        { socketPath: store.socketPath, method, path, headers: { ...length, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            let json: unknown;
            try {
              json = JSON.parse(text);
            } catch {
              json = undefined;
            }
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
          });
        },
      );
      sent.on('error', reject);
      sent.end(bytes);
    });
}

/** The store's server in this thread; the tests of the thread itself start it themselves. */
async function started(t: Test) {
  sockets += 1;
  const path = join(t.testdir(), 'logseal.sqlite');
  const socketPath = join(tmpdir(), `logseal-test-${process.pid}-${sockets}.sock`);
  const database = new StoreDatabase(path);
  const server = createStoreServer(database, (error) => t.fail(String(error)));
  await once(server.listen(socketPath), 'listening');
  t.teardown(async () => {
    await new Promise((resolve) => server.close(resolve));
    database.close();
  });
  return { database, path, ask: client({ socketPath }) };
}

let sockets = 0;

const lines = (...values: (object | string)[]) =>
  values.map((value) => `${typeof value === 'string' ? value : JSON.stringify(value)}\n`).join('');

t.test('a bulk answers item by item, in order, in the shape of Elasticsearch', async (t) => {
  const { ask } = await started(t);
  const first = await ask(
    'POST',
    '/_bulk',
    lines({ create: { _index: 'a', _id: '1' } }, '{"x":1}', '', { index: { _index: 'a' } }, '{"x":2}'),
  );
  t.equal(first.status, 200);
  t.equal(first.headers['x-elastic-product'], 'Elasticsearch');
  t.match(
    first.text,
    /^\{"errors":false,"took":\d+,"items":\[\{"create":\{"_index":"a","_id":"1","_version":1,"result":"created"/,
  );
  t.match(first.json.items[0].create, { _seq_no: 0, _primary_term: 1, status: 201, _shards: { successful: 1 } });
  t.match(first.json.items[1].index, { _seq_no: 1, status: 201, _id: /^[\w-]{20}$/ });

  const second = await ask(
    'PUT',
    '/a/_bulk',
    lines(
      { create: { _id: '1' } },
      '{}',
      { index: { _id: '1' } },
      '{"x":3}',
      { delete: { _id: '1' } },
      { delete: { _id: '1' } },
      { update: { _id: '1' } },
      '{}',
      { index: { _index: 'Upper' } },
      '{}',
      { index: {} },
      '[]',
      { index: {} },
      '{"a":',
      { index: { _id: 'x'.repeat(513) } },
      '{}',
      { index: { require_alias: true } },
      '{}',
      { index: { _id: '9', if_seq_no: 7 } },
      '{}',
      { delete: {} },
    ),
  );
  t.equal(second.json.errors, true);
  const items = second.json.items.map((item: object) => Object.values(item)[0]);
  t.match(items, [
    {
      _index: 'a',
      _id: '1',
      status: 409,
      error: { type: 'version_conflict_engine_exception', index: 'a', shard: '0', reason: /document already exists/ },
    },
    { status: 200, result: 'updated', _version: 2 },
    { status: 200, result: 'deleted', _version: 3 },
    { status: 404, result: 'not_found' },
    { status: 501, error: { type: 'not_implemented' } },
    { status: 400, error: { type: 'invalid_index_name_exception', reason: /lowercase/ } },
    { status: 400, error: { type: 'document_parsing_exception' } },
    { status: 400, error: { type: 'document_parsing_exception' } },
    { status: 400, error: { type: 'illegal_argument_exception', reason: /512 bytes/ } },
    { status: 404, error: { type: 'index_not_found_exception' } },
    { status: 409, error: { type: 'version_conflict_engine_exception', reason: /no document was found/ } },
    { status: 400, error: { type: 'action_request_validation_exception' } },
  ]);
});

t.test('a bulk that cannot be read is refused whole and writes nothing', async (t) => {
  const { ask } = await started(t);
  const refused: [string, RegExp][] = [
    ['', /request body is required/],
    ['\n\n', /no requests added/],
    ['{"index":{"_index":"a"}}\n{}', /terminated by a newline/],
    ['{"index":{"_index":"a"}}\n{}\n{"bogus":{}}\n{}\n', /Malformed action\/metadata line \[3\]/],
    ['{"index":{"_index":"a"}}\n{}\nnot json\n', /Malformed action\/metadata line \[3\]/],
    ['{"index":{},"create":{}}\n{}\n', /Malformed action/],
    ['[]\n{}\n', /Malformed action/],
  ];
  for (const [body, reason] of refused) {
    const answer = await ask('POST', '/_bulk', body);
    t.equal(answer.status, 400, body);
    t.match(answer.json, { error: { root_cause: [{ reason }], reason }, status: 400 });
  }
  t.equal((await ask('GET', '/_count')).json.count, 0);
  const mixed = await ask('POST', '/_bulk', lines({ index: {} }, '{}'));
  t.match(mixed.json.items[0].index, { status: 400, error: { reason: /index is missing/ } });
});

t.test('a source comes back to the byte: get, _source, search, _mget, reader', async (t) => {
  const { ask, path } = await started(t);
  const source = '{ "b": 1.0, "a":1e400,"n":12345678901234567890 ,"ü\\u00fc":"\\/"}\t';
  await ask('POST', '/_bulk', lines({ create: { _index: 'a', _id: 'ü/1', routing: 'r' } }, source));
  const got = await ask('GET', '/a/_doc/%C3%BC%2F1');
  t.equal(
    got.text,
    `{"_index":"a","_id":"ü/1","_version":1,"_seq_no":0,"_primary_term":1,"_routing":"r","found":true,"_source":${source}}`,
  );
  t.equal((await ask('GET', '/a/_source/%C3%BC%2F1')).text, source);
  t.match((await ask('GET', '/a/_search')).text, `"_source":${source}}]}}`);
  t.match((await ask('POST', '/_mget', { docs: [{ _index: 'a', _id: 'ü/1' }] })).text, `"_source":${source}}]}`);
  using reader = StoreReader.open(path);
  const [batch] = reader.documents();
  t.equal(batch?.[0]?.source.toString(), source);
  t.match(batch?.[0], { index: 'a', id: 'ü/1', routing: 'r' });
  t.match((await ask('GET', '/a/_doc/%C3%BC%2F1?pretty')).text, '"a" : 1e400,\n');
});

t.test('single documents are written, read and deleted with the status that Elasticsearch gives', async (t) => {
  const { ask } = await started(t);
  t.match(await ask('PUT', '/a/_doc/1', '{"x":1}'), { status: 201, json: { result: 'created', _version: 1 } });
  t.match(await ask('PUT', '/a/_doc/1', '{"x":2}'), { status: 200, json: { result: 'updated', _version: 2 } });
  t.match(await ask('PUT', '/a/_create/1', '{}'), {
    status: 409,
    json: { error: { type: 'version_conflict_engine_exception' }, status: 409 },
  });
  t.match(await ask('PUT', '/a/_doc/1?op_type=create', '{}'), { status: 409 });
  t.match(await ask('PUT', '/a/_doc/1?if_seq_no=0', '{}'), {
    status: 409,
    json: { error: { reason: /current document has seqNo \[1\]/ } },
  });
  t.match(await ask('POST', '/a/_doc', '{}'), { status: 201 });
  t.match(await ask('POST', '/a/_doc', '[]'), { status: 400 });
  t.match(await ask('HEAD', '/a/_doc/1'), { status: 200, text: '' });
  t.match(await ask('HEAD', '/a/_doc/2'), { status: 404, text: '' });
  t.match(await ask('GET', '/a/_doc/2'), { status: 404, json: { found: false } });
  t.match(await ask('GET', '/a/_source/2'), { status: 404, json: { error: { type: 'resource_not_found_exception' } } });
  t.match(await ask('GET', '/b/_doc/1'), {
    status: 404,
    json: { error: { type: 'index_not_found_exception', index: 'b' } },
  });
  t.match(await ask('GET', '/b/_source/1'), { status: 404 });
  t.match(await ask('DELETE', '/a/_doc/1?if_seq_no=0'), { status: 409 });
  t.match(await ask('DELETE', '/a/_doc/1'), { status: 200, json: { result: 'deleted', _version: 3 } });
  t.match(await ask('DELETE', '/a/_doc/1'), { status: 404, json: { result: 'not_found' } });
  const mget = await ask('POST', '/a/_mget?_source_includes=k.in', { ids: ['1'] });
  t.match(mget.json.docs, [{ _id: '1', found: false }]);
  t.match(
    (await ask('POST', '/_mget', { docs: [{ _index: 'zz', _id: '1' }] })).json.docs[0].error.type,
    'index_not_found_exception',
  );
  t.equal((await ask('POST', '/_mget', {})).status, 400);
});

t.test('searches find what their query says', async (t) => {
  const { ask } = await started(t);
  const documents: object[] = [
    {
      logseal: { chain: 'c', seq: 0 },
      '@timestamp': '2026-11-23T10:00:00Z',
      host: { name: 'a' },
      tags: ['x', 'y'],
      level: 3,
    },
    {
      logseal: { chain: 'c', seq: 1 },
      '@timestamp': '2026-11-23T11:00:00.000Z',
      'host.name': 'b',
      tags: ['y'],
      level: 5,
    },
    { logseal: { chain: 'd', seq: 0 }, '@timestamp': '2026-11-23T12:00:00+00:00', level: 7, none: null },
  ];
  await ask(
    'POST',
    '/logs/_bulk',
    lines(...documents.flatMap((document, at) => [{ create: { _id: String(at) } }, document])),
  );
  await ask('PUT', '/.hidden/_doc/h', '{"level":9}');
  const found = async (query: object, path = '/_search') => {
    const answer = await ask('POST', path, { query });
    t.equal(answer.status, 200, answer.text);
    const ids = answer.json.hits.hits.map(({ _id }: { _id: string }) => _id).join('');
    t.equal(answer.json.hits.total.value, ids.length);
    t.equal((await ask('POST', path.replace('_search', '_count'), { query })).json.count, ids.length);
    return ids;
  };
  t.equal(await found({ match_all: {} }), '012', 'hidden indices are not in all');
  t.equal(await found({ match_all: {} }, '/_search?expand_wildcards=all'), '012h');
  t.equal(await found({ match_all: {} }, '/lo*,.hid*/_search'), '012h');
  t.equal(await found({ match_all: {} }, '/*,-logs/_search'), '');
  t.equal(await found({ match_none: {} }), '');
  t.equal(await found({ term: { 'logseal.chain': 'c' } }), '01');
  t.equal(
    await found({ bool: { filter: [{ term: { 'logseal.chain': { value: 'c' } } }, { term: { 'logseal.seq': 1 } }] } }),
    '1',
  );
  t.equal(await found({ term: { 'host.name.keyword': 'b' } }), '1');
  t.equal(await found({ term: { 'host.name': 'a' } }), '0');
  t.equal(await found({ term: { tags: 'y' } }), '01');
  t.equal(await found({ terms: { _id: ['0', '2', '5'] } }), '02');
  t.equal(await found({ ids: { values: ['1'] } }), '1');
  t.equal(await found({ term: { _index: 'logs' } }), '012');
  t.equal(await found({ exists: { field: 'host' } }), '0');
  t.equal(await found({ exists: { field: 'none' } }), '');
  t.equal(await found({ prefix: { 'host.name': 'b' } }), '1');
  t.equal(await found({ range: { level: { gt: 3, lte: 7 } } }), '12');
  t.equal(await found({ range: { level: { gte: '3', lt: '5' } } }), '0');
  t.equal(await found({ range: { '@timestamp': { gte: '2026-11-23T11:00:00Z', lt: '2026-11-23T12:00:00Z' } } }), '1');
  t.equal(await found({ range: { 'host.name': { gte: 'a', lte: 'a' } } }), '0');
  t.equal(await found({ bool: { must_not: { term: { 'logseal.chain': 'c' } } } }), '2');
  t.equal(await found({ bool: { should: [{ term: { level: 3 } }, { term: { level: 7 } }] } }), '02');
  t.equal(
    await found({
      bool: {
        must: { match_all: {} },
        should: [{ term: { level: 3 } }, { term: { level: 5 } }],
        minimum_should_match: 1,
      },
    }),
    '01',
  );
  t.equal(await found({ constant_score: { filter: { term: { level: 3 } } } }), '0');

  const sorted = await ask('POST', '/logs/_search', {
    sort: [{ 'host.name': 'desc' }],
    _source: ['host*'],
    size: 2,
    track_total_hits: true,
  });
  t.strictSame(
    sorted.json.hits.hits.map(({ _source, sort }: { _source: unknown; sort: unknown }) => [_source, sort]),
    [
      [{ 'host.name': 'b' }, ['b']],
      [{ host: { name: 'a' } }, ['a']],
    ],
  );
  t.equal(sorted.json.hits.hits[0]._score, null);
  const next = await ask('POST', '/logs/_search', {
    sort: ['level:desc'],
    search_after: [5],
    _source: false,
    version: true,
    seq_no_primary_term: true,
  });
  t.match(next.json.hits.hits, [{ _id: '0', _version: 1, _seq_no: 0, sort: [3] }]);
  t.notOk('_source' in next.json.hits.hits[0]);
  t.strictSame(
    (await ask('GET', '/logs/_search?_source_excludes=logseal,host*,tags&size=1&from=2')).json.hits.hits[0]._source,
    {
      '@timestamp': '2026-11-23T12:00:00+00:00',
      level: 7,
      none: null,
    },
  );
});

t.test('paging by search_after, slices, scroll and a point in time reads every document once', async (t) => {
  const { ask } = await started(t);
  const body = Array.from({ length: 250 }, (_, at) =>
    lines({ create: { _index: at % 2 ? 'a' : 'b', _id: `${at}` } }, { at }),
  ).join('');
  await ask('POST', '/_bulk', body);
  const pit = (await ask('POST', '/a,b/_pit?keep_alive=1m')).json.id;
  await ask('PUT', '/a/_doc/late', '{"at":-1}');
  const seen = new Set<string>();
  for (const id of [0, 1, 2]) {
    for (let after: unknown; ; ) {
      const answer = await ask('POST', '/_search', {
        pit: { id: pit, keep_alive: '1m' },
        slice: { id, max: 3 },
        size: 20,
        sort: [{ _shard_doc: 'asc' }],
        track_total_hits: false,
        ...(after !== undefined && { search_after: after }),
      });
      t.notOk(answer.json.hits.total);
      t.equal(answer.json.pit_id, pit);
      for (const hit of answer.json.hits.hits) {
        t.notOk(seen.has(hit._id));
        seen.add(hit._id);
        after = hit.sort;
      }
      if (answer.json.hits.hits.length === 0) break;
    }
  }
  t.equal(seen.size, 250, 'and nothing that came later');
  t.match((await ask('DELETE', '/_pit', { id: pit })).json, { succeeded: true });

  let page = await ask('POST', '/_search?scroll=1m', { size: 100, sort: ['_doc'] });
  let scrolled = 0;
  while (page.json.hits.hits.length > 0) {
    scrolled += page.json.hits.hits.length;
    t.equal(page.json.hits.total.value, 251);
    page = await ask('POST', '/_search/scroll', { scroll: '1m', scroll_id: page.json._scroll_id });
  }
  t.equal(scrolled, 251);
  t.match((await ask('DELETE', '/_search/scroll', {})).json, { succeeded: true });
  const limited = await ask('POST', '/_search', { query: { range: { at: { gte: 0 } } }, track_total_hits: 5, size: 1 });
  t.strictSame(limited.json.hits.total, { value: 5, relation: 'gte' });
  t.match(await ask('POST', '/_search/scroll', { scroll_id: 'bogus' }), {
    status: 404,
    json: { error: { type: 'search_context_missing_exception' } },
  });
  t.equal((await ask('POST', '/_search/scroll', {})).status, 400);
});

t.test('what the store has not is 501 with a sentence, and what is wrong is 400', async (t) => {
  const { ask } = await started(t);
  await ask('PUT', '/a/_doc/1', '{"x":1}');
  const missing: [string, string, object?][] = [
    ['GET', '/_sql'],
    ['POST', '/a/_update/1', {}],
    ['POST', '/a/_delete_by_query', {}],
    ['GET', '/_search?q=x'],
    ['POST', '/_search', { aggs: {} }],
    ['POST', '/_search', { query: { match: { x: 1 } } }],
    ['POST', '/_search', { query: { range: { x: { gte: 'now-1d' } } } }],
    ['POST', '/_search', { query: { range: { x: { near: 1 } } } }],
    ['POST', '/_search?scroll=1m', { sort: ['x'] }],
    ['GET', '/_cat/shards'],
    ['GET', '/_cluster/state'],
    ['PATCH', '/a'],
    ['GET', '/_bulk'],
  ];
  for (const [method, path, body] of missing) {
    t.match(
      await ask(method, path, body),
      { status: 501, json: { error: { type: 'not_implemented', reason: /^the embedded store has no / } } },
      path,
    );
  }
  let deep: object = { match_all: {} };
  for (let at = 0; at < 30; at += 1) deep = { bool: { filter: deep } };
  const wrong: [string, object | string][] = [
    ['/_search', '{'],
    ['/_search', { query: {} }],
    ['/_search', { query: deep }],
    ['/_search', { size: -1 }],
    ['/_search', { size: 10_001 }],
    ['/_search', { sort: [5] }],
    ['/_search', { query: { bool: 1 } }],
    ['/_search', { query: { terms: { x: 1 } } }],
    ['/_search', { query: { range: { x: 1 } } }],
    ['/a%ZZ/_search', {}],
  ];
  for (const [path, body] of wrong) t.equal((await ask('POST', path, body)).status, 400, JSON.stringify(body));
  t.equal((await ask('GET', '/none/_search')).status, 404);
  t.equal((await ask('GET', '/none/_search?ignore_unavailable=true')).status, 200);
  t.equal((await ask('GET', '/no*/_search?allow_no_indices=false')).status, 404);
});

t.test('root, health, license, indices and headers are what shippers ask for', async (t) => {
  const { database, ask } = await started(t);
  const root = await ask('GET', '/', undefined, {
    'x-opaque-id': 'o',
    accept: 'application/vnd.elasticsearch+json; compatible-with=9',
  });
  t.match(root.json, {
    cluster_uuid: database.clusterUuid,
    version: { number: /^9\./, build_flavor: 'default' },
    tagline: 'You Know, for Search',
  });
  t.equal(root.headers['content-type'], 'application/vnd.elasticsearch+json;compatible-with=9');
  t.equal(root.headers['x-opaque-id'], 'o');
  t.match(await ask('HEAD', '/'), { status: 200, text: '' });
  t.match((await ask('GET', '/_cluster/health')).json, { status: 'green' });
  t.match((await ask('GET', '/_license')).json, { license: { status: 'active' } });
  t.match((await ask('POST', '/_refresh')).json, { _shards: { failed: 0 } });
  t.match(await ask('PUT', '/a'), { status: 200, json: { acknowledged: true, index: 'a' } });
  t.match(await ask('PUT', '/a'), { status: 400, json: { error: { type: 'resource_already_exists_exception' } } });
  for (const name of ['A', '_a', 'a%20b', '..', 'x'.repeat(256)])
    t.not((await ask('PUT', `/${name}`)).status, 200, name);
  t.match(await ask('HEAD', '/a'), { status: 200 });
  t.match(await ask('HEAD', '/b'), { status: 404 });
  t.strictSame((await ask('GET', '/a/_mapping')).json, { a: { mappings: {} } });
  t.match((await ask('GET', '/_mapping')).json, { a: {} });
  t.match((await ask('GET', '/a/_settings')).json, { a: { settings: { index: { uuid: /./ } } } });
  t.strictSame((await ask('GET', '/a/_alias')).json, { a: { aliases: {} } });
  t.match((await ask('GET', '/a')).json, { a: { aliases: {}, mappings: {}, settings: {} } });
  t.match((await ask('PUT', '/a/_mapping', { properties: {} })).json, { acknowledged: true });
  t.match((await ask('POST', '/a/_refresh')).json, { _shards: { failed: 0 } });
  await ask('PUT', '/a/_doc/1', '{"x":1}');
  t.match(
    (await ask('GET', '/_cat/indices?v')).text,
    /^health status index uuid .*\ngreen {2}open {3}a .* 1 +0 +7b +7b\n$/,
  );
  t.match(
    (await ask('GET', '/_cat/indices/a?format=json&h=index,docs.count')).text,
    '[{"index":"a","docs.count":"1"}]',
  );
  t.equal((await ask('GET', '/_cat/indices?h=index')).text, 'a\n');
  const filtered = await ask(
    'POST',
    '/_bulk?filter_path=errors,items.*.status,items.*.err*',
    lines({ create: { _index: 'a', _id: '1' } }, '{}'),
  );
  t.match(filtered.text, /^\{"errors":true,"items":\[\{"create":\{"status":409,"error":\{/);
  t.equal((await ask('GET', '/_count?filter_path=-_shards')).text, '{"count":1}');
  t.equal((await ask('GET', '/_count?filter_path=**.failed')).text, '{"_shards":{"failed":0}}');
  t.equal((await ask('GET', '/_count?filter_path=none')).text, '{}');
  t.match(await ask('DELETE', '/a'), { status: 200 });
  t.match(await ask('DELETE', '/a'), { status: 404 });
  t.equal((await ask('GET', '/_count')).json.count, 0);
});

t.test('gzip bodies are read within their bound, and what is not gzip is refused', async (t) => {
  const { ask } = await started(t);
  const headers = { 'content-encoding': 'gzip' };
  t.equal((await ask('POST', '/_bulk', gzipSync(lines({ index: { _index: 'a' } }, '{}')), headers)).json.errors, false);
  t.equal((await ask('POST', '/_bulk', 'no gzip', headers)).status, 400);
  t.equal((await ask('POST', '/_bulk', gzipSync(Buffer.alloc(257 * 1024 * 1024)), headers)).status, 413);
});

t.test('documents and identity survive a stop and a start', async (t) => {
  const dataDir = t.testdir();
  const first = await startStore({ dataDir, listen: { host: '127.0.0.1', port: 0 } });
  t.ok((first.port ?? 0) > 0);
  await client(first)(
    'POST',
    '/_bulk',
    lines({ create: { _index: 'a', _id: '1' } }, '{}', { create: { _index: 'a', _id: '2' } }, '{}', {
      delete: { _index: 'a', _id: '2' },
    }),
  );
  await first.stop();
  const store = await startStore({ dataDir });
  t.teardown(() => store.stop());
  const ask = client(store);
  t.equal(store.clusterUuid, first.clusterUuid);
  t.equal((await ask('GET', '/_count')).json.count, 1);
  const third = await ask('PUT', '/a/_doc/3', '{}');
  t.equal(third.json._seq_no, 3, 'sequence numbers are never given twice');
  t.equal(statSync(join(dataDir, 'store')).mode & 0o777, 0o700);
});

t.test('the reader sees one snapshot beside the running store, in flat batches', async (t) => {
  const { ask, path } = await started(t);
  const dataDir = dirname(path);
  const body = Array.from({ length: 2500 }, (_, at) =>
    lines({ create: { _index: at % 5 ? 'a' : 'b', _id: `${at}` } }, { at }),
  ).join('');
  await ask('POST', '/_bulk', body);
  using reader = StoreReader.open(path);
  await ask('PUT', '/a/_doc/late', '{}');
  t.strictSame(reader.indices(), [
    { name: 'a', documents: 2000 },
    { name: 'b', documents: 500 },
  ]);
  t.strictSame(
    [...reader.documents()].map((batch) => batch.length),
    [1000, 1000, 500],
  );
  t.equal(
    [...reader.documents('b')].flat().every(({ index }) => index === 'b'),
    true,
  );
  t.strictSame([...reader.documents('none')], []);
  t.throws(() => StoreReader.open(join(dataDir, 'none.sqlite')), { code: 'DATA_DIR_INVALID' });
  writeFileSync(join(dataDir, 'text.sqlite'), 'not a database, but long enough to be looked at as one'.repeat(100));
  t.throws(() => StoreReader.open(join(dataDir, 'text.sqlite')), { code: 'DATA_DIR_INVALID' });
});

t.test('a store of another format and a file that is none are refused at start', async (t) => {
  const dataDir = t.testdir({ other: { store: {} }, none: { store: { 'logseal.sqlite': 'text '.repeat(1000) } } });
  const database = new DatabaseSync(join(dataDir, 'other', 'store', 'logseal.sqlite'));
  database.exec(
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT; INSERT INTO meta VALUES ('format', '99')",
  );
  database.close();
  await t.rejects(startStore({ dataDir: join(dataDir, 'other') }), { code: 'DATA_DIR_INVALID', message: /format 99/ });
  await t.rejects(startStore({ dataDir: join(dataDir, 'none') }), {
    code: 'DATA_DIR_INVALID',
    message: /not a database/,
  });
});

t.test('a data directory with a long path gets a private short one for its socket', async (t) => {
  const dataDir = join(t.testdir(), 'x'.repeat(60), 'y'.repeat(60));
  mkdirSync(dataDir, { recursive: true });
  const store = await startStore({ dataDir });
  t.ok(store.socketPath.startsWith(tmpdir()) && store.socketPath.length <= 100);
  t.equal(statSync(join(store.socketPath, '..')).mode & 0o777, 0o700);
  t.equal((await client(store)('GET', '/')).status, 200);
  await store.stop();
  t.throws(() => statSync(join(store.socketPath, '..')), { code: 'ENOENT' });
});
