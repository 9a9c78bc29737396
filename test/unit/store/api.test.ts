import { gzipSync } from 'node:zlib';
import t from 'tap';
import { StoreReader } from '../../../src/store/reader.ts';
import { lines, startedStore } from '../../helpers/store-client.ts';

t.test('a bulk answers item by item, in order, in the shape of Elasticsearch', async (t) => {
  const { ask } = await startedStore(t);
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
  const { ask } = await startedStore(t);
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
  const { ask, path } = await startedStore(t);
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
  const { ask } = await startedStore(t);
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

t.test('root, health, license, indices and headers are what shippers ask for', async (t) => {
  const { database, ask } = await startedStore(t);
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
  const { ask } = await startedStore(t);
  const headers = { 'content-encoding': 'gzip' };
  t.equal((await ask('POST', '/_bulk', gzipSync(lines({ index: { _index: 'a' } }, '{}')), headers)).json.errors, false);
  t.equal((await ask('POST', '/_bulk', 'no gzip', headers)).status, 400);
  t.equal((await ask('POST', '/_bulk', gzipSync(Buffer.alloc(257 * 1024 * 1024)), headers)).status, 413);
});

t.test('a full disk refuses the whole bulk with 503, keeps nothing of it, and passes', async (t) => {
  const faults: unknown[] = [];
  const { database, ask } = await startedStore(t, (error) => faults.push(error));
  await ask('PUT', '/a/_doc/1', '{}');
  const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number };
  database.prepare(`PRAGMA max_page_count = ${pages + 5}`).get();
  const body = lines(
    ...Array.from({ length: 500 }, () => [{ index: { _index: 'b' } }, { text: 'x'.repeat(400) }]).flat(),
  );
  t.match(await ask('POST', '/_bulk', body), {
    status: 503,
    json: { error: { type: 'store_unavailable_exception', reason: /full/ } },
  });
  t.equal(faults.length, 1);
  t.equal((await ask('HEAD', '/b')).status, 404, 'nor the index that it would have made');
  database.prepare('PRAGMA max_page_count = 1000000').get();
  t.equal((await ask('POST', '/_bulk', body)).json.errors, false);
  t.equal((await ask('GET', '/_count')).json.count, 501);
  t.equal((await ask('PUT', '/b/_doc/x', '{}')).json._seq_no, 501, 'sequence numbers go on where they were');
});
