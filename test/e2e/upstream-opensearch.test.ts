import t from 'tap';
import { Upstream } from '../../src/upstream/upstream.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { openSearchMissing, startOpenSearch } from '../helpers/opensearch.ts';

const missing = openSearchMissing();
if (missing) t.comment(missing);
const engine = missing ? undefined : await startOpenSearch();
t.teardown(() => engine?.remove());

const clock = new ManualClock(Date.now());
const advice: string[] = [];
const upstream = new Upstream({
  nodes: [engine?.url ?? 'http://127.0.0.1:1'],
  requestTimeoutMs: 30_000,
  clock,
  embedded: false,
  templates: 'compose',
  advise: (_template, text) => advice.push(text),
});
t.teardown(() => upstream.close());

async function must(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await upstream.connection.ask(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

function create(index: string, id: string, seq: number, meta: object = {}): Buffer {
  const field = { chain: 'AAECAwQFBgcICQoLDA0ODw', epoch: 0, seq, dest: index, tag: `tag${seq}` };
  const document = { logseal: field, '@timestamp': '2026-01-01T00:00:00Z', a: 1 };
  return Buffer.from(
    `${JSON.stringify({ create: { _index: index, _id: id, ...meta } })}\n${JSON.stringify(document)}\n`,
  );
}

const real = { skip: missing };

t.test('a data stream that does not exist yet is made by its template with the mapping in it', real, async (t) => {
  await must('PUT', '/_index_template/streams', {
    index_patterns: ['stream-*'],
    data_stream: {},
    priority: 10,
    template: {
      settings: { number_of_replicas: 0 },
      mappings: { dynamic: 'strict', properties: { a: { type: 'long' } } },
    },
  });
  t.match(await upstream.describe('stream-a'), { kind: 'missing', exists: false });
  t.equal(await upstream.ensureMapping('stream-a'), undefined, advice.join('; '));
  const sent = await upstream.send([create('stream-a', '1', 1)], { count: 1 });
  t.match(sent.items[0], { status: 201, index: '.ds-stream-a-000001' }, JSON.stringify(sent.items[0]));
  const info = await upstream.describe('stream-a', true);
  t.match(info, { kind: 'data-stream', dataStream: true, writeIndex: '.ds-stream-a-000001', signatureField: 'fits' });
});

t.test(
  'after a roll-over the new backing index has the mapping, and what the old one took is found',
  real,
  async (t) => {
    const sentMs = Date.now();
    await must('POST', '/stream-a/_rollover');
    const wanted = { dest: 'stream-a', id: '1', routing: undefined, timeMs: sentMs };
    t.match((await upstream.find([wanted]))[0], [{ index: '.ds-stream-a-000001', tag: 'tag1' }]);
    const sent = await upstream.send([create('stream-a', '2', 2)], { count: 1 });
    t.match(sent.items[0], { status: 201, index: '.ds-stream-a-000002' });
    t.match(await upstream.describe('stream-a', true), { writeIndex: '.ds-stream-a-000002', signatureField: 'fits' });
    const late = { ...wanted, timeMs: sentMs + 7_200_000 };
    t.strictSame((await upstream.find([late]))[0], [], 'a record of two hours later cannot be in the old one');
    t.match((await upstream.find([{ ...late, id: '2' }]))[0], [{ index: '.ds-stream-a-000002', tag: 'tag2' }]);
  },
);

t.test('a data stream that was there before gets the mapping in its write index', real, async (t) => {
  await upstream.templates.remove();
  await must('PUT', '/_data_stream/stream-old');
  t.equal(await upstream.ensureMapping('stream-old'), undefined);
  const sent = await upstream.send([create('stream-old', '1', 1)], { count: 1 });
  t.equal(sent.items[0]!.status, 201, JSON.stringify(sent.items[0]));
});

t.test(
  'where templates are left alone, a data stream is made as such and its first index prepared',
  real,
  async (t) => {
    const careful = new Upstream({
      nodes: [engine?.url ?? ''],
      requestTimeoutMs: 30_000,
      clock,
      embedded: false,
      templates: 'off',
      advise: () => {},
    });
    t.teardown(() => careful.close());
    t.equal(await careful.ensureMapping('stream-new'), undefined);
    t.match(await careful.describe('stream-new'), { kind: 'data-stream', signatureField: 'fits', documents: 0 });
    const sent = await careful.send([create('stream-new', '1', 1)], { count: 1 });
    t.equal(sent.items[0]!.status, 201, JSON.stringify(sent.items[0]));
  },
);

t.test('a record sent through an alias with a routing of its own is found by that routing', real, async (t) => {
  await must('PUT', '/routed', { settings: { number_of_shards: 5 } });
  await must('POST', '/_aliases', { actions: [{ add: { index: 'routed', alias: 'routed-alias', routing: 'fixed' } }] });
  t.equal(await upstream.ensureMapping('routed-alias'), undefined);
  await upstream.send([create('routed-alias', 'r', 3)], { count: 1 });
  const wanted = { dest: 'routed-alias', id: 'r', routing: undefined, timeMs: 0 };
  t.match(
    (await upstream.find([wanted]))[0],
    [{ index: 'routed', tag: 'tag3' }],
    'with the routing that the alias forces',
  );
});

t.test('an answer tells that a pipeline ran, and a drop, and what a default pipeline makes of raw', real, async (t) => {
  await must('PUT', '/_ingest/pipeline/touch', { processors: [{ set: { field: 'touched', value: true } }] });
  await must('PUT', '/_ingest/pipeline/drop', { processors: [{ drop: {} }] });
  await must('PUT', '/piped', { settings: { 'index.default_pipeline': 'touch' } });
  t.match(await upstream.describe('piped'), { raw: 'always', rawReasons: [/default_pipeline touch/] });
  t.equal(await upstream.ensureMapping('piped'), undefined);
  const bodies = [create('piped', '1', 1), create('piped', '2', 2, { pipeline: 'drop' })];
  const sent = await upstream.send(bodies, { count: 2 });
  t.type(sent.ingestTookMs, 'number');
  t.match(
    sent.items.map(({ status, result }) => [status, result]),
    [
      [201, 'created'],
      [200, 'noop'],
    ],
  );
  const quiet = await upstream.send([create('piped', '3', 3, { pipeline: '_none' })], { count: 1 });
  t.equal(quiet.ingestTookMs, undefined, '_none keeps the default pipeline away');
});
