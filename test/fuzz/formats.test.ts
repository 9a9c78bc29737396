/**
 * Seal, note and signature field: what was encoded comes back; what is read has one spelling, and is written again as it was; what
 * was changed is refused or is another value; nothing is thrown.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import {
  decodeCheckpoint,
  decodeVkey,
  encodeVkey,
  parseNote,
  signCheckpoint,
  verifyCheckpoint,
} from '../../src/chain/note.ts';
import type { SealStatement } from '../../src/chain/seal.ts';
import { decodeSeal, encodeSeal, sealReasons } from '../../src/chain/seal.ts';
import { encodeSignatureField, parseSignatureField } from '../../src/chain/signature-field.ts';
import type { SignatureField } from '../../src/chain/signature-members.ts';
import { present } from '../helpers/parse.ts';
import { bytesOf, fuzz } from './fuzz-target.ts';
import { asBytes, mutated } from './mutations.ts';

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((list) => Buffer.from(list));
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const safe = fc.maxSafeNat();
const splinters = [
  ...[
    '\n',
    '\n\n',
    '\r\n',
    ' ',
    '\t',
    '\0',
    '0',
    '00',
    '+',
    '-',
    '.0',
    'e0',
    '=',
    '==',
    '_',
    '"',
    '\\u0041',
    '\\/',
    '{',
    '}',
  ],
  ...[
    ',',
    ':',
    '"v":1,',
    '"suite":1',
    'A',
    '\u00c2\u00a0',
    '\u00e2\u0080\u0094 ',
    '\u00ff',
    '9007199254740993',
    '"raw":"{}"',
  ],
];

const statements: fc.Arbitrary<SealStatement> = fc.record({
  origin: fc.constantFrom('logs.example.com/logseal', 'ä/logseal', 'a/b/logseal'),
  suite: fc.integer({ min: 0, max: 255 }),
  chain: bytes(16),
  epoch: u32,
  first: fc.integer({ min: 0, max: 2 ** 52 }),
  count: u32,
  root: bytes(32),
  prev: bytes(16),
  opened: safe,
  closed: safe,
  reason: fc.constantFrom(...sealReasons),
  anchor: fc.option(bytes(32), { nil: undefined }),
});

t.test('seals', async (t) => {
  const good = fc
    .tuple(statements, bytes(32))
    .map(([statement, mac]) => encodeSeal(statement, () => mac).toString('latin1'));
  await fuzz(t, {
    name: 'seal',
    inputs: mutated(good, splinters),
    runs: 4000,
    check: (input) => {
      const text = bytesOf(input);
      const decoded = decodeSeal(text);
      if (!decoded.ok) return undefined;
      const again = encodeSeal(decoded.seal, (lines) =>
        lines.equals(decoded.seal.lines) ? decoded.seal.mac : Buffer.alloc(32),
      );
      return again.equals(text) ? undefined : 'another spelling is taken';
    },
  });
  fc.assert(
    fc.property(statements, bytes(32), (statement, mac) => {
      const decoded = decodeSeal(encodeSeal(statement, () => mac));
      t.ok(decoded.ok || statement.first + statement.count > Number.MAX_SAFE_INTEGER);
      if (decoded.ok) t.match(decoded.seal, { ...statement, mac });
    }),
    { numRuns: 50 },
  );
});

const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
});
const publicKey = createPublicKey(privateKey);
const origin = 'logs.example.com/logseal';
const vkey = encodeVkey(origin, publicKey);
const verifier = present(decodeVkey(vkey));

t.test('notes and vkeys', async (t) => {
  const notes = fc.tuple(safe, bytes(32)).map(([size, root]) => {
    const note = signCheckpoint({ origin, size, root }, privateKey);
    return { size, root, note };
  });
  const originals = new Map<string, string>();
  const good = notes.map(({ size, root, note }) => {
    originals.set(`${size} ${root.toString('hex')}`, note);
    return asBytes(note);
  });
  await fuzz(t, {
    name: 'note',
    inputs: fc.oneof(mutated(good, splinters), mutated(fc.constant(asBytes(vkey)), splinters)),
    runs: 1500,
    check: (input) => {
      const text = bytesOf(input).toString();
      const key = decodeVkey(text);
      if (key !== undefined && encodeVkey(key.name, key.publicKey) !== text)
        return 'a vkey in another spelling is taken';
      const note = parseNote(text);
      if (note === undefined) return undefined;
      const lines = note.signatures.map(({ name, keyId, signature }) => {
        return `\u2014 ${name} ${Buffer.concat([Buffer.from(keyId, 'hex'), signature]).toString('base64')}\n`;
      });
      if (`${note.text}\n${lines.join('')}` !== text) return 'a note in another spelling is taken';
      const checkpoint = decodeCheckpoint(note.text);
      if (checkpoint !== undefined) {
        const { origin, size, root } = checkpoint;
        if (`${origin}\n${size}\n${root.toString('base64')}\n` !== note.text)
          return 'a checkpoint in another spelling is taken';
      }
      const verified = verifyCheckpoint(text, verifier);
      if (!verified.ok) return undefined;
      const { size, root } = verified.checkpoint;
      // Ed25519 signs one way: the key's own line is the original's.
      const whole = originals.get(`${size} ${root.toString('hex')}`);
      if (whole === undefined) return signCheckpoint(verified.checkpoint, privateKey) === text ? undefined : 'forged';
      return text.startsWith(whole.slice(0, whole.lastIndexOf('\u2014'))) ? undefined : 'a changed checkpoint verifies';
    },
  });
});

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => text.isWellFormed());
const fields: fc.Arbitrary<SignatureField> = fc
  .record({
    type: fc.constantFrom(0, 1),
    chain: bytes(16),
    epoch: u32,
    index: u32,
    seq: safe,
    timeMs: safe,
    dest: words,
    id: fc.option(words, { nil: undefined }),
    prev: bytes(16),
    tag: bytes(16),
    salt: bytes(16),
    raw: fc.option(fc.dictionary(words, fc.jsonValue({ maxDepth: 2 })), { nil: undefined }),
  })
  .map(({ type, id, raw, ...rest }) => ({
    ...rest,
    suite: 1,
    type: type as 0 | 1,
    flags: id === undefined ? 0 : 1,
    ...(id !== undefined && { id }),
    ...(raw !== undefined && { raw: Buffer.from(JSON.stringify({ a: 1, ...raw })) }),
  }));

t.test('signature fields', async (t) => {
  const good = fields.map((field) => asBytes(encodeSignatureField(field)));
  await fuzz(t, {
    name: 'signature-field',
    inputs: mutated(good, splinters),
    runs: 4000,
    check: (input) => {
      const text = bytesOf(input);
      const parsed = parseSignatureField(text);
      if (!parsed.ok) return undefined;
      const written = encodeSignatureField(parsed.field);
      const again = parseSignatureField(Buffer.from(written));
      if (!again.ok || encodeSignatureField(again.field) !== written) return `does not come back: ${written}`;
      // Blanks, order and escapes are free; the values are what JSON says they are.
      const [theirs, ours] = [text.toString(), written].map((json) => JSON.parse(json) as Record<string, unknown>);
      // Written only where they are not 0.
      for (const name of ['type', 'flags']) if (theirs?.[name] === 0) delete theirs[name];
      const sorted = (object = {}) => JSON.stringify(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
      return sorted(theirs) === sorted(ours) ? undefined : `is read as ${written}`;
    },
  });
  fc.assert(
    fc.property(fields, (field) => {
      const parsed = parseSignatureField(Buffer.from(encodeSignatureField(field)));
      t.match(parsed, { ok: true, field });
    }),
    { numRuns: 100 },
  );
});
