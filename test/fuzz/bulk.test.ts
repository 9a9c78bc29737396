/**
 * Bulk bodies grown out of good ones: whatever comes, the reading ends in time, in operations or in one kind of refusal, and each
 * operation ends as a real Elasticsearch ends it.
 */
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import t from 'tap';
import type { BulkDefaults } from '../../src/bulk/parse-bulk.ts';
import { actionOf, parseBulk, signedBit } from '../../src/bulk/parse-bulk.ts';
import { LogsealError } from '../../src/errors.ts';
import { ObjectScanner } from '../../src/lib/json-scan.ts';
import { elasticsearchMissing, sharedElasticsearch } from '../helpers/elasticsearch.ts';
import { read, rulesFor } from '../helpers/parse.ts';
import { bytesOf, fuzz } from './fuzz-target.ts';
import { asBytes, mutated } from './mutations.ts';

/** Quadratic time would be minutes: this only has to be below that, on a machine that is busy. */
const slowMs = 10_000;

const actions = [
  '{"create":{"_index":"logs"}}',
  '{"create":{"_index":"logs","_id":"a1"}}',
  '{"index":{"_index":"<logs-{now/d{yyyy.MM|+02:00}}>","_id":"a2","routing":null}}',
  '{"index":{"_index":"logs","dynamic_templates":{"a":"b"},"dynamic_template_params":{"a":{}},"pipeline":"p"}}',
  '{"delete":{"_index":".kibana","_id":"x"}}',
  '{"update":{"_index":"logs","_id":"x"}}',
  '{"index":{"_index":"logs","_id":"1","version":3,"version_type":"external"}}',
];
const documents = [
  '{"a":1,"b":[1.5e3,true,null,"\\u00e4\\n"],"c":{"d":{}}}',
  '{"logseal":{}}',
  '{"logs\\u0065al.x":1}',
  '[]',
  '',
  ' \t\r',
  '\uFEFF{"create":{}}',
  '{"ä":"😀"}',
];
const splinters = [
  ...[
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    ',',
    ':',
    '\n',
    '\r\n',
    '\r',
    '\0',
    '\u0080',
    '\u00ff',
    'null',
    '1e',
    '-',
    '00',
    '1.',
    '.5',
  ],
  ...[
    '{"create":{}}\n',
    '<',
    '>',
    '\\u',
    '\\ud800',
    '\\u0000',
    '\\/',
    '*',
    '/* */',
    '//',
    "'",
    'NaN',
    'true',
    '"a":',
    ' ',
    '\t',
    '_',
    '#',
    'A',
  ],
  ...[
    '\u00ed\u00a0\u0080',
    '\u00f4\u0090\u0080\u0080',
    '\u00c0\u0080',
    '\u00ef\u00bb\u00bf',
    '{"a":{"a":',
    '1e999',
    '-0',
    '\u001f',
  ],
];

function bodies(actions: readonly string[], documents: readonly string[]): fc.Arbitrary<string> {
  const pair = fc.tuple(fc.constantFrom(...actions), fc.constantFrom(...documents)).map((lines) => lines.join('\n'));
  const line = fc.oneof({ weight: 9, arbitrary: pair }, fc.constantFrom(...actions, ...documents));
  return mutated(
    fc.array(line, { minLength: 1, maxLength: 6 }).map((lines) => asBytes(`${lines.join('\n')}\n`)),
    splinters,
  );
}

/** What must hold of everything that is taken. */
function faultOf(body: Buffer, defaults: BulkDefaults): string | undefined {
  const { parsed, records } = read(body, defaults);
  const signed = Array.from({ length: parsed.count }, (_, i) => parsed.kinds[i] as number).filter(
    (kind) => (kind & signedBit) !== 0,
  );
  if (signed.length !== parsed.batch.count) return 'kinds and batch differ';
  if (signed.some((kind) => actionOf(kind) !== 'index' && actionOf(kind) !== 'create'))
    return 'an update or delete is signed';
  if (parsed.batch.count + parsed.errors.size + parsed.forwarded.length !== parsed.count)
    return 'an operation has no end';
  let last = 0;
  for (const { start, end } of parsed.forwarded) {
    if (start < last || end > body.length || body[end - 1] !== 0x0a) return 'a forwarded operation is not whole lines';
    last = end;
  }
  for (const { content, dest, id } of records) {
    const value: unknown = JSON.parse(content);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return 'something else than an object is signed';
    if (Object.keys(value).some((name) => name === 'logseal' || name.startsWith('logseal.')))
      return 'a reserved name is signed';
    if (!body.includes(content)) return 'what is signed is not what came';
    if (!isUtf8(Buffer.from(content)) || content.includes('\uFFFD')) return 'not UTF-8';
    if (dest === '' || dest.startsWith('.') || dest.startsWith('logseal-')) return `signed into ${dest}`;
    if (id === '' || id?.startsWith('owned')) return `signed with id ${id}`;
  }
  return undefined;
}

t.test('random bulk bodies are read or refused, never anything else', async (t) => {
  const counts = { taken: 0, refused: 0 };
  await fuzz(t, {
    name: 'bulk',
    inputs: bodies(actions, documents),
    runs: 6000,
    check: (input) => {
      try {
        const fault = faultOf(bytesOf(input), {}) ?? faultOf(bytesOf(input), { index: 'd', pipeline: 'q' });
        counts.taken++;
        return fault;
      } catch (error) {
        if (!(error instanceof LogsealError) || error.code !== 'REQUEST_REFUSED') throw error;
        counts.refused++;
        return undefined;
      }
    },
  });
  const all = counts.taken + counts.refused;
  t.ok(counts.taken > all / 20 && counts.refused > all / 20, JSON.stringify(counts));
});

/** What came of a request: a refusal of the whole, or an end for each operation. */
type Outcome = { refused: string } | { items: (string | undefined)[] };

t.test('each operation ends as in Elasticsearch', { skip: elasticsearchMissing() }, async (t) => {
  const elasticsearch = await sharedElasticsearch();
  const strays = new Set<string>();
  t.teardown(async () => {
    for (const name of strays) await fetch(`${elasticsearch.url}/${encodeURIComponent(name)}`, { method: 'DELETE' });
    await elasticsearch.release();
  });
  const index = `${elasticsearch.prefix}b`;
  await fetch(`${elasticsearch.url}/${index}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"settings":{"number_of_replicas":0},"mappings":{"enabled":false}}',
  });
  const there = async (body: Buffer) => outcomeThere(`${elasticsearch.url}/_bulk`, body, index, strays);
  const names = [index, index, index.toUpperCase()];
  const lines = [
    ...names.map((name) => `{"create":{"_index":"${name}"}}`),
    `{"index":{"_index":"${index}","_id":"1"}}`,
    `{"index":{"_id":"2","_index":"${index}","routing":"r"}}`,
    `{"create":{"_index":"${index}","_id":""}}`,
    `{"index":{"_index":"${index}","_id":"3","version":3,"version_type":"external"}}`,
    `{"index":{"_index":"${index}","_id":"4","if_seq_no":1,"if_primary_term":1}}`,
    `{"index":{"_index":"${index}","_id":5,"_type":null}}`,
  ];
  const texts = [
    '{"a":1,"b":[1.5e3,true,null,"\\u00e4\\n"],"c":{"d":{}}}',
    '{"ä":"😀"}',
    '{}',
    '[]',
    '',
    ' {"a":{"a":[[]]}} ',
  ];
  await fuzz(t, {
    name: 'bulk-elasticsearch',
    inputs: bodies(lines, texts).map((text) => text.replaceAll(index, '@@')),
    runs: 100,
    check: async (input) => {
      const body = bytesOf(input.replaceAll('@@', index));
      // That there is none is said by the HTTP door.
      if (body.length === 0 || hasComment(body)) return undefined;
      const [ours, theirs] = [outcomeHere(body, index), await there(body)];
      return differenceOf(ours, theirs, isUtf8(body));
    },
  });
});

t.test('bodies made to be slow are not', async (t) => {
  const deep = '['.repeat(2000);
  const hostile = [
    `{"create":{"_index":"logs"}}\n${'{"a":'.repeat(100_000)}\n`,
    `{"create":{"_index":"<${'{now/d'.repeat(200)}>"}}\n{}\n`,
    `{"create":{"_index":"${'<'.repeat(1000)}"}}\n{}\n`,
    `{"create":{"_id":"${'\\\\'.repeat(500)}"}}\n{}\n`,
    `{"create":{"dynamic_template_params":{"a":${deep}\n{}\n`,
    `{"create":{"_index":"logs"}}\n${' '.repeat(1_000_000)}\n`,
    '\n'.repeat(1_000_000),
    `${'{"create":{}}\n\n'.repeat(100_000)}`,
    `{"create":{"_index":".ds-${'partial-'.repeat(100)}${'-2026.11.23'.repeat(50)}"}}\n{}\n`,
  ];
  for (const body of hostile) {
    const start = performance.now();
    try {
      read(body, { index: 'd' }, { itemsMax: 500_000, documentBytesMax: 10_000_000 });
    } catch (error) {
      t.match(error, { code: 'REQUEST_REFUSED' });
    }
    t.ok(performance.now() - start < slowMs, body.slice(0, 40));
  }
});

function outcomeHere(body: Buffer, index: string): Outcome {
  const scanner = new ObjectScanner({ depthMax: 100 });
  try {
    const { errors, kinds, count } = parseBulk(
      body,
      {},
      rulesFor({ nowMs: Date.now(), scanner, isSigned: (dest) => dest === index }),
    );
    const items = Array.from({ length: count }, (_, i) => {
      const error = errors.get(i);
      if (error !== undefined) return `${error.status} ${error.error.type}`;
      return ((kinds[i] ?? 0) & signedBit) === 0 ? undefined : 'signed';
    });
    return { items };
  } catch (error) {
    if (!(error instanceof LogsealError) || error.code !== 'REQUEST_REFUSED') throw error;
    return { refused: `${error.details.status} ${error.details.type}` };
  }
}

/** `strays`: other indices that the body made, because a name in it was cut. */
async function outcomeThere(url: string, body: Buffer, index: string, strays: Set<string>): Promise<Outcome> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: new Uint8Array(body),
  });
  const answer = (await response.json()) as {
    error?: { type: string };
    items?: Record<string, { _index: string; status: number; error?: { type: string } }>[];
  };
  if (answer.items === undefined) return { refused: `${response.status} ${answer.error?.type}` };
  const items = answer.items.map((item) => {
    const [{ _index, status, error } = { _index: '', status: 0 }] = Object.values(item);
    if (status === 201 && _index !== index) strays.add(_index);
    if (error === undefined || status === 409) return _index === index ? 'signed' : undefined;
    return `${status} ${error.type}`;
  });
  return { items };
}

function differenceOf(ours: Outcome, theirs: Outcome, utf8: boolean): string | undefined {
  const difference = `here ${JSON.stringify(ours)}, there ${JSON.stringify(theirs)}`;
  if ('refused' in ours || 'refused' in theirs) {
    return 'refused' in ours && 'refused' in theirs && kindOf(ours) === kindOf(theirs) ? undefined : difference;
  }
  const same = ours.items.every((item, i) => isSame(item, theirs.items[i], utf8));
  return same && ours.items.length === theirs.items.length ? undefined : difference;
}

function isSame(ours: string | undefined, theirs: string | undefined, utf8: boolean): boolean {
  if (ours === undefined || ours === theirs) return true;
  if (ours !== '400 document_parsing_exception') return false;
  // A second value behind the first has a type of its own there, and what is not UTF-8 is kept where nobody looks at the field.
  return theirs === '400 illegal_argument_exception' || (theirs === 'signed' && !utf8);
}

/** What Jackson says of a line that is no JSON depends on where it gives up. */
function kindOf({ refused }: { refused: string }): string {
  return refused.replace(/x_content_parse_exception|x_content_e_o_f_exception|illegal_argument_exception/, 'malformed');
}

/** Elasticsearch takes comments, which are no JSON; here they are refused. */
function hasComment(body: Buffer): boolean {
  return body.includes('//') || body.includes('/*');
}
