import t from 'tap';
import { lines, startedStore } from '../../helpers/store-client.ts';

t.test('searches find what their query says', async (t) => {
  const { ask } = await startedStore(t);
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
  const { ask } = await startedStore(t);
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
  const { ask } = await startedStore(t);
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

t.test('a sort by field gives the best of many, however many there are', async (t) => {
  const { ask } = await startedStore(t);
  const values = Array.from({ length: 5000 }, (_, at) => (at * 7919) % 5000);
  await ask(
    'POST',
    '/_bulk',
    lines(...values.flatMap((value) => [{ create: { _index: 'a', _id: String(value) } }, { value }])),
  );
  const best = await ask('POST', '/a/_search', { sort: [{ value: 'desc' }], size: 3, from: 2, track_total_hits: true });
  t.strictSame(
    best.json.hits.hits.map(({ _id }: { _id: string }) => _id),
    ['4997', '4996', '4995'],
  );
  t.equal(best.json.hits.total.value, 5000);
});

t.test('an exclusion needs a pattern before it, and then may exclude what is not there', async (t) => {
  const { ask } = await startedStore(t);
  t.match(await ask('GET', '/*,-logseal-seals/_search'), { status: 200, json: { hits: { total: { value: 0 } } } });
  t.equal((await ask('GET', '/-a/_search')).status, 404);
  await ask('PUT', '/a/_doc/1', '{}');
  t.strictSame((await ask('GET', '/_alias')).json, { a: { aliases: {} } });
  t.equal((await ask('GET', '/a,*,-a/_search')).json.hits.total.value, 0);
});
