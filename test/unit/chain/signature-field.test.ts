import fc from 'fast-check';
import t from 'tap';
import { generatedId, generatedPrefix, hasGeneratedForm } from '../../../src/chain/record-id.ts';
import { encodeSignatureField, parseSignatureField, spliceSignatureField } from '../../../src/chain/signature-field.ts';
import type { SignatureField } from '../../../src/chain/signature-members.ts';
import { plainField } from '../../helpers/plain-field.ts';
import { cutSignatureField } from '../../helpers/signature-cut.ts';

const field: SignatureField = { ...plainField, raw: Buffer.from('{"message":"x"}') };
const text = encodeSignatureField(field);

function parse(json: string): ReturnType<typeof parseSignatureField> {
  return parseSignatureField(Buffer.from(json));
}

t.test('a field with all members comes back as it was written', async (t) => {
  const full: SignatureField = {
    ...field,
    type: 1,
    flags: 1,
    id: 'order/4711 "ä" \\ \u{1f600}\u2028',
    dest: 'größe',
    seq: Number.MAX_SAFE_INTEGER,
    timeMs: Number.MAX_SAFE_INTEGER,
    digests: { crc32: '77ab6bb4', 'sha-1': 'ff' },
  };
  t.match(encodeSignatureField(full), /^\{"v":1,"suite":1,"type":1,"flags":1,"chain":/);
  t.match(encodeSignatureField(full), /"digests":\{"crc32":"77ab6bb4","sha-1":"ff"\}\}$/);
  t.same(parse(encodeSignatureField(full)), { ok: true, field: full });
});

t.test('members are read in any order, with blanks between tokens and names in escapes', async (t) => {
  const members = Object.entries(JSON.parse(text) as Record<string, unknown>);
  const reversed = JSON.stringify(Object.fromEntries(members.reverse()), undefined, 2);
  t.same(parse(reversed), { ok: true, field });
  t.same(parse(`${text.replace('"tag"', '"\\u0074ag"')}\r\n\t `), { ok: true, field });
  t.same(parse(text.replace('"digests"', '')), { ok: true, field });
  t.same(parse(text.replace(/\}$/, ',"digests": { "md5" : "00" , "crc32":"11" } }')), {
    ok: true,
    field: { ...field, digests: { md5: '00', crc32: '11' } },
  });
});

t.test('an erased record has no salt and no raw, but its hash', async (t) => {
  const { salt: _salt, raw: _raw, ...erased } = field;
  t.same(parse(encodeSignatureField(erased)), { ok: true, field: erased });
  const { hash: _hash, ...nothing } = erased;
  t.match(parse(encodeSignatureField(nothing)), { ok: false, unsupported: false, reason: /salt/ });
});

t.test('every other spelling is malformed, and the reason says what', async (t) => {
  const edits: [RegExp | string, string, RegExp][] = [
    [/^/, '[', /no object/],
    [/^.*$/, '{}', /empty/],
    [/^.*$/, '', /no object/],
    [/\}$/, '}}', /more after/],
    [/\}$/, '', /comma or brace/],
    [/\}$/, ',}', /name/],
    [/\}$/, ',"x":1}', /unknown member "x"/],
    [/\}$/, ',"seq":998017}', /seq twice/],
    [/\}$/, ',"digests":5}', /digests/],
    [/\}$/, ',"digests":{"crc32":"AB"}}', /digests/],
    [/\}$/, ',"digests":{"crc32":"ab","crc32":"ab"}}', /digests/],
    [/\}$/, ',"digests":{"crc32" "ab"}}', /digests/],
    [/\}$/, ',"digests":{"crc32":"ab" "md5":"ab"}}', /digests/],
    [/\}$/, ',"digests":{"CRC":"ab"}}', /digests/],
    [/\}$/, ',"digests":{"crc32":5}}', /digests/],
    ['"v":1', '"v":01', /v is no plain/],
    ['"v":1', '"v":"1"', /v is no plain/],
    ['"v":1,', '', /lacks v/],
    ['"seq":998017', '"seq":998017.0', /comma or brace/],
    ['"seq":998017', '"seq":9980e2', /comma or brace/],
    ['"seq":998017', '"seq":-998017', /seq is no plain/],
    ['"seq":998017', '"seq":0998017', /seq is no plain/],
    ['"seq":998017', '"seq":9007199254740992', /seq is out of range/],
    ['"time":1763891234567', '"time":9007199254740992', /time is out of range/],
    ['"time":1763891234567', '"time":90071992547409910', /time is out of range/],
    ['"seq":998017', '"seq":18446744073709551616', /seq is out of range/],
    ['"seq":998017', '"seq" 998017', /no colon/],
    ['"seq":998017', 'seq:998017', /name/],
    ['"seq":998017', '"\\ud800":998017', /name/],
    ['"epoch":4294967295', '"epoch":4294967296', /epoch is out of range/],
    ['"suite":1', '"suite":256', /suite is out of range/],
    ['"suite":1', '"suite":1,"type":0', /type/],
    ['"suite":1', '"suite":1,"type":2', /type/],
    ['"suite":1', '"suite":1,"flags":1', /id without|flags 1/],
    ['"suite":1', '"suite":1,"flags":3', /flags/],
    ['"suite":1', '"suite":1,"id":"a"', /id without/],
    ['"dest":"logs-app-default"', '"dest":7', /dest/],
    ['"dest":"logs-app-default"', '"dest":"a\\q"', /dest/],
    ['"dest":"logs-app-default"', '"dest":"\\ud83d"', /dest/],
    ['"dest":"logs-app-default"', '"dest":"\\ud83d\\u0041"', /dest/],
    ['"dest":"logs-app-default"', '"dest":"\t"', /dest/],
    ['"dest":"logs-app-default"', `"dest":"${'ä'.repeat(32_768)}"`, /longer/],
    ['"tag":"AwMDAwMDAwMDAwMDAwMDAw"', '"tag":"AwMDAwMDAwMDAwMDAwMDAx"', /spare bits/],
    ['"tag":"AwMDAwMDAwMDAwMDAwMDAw"', '"tag":"AwMDAwMDAwMDAwMDAwMDAw=="', /tag/],
    ['"tag":"AwMDAwMDAwMDAwMDAwMDAw"', '"tag":"AwMDAwMDAwMD/wMDAwMDAw"', /tag is not base64url/],
    ['"tag":"AwMDAwMDAwMDAwMDAwMDAw"', '"tag":null', /tag/],
    ['"raw":"{', '"raw":{"{', /raw/],
    ['"raw":"{', '"raw":"\\u12', /raw/],
    ['"raw":"{', '"raw":"\\udc00{', /raw/],
  ];
  for (const [from, to, reason] of edits) {
    const edited = text.replace(from, to);
    t.not(edited, text);
    t.match(parse(edited), { ok: false, unsupported: false, reason }, edited.slice(0, 400));
  }
  const utf8 = Buffer.from(text);
  utf8[utf8.indexOf('message')] = 0xff;
  t.match(parseSignatureField(utf8), { ok: false, unsupported: false, reason: /raw/ });
  t.match(parse(text.slice(0, -3)), { ok: false, reason: /raw/ });
  for (const name of ['suite', 'chain', 'epoch', 'index', 'seq', 'time', 'dest', 'prev', 'tag']) {
    const { [name]: _gone, ...rest } = JSON.parse(text) as Record<string, unknown>;
    t.match(parse(JSON.stringify(rest)), { ok: false, unsupported: false, reason: `lacks ${name}` });
  }
});

t.test('another version or an unknown suite is unsupported, not malformed', async (t) => {
  t.match(parse(text.replace('"v":1', '"v":2')), { ok: false, unsupported: true, reason: 'v is 2' });
  t.match(parse('{"v":3,"new":{"members":1.5}}'), { ok: false, unsupported: true, reason: 'v is 3' });
  t.match(parse('{"v":3,"v":3,"new":1}'), { ok: false, unsupported: false });
  t.match(parse('{"v":-3,"new":1}'), { ok: false, unsupported: false });
  t.match(parse(text.replace('"suite":1', '"suite":32')), { ok: false, unsupported: true, reason: 'suite is 32' });
});

t.test('raw gives back the exact bytes of any content', async (t) => {
  const contents = [
    '{"a":"\\ud800","b":"\\u0000\\\\\\"\\/"}',
    '{\r\n\t"a":1\n}',
    '{"ä":"\u2028\u2029\u007f\u{10ffff}é"}',
    '{}',
  ];
  for (const content of contents) {
    const parsed = parse(encodeSignatureField({ ...field, raw: Buffer.from(content) }));
    t.equal(parsed.ok && parsed.field.raw?.toString('utf8'), content);
  }
  const seed = Number(process.hrtime.bigint() & 0x7fffffffn);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (raw, dest) => {
      const made: SignatureField = { ...field, raw: Buffer.from(raw), dest };
      const read = parse(encodeSignatureField(made));
      return read.ok && read.field.raw?.equals(made.raw as Buffer) === true && read.field.dest === dest;
    }),
    { seed },
  );
  const escaped = parse(
    text.replace(/"raw":"[^}]*\}"/, '"raw":"\\u007b\\u00e9\\u20AC\\ud83d\\uDE00\\b\\f\\n\\r\\t\\/}"'),
  );
  t.equal(escaped.ok && escaped.field.raw?.toString('utf8'), '{é€\u{1f600}\b\f\n\r\t/}');
});

t.test('what was spliced is cut out again to the byte', async (_t) => {
  const seed = Number(process.hrtime.bigint() & 0x7fffffffn);
  const bytes = Buffer.from(text);
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(3), (value, space) => {
      const content = Buffer.from(JSON.stringify(value, undefined, space));
      const cut = cutSignatureField(spliceSignatureField(content, bytes));
      return cut?.content.equals(content) === true && cut.field.equals(bytes) && cut.twice === 'logseal' in value;
    }),
    { seed },
  );
});

t.test("only ids of the form of this instance's chains count as generated", async (t) => {
  const chain = Buffer.from('67c4d5b23059e35966050fde843d4daf', 'hex');
  const prefixes = new Set([generatedPrefix(chain)]);
  for (const seq of [0, 998017, Number.MAX_SAFE_INTEGER]) t.ok(hasGeneratedForm(generatedId(chain, seq), prefixes));
  t.equal(generatedId(chain, 998017), 'Z8TVsjBZ41kAAAAAAA86gQ');
  t.notOk(hasGeneratedForm(generatedId(Buffer.alloc(16), 5), prefixes), 'another chain');
  t.notOk(hasGeneratedForm('Z8TVsjBZ41kAAAAAAA86gR', prefixes), 'spare bits');
  t.notOk(hasGeneratedForm('Z8TVsjBZ41kAAAAAAA86g', prefixes), 'another length');
});
