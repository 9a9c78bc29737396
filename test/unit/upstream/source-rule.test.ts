import t from 'tap';
import { matchesGlob } from '../../../src/lib/glob.ts';
import {
  additiveMapping,
  flatMapping,
  leanMapping,
  signatureFieldState,
} from '../../../src/upstream/signature-mapping.ts';
import { sourceRule } from '../../../src/upstream/source-rule.ts';
import { mayAutoCreate } from '../../../src/upstream/template-pattern.ts';
import { isPlainName, writeIndicesSince } from '../../../src/upstream/topology.ts';

const stored = { 'index.mode': 'standard' };

t.test('raw is left out only where nothing speaks against it', async (t) => {
  const vector = (type: string) => ({ properties: { a: { properties: { b: { type } } } } });
  const cases: [object, object[], string][] = [
    [{}, [{}], 'if-long-arrays'],
    [stored, [{}], 'if-long-arrays'],
    [{ 'index.mapping.exclude_source_vectors': 'true' }, [{}], 'if-long-arrays'],
    [{ 'index.mapping.exclude_source_vectors': 'false' }, [{}], 'never-needed'],
    [{ 'index.default_pipeline': '_none', 'index.final_pipeline': '_none' }, [{}], 'if-long-arrays'],
    [{ 'index.default_pipeline': 'p' }, [{}], 'always'],
    [{ 'index.final_pipeline': 'p' }, [{}], 'always'],
    [{ 'index.mode': 'logsdb' }, [{}], 'always'],
    [{ 'index.mode': 'logsdb', 'index.mapping.source.mode': 'stored' }, [{}], 'if-long-arrays'],
    [{ 'index.mode': 'logsdb', 'index.mapping.source.mode': 'STORED' }, [{ _source: { mode: 'synthetic' } }], 'always'],
    [{ 'index.mode': 'lookup' }, [{}], 'always'],
    [{ 'index.mode': 'time_series' }, [{}], 'always'],
    [{ 'index.mapping.source.mode': 'synthetic' }, [{}], 'always'],
    [{}, [{ _source: { mode: 'synthetic' } }], 'always'],
    [{}, [{ _source: { excludes: ['a'] } }], 'always'],
    [{}, [{ _source: { includes: ['*'] } }], 'always'],
    [{}, [{ _source: { includes: [] } }], 'if-long-arrays'],
    ...['dense_vector', 'sparse_vector', 'rank_vectors', 'semantic_text'].map((type): [object, object[], string] => [
      {},
      [vector(type)],
      'always',
    ]),
    [{ 'index.mapping.exclude_source_vectors': 'false' }, [vector('dense_vector')], 'always'],
    [{}, [{}, vector('dense_vector')], 'always'],
    [{}, [{ dynamic_templates: [{ v: { mapping: { type: 'dense_vector' } } }] }], 'always'],
    [{}, [{ properties: { type: { type: 'keyword' }, dense_vector: { type: 'long' } } }], 'if-long-arrays'],
  ];
  for (const [settings, mappings, raw] of cases) {
    t.equal(sourceRule({ ...settings }, mappings as never).raw, raw, JSON.stringify([settings, mappings]));
  }
  let deep: object = { type: 'long' };
  for (let n = 0; n < 100; n += 1) deep = { properties: { x: deep } };
  t.match(sourceRule({}, [deep as never]), { raw: 'always', rawReasons: [/too deep/] }, 'in doubt it is written');
});

t.test('what cannot keep a signature is held, and nothing else', async (t) => {
  const held = (settings: object, mapping: object) => sourceRule({ ...settings }, [{ ...mapping }]).held;
  t.match(held({}, { _source: { enabled: false } }), /disabled/);
  t.match(held({}, { _source: { mode: 'disabled' } }), /disabled/);
  t.match(held({ 'index.mapping.source.mode': 'disabled' }, {}), /disabled/);
  t.match(held({ 'index.mode': 'time_series' }, {}), /time_series/);
  t.match(held({ 'index.mode': 'logsdb' }, { subobjects: false }), /subobjects/);
  t.equal(held({}, { subobjects: false }), undefined);
  for (const includes of [['a'], ['log*'], ['logseal.tag']]) t.ok(held({}, { _source: { includes } }), includes.join());
  for (const includes of [['*'], ['a', 'logseal'], ['logseal.*'], ['logseal*']]) {
    t.equal(held({}, { _source: { includes } }), undefined, includes.join());
  }
  for (const excludes of [['logseal'], ['logseal.raw'], ['log*'], ['*'], ['*.raw'], ['logseal.*']]) {
    t.ok(held({}, { _source: { excludes } }), excludes.join());
  }
  for (const excludes of [['a'], ['a.*'], ['logs'], ['logsealed*']]) {
    t.equal(held({}, { _source: { excludes } }), undefined, excludes.join());
  }
});

t.test("our field is told from a user's own, also after dynamic mapping made it", async (t) => {
  const state = (mapping: object) => signatureFieldState({ ...mapping });
  const field = (logseal: object) => ({ properties: { logseal } });
  const text = { type: 'text', fields: { keyword: { type: 'keyword' } } };
  const long = { type: 'long' };
  const dynamic = {
    chain: text,
    dest: text,
    tag: text,
    raw: text,
    epoch: long,
    seq: long,
    index: long,
    digests: { properties: {} },
  };
  t.equal(state({}), 'absent');
  t.equal(state({ properties: { logseals: { type: 'ip' } } }), 'absent');
  t.equal(state(leanMapping), 'fits');
  t.equal(state(flatMapping), 'fits');
  t.equal(state(field({ properties: dynamic })), 'fits');
  t.equal(state(field({ enabled: false, type: 'object' })), 'fits');
  t.equal(state(field({ properties: { chain: { type: 'keyword' } } })), 'absent', 'incomplete: to be added');
  t.equal(
    state(field({ properties: leanMapping.properties.logseal.properties })),
    'absent',
    'still open to new fields',
  );
  for (const wrong of [
    { type: 'keyword' },
    { type: 'nested' },
    { type: 'alias', path: 'x' },
    { properties: { own: long } },
  ]) {
    t.equal(state(field(wrong)), 'foreign', JSON.stringify(wrong));
  }
  t.equal(state(field({ properties: { seq: { type: 'ip' } } })), 'foreign');
  t.equal(state(field({ properties: { digests: { type: 'keyword' } } })), 'foreign');
  t.equal(state({ runtime: { 'logseal.seq': { type: 'long' } } }), 'foreign', 'a runtime field shadows');
  t.equal(state({ runtime: { other: { type: 'long' } } }), 'absent');
  const dotted = Object.entries(flatMapping.properties.logseal.properties).map(([name, one]) =>
    name === 'digests' ? ['logseal.digests.crc32', { type: 'keyword' }] : [`logseal.${name}`, one],
  );
  t.equal(state({ subobjects: false, properties: Object.fromEntries(dotted) }), 'fits');
  t.equal(additiveMapping({ subobjects: false }), flatMapping);
  t.equal(additiveMapping({}), leanMapping);
});

t.test("Elasticsearch's patterns are read as it reads them", async (t) => {
  t.ok(matchesGlob('logs-*-*', 'logs-a-b'));
  t.notOk(matchesGlob('logs-*', 'logs'));
  t.ok(matchesGlob('a.b', 'a.b'));
  t.notOk(matchesGlob('a.b', 'axb'));
  t.ok(matchesGlob('*', '.x'));
  const allowed: [string | undefined, string, boolean][] = [
    [undefined, 'a', true],
    ['true', 'a', true],
    ['false', 'a', false],
    ['+a*,-b*', 'ax', true],
    ['+a*, -b*', 'bx', false],
    ['+a*,-b*', 'c', false],
    ['-secret*,+*', 'secret1', false],
    ['-secret*,+*', 'other', true],
    ['a*', 'ab', true],
  ];
  for (const [setting, name, may] of allowed) t.equal(mayAutoCreate(setting, name), may, `${setting} ${name}`);
  for (const bad of [
    '',
    'a*',
    'a,b',
    '<a-{now}>',
    '-a',
    '_all',
    '.',
    '..',
    'A',
    'a/b',
    'a b',
    'a:b',
    'x'.repeat(256),
  ]) {
    t.notOk(isPlainName(bad), bad.slice(0, 10));
  }
  for (const good of ['a', 'logs-app-default', '.ds-x', 'é', '1', 'a.b_c']) t.ok(isPlainName(good), good);
});

t.test('only backing indices that can have been the write index since then are looked in', async (t) => {
  const index = (name: string, createdMs: number) => ({ name, createdMs, aliasRouting: undefined });
  const indices = [index('1', 1000), index('2', 2000), index('3', 3000)];
  const since = (kind: 'alias' | 'data-stream', ms: number, slack = 0) =>
    writeIndicesSince({ kind, indices, writeIndex: '3' }, ms, slack).map(({ name }) => name);
  t.strictSame(since('data-stream', 0), ['1', '2', '3']);
  t.strictSame(since('data-stream', 2000), ['1', '2', '3'], 'the moment of the roll-over counts for both');
  t.strictSame(since('data-stream', 2001), ['2', '3']);
  t.strictSame(since('data-stream', 9999), ['3']);
  t.strictSame(since('data-stream', 3500, 600), ['2', '3'], 'clocks may differ');
  t.strictSame(since('alias', 9999), ['1', '2', '3'], 'an alias may point back');
  const undated = { kind: 'data-stream' as const, indices: [index('1', 0), index('2', 0)], writeIndex: '2' };
  t.equal(writeIndicesSince(undated, 9999, 0).length, 2, 'in doubt everywhere');
});
