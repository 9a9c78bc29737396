/** Random bodies, grown out of good ones: whatever comes, the reading ends in time, in operations or in one kind of refusal. */
import { isUtf8 } from 'node:buffer';
import t from 'tap';
import { actionOf, signedBit } from '../../src/bulk/parse-bulk.ts';
import { LogsealError } from '../../src/errors.ts';
import { read } from '../helpers/parse.ts';

const seed = Number(process.env.LOGSEAL_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const rounds = Number(process.env.LOGSEAL_FUZZ_ROUNDS ?? 20_000);

/** mulberry32 */
function generator(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = generator(seed);
const below = (n: number) => Math.floor(random() * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;

const lines = [
  '{"create":{"_index":"logs"}}',
  '{"create":{"_index":"logs","_id":"a1"}}',
  '{"index":{"_index":"<logs-{now/d{yyyy.MM|+02:00}}>","_id":"a2","routing":null}}',
  '{"index":{"_index":"logs","dynamic_templates":{"a":"b"},"dynamic_template_params":{"a":{}},"pipeline":"p"}}',
  '{"delete":{"_index":".kibana","_id":"x"}}',
  '{"update":{"_index":"logs","_id":"x"}}',
  '{"index":{"_index":"logs","_id":"1","version":3,"version_type":"external"}}',
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
  '\0',
  '\u0080',
  'null',
  '1e',
  '-',
  '{"create":{}}\n',
  '<',
  '>',
  '\\u',
  '*',
];

function mutate(body: Buffer): Buffer {
  const at = below(body.length + 1);
  const end = Math.min(body.length, at + below(8));
  switch (below(6)) {
    case 0:
      return Buffer.concat([body.subarray(0, at), Buffer.from(pick(splinters)), body.subarray(at)]);
    case 1:
      return Buffer.concat([body.subarray(0, at), body.subarray(end)]);
    case 2:
      return Buffer.concat([body.subarray(0, end), body.subarray(at)]);
    case 3: {
      const copy = Buffer.from(body);
      if (at < copy.length) copy[at] = below(256);
      return copy;
    }
    case 4:
      return body.subarray(0, at);
    default: {
      const copy = Buffer.from(body);
      if (at < copy.length) copy[at] = (copy[at] as number) ^ (1 << below(8));
      return copy;
    }
  }
}

/** Mostly an action and a document after it, so that much of it is taken. */
function someBody(): Buffer {
  const count = 1 + below(6);
  const pair = () => `${lines[below(4)]}\n${lines[7 + below(8)]}\n`;
  let body: Buffer = Buffer.from(
    Array.from({ length: count }, () => (random() < 0.9 ? pair() : `${pick(lines)}\n`)).join(''),
  );
  for (let n = below(4); n > 0; n--) body = mutate(body);
  return body;
}

/** What must hold of everything that is taken. */
function faultOf(body: Buffer): string | undefined {
  const { parsed, records } = read(body, random() < 0.3 ? { index: 'd', pipeline: 'q' } : {});
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
    if (!isUtf8(Buffer.from(content)) || content.includes('\uFFFD')) return 'not UTF-8';
    if (dest === '' || dest.startsWith('.') || dest.startsWith('logseal-')) return `signed into ${dest}`;
    if (id === '' || id?.startsWith('owned')) return `signed with id ${id}`;
  }
  return undefined;
}

t.test(`random bulk bodies are read or refused, never anything else (LOGSEAL_FUZZ_SEED=${seed})`, async (t) => {
  const counts = { taken: 0, refused: 0 };
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    const body = someBody();
    try {
      const fault = faultOf(body);
      if (fault !== undefined) throw new Error(fault);
      counts.taken++;
    } catch (error) {
      if (!(error instanceof LogsealError) || error.code !== 'REQUEST_REFUSED') {
        t.fail(String(error), { seed, round, body: body.toString('base64') });
        break;
      }
      counts.refused++;
    }
  }
  t.ok(counts.taken > rounds / 10 && counts.refused > rounds / 10, JSON.stringify(counts));
  t.ok((performance.now() - start) / rounds < 5, 'milliseconds a body');
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
    t.ok(performance.now() - start < 2000, body.slice(0, 40));
  }
});
