import { readFileSync } from 'node:fs';
import t from 'tap';
import { skipValue } from '../../../src/lib/json-bytes.ts';
import type { SeenRecord } from '../../../src/verify/source.ts';
import { ViewComparison } from '../../../src/verify/view.ts';
import { PathSet } from '../../../src/verify/view-paths.ts';
import { decimalKey, parseTree } from '../../../src/verify/view-tree.ts';

const { view } = JSON.parse(readFileSync(new URL('../../vectors/vectors.json', import.meta.url), 'utf8'));

const opening = '{"logseal":';

interface Case {
  signed: string;
  seen: string;
  mode?: 'stored' | 'synthetic' | 'unknown';
  mappings?: unknown;
  pipelinePaths?: string[];
}

/** The visible fields stand behind a field, as a splice puts them; `seen` may also be the whole source. */
function compare({ signed, seen, mode = 'stored', mappings = {}, pipelinePaths = [] }: Case) {
  const comparison = new ViewComparison();
  comparison.describe({ name: 'i', mappings, sourceMode: mode, filteredAliases: [] });
  const body = seen.slice(seen.indexOf('{') + 1);
  const source = seen.includes('"logseal"')
    ? seen
    : `{"logseal":{"v":1,"raw":"x}\\""}${body.trim() === '}' ? '' : ','}${body}`;
  return comparison.compare(record(source, signed, pipelinePaths));
}

function record(text: string, signed: string, pipelinePaths: string[]): SeenRecord {
  const source = Buffer.from(text);
  const fieldEnd = text.startsWith(opening) ? skipValue(source, opening.length) : undefined;
  return { index: 'i', source, fieldEnd, signed: Buffer.from(signed), pipelinePaths };
}

const drifts = (one: Case) => compare(one)?.drift !== undefined;

t.test('every pair of the vectors is equal or different as they say', async (t) => {
  t.ok(view.pairs.length > 10);
  for (const { signed, seen, equal } of view.pairs) t.equal(!drifts({ signed, seen }), equal, `${signed} ${seen}`);
});

t.test('stored source: equal is equal, whatever the spelling', async (t) => {
  for (const [signed, seen] of [
    ['{}', '{}'],
    ['{ }', '{ }'],
    ['{"a":\n [1,\r\n2]}', '{"a":  [1,  2]}'],
    ['{"a":"\\ud800x"}', '{"a":"\\uD800x"}'],
    ['{"a":"\\\\"}', '{"a":"\\u005c"}'],
    ['{"a":{"b":[{"c":null},true,false]}}', '{ "a" : { "b" : [ { "c" : null } , true , false ] } }'],
    ['{"a":1000e-3}', '{"a":1}'],
    ['{"a":0.00}', '{"a":-0e7}'],
    ['{"a":1e400}', '{"a":10e399}'],
    ['{"a":1e1000000000000000000001}', '{"a":10e1000000000000000000000}'],
    ['{"a":123456789012345678901234567890}', '{"a":123456789012345678901234567890.0}'],
    ['{"a":1,"a":2}', '{"a":1,"a":2}'],
  ] as const) {
    t.notOk(drifts({ signed, seen }), `${signed} ${seen}`);
  }
});

t.test('stored source: any other value, type, order or name is drift', async (t) => {
  for (const [signed, seen] of [
    ['{"a":1}', '{"a":2}'],
    ['{"a":1}', '{"a":null}'],
    ['{"a":null}', '{"a":false}'],
    ['{"a":[]}', '{"a":{}}'],
    ['{"a":{}}', '{"a":[]}'],
    ['{"a":[1]}', '{"a":[1,1]}'],
    ['{"a":"x"}', '{"a":"X"}'],
    ['{"a":"\\ud800"}', '{"a":"\\ud801"}'],
    ['{"a":1}', '{"a":1,"b":2}'],
    ['{"a":1,"b":2}', '{"a":1}'],
    ['{"a":{"b":1}}', '{"a":{"b":1,"c":{}}}'],
    ['{"a":1}', '{"a":-1}'],
    ['{"a":1}', '{"a":10}'],
    ['{"a":1}', '{"a":1 ,"logseal.x":2}'],
    ['{"a":1,"a":2}', '{"a":2}'],
    ['{"a":2}', '{"a":1,"a":2}'],
    ['{}', '{"a":1}'],
    ['{"a":1}', '{"a":1'],
    ['{"a":1}', '{"a":01}'],
    ['{"a":1}', '{"a":1,}'],
    ['{"a":[1]}', '{"a":[1,]}'],
    ['{"a":1}', '{"b" 1}'],
    ['{"a":1}', '{"a":tru}'],
    ['{"a":1}', '{"a":"\\x"}'],
    ['{"a":1}', '{"a":"x}'],
    ['{"a":1}', '{a:1}'],
    ['{"a":1}', '[{"logseal":1}]'],
  ] as const) {
    t.ok(drifts({ signed, seen }), `${signed} ${seen}`);
  }
  t.equal(compare({ signed: '{"a":{"b":"secret"}}', seen: '{"a":{"b":"other"}}' })?.drift?.includes('a.b'), true);
  t.notMatch(compare({ signed: '{"a":"secret"}', seen: '{"a":"other"}' })?.drift, /secret|other/);
  const deep = `{"a":${'['.repeat(1200)}${']'.repeat(1200)}}`;
  t.ok(drifts({ signed: deep, seen: deep.replace('{', '{ ') }), 'too deep to be compared');
});

t.test('the signature field may stand anywhere and is no part of what is compared', async (t) => {
  t.notOk(drifts({ signed: '{"a":1}', seen: '{"a":1.0,"logseal":{"v":1}}' }));
  t.ok(drifts({ signed: '{"a":1}', seen: '{"a":2,"logseal":{"v":1}}' }));
  t.ok(drifts({ signed: '{"a":1}', seen: '{"logseal":{"v":1' }));
});

t.test('a pipeline may add a few fields, and change only what a policy gives it', async (t) => {
  const added = '{"a":1,"@timestamp":"x","event":{"ingested":1},"ecs":{"version":"8"},"data_stream":{"type":"logs"}}';
  for (const mode of ['stored', 'synthetic'] as const) {
    const may = (signed: string, seen: string, pipelinePaths: string[] = []) =>
      !drifts({ signed, seen, mode, pipelinePaths });
    t.ok(may('{"a":1}', added));
    t.ok(may('{"a":1,"event":{"kind":"x"}}', '{"a":1,"event":{"kind":"x","ingested":1}}'));
    t.ok(may('{"a":1}', '{"a":1,"event.ingested":1}'));
    t.notOk(may('{"a":1,"@timestamp":"y"}', added), 'change');
    t.notOk(may('{"a":1}', '{"a":1,"event":{"ingested":1,"kind":"x"}}'), 'beside');
    t.notOk(may('{"a":1,"event.ingested":2}', '{"a":1,"event.ingested":2,"event":{"ingested":1}}'), 'twice');
    t.notOk(may('{"@timestamp":1}', '{}'), 'take away');
    t.ok(may('{"geo":{"ip":1},"b":2}', '{"geo":{"city":"x"},"b":2}', ['geo']), 'below a path');
    t.ok(may('{"b":2,"geo":{"ip":1}}', '{"b":2}', ['geo.ip']), 'away');
    t.ok(may('{"b":2}', '{"b":2,"geo":{"ip":{"x":1}}}', ['geo.ip']), 'added');
    t.ok(may('{"b":2}', '{"b":3}', ['b.*']), 'with a star');
    t.notOk(may('{"b":2,"bc":1}', '{"b":2,"bc":2}', ['b']), 'a name that begins alike');
    t.notOk(may('{"b":2,"geo":{"ip":1,"q":2}}', '{"b":2}', ['geo.ip']), 'away with its neighbour');
  }
  t.ok(new PathSet(['a.b']).leadsOn('a'));
});

t.test('fields that Elasticsearch takes out of _source are listed, not judged', async (t) => {
  const mappings = { properties: { v: { type: 'dense_vector' }, o: { properties: { v: { type: 'sparse_vector' } } } } };
  const outcome = compare({ signed: '{"a":1,"v":[1,2],"o":{"v":{"x":1}}}', seen: '{"a":1,"o":{}}', mappings });
  t.same(outcome, { uncompared: ['v', 'o.v'] });
  t.ok(drifts({ signed: '{"a":1,"v":[1,2]}', seen: '{"a":2}', mappings }));
});

const typed = (type: string, more: object = {}) => ({ properties: { f: { type, ...more } } });

t.test('synthetic source: both sides are brought to one form', async (t) => {
  for (const [signed, seen] of [
    ['{"a.b":1,"c":{"d.e":[2,1,2]}}', '{"a":{"b":1},"c":{"d":{"e":[1,2]}}}'],
    ['{"a":[5]}', '{"a":5}'],
    ['{"a":null,"b":[],"c":{},"d":[[1],[null,2]]}', '{"d":[1,2]}'],
    ['{"a":[{"b":1},{"b":2,"c":"x"}]}', '{"a":{"b":[1,2],"c":"x"}}'],
    ['{"a":0.10000000000000001}', '{"a":0.1}'],
    ['{"a":1e400}', '{"a":1e400}'],
    ['{"a":"\\ud800"}', '{"a":"\ufffd"}'],
    ['{"a":{"b":1}}', '{ "a":{ "b":1 } }'],
  ] as const) {
    t.notOk(drifts({ signed, seen, mode: 'synthetic' }), `${signed} ${seen}`);
    t.notOk(drifts({ signed, seen, mode: 'unknown' }), `${signed} ${seen}, of unknown keeping`);
  }
  for (const [signed, seen] of [
    ['{"a":1}', '{"a":"1"}'],
    ['{"a":[1,2]}', '{"a":[1,3]}'],
    ['{"a":[1,2]}', '{"a":1}'],
    ['{"a":1}', '{"a":1,"b":2}'],
    ['{"a":true}', '{"a":"true"}'],
    ['{"a":9007199254740993}', '{"a":9007199254740992}'],
  ] as const) {
    t.ok(drifts({ signed, seen, mode: 'synthetic' }), `${signed} ${seen}`);
  }
});

t.test('synthetic source: a mapped leaf is what Elasticsearch makes of it', async (t) => {
  const equal: [string, object, string, string][] = [
    ['long', {}, '"5"', '5'],
    ['long', {}, '1.9', '1'],
    ['long', {}, '-1.9', '-1'],
    ['long', {}, '1e3', '1000'],
    ['long', {}, '9223372036854775807', '9223372036854775807'],
    ['long', {}, '" 7.5 "', '7'],
    ['long', {}, '"x"', '"x"'],
    ['long', {}, '1e30', '1e30'],
    ['long', {}, '""', '[]'],
    ['long', {}, '{"x":1}', '{"x":1}'],
    ['byte', {}, '300', '300'],
    ['unsigned_long', {}, '18446744073709551615', '18446744073709551615'],
    ['unsigned_long', {}, '18446744073709551616', '18446744073709551616'],
    ['unsigned_long', {}, '"100"', '100'],
    ['unsigned_long', {}, '1.5', '1.5'],
    ['float', {}, '0.1', '0.1'],
    ['float', {}, '16777217', '16777216'],
    ['float', {}, '1e300', '1e300'],
    ['half_float', {}, '0.1', '0.099975586'],
    ['half_float', {}, '2049', '2048'],
    ['half_float', {}, '2051', '2052'],
    ['half_float', {}, '70000', '70000'],
    ['half_float', {}, '0.00000006', '5.9604645E-8'],
    ['double', {}, '0.10000000000000001', '0.1'],
    ['double', {}, '-0', '0'],
    ['double', {}, '"1.5"', '1.5'],
    ['scaled_float', { scaling_factor: 100 }, '1.234', '1.23'],
    ['boolean', {}, '"true"', 'true'],
    ['boolean', {}, '""', 'false'],
    ['boolean', {}, '"no"', '"no"'],
    ['boolean', { null_value: true }, 'null', 'true'],
    ['long', { null_value: 3 }, '[null,4]', '[3,4]'],
    ['keyword', {}, '1.0', '"1.0"'],
    ['keyword', {}, 'true', '"true"'],
    ['text', {}, '["b","a","b"]', '["a","b"]'],
    ['flattened', {}, '{"x":{"y":1},"z":["b","a"]}', '{"x":{"y":"1"},"z":["a","b"]}'],
    ['ip', {}, '"::ffff:10.1.2.3"', '"10.1.2.3"'],
    ['ip', {}, '"2001:DB8:0:0::1"', '"2001:db8::1"'],
    ['ip', {}, '"::"', '"0:0:0:0:0:0:0:0"'],
    ['ip', {}, '"not"', '"not"'],
    ['date', {}, '"2024-02-29T10:00:00.123999+01:00"', '"2024-02-29T09:00:00.123Z"'],
    ['date', {}, '"2024"', '"2024-01-01T00:00:00.000Z"'],
    ['date', {}, '1700000000000', '"2023-11-14T22:13:20.000Z"'],
    ['date', {}, '-1.5', '"1969-12-31T23:59:59.998Z"'],
    ['date', {}, '"2024-02-30"', '"2024-02-30"'],
    ['date', {}, 'true', 'true'],
    ['date', { format: 'epoch_second' }, '1700000000.5', '"1700000000.5"'],
    ['date', { format: 'yyyy-MM-dd HH:mm:ss||epoch_millis' }, '"2024-01-02 03:04:05"', '"2024-01-02 03:04:05"'],
    [
      'date',
      { format: "dd/MM/yyyy'T'HH:mm:ssXXX||strict_date_time" },
      '"02/01/2024T03:04:05+01:00"',
      '"2024-01-02T02:04:05.000Z"',
    ],
    ['date', { format: 'basic_date_time||date_time' }, '"20240102T030405.000Z"', '"2024-01-02T03:04:05.000Z"'],
    ['date', { format: 'yyyy-MM-dd HH:mm:ss||iso8601' }, '"1951-06-30T13:24:37.833"', '"1951-06-30 13:24:37"'],
    ['date', { format: 'yyyy-MM-dd HH:mm||iso8601' }, '"1951-06-30T13:24:37.833"', '"1951-06-30 13:24"'],
    ['date', { format: 'yyyy-MM-dd HH||iso8601' }, '"1951-06-30T13:24:37"', '"1951-06-30 13"'],
    ['date', { format: "''yyyy-MM||iso8601" }, '"1951-06-30T13:24:37"', `"'1951-06"`],
    ['date', { format: 'yyyy||iso8601' }, '"1951-06-30T13:24:37"', '"1951"'],
    ['date', { format: 'strict_date||iso8601' }, '"1951-06-30T13:24:37"', '"1951-06-30"'],
    ['date', { format: 'strict_year_month||iso8601' }, '"1951-06-30T13:24:37"', '"1951-06"'],
    ['date', { format: 'date_time_no_millis||iso8601' }, '"1951-06-30T13:24:37.9Z"', '"1951-06-30T13:24:37Z"'],
    ['date', { format: 'date_hour_minute_second_millis' }, '"1951-06-30T13:24:37.987"', '"1951-06-30T13:24:37.987"'],
    [
      'date_nanos',
      { format: 'yyyy-MM-dd HH:mm:ss.SSSSSS||iso8601' },
      '"1951-06-30T13:24:37.123456789Z"',
      '"1951-06-30 13:24:37.123456"',
    ],
    ['date_nanos', {}, '"2024-01-01T00:00:00.123456789Z"', '"2024-01-01T00:00:00.123456789Z"'],
    ['date_nanos', {}, '"1969-12-31T23:59:59.9999Z"', '-0.1'],
  ];
  for (const [type, more, signed, seen] of equal) {
    const mappings = typed(type, more);
    const outcome = compare({ signed: `{"f":${signed}}`, seen: `{"f":${seen}}`, mode: 'synthetic', mappings });
    t.same(outcome, undefined, `${type} ${signed} ${seen}`);
  }
});

t.test('synthetic source: a mapped leaf that is something else is drift', async (t) => {
  const different: [string, object, string, string][] = [
    ['long', {}, '5', '"5"'],
    ['long', {}, '1.9', '2'],
    ['long', {}, '1', '1.4'],
    ['long', {}, '9223372036854775807', '9223372036854775806'],
    ['float', {}, '0.1', '0.2'],
    ['float', {}, '1.5', '"1.5"'],
    ['scaled_float', { scaling_factor: 100 }, '1.23', '1.24'],
    ['boolean', {}, 'true', 'false'],
    ['boolean', {}, 'true', '"true"'],
    ['keyword', {}, '"a"', '"b"'],
    ['ip', {}, '"10.0.0.1"', '"10.0.0.2"'],
    ['date', {}, '"2024-01-01T00:00:00.001Z"', '"2024-01-01T00:00:00.002Z"'],
    ['date', {}, '"2024-01-01"', '"2024"x'],
    ['date', { format: 'yyyy-MM-dd HH:mm:ss||iso8601' }, '"1951-06-30T13:24:37.833"', '"1951-06-30T13:24:37.834"'],
    ['date_nanos', {}, '"2024-01-01T00:00:00.123456789Z"', '"2024-01-01T00:00:00.123456788Z"'],
    ['date_nanos', {}, '"2024-01-01T00:00:00.123456789Z"', '"2024-01-01T00:00:00.123Z"'],
  ];
  for (const [type, more, signed, seen] of different) {
    const one: Case = {
      signed: `{"f":${signed}}`,
      seen: `{"f":${seen}}`,
      mode: 'synthetic',
      mappings: typed(type, more),
    };
    t.ok(drifts(one), `${type} ${signed} ${seen}`);
  }
});

t.test('a type without a rule is not compared, and said so', async (t) => {
  for (const [type, more] of [
    ['geo_point', {}],
    ['keyword', { normalizer: 'lowercase' }],
    ['scaled_float', { scaling_factor: 0 }],
    ['date', { format: 'EEE MMM dd yyyy' }],
    ['date', { format: 'weekyear_week_day' }],
    ['date', { format: 'yy-MM-dd' }],
    ['date', { format: 'yyyy[-MM]' }],
    ['date', { format: 'HH:mm' }],
    ['integer_range', {}],
  ] as const) {
    const mappings = { properties: { f: { type, ...more }, g: { type: 'long' } } };
    const one: Case = { signed: '{"f":{"a":1},"g":1}', seen: '{"f":"x","g":1}', mode: 'synthetic', mappings };
    t.same(compare(one), { uncompared: ['f'] }, type);
    t.match(compare({ ...one, seen: '{"f":"x","g":2}' }), { drift: /in g\./, uncompared: ['f'] });
  }
});

t.test('a constant_keyword that is not in the document is what its mapping says', async (t) => {
  const mappings = typed('constant_keyword', { value: 'prod' });
  t.notOk(drifts({ signed: '{"a":1}', seen: '{"a":1,"f":"prod"}', mode: 'synthetic', mappings }));
  t.ok(drifts({ signed: '{"a":1}', seen: '{"a":1,"f":"test"}', mode: 'synthetic', mappings }));
});

t.test('a mapping or alias that shows something else than what was signed is drift of its index', async (t) => {
  const found = (
    mappings: unknown,
    content = '{"user":{"name":"x"},"list":[{"deep":1}]}',
    filteredAliases: string[] = [],
  ) => {
    const comparison = new ViewComparison();
    comparison.describe({ name: 'i', mappings, sourceMode: 'stored', filteredAliases });
    if (content !== '') comparison.signed('i', Buffer.from(content));
    return comparison.finish().map(({ index, detail }) => `${index}: ${detail}`);
  };
  const script = { type: 'keyword', script: { source: 'emit(1)' } };
  t.match(found({ runtime: { 'user.name': script } }), [/^i: A runtime field .* user\.name/]);
  t.match(found({ derived: { user: script } }), [/^i: A runtime field .* user\./], 'as OpenSearch has them');
  t.match(found({ runtime: { 'list.deep': { type: 'lookup' } } }), [/^i: A lookup field/]);
  t.match(found({ runtime: { 'logseal.seq': script } }), [/logseal\.seq/]);
  t.match(found({ properties: { user: { properties: { name: { type: 'alias', path: 'x' } } } } }), [/field alias/]);
  t.match(found({}, '{"a":1}', ['f']), [/The alias f/]);
  t.match(
    found({ runtime: { name: script } }, '{"n\\u0061me":1}'),
    [/signed name name/],
    'a name spelled with escapes',
  );
  t.same(found({ runtime: { 'user.name': script } }, '{"other":{"name":1}}'), [], 'the last part alone is no hit');
  t.same(found({ runtime: { 'user.name': { type: 'keyword' }, other: script } }), []);
  t.same(found({ runtime: { 'user.name': script } }, '{'), []);
  t.same(found({ runtime: { 'user.name': script } }, '', ['f']), [], 'nothing signed lies there');
  t.same(found('odd', '{"a":1}'), []);
});

t.test('an index that nobody described is compared all the same', async (t) => {
  const comparison = new ViewComparison();
  const source = '{"logseal":{},"a":[1]}';
  t.same(comparison.compare(record(source, '{"a":1}', [])), undefined);
  t.match(comparison.compare(record(source, '{"a":2}', [])), { drift: /in a\./ });
  t.same(comparison.finish(), []);
});

t.test('numbers are read to their exact value', async (t) => {
  for (const [text, key] of [
    ['0', '0'],
    ['-0.000e5', '0'],
    ['1200', '12e2'],
    ['1.50', '15e-1'],
    ['-0.012', '-12e-3'],
    ['5e-3', '5e-3'],
  ] as const) {
    t.equal(decimalKey(text), key);
  }
  t.equal(parseTree('[]'), undefined);
  t.equal(parseTree('{} x'), undefined);
  t.not(decimalKey('x'), decimalKey('y'));
});
