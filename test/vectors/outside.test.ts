import { createPublicKey, sign, verify } from 'node:crypto';
import t from 'tap';
import { canonicalJson } from '../../src/chain/canonical-json.ts';
import { EpochMac } from '../../src/chain/epoch-mac.ts';
import { CompactRange, leafHash, rootOf } from '../../src/chain/merkle.ts';
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from '../../src/chain/merkle-proof.ts';
import { decodeVkey, encodeVkey, parseNote, verifyNote } from '../../src/chain/note.ts';
import { logSuite, mac } from '../../src/chain/suite.ts';
import { ed25519Key, hex, readJson } from '../helpers/lsp1-vectors.ts';

t.test('RFC 4231: HMAC-SHA-256, keys longer than a block included', async (t) => {
  const { cases } = readJson('rfc4231.json') as { cases: { key: string; message: string; mac: string }[] };
  t.equal(cases.length, 7);
  for (const { key, message, mac: expected } of cases) {
    t.equal(mac(logSuite, hex(key), hex(message)).toString('hex').slice(0, expected.length), expected);
    if (key.length > 128) continue;
    const half = Math.floor(message.length / 4) * 2;
    const made = new EpochMac(logSuite, hex(key)).mac(hex(message.slice(0, half)), hex(message.slice(half)));
    t.equal(made.toString('hex').slice(0, expected.length), expected);
  }
});

t.test('RFC 6962: roots, inclusion and consistency proofs', async (t) => {
  const tree = readJson('rfc6962.json') as {
    leaves: string[];
    roots: string[];
    inclusion: { index: number; size: number; proof: string[] }[];
    consistency: { from: number; to: number; proof: string[] }[];
  };
  const leaves = tree.leaves.map((leaf) => leafHash(logSuite, hex(leaf)));
  const range = new CompactRange(logSuite);
  for (const [size, root] of tree.roots.entries()) {
    t.equal(rootOf(logSuite, leaves.slice(0, size)).toString('hex'), root);
    t.equal(range.root().toString('hex'), root);
    if (size < leaves.length) range.appendEntry(hex(tree.leaves[size] ?? ''));
  }
  for (const { index, size, proof } of tree.inclusion) {
    t.same(inclusionProof(logSuite, leaves.slice(0, size), index), proof.map(hex));
    const root = hex(tree.roots[size] ?? '');
    t.ok(verifyInclusion(logSuite, { index, size, leaf: leaves[index] as Buffer, root, proof: proof.map(hex) }));
  }
  for (const { from, to, proof } of tree.consistency) {
    t.same(consistencyProof(logSuite, leaves.slice(0, to), from), proof.map(hex));
    const roots = { fromRoot: hex(tree.roots[from] ?? ''), toRoot: hex(tree.roots[to] ?? '') };
    t.ok(verifyConsistency(logSuite, { from, to, ...roots, proof: proof.map(hex) }));
  }
});

t.test('RFC 8032: Ed25519', async (t) => {
  const { cases } = readJson('rfc8032.json') as {
    cases: { secret: string; public: string; message: string; signature: string }[];
  };
  for (const { secret, public: raw, message, signature } of cases) {
    const privateKey = ed25519Key(secret);
    t.equal(sign(null, hex(message), privateKey).toString('hex'), signature);
    const key = decodeVkey(encodeVkey('rfc8032', createPublicKey(privateKey)));
    if (key === undefined) throw new Error('the vkey is not read');
    t.equal(key.publicKey.export({ format: 'der', type: 'spki' }).toString('hex').slice(-64), raw);
    t.ok(verify(null, hex(message), key.publicKey, hex(signature)));
  }
});

t.test('C2SP signed-note: the examples are read, and the one with a key verifies', async (t) => {
  const { example, vkey, note } = readJson('c2sp-signed-note.json') as Record<'example' | 'vkey' | 'note', string>;
  const read = parseNote(example);
  t.equal(read?.signatures[0]?.name, 'quasimodo.example/salvatore');
  t.equal(read?.signatures[0]?.keyId, '367ba04b');
  t.match(read?.text, /\n\ned è subito sera\.\n$/, 'empty lines belong to the text');
  const key = decodeVkey(vkey);
  const known = parseNote(note);
  if (key === undefined || known === undefined) throw new Error('key or note is not read');
  t.equal(key.keyId, 'c74f20a3');
  t.equal(encodeVkey(key.name, key.publicKey), vkey);
  t.ok(verifyNote(known, key));
  t.notOk(verifyNote({ ...known, text: known.text.replace('answer', 'Answer') }, key));
});

t.test('RFC 8785: canonical JSON', async (t) => {
  const { cases, numbers } = readJson('rfc8785.json') as {
    cases: { input: string; canonical: string }[];
    numbers: [string, string][];
  };
  for (const { input, canonical } of cases) t.equal(canonicalJson(JSON.parse(input)), canonical);
  for (const [double, text] of numbers) t.equal(canonicalJson(hex(double).readDoubleBE()), text, double);
});
