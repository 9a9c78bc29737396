import { isUtf8 } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { encodeHeader, headerAt } from '../../../src/chain/header.ts';
import { generatedId } from '../../../src/chain/record-id.ts';
import {
  encodeSignatureField,
  parseSignatureField,
  readSignatureField,
  spliceSignatureField,
} from '../../../src/chain/signature-field.ts';
import type { SignatureField } from '../../../src/chain/signature-members.ts';
import { skipBlanks } from '../../../src/lib/json-bytes.ts';
import { FieldReader } from '../../../src/verify/field-reader.ts';
import { plainField as plain } from '../../helpers/plain-field.ts';

const { hash: _hash, ...bare } = plain;
const { salt: _salt, ...erased } = plain;
const content = '{"message":"a \\"b\\" \\\\ \\u00e9 ä","n":1.50}';

/** Every form that a field can have in the proxy's spelling. */
const fields: SignatureField[] = [
  plain,
  bare,
  erased,
  { ...plain, raw: Buffer.from(content) },
  { ...plain, type: 1, dest: 'größe', suite: 4, chain: Buffer.alloc(16, 9) },
  { ...bare, flags: 1, id: 'order 4711', epoch: 0, seq: Number.MAX_SAFE_INTEGER, timeMs: Number.MAX_SAFE_INTEGER },
  { ...plain, flags: 1, id: 'ä "quoted" \\ \n', raw: Buffer.from('{\r\n\t"a":"\\u0000😀\u2028"}') },
  { ...plain, digests: { crc32: '77ab6bb4', 'sha-1': 'ff' }, raw: Buffer.from('{}') },
  { ...plain, digests: {}, index: 4294967295, dest: '' },
];
const sources = fields.flatMap((field) =>
  [content, '{}', '{ }'].map((text) =>
    spliceSignatureField(Buffer.from(text), Buffer.from(encodeSignatureField(field))),
  ),
);

const reader = new FieldReader();

/** What the reader holds, as one value. */
function held(source: Buffer): unknown {
  const { header, tag, hash, salt, hasHash, hasSalt, hasRaw, digests, fieldEnd: end } = reader;
  header.fill(0, headerAt.contentHash, headerAt.prev);
  const raw = hasRaw && reader.content.read(source, reader) ? reader.content.content().toString() : undefined;
  const shown = (bytes: Buffer, there: boolean) => (there ? bytes.toString('hex') : undefined);
  return {
    header: header.toString('hex'),
    tag: tag.toString('hex'),
    hash: shown(hash, hasHash),
    salt: shown(salt, hasSalt),
    raw,
    digests,
    end,
  };
}

/** What the chain unit says of the same bytes, in the same form; the field begins at `start`. */
function wanted(source: Buffer, start: number): unknown {
  if (!isUtf8(source)) return 'malformed';
  const read = readSignatureField(source, start);
  if (!read.ok) return read.unsupported ? 'unsupported' : 'malformed';
  const { chain, seq, tag, hash, salt, raw, digests, id = generatedId(chain, seq) } = read.field;
  const next = skipBlanks(source, read.end);
  const ends = source[next] === 0x7d && skipBlanks(source, next + 1) === source.length;
  if (source[next] !== 0x2c && !ends) return 'malformed';
  const header = encodeHeader({ ...read.field, contentHash: Buffer.alloc(32), id });
  const hex = (bytes: Buffer | undefined) => bytes?.toString('hex');
  return {
    header: header.toString('hex'),
    tag: tag.toString('hex'),
    hash: hex(hash),
    salt: hex(salt),
    raw: raw?.toString(),
    digests,
    end: read.end,
  };
}

function readHere(source: Buffer): unknown {
  const outcome = reader.read(source);
  return outcome === 'read' ? held(source) : outcome;
}

const opening = '{"logseal":'.length;

t.test('every form of the spelling that the proxy writes is read as the chain unit reads it', async (t) => {
  for (const source of [...sources, ...sources.toReversed()]) {
    t.equal(reader.read(source), 'read');
    t.same(held(source), wanted(source, opening));
    const generated = generatedId(reader.header.subarray(headerAt.chain, headerAt.epoch), reader.seq);
    t.ok(reader.isGeneratedId(generated));
    t.equal(reader.isHeaderId(generated), reader.flags === 0);
  }
});

t.test('thousands of changed documents are read exactly as the chain unit reads them', async (t) => {
  const seed = Number(process.env.LOGSEAL_FUZZ_SEED ?? process.hrtime.bigint() & 0x7fff_ffffn);
  t.comment(`seed ${seed}`);
  const pieces = [
    '',
    '"',
    '\\',
    '{',
    '}',
    ',',
    ':',
    ' ',
    '\n',
    '0',
    '1',
    '9',
    '-',
    '.',
    'e',
    'A',
    '_',
    '=',
    'ä',
    '\0',
    '\x7f',
  ];
  const words = [
    '"type":1',
    '"flags":1',
    ',"id":"x"',
    ',"raw":"\\ud800"',
    ',"raw":"{}"',
    '"v":2',
    '"suite":9',
    ',"x":1',
  ];
  const more = [',"digests":{"crc32":"ab"}', ',"digests":{"crc32":"AB"}', ',"digests":""crc32":"ab"}', '\\u0061', '},'];
  const edit = fc.record({
    at: fc.nat(460),
    drop: fc.nat(3),
    put: fc.constantFrom(...pieces, ...words, ...more),
    latin1: fc.boolean(),
  });
  const outcomes = new Map<string, number>();
  const property = fc.property(fc.constantFrom(...sources), fc.array(edit, { maxLength: 3 }), (source, edits) => {
    let bytes = source;
    for (const { at, drop, put, latin1 } of edits) {
      const from = Math.max(opening + 1, Math.min(at, bytes.length));
      const piece = Buffer.from(put, latin1 ? 'latin1' : 'utf8');
      bytes = Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(from + drop)]);
    }
    const got = readHere(bytes);
    const outcome = typeof got === 'string' ? got : 'read';
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    return isDeepStrictEqual(got, wanted(bytes, opening));
  });
  fc.assert(property, { seed, numRuns: 20_000 });
  for (const outcome of ['read', 'malformed']) t.ok((outcomes.get(outcome) ?? 0) > 1000, `enough are ${outcome}`);
});

t.test('members in another order, blanks and escapes are read to the same values', async (t) => {
  for (const source of sources) {
    const text = source.toString();
    const end = text.length - (text.endsWith('{ }') ? 3 : 0);
    reader.read(source);
    const fieldText = text.slice(
      opening,
      Math.min(end, Buffer.from(text).subarray(0, reader.fieldEnd).toString().length),
    );
    const members = Object.entries(JSON.parse(fieldText) as object).toReversed();
    const shuffled = JSON.stringify(Object.fromEntries(members), undefined, 1).replace('"seq"', '"\\u0073eq"');
    const { end: _end, ...values } = wanted(source, opening) as { end: number };
    t.match(readHere(Buffer.from(`{"logseal":${shuffled} , "a":1}`)), values);
    t.match(readHere(Buffer.from(` {"a":[1,{"b":"}"}],"log\\u0073eal" : ${shuffled}}\n`)), values);
    t.ok(parseSignatureField(Buffer.from(shuffled)).ok);
  }
});

t.test('where no field stands, or two, or the document is broken, the outcome says so', async (t) => {
  const [source = Buffer.alloc(0)] = sources;
  const field = encodeSignatureField(plain);
  const cases: [string | Buffer, string, RegExp?][] = [
    ['{"message":1}', 'no field'],
    ['{}', 'no field'],
    ['', 'malformed', /not one JSON object/],
    ['[]', 'malformed', /not one JSON object/],
    ['{"a":1', 'malformed', /not one JSON object/],
    [`{"a":1,"logseal":${field},"logseal":${field}}`, 'malformed', /one signature field/],
    ['{"logseal":5}', 'malformed', /is no object/],
    ['{"logseal":{}}', 'malformed', /is empty/],
    [`{"logseal":${field}x,"a":1}`, 'malformed', /does not go on or end/],
    [`{"logseal":${field}"a":1}`, 'malformed', /does not go on or end/],
    [`{"logseal":${field}}}`, 'malformed', /does not go on or end/],
    [`{"logseal":${field}`, 'malformed', /does not go on or end/],
    [`{"logseal":${field} }\n`, 'read'],
    [`{"logseal":${field} ,"a":1}`, 'read'],
    [Buffer.concat([source, Buffer.from([0xff])]), 'malformed', /UTF-8/],
    [source.toString().replace('"v":1', '"v":2'), 'unsupported', /v is 2/],
    [source.toString().replace('"suite":1', '"suite":9'), 'unsupported', /suite is 9/],
    [source.toString().replace('"suite":1', '"suite":300'), 'malformed', /suite is out of range/],
    [source.toString().replace(/"chain":"./, '"chain":"\0'), 'malformed', /chain/],
  ];
  for (const [text, outcome, reason] of cases) {
    t.equal(reader.read(Buffer.from(text)), outcome, JSON.stringify(String(text)));
    if (reason !== undefined) t.match(reader.reason, reason);
  }
});
