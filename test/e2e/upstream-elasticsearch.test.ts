import t from 'tap';
import { systemClock } from '../../src/lib/clock.ts';
import type { TemplatesMode } from '../../src/upstream/mapping-keeper.ts';
import { errorVerdict } from '../../src/upstream/retry-table.ts';
import { SearchClient } from '../../src/upstream/search-client.ts';
import { systemIndices } from '../../src/upstream/system-indices.ts';
import { Upstream } from '../../src/upstream/upstream.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';

const missing = ownElasticsearchMissing();
if (missing) t.comment(missing);
const engine = missing ? undefined : await startElasticsearch();
t.teardown(() => engine?.remove());
const url = engine?.url ?? '';

const chain = 'AAECAwQFBgcICQoLDA0ODw';
const advice: string[] = [];

function open(templates: TemplatesMode = 'compose'): Upstream {
  return new Upstream({
    nodes: [url],
    requestTimeoutMs: 20_000,
    clock: systemClock,
    embedded: false,
    templates,
    advise: (_template, text) => advice.push(text),
  });
}

const upstream = open();
t.teardown(() => upstream.close());

/** Fails the test unless the engine says yes. */
async function must(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await upstream.connection.ask(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** Into JSON by a path of names and numbers with slashes. */
function at(value: unknown, path: string): unknown {
  return path.split('/').reduce((node, name) => (node as Record<string, unknown> | undefined)?.[name], value);
}

function signed(content: string, seq: number, raw = content): string {
  const field = {
    v: 1,
    suite: 1,
    chain,
    epoch: 0,
    index: seq,
    seq,
    time: 1,
    dest: 'd',
    tag: `tag${seq}`,
    salt: 's',
    raw,
  };
  return `{"logseal":${JSON.stringify(field)}${content === '{}' ? '' : ','}${content.slice(1)}`;
}

function create(index: string, id: string, document: string, meta: object = {}): Buffer {
  return Buffer.from(`${JSON.stringify({ create: { _index: index, _id: id, ...meta } })}\n${document}\n`);
}

const real = { skip: missing };

t.test('the cluster says who it is', real, async (t) => {
  const identity = await upstream.identity();
  t.match(identity.clusterUuid, /^[\w-]{22}$/);
  t.equal(identity.version, '9.5.3');
  t.equal(identity.distribution, 'elasticsearch');
});

t.test('a bulk brings one result an item, in order, errors and versions with them', real, async (t) => {
  await must('PUT', '/b1', { mappings: { properties: { a: { type: 'long' } } } });
  const body = [create('b1', '1', '{"a":1}'), create('b1', '2', '{"a":"x"}'), create('b1', '1', '{"a":2}')];
  const answer = await upstream.send(body, { count: 3, versions: true });
  t.match(
    answer.items.map(({ status, index }) => [status, index]),
    [
      [201, 'b1'],
      [400, 'b1'],
      [409, 'b1'],
    ],
  );
  t.match(answer.items[0], { action: 'create', id: '1', result: 'created', version: 1, seqNo: 0, primaryTerm: 1 });
  t.equal(errorVerdict(answer.items[1]!.error!, 400), 'reject');
  t.equal(errorVerdict(answer.items[2]!.error!, 409), 'conflict');
  const many = Array.from({ length: 500 }, (_, n) => create('b1', `m${n}`, '{"a":1}'));
  const quick = await upstream.send(many, { count: 500 });
  t.equal(quick.items.length, 500);
  t.equal(quick.errors, false);
  t.equal(quick.items[499], quick.items[0], 'equal results are one object');
});

t.test('an index that no template makes is created with five fields before its first document', real, async (t) => {
  t.match(await upstream.describe('plain'), { exists: false, raw: 'if-long-arrays', documents: 0 });
  t.equal(await upstream.ensureMapping('plain'), undefined);
  const info = await upstream.describe('plain');
  t.match(info, { kind: 'index', writeIndex: 'plain', signatureField: 'fits', sourceMode: 'stored', held: undefined });
  const content = '{"b": [1.0, 2e2],"a":"x"}';
  const sent = await upstream.send([create('plain', '1', signed(content, 7))], { count: 1 });
  t.equal(sent.items[0]!.status, 201);
  await must('POST', '/plain/_refresh');
  const filter = [
    { term: { 'logseal.chain': chain } },
    { term: { 'logseal.epoch': 0 } },
    { term: { 'logseal.seq': 7 } },
  ];
  const found = await must('POST', '/plain/_search', { query: { bool: { filter } } });
  t.equal(at(found, 'hits/total/value'), 1, 'found by chain, epoch and seq');
  const mapping = await must('GET', '/plain/_mapping');
  t.strictSame(Object.keys(at(mapping, 'plain/mappings/properties/logseal/properties') as object).sort(), [
    'chain',
    'dest',
    'epoch',
    'seq',
  ]);
});

t.test('raw of 100 kB comes back verbatim from logsdb and from synthetic source', real, async (t) => {
  const long = JSON.stringify({ a: 1, x: 'é\n"\\'.repeat(20_000) });
  const kinds: [string, object][] = [
    ['logsdb', { 'index.mode': 'logsdb' }],
    ['synthetic', { 'index.mapping.source.mode': 'synthetic' }],
  ];
  for (const [name, settings] of kinds) {
    await must('PUT', `/raw-${name}`, { settings });
    t.match(await upstream.describe(`raw-${name}`), { sourceMode: 'synthetic', raw: 'always' });
    t.equal(await upstream.ensureMapping(`raw-${name}`), undefined);
    const document = signed('{"@timestamp":"2026-01-01T00:00:00Z"}', 1, long);
    const sent = await upstream.send([create(`raw-${name}`, '1', document)], { count: 1 });
    t.equal(sent.items[0]!.status, 201, JSON.stringify(sent.items[0]));
    const [found] = await upstream.find([{ dest: `raw-${name}`, id: '1', routing: undefined, timeMs: 0 }]);
    t.match(found, [{ index: `raw-${name}`, tag: 'tag1', chain, seq: 1 }], 'realtime, before any refresh');
    await must('POST', `/raw-${name}/_flush`);
    await must('POST', `/raw-${name}/_forcemerge?max_num_segments=1`);
    const got = await must('GET', `/raw-${name}/_doc/1`);
    t.equal(at(got, '_source/logseal/raw'), long);
  }
});

t.test('a strict mapping, alone or in a template, takes the field all the same', real, async (t) => {
  const mappings = { dynamic: 'strict', properties: { a: { type: 'long' } } };
  await must('PUT', '/strict1', { mappings });
  const early = await upstream.send([create('strict1', '0', signed('{"a":1}', 0))], { count: 1 });
  t.equal(errorVerdict(early.items[0]!.error!, 400), 'mapping', 'an error that names the field is no reject');
  t.equal(await upstream.ensureMapping('strict1'), undefined);
  const sent = await upstream.send([create('strict1', '1', signed('{"a":1}', 1))], { count: 1 });
  t.equal(sent.items[0]!.status, 201, JSON.stringify(sent.items[0]));
  await must('PUT', '/_index_template/strict-t', { index_patterns: ['strict2*'], template: { mappings } });
  t.equal(await upstream.ensureMapping('strict2'), undefined);
  const auto = await upstream.send([create('strict2', '1', signed('{"a":1}', 2))], { count: 1 });
  t.equal(auto.items[0]!.status, 201, 'made by the template, mapping included');
});

t.test('what cannot take the field is held, with a reason that says what to do', real, async (t) => {
  await must('PUT', '/full', {
    settings: { 'index.mapping.total_fields.limit': 3 },
    mappings: { properties: { a: { type: 'long' }, b: { type: 'long' } } },
  });
  t.match(await upstream.ensureMapping('full'), /total_fields\.limit/);
  await must('PUT', '/full/_settings', { 'index.mapping.total_fields.limit': 7 });
  t.equal(await upstream.ensureMapping('full'), undefined, 'ready once the limit is raised');
  for (const [n, logseal] of [
    { type: 'keyword' },
    { properties: { mine: { type: 'long' } } },
    { type: 'nested' },
  ].entries()) {
    await must('PUT', `/foreign${n}`, { mappings: { properties: { logseal } } });
    t.match(await upstream.ensureMapping(`foreign${n}`), /a field logseal of its own/);
  }
  await must('PUT', '/_index_template/foreign-t', {
    index_patterns: ['foreign-t*'],
    template: { mappings: { properties: { logseal: { type: 'ip' } } } },
  });
  t.match(await upstream.ensureMapping('foreign-tx'), /template of foreign-tx/);
  await must('PUT', '/disabled', { mappings: { _source: { enabled: false } } });
  t.match((await upstream.describe('disabled')).held, /_source is disabled/);
  await must('PUT', '/filtered', { mappings: { _source: { includes: ['a'] } } });
  t.match(await upstream.describe('filtered'), { held: /signature field/, raw: 'always' });
  await must('PUT', '/series', {
    settings: { 'index.mode': 'time_series', 'index.routing_path': 'h' },
    mappings: { properties: { '@timestamp': { type: 'date' }, h: { type: 'keyword', time_series_dimension: true } } },
  });
  t.match(await upstream.describe('series'), { held: /time_series/, timeSeries: true });
  await must('PUT', '/_cluster/settings', { persistent: { 'action.auto_create_index': '-forbidden*,+*' } });
  t.match(await upstream.ensureMapping('forbidden1'), /does not allow/);
  await must('PUT', '/_cluster/settings', { persistent: { 'action.auto_create_index': null } });
});

t.test(
  'subobjects: false takes the field member by member, and is held where the source is synthetic',
  real,
  async (t) => {
    await must('PUT', '/dotted', { mappings: { subobjects: false } });
    t.equal(await upstream.ensureMapping('dotted'), undefined);
    const content = '{"a.b":1,"a":2}';
    const sent = await upstream.send([create('dotted', '1', signed(content, 1))], { count: 1 });
    t.equal(sent.items[0]!.status, 201);
    t.equal((await upstream.describe('dotted', true)).signatureField, 'fits');
    await must('PUT', '/dotted-logsdb', { settings: { 'index.mode': 'logsdb' }, mappings: { subobjects: false } });
    t.match((await upstream.describe('dotted-logsdb')).held, /subobjects/);
  },
);

t.test('raw is written wherever the source may not come back as it was sent', real, async (t) => {
  const cases: [string, object][] = [
    ['pipeline', { settings: { 'index.default_pipeline': 'p' } }],
    ['final', { settings: { 'index.final_pipeline': 'p' } }],
    ['vector', { mappings: { properties: { o: { properties: { v: { type: 'dense_vector', dims: 3 } } } } } }],
    ['sparse', { mappings: { properties: { type: { properties: { fields: { type: 'sparse_vector' } } } } } }],
    ['dynamic', { mappings: { dynamic_templates: [{ v: { match: '*_v', mapping: { type: 'dense_vector' } } }] } }],
    ['excluded', { mappings: { _source: { excludes: ['secret'] } } }],
  ];
  for (const [name, body] of cases) {
    await must('PUT', `/need-${name}`, body);
    t.equal((await upstream.describe(`need-${name}`)).raw, 'always', name);
  }
  await must('PUT', '/need-not', {
    settings: { 'index.mapping.exclude_source_vectors': false, 'index.default_pipeline': '_none' },
  });
  t.equal((await upstream.describe('need-not')).raw, 'never-needed');
  await must('PUT', '/_index_template/need-t', {
    index_patterns: ['needt*'],
    template: { settings: { 'index.mode': 'logsdb' } },
  });
  t.match(await upstream.describe('needt1'), { raw: 'always', exists: false });
  await must('PUT', '/_template/need-legacy', {
    index_patterns: ['needl*'],
    settings: { 'index.default_pipeline': 'p' },
  });
  t.equal((await upstream.describe('needl1')).raw, 'always', 'legacy template');
  t.equal((await upstream.describe('logs-app-default')).raw, 'always', 'may become logsdb by itself');
});

t.test(
  'an array of 128 numbers is taken out of a stored source, which is why raw is written for it',
  real,
  async (t) => {
    const vector = JSON.stringify(Array.from({ length: 128 }, (_, n) => n + 0.5));
    t.equal(await upstream.ensureMapping('long-array'), undefined);
    await upstream.send([create('long-array', '1', signed(`{"v":${vector}}`, 1))], { count: 1, refresh: 'true' });
    const found = await must('POST', '/long-array/_search', {});
    t.equal(at(found, 'hits/hits/0/_id'), '1');
    t.equal(at(found, 'hits/hits/0/_source/v'), undefined);
  },
);

t.test('a template gets the component, keeps everything of its own, and has it taken out again', real, async (t) => {
  const own = {
    index_patterns: ['app-*'],
    priority: 7,
    version: 3,
    composed_of: ['app-mine'],
    template: { settings: { index: { number_of_shards: '1' } }, aliases: { everything: {} } },
    _meta: { owner: 'them' },
  };
  await must('PUT', '/_component_template/app-mine', {
    template: { mappings: { properties: { a: { type: 'long' } } } },
  });
  await must('PUT', '/_index_template/app', own);
  const before = at(await must('GET', '/_index_template/app'), 'index_templates/0/index_template');
  t.equal(await upstream.ensureMapping('app-000001'), undefined);
  const after = at(await must('GET', '/_index_template/app'), 'index_templates/0/index_template');
  t.strictSame(at(after, 'composed_of'), ['logseal-mappings', 'app-mine']);
  await upstream.send([create('app-000001', '1', signed('{"a":1}', 1))], { count: 1 });
  t.match(await must('GET', '/app-000001'), {
    'app-000001': { aliases: { everything: {} }, mappings: { properties: { logseal: {} } } },
  });

  await must('PUT', '/_index_template/managed', {
    index_patterns: ['managed-*'],
    composed_of: ['managed@custom'],
    ignore_missing_component_templates: ['managed@custom'],
    _meta: { managed: true },
  });
  t.equal(await upstream.ensureMapping('managed-x'), undefined);
  const hook = await must('GET', '/_component_template/managed@custom');
  const hooked = 'component_templates/0/component_template/template/mappings/properties/logseal';
  t.ok(at(hook, hooked), 'by the hook of a managed template');

  const changed = await upstream.templates.remove();
  t.ok(
    ['app', 'managed@custom', 'logseal-mappings', 'logseal-system'].every((name) => changed.includes(name)),
    changed.join(),
  );
  const restored = at(await must('GET', '/_index_template/app'), 'index_templates/0/index_template');
  const undated = (template: unknown) => ({ ...(template as object), modified_date: 0, modified_date_millis: 0 });
  t.strictSame(undated(restored), undated(before));
  t.equal((await upstream.connection.ask('GET', '/_component_template/managed@custom')).status, 404);
  t.strictSame(await upstream.templates.remove(), [], 'a second removal finds nothing');
});

t.test('advise changes no template, says what to do, and still prepares each index', real, async (t) => {
  const careful = open('advise');
  t.teardown(() => careful.close());
  await must('PUT', '/_index_template/advised', {
    index_patterns: ['advised-*'],
    template: { mappings: { dynamic: 'strict' } },
  });
  t.equal(await careful.ensureMapping('advised-1'), undefined);
  t.ok(
    advice.some((text) => text.includes('advised') && text.includes('logseal-mappings')),
    advice.join('; '),
  );
  t.strictSame(
    at(await must('GET', '/_index_template/advised'), 'index_templates/0/index_template/composed_of') ?? [],
    [],
  );
  const sent = await careful.send([create('advised-1', '1', signed('{}', 1))], { count: 1 });
  t.equal(sent.items[0]!.status, 201, JSON.stringify(sent.items[0]));
});

t.test(
  'a record is found behind an alias that has moved on, with its routing, and not in an index that is gone',
  real,
  async (t) => {
    for (const index of ['roll-1', 'roll-2'])
      await must('PUT', `/${index}`, { settings: { 'index.number_of_shards': 5 } });
    const point = (index: string) => ({ add: { index, alias: 'roll', is_write_index: index === 'roll-1' } });
    await must('POST', '/_aliases', { actions: [point('roll-1'), point('roll-2')] });
    t.equal(await upstream.ensureMapping('roll'), undefined);
    await upstream.send([create('roll', 'r', signed('{}', 4), { routing: 'somewhere else' })], { count: 1 });
    await must('POST', '/_aliases', {
      actions: [
        { add: { index: 'roll-2', alias: 'roll', is_write_index: true } },
        { add: { index: 'roll-1', alias: 'roll', is_write_index: false } },
      ],
    });
    t.match(await upstream.describe('roll', true), { kind: 'alias', writeIndex: 'roll-2' });
    const wanted = { dest: 'roll', id: 'r', routing: 'somewhere else', timeMs: Date.now() };
    const [found, none] = await upstream.find([wanted, { ...wanted, id: 'other' }]);
    t.match(found, [{ index: 'roll-1', tag: 'tag4', seq: 4 }]);
    t.strictSame(none, []);
    await must('POST', '/_aliases', { actions: [{ remove: { index: 'roll-1', alias: 'roll' } }] });
    t.strictSame((await upstream.find([wanted]))[0], [], 'the alias alone no longer leads there');
    const [former] = await upstream.find([{ ...wanted, formerIndices: ['roll-1', 'gone'] }]);
    t.match(former, [{ index: 'roll-1' }], 'what was seen behind it before does');
    t.match((await upstream.find([{ ...wanted, index: 'roll-1' }]))[0], [{ index: 'roll-1' }]);
    await must('POST', '/roll-1/_close');
    await t.rejects(upstream.find([{ ...wanted, formerIndices: ['roll-1'] }]), {
      code: 'UPSTREAM_DENIED',
      details: { dest: 'roll' },
    });
  },
);

t.test('a closed index behind an alias is neither left out of a lookup nor taken for an empty one', real, async (t) => {
  for (const index of ['shut-1', 'shut-2']) await must('PUT', `/${index}`);
  const add = (index: string) => ({ add: { index, alias: 'shut', is_write_index: index === 'shut-2' } });
  await must('POST', '/_aliases', { actions: [add('shut-1'), add('shut-2')] });
  await must('POST', '/shut-1/_close');
  const wanted = { dest: 'shut', id: '1', routing: undefined, timeMs: 0 };
  await t.rejects(upstream.find([wanted]), { code: 'UPSTREAM_DENIED', details: { index: 'shut-1' } });
  t.match(await upstream.describe('shut'), { writeIndex: 'shut-2', indices: [{ name: 'shut-1' }, { name: 'shut-2' }] });
  await t.rejects(upstream.describe('shut-1'), { code: 'UPSTREAM_DENIED', message: /index_closed_exception/ });
});

t.test('documents from before are counted once, ours are not among them', real, async (t) => {
  await upstream.send([create('older', '1', '{"a":1}'), create('older', '2', '{"a":2}')], { count: 2 });
  t.equal((await upstream.describe('older')).documents, 2);
  t.equal(await upstream.ensureMapping('older'), undefined);
  await upstream.send([create('older', '3', signed('{"a":3}', 1))], { count: 1 });
  t.equal(await upstream.countUnsigned('older'), 2);
});

t.test(
  'the indices of the proxy itself are made as they should be, with a template for * in the way',
  real,
  async (t) => {
    await must('PUT', '/_index_template/everything', {
      index_patterns: ['*'],
      priority: 1,
      template: { settings: { 'index.default_pipeline': 'nonsense', 'index.mode': 'logsdb' } },
    });
    for (const name of systemIndices) {
      t.equal(await upstream.ensureMapping(name), undefined, name);
      const info = await upstream.describe(name, true);
      t.match(info, { sourceMode: 'stored', raw: 'if-long-arrays', signatureField: 'fits', held: undefined });
      const document = signed(`{"@timestamp":1763891234567,"seal":"${'x'.repeat(40_000)}","reject":{"status":400}}`, 1);
      const sent = await upstream.send([create(name, '1', document)], { count: 1 });
      t.equal(sent.items[0]!.status, 201, JSON.stringify(sent.items[0]));
    }
    await must('DELETE', '/_index_template/everything');
    const again = open();
    t.teardown(() => again.close());
    for (const name of systemIndices) t.equal(await again.ensureMapping(name), undefined, 'a second start finds them');
  },
);

t.test('where the cluster has no security everybody may create', real, async (t) => {
  t.strictSame(await upstream.mayCreate(undefined, ['x']), { kind: 'allowed' });
});

t.test('a client may create only where its own credentials let it', real, async (t) => {
  const secured = await startElasticsearch({
    security: [
      { user: 'proxy', password: 'pw', write: ['*'] },
      { user: 'app', password: 'secret', write: ['app-*'] },
    ],
  });
  t.teardown(() => secured.remove());
  const behind = new Upstream({
    nodes: [secured.url],
    username: 'proxy',
    password: 'pw',
    requestTimeoutMs: 20_000,
    clock: systemClock,
    embedded: false,
    templates: 'off',
    advise: () => {},
  });
  t.teardown(() => behind.close());
  const app = `Basic ${Buffer.from('app:secret').toString('base64')}`;
  t.strictSame(await behind.mayCreate(app, ['app-1', 'app-2']), { kind: 'allowed' });
  t.match(await behind.mayCreate(app, ['app-1', 'other']), { kind: 'denied', dests: new Set(['other']), user: 'app' });
  t.match(await behind.mayCreate(undefined, ['app-1']), {
    kind: 'unauthenticated',
    status: 401,
    challenges: [/Basic/],
  });
  const wrong = `Basic ${Buffer.from('app:wrong').toString('base64')}`;
  t.match(await behind.mayCreate(wrong, ['app-1']), { kind: 'unauthenticated', body: { error: {} } });
  const sent = await behind.send([create('app-1', '1', '{}')], { count: 1 });
  t.equal(sent.items[0]!.status, 201, 'with its own credentials the proxy writes');
});

t.test('the client for verification gives bytes as they came, and any status as an answer', real, async (t) => {
  await using search = new SearchClient({ nodes: [url], requestTimeoutMs: 20_000 });
  const content = '{ "b" :1.0,\t"a":[ 1e2 ] }';
  await upstream.send([create('bytes', '1', content)], { count: 1, refresh: 'true' });
  const got = await search.bytes('GET', '/bytes/_doc/1?realtime=false');
  t.ok(got.body.toString().includes(content));
  t.equal((await search.ask('GET', '/nothing-here')).status, 404);
  t.match((await search.ask('POST', '/bytes/_count', { query: { match_all: {} } })).body, { count: 1 });
  const pit = await search.client.openPointInTime({ index: 'bytes', keep_alive: '1m' });
  t.ok(pit.id);
  await search.client.closePointInTime({ id: pit.id });
  await using nobody = new SearchClient({ nodes: ['http://127.0.0.1:1'], requestTimeoutMs: 1000 });
  await t.rejects(nobody.ask('GET', '/'), { code: 'UPSTREAM_UNKNOWN' });
});
