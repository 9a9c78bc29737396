/** Delivery into the real Elasticsearch, and into OpenSearch for what the published jars of the former lack. */
import type { Test as Tap } from 'tap';
import t from 'tap';
import { SearchEngine } from '../../src/delivery/search-engine.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { systemIndices } from '../../src/upstream/system-indices.ts';
import { Upstream } from '../../src/upstream/upstream.ts';
import { DeliveryRig } from '../helpers/delivery-rig.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { EngineClient } from '../helpers/engine-client.ts';
import { engineClient } from '../helpers/engine-client.ts';
import type { TestRecord } from '../helpers/log-writer.ts';
import { openSearchMissing, startOpenSearch } from '../helpers/opensearch.ts';
import type { Relay } from '../helpers/relay.ts';
import { startRelay } from '../helpers/relay.ts';
import { cutSignatureField } from '../helpers/signature-cut.ts';

interface Bench {
  rig: DeliveryRig<SearchEngine>;
  engine: EngineClient;
  relay: Relay;
}

type Run = (t: Tap, bench: Bench) => Promise<void>;

/** The proxy makes its own indices with settings that only Elasticsearch has; here the test has made them. */
class OpenSearchEngine extends SearchEngine {
  override ensureMapping(dest: string): Promise<string | undefined> {
    return dest.startsWith('logseal-') ? Promise.resolve(undefined) : super.ensureMapping(dest);
  }
}

/** A log and delivery of its own for each test, over one engine. */
async function withBench(t: Tap, url: string, run: Run, Engine = SearchEngine): Promise<void> {
  const relay = await startRelay(url);
  const upstream = new Upstream({
    nodes: [relay.url],
    requestTimeoutMs: 20_000,
    clock: systemClock,
    embedded: false,
    templates: 'compose',
    advise: () => undefined,
  });
  const rig = await DeliveryRig.open(t.testdir(), new Engine(upstream, false));
  rig.engine = true;
  rig.limits = { parkedMax: 0, factsAgeMsMax: 1000 };
  try {
    await run(t, { rig, engine: engineClient(url), relay });
  } finally {
    await rig.finish();
    await upstream.close();
    await relay.close();
  }
}

/** The answer to the next bulk request is lost; `before` is done when it has come. */
function loseAnswer(relay: Relay, before: () => Promise<unknown>): Promise<void> {
  return relay.trap({ at: 'answer', matches: ({ path }) => path.startsWith('/_bulk'), act: before, cut: true });
}

function records(count: number, dest: string, more: Partial<TestRecord> = {}): TestRecord[] {
  return Array.from({ length: count }, (_, i) => ({ dest, content: `{ "n" : ${i}, "f":1.50 }`, ...more }));
}

async function countIn(engine: EngineClient, index: string): Promise<number> {
  await engine.ask('POST', `/${index}/_refresh`);
  return (await engine.ask<{ count: number }>('GET', `/${index}/_count`)).count;
}

const missing = ownElasticsearchMissing();
if (missing) t.comment(missing);

t.test('into Elasticsearch', { skip: missing }, async (t) => {
  const server = await startElasticsearch();
  t.teardown(() => server.remove());
  const test = (name: string, run: Run) => t.test(name, (t) => withBench(t, server.url, run));

  await test('the text of a document comes back to the byte, and its field cut out is what was received', async (t, bench) => {
    const { rig, engine } = bench;
    await rig.start();
    const contents = ['{"a":1.50, "b" : "\\u00e9"}', '{}', '{"nested":{"x":[1,2.0,3],"y":null}}'];
    await rig.log.records(contents.map((content) => ({ dest: 'bytes', content })));
    await rig.log.records([{ dest: 'bytes', content: '{\n "pretty": true\n}' }]);
    await rig.log.seal(0);
    await rig.idle();
    for (const record of rig.log.written.filter(({ dest }) => dest === 'bytes')) {
      const source = Buffer.from(await engine.source('bytes', record.id));
      const cut = cutSignatureField(source);
      t.equal(cut?.content.toString(), record.content.replaceAll('\n', ' '));
      t.equal(cut?.field.includes('"raw":'), record.content.includes('\n'));
    }
    t.equal(await countIn(engine, 'logseal-seals'), 1);
    t.equal(await countIn(engine, 'logseal-checkpoints'), 1);
    t.match(rig.log.controls[0], { place: { dest: 'bytes', index: 'bytes', documents: 0 } });
  });

  await test('an answer lost before an alias rolls over makes no twin, with routing and without', async (t, bench) => {
    const { rig, engine, relay } = bench;
    await engine.ask('PUT', '/rolling-1', {
      aliases: { rolling: { is_write_index: true } },
      settings: { number_of_shards: 3 },
    });
    const half = records(20, 'rolling').map((record, i) =>
      i % 2 ? { ...record, meta: { routing: `r${i}` } } : record,
    );
    await rig.log.records(half);
    const lost = loseAnswer(relay, async () => {
      await engine.ask('PUT', '/rolling-2', { settings: { number_of_shards: 3 } });
      const switched = [
        { add: { index: 'rolling-1', alias: 'rolling', is_write_index: false } },
        { add: { index: 'rolling-2', alias: 'rolling', is_write_index: true } },
      ];
      await engine.ask('POST', '/_aliases', { actions: switched });
    });
    await rig.start();
    await rig.idle();
    await lost;
    t.equal(await countIn(engine, 'rolling-1'), 20);
    t.equal(await countIn(engine, 'rolling-2'), 0);
    await rig.log.records(records(3, 'rolling'));
    await rig.idle();
    t.equal(await countIn(engine, 'rolling-2'), 3);
    t.ok(rig.log.controls.some(({ place }) => (place as { index?: string } | undefined)?.index === 'rolling-2'));
  });

  await test("a document that cannot be mapped is a reject with the engine's own reason, its neighbours are stored", async (t, bench) => {
    const { rig, engine } = bench;
    await engine.ask('PUT', '/typed', { mappings: { properties: { n: { type: 'long' } } } });
    await rig.start();
    rig.delivery?.watch(rig.log.chainId, 0, 3);
    const [first, second] = records(2, 'typed');
    await rig.log.records([first!, { dest: 'typed', content: '{"n":"no number"}' }, second!]);
    await rig.idle();
    t.equal(await countIn(engine, 'typed'), 2);
    const poison = rig.log.written.find(({ content }) => content.includes('no number'));
    t.match(JSON.parse(await engine.source('logseal-rejects', poison!.id)), {
      logseal: { seq: 1, dest: 'typed', raw: '{"n":"no number"}' },
      reject: { status: 400, type: 'document_parsing_exception', reason: /failed to parse field \[n\]/ },
    });
    t.match(
      rig.settled.toSorted((a, b) => a.seq - b.seq),
      [
        { seq: 0, outcome: { status: 201, index: 'typed', primaryTerm: 1 } },
        { seq: 1, outcome: { status: 400, error: { type: 'document_parsing_exception' } } },
        { seq: 2, outcome: { status: 201 } },
      ],
    );
  });

  await test('an id that somebody else has is a conflict, and the document there is not touched', async (t, bench) => {
    const { rig, engine } = bench;
    await engine.put('taken', 'mine', '{"old":true}');
    await rig.start();
    await rig.log.records([{ dest: 'taken', id: 'mine', content: '{"new":true}' }]);
    await rig.idle();
    t.equal(await engine.source('taken', 'mine'), '{"old":true}');
    t.match(
      rig.log.controls.find(({ reject }) => reject !== undefined),
      { reject: { reason: 'conflict' } },
    );
    t.match(
      rig.log.controls.find(({ place }) => place !== undefined),
      { place: { dest: 'logseal-control' } },
    );
  });

  await test('indices that are read-only or closed wait alone, and get everything once when they open', async (t, bench) => {
    const { rig, engine } = bench;
    for (const name of ['locked', 'shut', 'open']) await engine.ask('PUT', `/${name}`);
    await engine.ask('PUT', '/locked/_settings', { 'index.blocks.write': true });
    await engine.ask('POST', '/shut/_close');
    await rig.start();
    for (let i = 0; i < 3; i += 1)
      for (const name of ['locked', 'shut', 'open']) await rig.log.records(records(10, name));
    await rig.log.seal(0);
    await rig.until(() => rig.delivery?.stats().delivered.data === 30);
    await rig.until(() => rig.saved.some(({ lanes }) => lanes.length === 2));
    t.equal(await countIn(engine, 'open'), 30);
    t.strictSame(
      rig.delivery
        ?.stats()
        .held.map(({ dest }) => dest)
        .sort(),
      ['locked', 'shut'],
    );
    t.equal(rig.delivery?.stats().published, undefined, 'the seal waits for the lanes');
    await engine.ask('PUT', '/locked/_settings', { 'index.blocks.write': false });
    await engine.ask('POST', '/shut/_open');
    await rig.idle();
    t.equal(await countIn(engine, 'locked'), 30);
    t.equal(await countIn(engine, 'shut'), 30);
    t.equal(rig.delivery?.stats().published, 0);
  });

  await test('a logsdb index gets every document with its content in the field', async (t, bench) => {
    const { rig, engine } = bench;
    await engine.ask('PUT', '/columns', { settings: { 'index.mode': 'logsdb' } });
    await rig.start();
    await rig.log.records(
      records(3, 'columns').map((r, i) => ({ ...r, content: `{"@timestamp":"2026-01-0${i + 1}", "n":1}` })),
    );
    await rig.idle();
    for (const { _source } of await engine.hits('columns')) {
      t.match(_source, { logseal: { raw: /^\{"@timestamp":"2026-01-0\d", "n":1\}$/ } });
    }
    t.equal(await countIn(engine, 'columns'), 3);
  });

  await test('a kill while answers are on their way leaves every record once', async (t, bench) => {
    const { rig, engine, relay } = bench;
    for (let i = 0; i < 5; i += 1) await rig.log.records(records(200, 'killed'));
    for (let i = 0; i < 3; i += 1) {
      let cutOff = false;
      relay.clear();
      void loseAnswer(relay, async () => {
        cutOff = true;
      });
      void rig.start();
      await rig.until(() => cutOff || rig.delivery?.stats().idle === true);
      rig.kill();
    }
    await rig.start();
    await rig.idle();
    t.equal(await countIn(engine, 'killed'), 1000);
  });
});

const missingToo = openSearchMissing();
if (missingToo) t.comment(missingToo);

t.test('into OpenSearch', { skip: missingToo }, async (t) => {
  const server = await startOpenSearch();
  t.teardown(() => server.remove());
  for (const name of systemIndices) await engineClient(server.url).ask('PUT', `/${name}`);
  const test = (name: string, run: Run) => t.test(name, (t) => withBench(t, server.url, run, OpenSearchEngine));

  await test('an answer lost before a data stream rolls over makes no twin', async (t, bench) => {
    const { rig, engine, relay } = bench;
    await engine.ask('PUT', '/_index_template/streams', {
      index_patterns: ['stream-*'],
      data_stream: {},
      priority: 500,
    });
    await engine.ask('PUT', '/_data_stream/stream-a');
    const content = '{"@timestamp":"2026-01-01T00:00:00Z", "n":1}';
    await rig.log.records(records(20, 'stream-a', { content }));
    const lost = loseAnswer(relay, () => engine.ask('POST', '/stream-a/_rollover'));
    await rig.start();
    await rig.idle();
    await lost;
    t.equal(await countIn(engine, 'stream-a'), 20);
    await rig.log.records(records(5, 'stream-a', { content }));
    await rig.idle();
    t.equal(await countIn(engine, 'stream-a'), 25);
    t.equal(await countIn(engine, '.ds-stream-a-000002'), 5);
    const indices = rig.log.controls.flatMap(({ place }) => (place as { index?: string } | undefined)?.index ?? []);
    t.match(indices.filter((index) => index.startsWith('.ds-')).sort(), ['.ds-stream-a-000001', '.ds-stream-a-000002']);
  });

  await test('what a pipeline changes keeps its content in the field, what it drops is a reject', async (t, bench) => {
    const { rig, engine } = bench;
    await engine.ask('PUT', '/_ingest/pipeline/mark', {
      processors: [{ set: { field: 'marked', value: true } }, { drop: { if: 'ctx.n == 13' } }],
    });
    await engine.ask('PUT', '/piped', { settings: { 'index.default_pipeline': 'mark' } });
    await engine.ask('PUT', '/final', { settings: { 'index.final_pipeline': 'mark' } });
    await rig.start();
    for (const dest of ['piped', 'final']) {
      await rig.log.records([1, 13, 2].map((n) => ({ dest, content: `{"n":${n}}` })));
    }
    await rig.idle();
    for (const dest of ['piped', 'final']) {
      const hits = await engine.hits(dest);
      t.equal(hits.length, 2, dest);
      for (const { _source } of hits) {
        const { n } = _source as unknown as { n: number };
        t.match(_source, { marked: true, logseal: { raw: `{"n":${n}}` } });
      }
    }
    t.equal(await countIn(engine, 'logseal-rejects'), 2);
    const reasons = rig.log.controls.flatMap(({ reject }) => (reject as { reason?: string } | undefined)?.reason ?? []);
    t.strictSame(new Set(reasons), new Set(['dropped']));
  });
});
