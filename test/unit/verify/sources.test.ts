import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { systemClock } from '../../../src/lib/clock.ts';
import type { Source, SourceDocument } from '../../../src/verify/source.ts';
import { describeExported, describeIndices, exportedIndex } from '../../../src/verify/sources/index-descriptions.ts';
import { NdjsonSource } from '../../../src/verify/sources/ndjson.ts';
import { SearchSource } from '../../../src/verify/sources/search.ts';
import { SearchPageReader } from '../../../src/verify/sources/search-page.ts';
import type { SourceSelection } from '../../../src/verify/sources/selected-indices.ts';
import { indexSelector } from '../../../src/verify/sources/selected-indices.ts';
import { StoreSource } from '../../../src/verify/sources/store.ts';
import type { Reply } from '../../helpers/fake-node.ts';
import { fakeNode, json } from '../../helpers/fake-node.ts';
import { startProxy } from '../../helpers/proxy.ts';
import { vectorLines, writeStore } from '../../helpers/vector-store.ts';

async function all(batches: AsyncIterable<SourceDocument[]>): Promise<string[]> {
  const lines: string[] = [];
  for await (const batch of batches) for (const { index, id, source } of batch) lines.push(`${index} ${id} ${source}`);
  return lines;
}

async function opened<S extends Source>(t: { teardown: (fn: () => Promise<void>) => void }, source: S): Promise<S> {
  await source.open();
  t.teardown(() => source.close());
  return source;
}

t.test('an expression selects indices, data streams and patterns, and never a system index', async (t) => {
  const chosen = (selection: SourceSelection, index: string, stream?: string) =>
    indexSelector(selection)(index, stream);
  t.ok(chosen({}, 'any'));
  t.notOk(chosen({}, 'logseal-seals'));
  t.ok(chosen({}, 'logseal-rejects'));
  t.ok(chosen({ index: 'a,b-*' }, 'b-1'));
  t.notOk(chosen({ index: 'a,b-*' }, 'c'));
  t.notOk(chosen({ index: '*,-b-*' }, 'b-1'));
  t.ok(chosen({ index: 'logs-x' }, '.ds-logs-x-2026.01.01-000001'));
  t.ok(chosen({ index: 'logs-x' }, 'odd', 'logs-x'));
  t.notOk(chosen({ index: '*' }, 'logseal-control'));
  t.notOk(chosen({ index: 'a' }, 'logseal-rejects'));
  t.ok(chosen({ index: 'a', rejects: true }, 'logseal-rejects'));
  for (const index of ['', 'a b', '../x', 'a?b', '"']) t.throws(() => indexSelector({ index }), { code: 'USAGE' });
});

const answer = (hits: string, more = '"timed_out":false,"_shards":{"total":1,"failed":0}') =>
  Buffer.from(`{"pit_id":"p2","took":1,${more},"hits":{"max_score":null,"hits":[${hits}]}}`);

t.test('hits are taken out of an answer to the byte', async (t) => {
  const reader = new SearchPageReader();
  const source = '{ "hits" : {"hits":[]}, "s":"\\"}]", "n":1.0 }';
  const page = reader.read(
    answer(
      ` {"_index":"i","_id":"a\\"\\u00e9","_score":null,"_ignored":["x"],"_routing":"r","_source":${source},"sort":[3,"x"]} , {"_index":"i","_id":"b","sort":[4]}`,
    ),
  );
  t.same(
    page.documents.map(({ index, id, routing, source }) => [index, id, routing, source.toString()]),
    [
      ['i', 'a"é', 'r', source],
      ['i', 'b', undefined, '{}'],
    ],
  );
  t.equal(page.after, '[4]');
  t.equal(page.pit, 'p2');
  t.same(reader.read(answer('')), { documents: [], after: undefined, pit: 'p2' });
});

t.test('an answer that is not whole is no answer', async (t) => {
  const refused = (body: Buffer | string, message: RegExp) =>
    t.throws(() => new SearchPageReader().read(Buffer.from(body)), { code: 'UPSTREAM_DENIED', message });
  refused(answer('', '"timed_out":true,"_shards":{"failed":0}'), /timed out/);
  refused(answer('', '"timed_out":false,"_shards":{"failed":2}'), /2 shards failed/);
  refused(answer('', '"timed_out":false,"_shards":7'), /shards failed/);
  refused(answer('', '"timed_out":false'), /lacks hits, _shards or timed_out/);
  refused('{}', /lacks/);
  for (const text of [
    '',
    '[]',
    '{"a"',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{"hits":{"hits":{}}}',
    '{"hits":{"hits":[{} {}]}}',
  ]) {
    refused(text, /not JSON|no list|lacks/);
  }
  const whole = answer('{"_index":"i","_id":"a","_source":{"a":"b"},"sort":[1]}');
  for (let end = 0; end < whole.length; end++) t.throws(() => new SearchPageReader().read(whole.subarray(0, end)));
});

t.test('an index is described from what the engine says, and the same after an export', async (t) => {
  const indices = {
    plain: { aliases: { all: {}, some: { filter: { term: { a: 1 } } } }, mappings: { properties: {} }, settings: {} },
    '.ds-s-1': { aliases: {}, mappings: {}, settings: { index: { mode: 'logsdb' } }, data_stream: 's' },
    flat: { settings: { 'index.mapping.source.mode': 'synthetic' } },
  };
  const described = describeIndices(indices, {
    plain: { aliases: { some: { filter: {} } } },
    s: { aliases: { part: { filter: {} } } },
  });
  t.match(described, [
    { name: 'plain', sourceMode: 'stored', filteredAliases: ['some'] },
    { name: '.ds-s-1', sourceMode: 'synthetic', dataStream: 's', filteredAliases: ['part'] },
    { name: 'flat', sourceMode: 'synthetic', filteredAliases: [] },
  ]);
  for (const index of described) {
    const line = JSON.parse(JSON.stringify(exportedIndex(index)));
    const again = describeExported(index.name, line);
    t.match({ ...again, mappings: 0 }, { ...index, mappings: 0 });
  }
  t.same(Object.keys(exportedIndex(describeExported('x', 7))), ['_index', '_mappings']);
});

t.test(
  'an export is read whatever its order and spelling, and a bad line is a document that cannot be read',
  async (t) => {
    const path = join(t.testdir(), 'export.ndjson');
    const source = '{"logseal":{"v":1},"a":"\\u00e9 漢"}';
    const lines = [
      '{"_index":"i","_mappings":{"runtime":{}}}',
      `{"_index":"i","_id":"1","_source":${source}}`,
      '',
      '   \r',
      `  { "_source" : ${source} , "_id" : "2\\n" , "_routing":"r", "_index" : "i\\u0041" }  `,
      `{"_index":"i","_id":"3","_source":${source}}\r`,
      'not json',
      '{"_index":"i","_id":"4"}',
      '{"_id":"5","_source":{}}',
      '{"_index":"logseal-seals","_id":"s","_source":{"seal":""}}',
      `{"_index":"other","_id":"6","_source":{"long":"${'x'.repeat(3_000_000)}"}}`,
      `{"_index":"i","_id":"7","_source":${source}}`,
    ];
    writeFileSync(path, lines.join('\n'));
    const ndjson = await opened(t, new NdjsonSource(path));
    t.match(await ndjson.indices(), [{ name: 'i', sourceMode: 'stored', mappings: { runtime: {} } }]);
    t.same(await all(ndjson.system()), ['logseal-seals s {"seal":""}']);
    const found = (await all(ndjson.records())).map((line) => line.slice(0, 60));
    t.same(
      found,
      [
        `i 1 ${source}`,
        `iA 2\n ${source}`,
        `i 3 ${source}`,
        `line 7 of ${path}  `,
        `line 8 of ${path}  `,
        `line 9 of ${path}  `,
        `other 6 {"long":"${'x'.repeat(43)}`,
        `i 7 ${source}`,
      ].map((line) => line.slice(0, 60)),
    );
    const selected = await opened(t, new NdjsonSource(path, { index: 'other' }));
    t.equal((await all(selected.records())).length, 1);
  },
);

t.test('standard input is spooled, and read more than once', async (t) => {
  const text = `${vectorLines.join('\n')}\n`;
  const source = await opened(
    t,
    new NdjsonSource('standard input', {}, Readable.from([text.slice(0, 5000), text.slice(5000)])),
  );
  const system = await all(source.system());
  const records = await all(source.records());
  t.equal(system.length + records.length, vectorLines.length);
  t.same(await all(source.records()), records);
  const broken = async function* () {
    yield 'half a li';
    throw new Error('gone');
  };
  await t.rejects(new NdjsonSource('standard input', {}, Readable.from(broken())).open(), { code: 'USAGE' });
  await t.rejects(new NdjsonSource(join(t.testdir(), 'none')).open(), { code: 'USAGE' });
  await t.rejects(all(new NdjsonSource('closed').records()), { code: 'USAGE' });
});

t.test('an embedded store is read from its file, in the order of the contract', async (t) => {
  const dir = t.testdir();
  writeStore(dir, vectorLines);
  const path = join(dir, 'store', 'logseal.sqlite');
  const source = await opened(t, new StoreSource(path, dir));
  t.ok(source.live);
  t.equal(source.description, dir);
  t.ok(source.identity);
  const names = (await source.indices()).map(({ name }) => name);
  t.ok(names.includes('logseal-rejects'));
  const system = await all(source.system());
  t.match(system[0], /^logseal-checkpoints /);
  t.match(system.at(-1), /^logseal-control /);
  const records = await all(source.records());
  t.match(records[0], /^logseal-rejects /);
  t.equal(system.length + records.length, vectorLines.length);
  const chosen = await opened(t, new StoreSource(path, dir, { index: 'logs-app-default' }));
  t.equal((await all(chosen.records())).length, records.length - 1);
  const none = await opened(t, new StoreSource(path, dir, { index: 'none' }));
  t.same(await all(none.records()), []);
  const closed = new StoreSource(path, dir);
  t.throws(() => closed.identity);
  await closed.close();
});

/** Answers as an engine that holds one document in one index. */
function engine(change: (path: string, count: number) => { status: number; body: unknown } | undefined): Reply {
  let count = 0;
  return ({ url = '', method, text }, response) => {
    count += 1;
    const changed = change(`${method} ${url}`, count);
    if (changed !== undefined) return json(response, changed.status, changed.body);
    const shards = { total: 1, successful: 1, failed: 0 };
    if (url === '/') return json(response, 200, { cluster_uuid: 'u', version: { number: '9.0.0' } });
    if (url.includes('/_refresh')) return json(response, 200, { _shards: shards });
    if (method === 'DELETE') return json(response, 200, {});
    if (url.includes('/_pit')) return json(response, 200, { id: `p ${url}`, _shards: shards });
    if (url.startsWith('/_cat')) return json(response, 200, []);
    if (url.startsWith('/*')) return json(response, 200, { i: {} });
    if (url === '/_search') {
      const { search_after: after, slice, pit } = JSON.parse(text);
      const rest = pit.id.includes('/*');
      const hits =
        after === undefined && rest && (slice?.id ?? 0) === 0
          ? '{"_index":"i","_id":"1","_source":{"a":1},"sort":[0]}'
          : '';
      return json(response, 200, answer(hits).toString().replace('"pit_id":"p2",', ''));
    }
    json(response, 404, {});
  };
}

async function searched(
  t: { teardown: (fn: () => Promise<void>) => void },
  reply: Reply,
): Promise<{ source: SearchSource; asked: string[] }> {
  const node = await fakeNode(reply);
  t.teardown(() => node.close());
  const source = new SearchSource({ nodes: [node.url], requestTimeoutMs: 5000, clock: systemClock });
  t.teardown(() => source.close());
  await source.open();
  await all(source.system());
  await all(source.records());
  await source.close();
  return { source, asked: node.asked.map(({ method, path }) => `${method} ${path.split('?')[0]}`) };
}

t.test('a cluster is looked at from checkpoints to records, each refreshed right before', async (t) => {
  const { asked, source } = await searched(
    t,
    engine(() => undefined),
  );
  const order = asked.filter((line) => /_refresh|_pit$/.test(line) && line.startsWith('POST'));
  const names = ['logseal-checkpoints', 'logseal-seals', 'logseal-control', 'logseal-rejects'];
  const rest = `*,${['logseal-checkpoints', 'logseal-seals', 'logseal-control', 'logseal-rejects'].map((name) => `-${name}`).join(',')}`;
  t.same(
    order,
    [...names, rest].flatMap((name) => [`POST /${name}/_refresh`, `POST /${name}/_pit`]),
  );
  t.equal(asked.filter((line) => line === 'DELETE /_pit').length, 5, 'every point in time is closed');
  t.same(source.remarks, []);
});

t.test('a user who may not refresh is told, and what is busy for a moment is asked again', async (t) => {
  const told = await searched(
    t,
    engine((path) => (path.includes('_refresh') ? { status: 403, body: {} } : undefined)),
  );
  t.match(told.source.remarks, [/may not refresh/]);
  let busy = 2;
  const error = { error: { type: 'circuit_breaking_exception', reason: 'x' } };
  const again = await searched(
    t,
    engine((path) => (path === 'POST /_search' && busy-- > 0 ? { status: 429, body: error } : undefined)),
  );
  t.ok(again.asked.filter((line) => line === 'POST /_search').length > 7);
});

t.test('an engine that cannot answer whole ends the run', async (t) => {
  const fails = (change: Parameters<typeof engine>[0], message: RegExp) =>
    t.rejects(searched(t, engine(change)), { name: 'LogsealError', message });
  const failed = { _shards: { total: 2, failed: 1 } };
  await fails((path) => (path.includes('_refresh') ? { status: 200, body: failed } : undefined), /a shard failed/);
  await fails(
    (path) => (path.includes('_refresh') ? { status: 503, body: {} } : undefined),
    /refreshing logseal-checkpoints/,
  );
  await fails(
    (path) =>
      path.includes('POST') && path.includes('_pit') ? { status: 200, body: { id: 'x', ...failed } } : undefined,
    /1 shards failed/,
  );
  await fails((path) => (path.includes('_pit') ? { status: 400, body: {} } : undefined), /a point in time of/);
  await fails((path) => (path === 'POST /_search' ? { status: 404, body: {} } : undefined), /a page of documents/);
  await fails((path) => (path === 'POST /_search' ? { status: 400, body: 'text' } : undefined), /a page of documents/);
  await fails(
    (path) => (path === 'POST /_search' ? { status: 200, body: answer('', '"timed_out":true').toString() } : undefined),
    /timed out/,
  );
});

t.test('the embedded store is read behind its running proxy, and beside it', async (t) => {
  const proxy = await startProxy({ dataDir: t.testdir() });
  t.teardown(() => proxy.stop());
  const sent = Array.from({ length: 1200 }, (_, n) => `{"create":{"_id":"x${n}"}}\n{"n":${n}}\n`).join('');
  const headers = { 'content-type': 'application/x-ndjson' };
  const { status } = await fetch(`${proxy.url}/logs-x/_bulk?refresh=true`, { method: 'POST', headers, body: sent });
  t.equal(status, 200);
  const source = new SearchSource({ nodes: [proxy.url], requestTimeoutMs: 5000, clock: systemClock });
  await source.open();
  const overHttp = (await all(source.records())).filter((line) => line.startsWith('logs-x '));
  t.equal(overHttp.length, 1200);
  await source.close();
  const store = new StoreSource(join(proxy.dataDir, 'store', 'logseal.sqlite'), proxy.dataDir);
  await store.open();
  t.same((await all(store.records())).sort(), overHttp.sort());
  await store.close();
});
