/**
 * What people see in a real logsdb index, whose `_source` is made up from what was indexed: random documents give no alarm, and every
 * leaf that is changed gives one. Documents are read as verification reads them.
 */
import t from 'tap';
import { systemClock } from '../../src/lib/clock.ts';
import { leanMapping } from '../../src/upstream/signature-mapping.ts';
import { SearchSource } from '../../src/verify/sources/search.ts';
import { ViewComparison } from '../../src/verify/view.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import { engineClient } from '../helpers/engine-client.ts';

const missing = ownElasticsearchMissing();
if (missing) t.comment(missing);
const engine = missing ? undefined : await startElasticsearch();
t.teardown(() => engine?.remove());
const url = engine?.url ?? '';
const documentsMade = 200;

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`seed ${seed} (LOGSEAL_TEST_SEED)`);

/** Mulberry32. */
function generator(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = generator(seed);
const below = (n: number) => Math.floor(random() * n);
const pick = <T>(...values: T[]): T => values[below(values.length)] as T;
const word = () => Array.from({ length: 1 + below(9) }, () => pick(...'abcdefghijkl 0129éß漢😀"\\')).join('');
const quoted = () => pick(JSON.stringify(word()), '"caf\\u00e9"', '"tab\\t"');
const iso = (digits: number) => {
  const date = new Date(below(4e9) * 1000 - 1e12 + below(1000)).toISOString().slice(0, 19);
  const fraction = digits === 0 ? '' : `.${String(below(1e9)).padStart(9, '0').slice(0, digits)}`;
  return `${date}${fraction}${pick('Z', '+02:00', '-0330', '')}`;
};

/** JSON texts of values that a field of the type takes. */
const makers: Record<string, () => string> = {
  text: quoted,
  keyword: () => pick(quoted(), quoted(), String(below(100)), 'true', '1.50'),
  long: () => pick(String(below(2 ** 53) - 2 ** 52), '9223372036854775807', '"12"', '3.7', '-3.7', '1e3', '"4.2"'),
  integer: () => pick(String(below(2 ** 32) - 2 ** 31), '"-7"', '2.9'),
  short: () => pick(String(below(65_536) - 32_768), '"1"'),
  byte: () => String(below(256) - 128),
  double: () => pick(String(random() * 10 ** (below(40) - 20)), '1.50', '0.1', '-0', '1e-3', '"2.5"', '16777217'),
  float: () => pick(String(random() * 10 ** (below(20) - 10)), '0.1', '3', '16777217', '"2.5"'),
  half_float: () => pick(String(random() * 100), '0.1', '2049', '65504'),
  boolean: () => pick('true', 'false', '"true"', '"false"', '""'),
  ip: () => pick(`"10.${below(256)}.0.1"`, '"::ffff:1.2.3.4"', '"2001:DB8::0:1"', `"fe80::${below(9999)}"`, '"::1"'),
  date: () => pick(`"${iso(3)}"`, `"${iso(0)}"`, `"${iso(9)}"`, String(below(2 ** 41)), '"2024-02-29"', '"2024"'),
  date_nanos: () =>
    pick(`"20${10 + below(80)}-03-04T05:06:07.${String(below(1e9)).padStart(9, '0')}Z"`, '1700000000000'),
};

const fields: Record<string, { mapping: object; make: () => string }> = {
  'kept.long': {
    mapping: { type: 'long', ignore_malformed: true },
    make: () => pick(makers.long!(), '"not a number"'),
  },
  'kept.ip': { mapping: { type: 'ip', ignore_malformed: true }, make: () => pick(makers.ip!(), '"nowhere"') },
  'kept.date': { mapping: { type: 'date', ignore_malformed: true }, make: () => pick(makers.date!(), '"soon"') },
  'above.word': { mapping: { type: 'keyword', ignore_above: 3 }, make: quoted },
  'epoch.second': { mapping: { type: 'date', format: 'epoch_second' }, make: () => String(below(2e9)) },
  'epoch.millis': { mapping: { type: 'date', format: 'epoch_millis' }, make: () => String(below(2e12)) },
  'pattern.date': {
    mapping: { type: 'date', format: 'yyyy-MM-dd HH:mm:ss||strict_date_optional_time' },
    make: () => pick('"2024-05-06 07:08:09"', `"${iso(3)}"`),
  },
  'fallback.word': { mapping: { type: 'keyword', null_value: 'none' }, make: () => pick(quoted(), 'null') },
  'stored.word': { mapping: { type: 'text', store: true }, make: quoted },
  'multi.word': { mapping: { type: 'text', fields: { raw: { type: 'keyword' } } }, make: quoted },
};
for (const [type, make] of Object.entries(makers)) fields[`typed.${type}`] = { mapping: { type }, make };

/** One value, or an array of some, at times nested or with null in it. */
function valueText(make: () => string): string {
  const kind = below(10);
  if (kind < 6) return make();
  const list = Array.from({ length: below(4) }, make);
  if (kind === 9) list.push('null');
  return kind === 8 ? `[[${list.join(',')}]]` : `[ ${list.join(', ')} ]`;
}

function unmapped(depth: number): string {
  const make = () => pick(quoted(), String(below(1e6)), '0.25', '1.10', 'true', 'null', '12345678901234567890');
  if (depth === 0 || random() < 0.5) return valueText(make);
  return `{${Array.from({ length: below(4) }, (_, n) => `"u${n}":${unmapped(depth - 1)}`).join(',')}}`;
}

function documentText(): string {
  const members = [
    `"@timestamp":"${new Date(1.7e12 + below(1e9)).toISOString()}"`,
    `"host":{"name":${JSON.stringify(word())}}`,
  ];
  const objects = new Map<string, string[]>();
  for (const [path, { make }] of Object.entries(fields)) {
    if (random() < 0.5) continue;
    const [group = '', name = ''] = path.split('.');
    if (random() < 0.3) members.push(`"${path}":${valueText(make)}`);
    else objects.set(group, [...(objects.get(group) ?? []), `"${name}":${valueText(make)}`]);
  }
  for (const [group, inner] of objects) members.push(`"${group}": {${inner.join(',')}}`);
  if (random() < 0.7) members.push(`"free":${`{"x":${unmapped(3)}}`}`);
  if (random() < 0.3) members.push('"off":{"a":[1,{"b":"c"}],"d":1.0}');
  return `{${members.sort(() => random() - 0.5).join(pick(',', ' , ', ',\n'))}}`;
}

function nested(paths: Record<string, { mapping: object }>): object {
  const properties: Record<string, { properties: Record<string, object> }> = {};
  for (const [path, { mapping }] of Object.entries(paths)) {
    const [group = '', name = ''] = path.split('.');
    properties[group] ??= { properties: {} };
    properties[group].properties[name] = mapping;
  }
  return properties;
}

type Json = Record<string, unknown>;

/** Every leaf of a document, changed one at a time; not in a list that is the same set after it, as values there have no number. */
function* changes(value: Json, path = ''): Generator<{ path: string; apply: () => () => void }> {
  for (const [name, inner] of Object.entries(value)) {
    const here = path === '' ? name : `${path}.${name}`;
    if (here === 'logseal') continue;
    if (typeof inner === 'object' && inner !== null) {
      yield* changes(inner as Json, here);
      continue;
    }
    const after = changed(inner);
    if (Array.isArray(value)) {
      const others = value.filter((_, at) => at !== Number(name));
      if (others.includes(inner) && others.includes(after)) continue;
    }
    const apply = () => {
      value[name] = after;
      return () => {
        value[name] = inner;
      };
    };
    yield { path: here, apply };
  }
}

function changed(leaf: unknown): unknown {
  if (typeof leaf === 'boolean') return !leaf;
  if (typeof leaf === 'number') return Math.abs(leaf) < 1e-3 ? 77.5 : -leaf;
  const text = String(leaf);
  const year = /^(\d{4})(-.*)$/.exec(text);
  if (year !== null) return `${Number(year[1]) + 1}${year[2]}`;
  return /^-?\d+$/.test(text) ? `${text}7` : `${text}x`;
}

const missed: string[] = [];

t.test('a real logsdb index: no false alarm, and every changed leaf is noticed', { skip: missing }, async (t) => {
  const client = engineClient(url);
  const mappings = {
    properties: {
      ...leanMapping.properties,
      '@timestamp': { type: 'date' },
      host: { properties: { name: { type: 'keyword' } } },
      free: { type: 'object', dynamic: false },
      off: { type: 'object', enabled: false },
      ...nested(fields),
    },
  };
  await client.ask('PUT', '/seen', { settings: { 'index.mode': 'logsdb', number_of_replicas: 0 }, mappings });
  const contents = new Map<string, string>();
  let body = '';
  for (let n = 0; n < documentsMade; n++) {
    const content = documentText();
    contents.set(String(n), content);
    const line = content.replaceAll('\n', ' ');
    body += `{"create":{"_index":"seen","_id":"${n}"}}\n{"logseal":${JSON.stringify({ v: 1, raw: content })},${line.slice(1)}\n`;
  }
  const answer = await fetch(`${url}/_bulk`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body,
  });
  const { items } = (await answer.json()) as { items: { create: { status: number; error?: unknown } }[] };
  const refused = items.filter(({ create }) => create.status !== 201).map(({ create }) => JSON.stringify(create.error));
  t.same(refused.slice(0, 3), []);

  const source = new SearchSource({ nodes: [url], requestTimeoutMs: 30_000, clock: systemClock });
  await source.open();
  const comparison = new ViewComparison();
  const descriptions = await source.indices();
  for (const index of descriptions) comparison.describe(index);
  t.equal(descriptions.find(({ name }) => name === 'seen')?.sourceMode, 'synthetic');
  let read = 0;
  let leaves = 0;
  for await (const batch of source.records()) {
    for (const { index, id, source: bytes } of batch) {
      read += 1;
      const signed = Buffer.from(contents.get(id) ?? '');
      const outcome = comparison.compare({ index, source: bytes, fieldEnd: undefined, signed, pipelinePaths: [] });
      if (outcome !== undefined) missed.push(`false alarm: ${outcome.drift}\n${signed}\n${bytes}`);
      const seen = JSON.parse(bytes.toString());
      for (const { path, apply } of changes(seen)) {
        leaves += 1;
        const undo = apply();
        const again = comparison.compare({
          index,
          source: Buffer.from(JSON.stringify(seen)),
          fieldEnd: undefined,
          signed,
          pipelinePaths: [],
        });
        if (again?.drift === undefined) missed.push(`not noticed: ${path}\n${signed}\n${JSON.stringify(seen)}`);
        undo();
      }
    }
  }
  await source.close();
  t.equal(read, documentsMade);
  t.ok(leaves > documentsMade);
  t.same(missed.slice(0, 3), []);
});
