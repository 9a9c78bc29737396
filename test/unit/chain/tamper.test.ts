import t from 'tap';
import { contentHash } from '../../../src/chain/content.ts';
import { EpochMac } from '../../../src/chain/epoch-mac.ts';
import { decodeHeader, encodeHeader } from '../../../src/chain/header.ts';
import { CompactRange, leafHash, rootOf, subtreesOf } from '../../../src/chain/merkle.ts';
import {
  consistencyProof,
  inclusionProof,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/chain/merkle-proof.ts';
import { encodeSignatureField, parseSignatureField, spliceSignatureField } from '../../../src/chain/signature-field.ts';
import { logSuite, suites } from '../../../src/chain/suite.ts';
import { Tagger } from '../../../src/chain/tag.ts';
import { cutSignatureField } from '../../helpers/signature-cut.ts';

const macKey = Buffer.alloc(32, 9);
const chain = Buffer.alloc(16, 1);
const salt = Buffer.alloc(16, 2);
const content = Buffer.from('{"message":"paid 100 €","n":[1,2.50]}');

/** A signed document without raw, as the proxy makes it. */
function signedDocument(raw: boolean): { source: Buffer; id: string } {
  const id = 'AQEBAQEBAQEAAAAAAAAABQ';
  const head = {
    suite: 1,
    type: 0,
    flags: 0,
    chain,
    epoch: 3,
    index: 4,
    seq: 5,
    timeMs: 1763891234567,
    dest: 'logs',
    prev: Buffer.alloc(16, 6),
  } as const;
  const hash = contentHash(logSuite, salt, content);
  const tag = new EpochMac(logSuite, macKey).tag(encodeHeader({ ...head, contentHash: hash, id }));
  const field = encodeSignatureField({ ...head, hash, tag, salt, ...(raw && { raw: content }) });
  return { source: spliceSignatureField(content, Buffer.from(field)), id };
}

/** Whether a `_source` found under `id` is the record that was signed, visible fields aside where it has raw. */
function verifies(source: Buffer, id: string): boolean {
  const cut = cutSignatureField(source);
  const parsed = cut === undefined ? undefined : parseSignatureField(cut.field);
  if (cut === undefined || parsed === undefined || !parsed.ok || cut.twice) return false;
  const { field } = parsed;
  if (field.suite !== 1 || field.salt === undefined) return false;
  const commitment = contentHash(logSuite, field.salt, field.raw ?? cut.content);
  if (field.hash !== undefined && !field.hash.equals(commitment)) return false;
  const header = encodeHeader({ ...field, contentHash: commitment, id: field.id ?? id });
  return new EpochMac(logSuite, macKey).verifiesTag(header, field.tag);
}

t.test('flipping any bit of a record stored without raw is detected', async (t) => {
  const { source, id } = signedDocument(false);
  t.ok(verifies(source, id));
  for (let at = 0; at < source.length * 8; at++) {
    const flipped = Buffer.from(source);
    flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7));
    if (verifies(flipped, id)) t.fail(`bit ${at & 7} of byte ${at >> 3}: ${flipped.toString('utf8')}`);
  }
  t.notOk(verifies(source, 'AQEBAQEBAQEAAAAAAAAABA'), 'another id');
});

t.test('flipping any bit of the signature field with raw is detected', async (t) => {
  const { source, id } = signedDocument(true);
  t.ok(verifies(source, id));
  const fieldEnd = source.length - content.length;
  for (let at = 0; at < fieldEnd * 8; at++) {
    const flipped = Buffer.from(source);
    flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7));
    if (verifies(flipped, id)) t.fail(`bit ${at & 7} of byte ${at >> 3}: ${flipped.toString('utf8')}`);
  }
});

t.test('the tagger links records of changing ids and destinations, in every suite', async (t) => {
  for (const suite of suites) {
    const tagger = new Tagger(suite, chain, 3, macKey, Buffer.alloc(16, 8));
    const check = new EpochMac(suite, macKey);
    const leaf = Buffer.alloc(64);
    let prev = Buffer.alloc(16, 8);
    const dests = [Buffer.from('a'), Buffer.from('längerer-name'), Buffer.from('x'.repeat(60_000))];
    for (const [index, dest] of [dests[0], dests[1], dests[0], dests[2], dests[1]].entries()) {
      if (dest === undefined) continue;
      const id = Buffer.from(`  id ${'y'.repeat(index)}`);
      const buffer = Buffer.concat([
        Buffer.alloc(64),
        Buffer.from('0123456789abc'),
        salt,
        content,
        Buffer.from('tail'),
      ]);
      const end = 77 + 16 + content.length;
      const seq = Number.MAX_SAFE_INTEGER - 10 + index;
      const place = { type: 1, flags: 1, index, seq, timeMs: 2 ** 41 + index } as const;
      tagger.tag(buffer, 77, end, 0, { ...place, dest, id, idAt: 2, idLength: id.length - 2 }, leaf, 32);
      const hash = contentHash(suite, salt, content);
      const texts = { dest: dest.toString('utf8'), id: id.toString('utf8', 2) };
      const header = encodeHeader({ ...place, ...texts, suite: suite.id, chain, epoch: 3, contentHash: hash, prev });
      const tag = check.tag(header);
      t.same(buffer.subarray(0, 64), Buffer.concat([hash, prev, tag]));
      t.same(leaf.subarray(32), leafHash(suite, header, tag));
      t.equal(buffer.toString('utf8', 64, 77), '0123456789abc');
      t.equal(buffer.toString('utf8', end), 'tail');
      t.same(decodeHeader(header)?.id, texts.id);
      prev = tag as Buffer<ArrayBuffer>;
      t.same(tagger.prev, prev);
    }
    t.same(tagger.sealMac(content), check.sealMac(content));
    tagger.wipe();
    t.notSame(tagger.sealMac(content), check.sealMac(content));
  }
});

t.test('bytes that are not exactly a header are not read as one', async (t) => {
  const header = encodeHeader({
    suite: 1,
    type: 0,
    flags: 0,
    chain,
    epoch: 1,
    index: 2,
    seq: 3,
    timeMs: 4,
    contentHash: Buffer.alloc(32),
    prev: Buffer.alloc(16),
    dest: 'ü',
    id: 'ä',
  });
  t.match(decodeHeader(header), { seq: 3, timeMs: 4, dest: 'ü', id: 'ä' });
  const edits: [string, (bytes: Buffer) => Buffer][] = [
    ['cut off', (bytes) => bytes.subarray(0, -1)],
    ['more', (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])],
    ['short', (bytes) => bytes.subarray(0, 50)],
    ['magic', (bytes) => Buffer.concat([Buffer.from('LSP2'), bytes.subarray(4)])],
    ['dest length', (bytes) => Buffer.concat([bytes.subarray(0, 96), Buffer.from([0xff, 0xff]), bytes.subarray(98)])],
    ['seq', (bytes) => Buffer.concat([bytes.subarray(0, 32), Buffer.alloc(8, 0xff), bytes.subarray(40)])],
    ['time', (bytes) => Buffer.concat([bytes.subarray(0, 40), Buffer.alloc(8, 0xff), bytes.subarray(48)])],
    ['UTF-8', (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([0xff])])],
  ];
  for (const [name, edit] of edits) t.equal(decodeHeader(edit(header)), undefined, name);
  const long = 'x'.repeat(65_536);
  t.throws(() =>
    encodeHeader({ ...(decodeHeader(header) as NonNullable<ReturnType<typeof decodeHeader>>), dest: long }),
  );
});

t.test('a compact range goes on from its encoding, and has the root of the recursive definition', async (t) => {
  const leaves = Array.from({ length: 40 }, (_, i) => leafHash(logSuite, Buffer.from([i])));
  let range = new CompactRange(logSuite);
  for (const [size, leaf] of leaves.entries()) {
    range = CompactRange.decode(logSuite, range.encode());
    t.equal(range.size, size);
    t.same(range.root(), recursiveRoot(leaves.slice(0, size)));
    range.append(leaf);
  }
  const encoded = range.encode();
  for (const wrong of [encoded.subarray(0, -1), Buffer.alloc(7), Buffer.concat([Buffer.alloc(8, 0xff), encoded])]) {
    t.throws(() => CompactRange.decode(logSuite, wrong), RangeError);
  }
  t.throws(() => range.appendSubtree(Buffer.alloc(32), 16), RangeError, '40 is not divided by 16');
  t.throws(() => range.appendSubtree(Buffer.alloc(32), 3), RangeError, '3 is no power of two');
});

function recursiveRoot(leaves: Buffer[]): Buffer {
  if (leaves.length < 2) return leaves[0] ?? rootOf(logSuite, []);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const parts = [Buffer.from([1]), recursiveRoot(leaves.slice(0, split)), recursiveRoot(leaves.slice(split))];
  return contentFreeHash(Buffer.concat(parts));
}

function contentFreeHash(bytes: Buffer): Buffer {
  const range = new CompactRange(logSuite);
  range.append(bytes.subarray(1, 33));
  range.append(bytes.subarray(33));
  return range.root();
}

t.test('every proof of small trees verifies, and none does after a change', async (t) => {
  const leaves = Array.from({ length: 9 }, (_, i) => leafHash(logSuite, Buffer.from([i])));
  const wrong = Buffer.alloc(32, 7);
  for (let size = 1; size <= leaves.length; size++) {
    const part = leaves.slice(0, size);
    const root = rootOf(logSuite, part);
    for (let index = 0; index < size; index++) {
      const claim = { index, size, leaf: leaves[index] as Buffer, root, proof: inclusionProof(logSuite, part, index) };
      t.ok(verifyInclusion(logSuite, claim));
      t.notOk(verifyInclusion(logSuite, { ...claim, leaf: wrong }));
      t.notOk(verifyInclusion(logSuite, { ...claim, root: wrong }));
      t.notOk(verifyInclusion(logSuite, { ...claim, proof: [...claim.proof, wrong] }));
      t.notOk(verifyInclusion(logSuite, { ...claim, index: size }));
      t.notOk(verifyInclusion(logSuite, { ...claim, index: -1 }));
      if (size > 1) t.notOk(verifyInclusion(logSuite, { ...claim, proof: claim.proof.slice(1) }));
    }
    for (let from = 0; from <= size; from++) {
      const fromRoot = rootOf(logSuite, leaves.slice(0, from));
      const claim = { from, to: size, fromRoot, toRoot: root, proof: consistencyProof(logSuite, part, from) };
      t.ok(verifyConsistency(logSuite, claim), `${from} to ${size}`);
      t.notOk(verifyConsistency(logSuite, { ...claim, fromRoot: wrong }));
      if (from > 0) t.notOk(verifyConsistency(logSuite, { ...claim, toRoot: wrong }));
      t.notOk(verifyConsistency(logSuite, { ...claim, proof: [...claim.proof, wrong] }));
      t.notOk(verifyConsistency(logSuite, { ...claim, from: size + 1 }));
      if (from > 0 && from < size) t.notOk(verifyConsistency(logSuite, { ...claim, proof: [] }));
    }
  }
  t.throws(() => inclusionProof(logSuite, leaves, 9), RangeError);
  t.throws(() => consistencyProof(logSuite, leaves, 10), RangeError);
});

t.test('ranges of retired leaves must ascend inside the tree; touching ones count as one', async (t) => {
  const parts = (ranges: [number, number][]): [number, number][] =>
    subtreesOf(ranges, 16).map(({ start, size }) => [start, size]);
  t.same(
    parts([
      [0, 3],
      [4, 7],
    ]),
    [[0, 8]],
  );
  t.same(parts([[3, 12]]), [
    [3, 1],
    [4, 4],
    [8, 4],
    [12, 1],
  ]);
  t.same(parts([]), []);
  for (const ranges of [
    [[4, 3]],
    [[0, 16]],
    [[-1, 2]],
    [
      [3, 5],
      [5, 6],
    ],
    [
      [5, 6],
      [0, 1],
    ],
  ] as [number, number][][]) {
    t.throws(() => subtreesOf(ranges, 16), RangeError);
  }
});
