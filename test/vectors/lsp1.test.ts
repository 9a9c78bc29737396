import { createPublicKey } from 'node:crypto';
import t from 'tap';
import { canonicalJson } from '../../src/chain/canonical-json.ts';
import { contentHash } from '../../src/chain/content.ts';
import type { ControlKind } from '../../src/chain/control-form.ts';
import {
  decodeControl,
  operatorKeyId,
  operatorMessage,
  signOperator,
  verifyOperator,
} from '../../src/chain/control-record.ts';
import { EpochMac } from '../../src/chain/epoch-mac.ts';
import { decodeHeader, encodeHeader } from '../../src/chain/header.ts';
import { KeyReader } from '../../src/chain/key-reader.ts';
import { chainIdOf, EpochKeys } from '../../src/chain/key-tree.ts';
import { CompactRange, leafHash, rootOf, subtreesOf } from '../../src/chain/merkle.ts';
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from '../../src/chain/merkle-proof.ts';
import { decodeVkey, encodeVkey, signCheckpoint, verifyCheckpoint } from '../../src/chain/note.ts';
import { decodeRangeKey, encodeRangeKey, makeRangeKey } from '../../src/chain/range-key.ts';
import { generatedId } from '../../src/chain/record-id.ts';
import { decodeSeal, encodeSeal, verifySealMac } from '../../src/chain/seal.ts';
import { encodeSignatureField, parseSignatureField, spliceSignatureField } from '../../src/chain/signature-field.ts';
import type { SignatureField } from '../../src/chain/signature-members.ts';
import type { Suite } from '../../src/chain/suite.ts';
import { digest, logSuite, mac, suiteByName, suiteOf } from '../../src/chain/suite.ts';
import { Tagger } from '../../src/chain/tag.ts';
import { decodeTrustFile, encodeTrustFile } from '../../src/chain/trust-file.ts';
import { decodeBase64, decodeBase64Url } from '../../src/lib/base64url.ts';
import { ObjectScanner } from '../../src/lib/json-scan.ts';
import { ed25519Key, hex, vectors } from '../helpers/lsp1-vectors.ts';
import { cutSignatureField } from '../helpers/signature-cut.ts';

const { log } = vectors;

function knownSuite(id: number): Suite {
  const suite = suiteOf(id);
  if (suite === undefined) throw new Error(`suite ${id}`);
  return suite;
}

function secretOf(chain: string): Buffer {
  const secret = decodeBase64Url(log.S_chain[chain] ?? '', 32);
  if (secret === undefined) throw new Error(chain);
  return secret;
}

interface Document {
  about: string;
  index: string;
  id: string;
  source: Buffer;
}

const documents: Document[] = log.documents.map(({ about, line }) => {
  const parsed = JSON.parse(line) as { _index: string; _id: string };
  const at = line.indexOf('"_source":') + '"_source":'.length;
  return { about, index: parsed._index, id: parsed._id, source: Buffer.from(line.slice(at, -1)) };
});

interface SignedDocument extends Document {
  field: SignatureField;
  content: Buffer | undefined;
}

/** The signed documents, with their fields read, and the content where it is still there. */
const signed: SignedDocument[] = [];
for (const document of documents) {
  const cut = cutSignatureField(document.source);
  if (cut === undefined) continue;
  const parsed = parseSignatureField(cut.field);
  if (!parsed.ok) throw new Error(`${document.about}: ${parsed.reason}`);
  const { field } = parsed;
  signed.push({ ...document, field, content: field.salt === undefined ? undefined : (field.raw ?? cut.content) });
}

function headerOf({ field, id, content }: SignedDocument): Buffer {
  const suite = knownSuite(field.suite);
  const commitment = content === undefined ? field.hash : contentHash(suite, field.salt as Buffer, content);
  return encodeHeader({ ...field, contentHash: commitment as Buffer, id });
}

for (const vector of vectors.suites) {
  t.test(`suite ${vector.suite}: key tree, chain id and empty root are those of the vectors`, async (t) => {
    const suite = knownSuite(vector.suite);
    const secret = hex(vector.S_chain);
    t.equal(suite.name, vector.hash);
    t.equal(suite.blockBytes, vector.blockSize);
    t.equal(suiteByName(vector.hash.toLowerCase()), suite);
    t.equal(chainIdOf(suite, secret).toString('hex'), vector.chain);
    t.equal(chainIdOf(suite, secret).toString('base64url'), vector.chain22);
    t.equal(mac(suite, secret, Buffer.from('LSP1/L')).toString('hex'), vector.N_0);
    t.equal(mac(suite, secret, Buffer.from('LSP1/R')).toString('hex'), vector.N_1);
    t.equal(rootOf(suite, []).toString('hex'), vector.emptyRoot);
    t.equal(digest(suite).toString('hex'), vector.emptyRoot);

    const reader = KeyReader.fromSecret(suite, secret);
    for (const [epoch, key] of Object.entries(vector.K)) {
      t.equal(reader.macKey(Number(epoch))?.toString('hex'), key, `epoch ${epoch}, by jumps`);
    }
    const keys = EpochKeys.fromSecret(suite, secret);
    for (let epoch = 0; epoch <= 1000; epoch++) {
      const expected = vector.K[epoch];
      if (expected !== undefined) t.equal(keys.macKey().toString('hex'), expected, `epoch ${epoch}, step by step`);
      keys.advance();
    }
  });

  t.test(`suite ${vector.suite}: a record's C, header, T, leaf and field are those of the vectors`, async (t) => {
    const suite = knownSuite(vector.suite);
    const { record } = vector;
    const content = Buffer.from(record.content);
    const salt = hex(record.salt);
    const chain = hex(vector.chain);
    const header = encodeHeader({
      ...record,
      suite: suite.id,
      chain,
      timeMs: record.time,
      contentHash: contentHash(suite, salt, content),
      prev: hex(record.P),
    });
    t.equal(header.toString('hex'), record.header);
    t.same(encodeHeader(decodeHeader(header) as NonNullable<ReturnType<typeof decodeHeader>>), header);
    const key = hex(vector.K[record.epoch] ?? '');
    const tag = mac(suite, key, header).subarray(0, 16);
    t.equal(tag.toString('hex'), record.T);
    t.same(new EpochMac(suite, key).tag(header), tag);
    t.equal(leafHash(suite, header, tag).toString('hex'), record.leaf);
    t.equal(generatedId(chain, record.seq), record.id);

    const tagged = tagBuffer(suite, chain, key, hex(record.P), record, salt, content);
    t.equal(tagged, record.C + record.P + record.T + record.leaf, 'the tagger writes the same');

    const parsed = parseSignatureField(Buffer.from(vector.field));
    if (!parsed.ok) throw new Error(parsed.reason);
    t.same(parsed.field.tag, tag);
    t.equal(encodeSignatureField(parsed.field), vector.field);
  });
}

/** C ‖ P ‖ T ‖ leaf as the tagger writes them, hexadecimal. */
function tagBuffer(
  suite: Suite,
  chain: Buffer,
  key: Buffer,
  prev: Buffer,
  record: {
    epoch: number;
    index: number;
    seq: number;
    time: number;
    type: 0 | 1;
    flags: 0 | 1;
    dest: string;
    id: string;
  },
  salt: Buffer,
  content: Buffer,
): string {
  const tagger = new Tagger(suite, chain, record.epoch, key, prev);
  const id = Buffer.from(record.id);
  const buffer = Buffer.concat([Buffer.alloc(64), Buffer.from('thirteen byte'), salt, content]);
  const leaves = Buffer.alloc(32);
  const fields = { ...record, timeMs: record.time, dest: Buffer.from(record.dest), id, idAt: 0, idLength: id.length };
  tagger.tag(buffer, 77, buffer.length, 0, fields, leaves, 0);
  t.equal(buffer.toString('utf8', 64, 77), 'thirteen byte', 'what stood before the salt is restored');
  return Buffer.concat([buffer.subarray(0, 64), leaves]).toString('hex');
}

t.test('the range key of epochs 5 to 9 is the one of the vectors and opens exactly these epochs', async (t) => {
  const vector = vectors.suites[0];
  if (vector === undefined) return;
  const secret = hex(vector.S_chain);
  const range = makeRangeKey(logSuite, hex(vector.chain), secret, 5, 9);
  t.equal(encodeRangeKey(range), JSON.stringify(vectors.rangeKey.file));
  const decoded = decodeRangeKey(JSON.stringify(vectors.rangeKey.file));
  if (!decoded.ok) throw new Error(decoded.reason);
  const reader = KeyReader.fromRange(decoded.range);
  const whole = KeyReader.fromSecret(logSuite, secret);
  for (const epoch of [5, 9, 6, 8, 7]) t.same(reader.macKey(epoch), whole.macKey(epoch));
  for (const epoch of [0, 4, 10, 4294967295]) t.equal(reader.macKey(epoch), undefined);
});

t.test('every document of the log: header, tag and leaf are rebuilt from what stands in it', async (t) => {
  const readers = new Map(log.trust.chains.map((chain) => [chain, KeyReader.fromSecret(logSuite, secretOf(chain))]));
  for (const [chain, reader] of readers) t.equal(reader.chain.toString('base64url'), chain);
  t.equal(signed.length, 15, 'seven control records, eight data records');
  for (const document of signed) {
    const { field, about } = document;
    const chain = field.chain.toString('base64url');
    const header = headerOf(document);
    const key = readers.get(chain)?.epochMac(field.epoch);
    t.ok(key?.verifiesTag(header, field.tag), `${about}: tag`);
    const epoch = log.epochs.find((other) => other.chain === chain && other.epoch === field.epoch);
    t.equal(leafHash(logSuite, header, field.tag).toString('hex'), epoch?.leaves[field.index], `${about}: leaf`);
    t.equal(readers.get(chain)?.macKey(field.epoch)?.toString('hex'), epoch?.K, `${about}: key`);
    if (field.hash !== undefined && document.content !== undefined) {
      t.same(contentHash(logSuite, field.salt as Buffer, document.content), field.hash, `${about}: hash`);
    }
  }
});

t.test('every document of the log: the field is written again byte for byte, and spliced where it was', async (t) => {
  for (const { source, field, content, about, index } of signed) {
    const cut = cutSignatureField(source);
    const text = encodeSignatureField(field);
    t.equal(text, cut?.field.toString('utf8'), about);
    t.equal(cut?.twice, false);
    if (content === undefined || index === 'logseal-rejects' || about.startsWith('pretty')) continue;
    t.equal(spliceSignatureField(content, Buffer.from(text)).toString('utf8'), source.toString('utf8'), about);
  }
});

t.test('the tagger makes the whole control epoch, record after record', async (t) => {
  const control = signed.filter(({ field }) => field.chain.toString('base64url') === log.trust.control);
  const keys = EpochKeys.fromSecret(logSuite, secretOf(log.trust.control));
  const tagger = new Tagger(logSuite, keys.chain, 0, keys.macKey(), Buffer.alloc(16));
  const range = new CompactRange(logSuite);
  const leaf = Buffer.alloc(32);
  const dest = Buffer.from('logseal-control');
  for (const { field, content = Buffer.alloc(0), id, about } of control) {
    const buffer = Buffer.concat([Buffer.alloc(77), field.salt as Buffer, content]);
    const bytes = Buffer.from(id);
    const place = { type: field.type, flags: field.flags, index: field.index, seq: field.seq, timeMs: field.timeMs };
    t.same(tagger.prev, field.prev, `${about}: prev`);
    tagger.tag(buffer, 77, buffer.length, 0, { ...place, dest, id: bytes, idAt: 0, idLength: bytes.length }, leaf, 0);
    t.same(buffer.subarray(48, 64), field.tag, `${about}: tag`);
    range.append(leaf);
  }
  const epoch = log.epochs.find(({ chain }) => chain === log.trust.control);
  t.equal(range.root().toString('hex'), epoch?.root);
  const seal = decodeSeal(Buffer.from(log.entries[4]?.seal ?? ''));
  if (!seal.ok) throw new Error(seal.reason);
  t.same(tagger.sealMac(seal.seal.lines), seal.seal.mac);
});

t.test('seals: roots, macs, text and the leaves of the log', async (t) => {
  for (const { seal: text, leaf } of log.entries) {
    const decoded = decodeSeal(Buffer.from(text));
    if (!decoded.ok) throw new Error(decoded.reason);
    const { seal } = decoded;
    const chain = seal.chain.toString('base64url');
    const epoch = log.epochs.find((other) => other.chain === chain && other.epoch === seal.epoch);
    t.equal(seal.first, epoch?.first);
    t.equal(seal.count, epoch?.leaves.length);
    t.equal(rootOf(logSuite, epoch?.leaves.map(hex) ?? []).toString('hex'), epoch?.root);
    t.equal(seal.root.toString('hex'), epoch?.root);
    const key = new EpochMac(logSuite, hex(epoch?.K ?? ''));
    t.ok(verifySealMac(seal, key));
    t.equal(encodeSeal(seal, (lines) => key.sealMac(lines)).toString('utf8'), text);
    t.equal(leafHash(logSuite, Buffer.from(text)).toString('hex'), leaf);
    t.ok(
      documents.some(({ id, source }) => {
        return id === `${chain}-${seal.epoch}` && (JSON.parse(source.toString()) as { seal?: string }).seal === text;
      }),
    );
  }
});

t.test('the log: roots of every size, proofs, and the checkpoint', async (t) => {
  const leaves = log.entries.map(({ leaf }) => hex(leaf));
  const range = new CompactRange(logSuite);
  for (const [size, root] of log.roots.entries()) {
    if (size > 0) range.appendEntry(Buffer.from(log.entries[size - 1]?.seal ?? ''));
    t.equal(range.root().toString('hex'), root);
    t.equal(rootOf(logSuite, leaves.slice(0, size)).toString('hex'), root);
  }
  for (const { index, size, proof } of log.inclusion) {
    const made = inclusionProof(logSuite, leaves.slice(0, size), index);
    t.same(
      made.map((hash) => hash.toString('hex')),
      proof,
    );
    const root = hex(log.roots[size] ?? '');
    t.ok(verifyInclusion(logSuite, { index, size, leaf: leaves[index] as Buffer, root, proof: proof.map(hex) }));
  }
  for (const { from, to, proof } of log.consistency) {
    const made = consistencyProof(logSuite, leaves.slice(0, to), from);
    t.same(
      made.map((hash) => hash.toString('hex')),
      proof,
    );
    const roots = { fromRoot: hex(log.roots[from] ?? ''), toRoot: hex(log.roots[to] ?? '') };
    t.ok(verifyConsistency(logSuite, { from, to, ...roots, proof: proof.map(hex) }));
  }
  const privateKey = ed25519Key(log.checkpointSeed);
  t.equal(signCheckpoint({ origin: log.origin, size: 5, root: range.root() }, privateKey), log.checkpoint);
  t.equal(encodeVkey(log.origin, createPublicKey(privateKey)), log.vkey);
  const key = decodeVkey(log.vkey);
  if (key === undefined) throw new Error('the vkey is not read');
  t.match(verifyCheckpoint(log.checkpoint, key), { ok: true, checkpoint: { origin: log.origin, size: 5 } });
});

t.test('the trust file is read and written', async (t) => {
  const decoded = decodeTrustFile(JSON.stringify(log.trust));
  t.same(decoded, { ok: true, trust: log.trust });
  t.same(decodeTrustFile(encodeTrustFile(log.trust)), decoded);
});

t.test('control records are read, and operator signatures are those of the vectors', async (t) => {
  const privateKey = ed25519Key(log.operatorSeed);
  const publicKey = createPublicKey(privateKey);
  const spki = decodeBase64(log.operatorSpki) as Buffer;
  t.same(publicKey.export({ format: 'der', type: 'spki' }), spki);
  let operatorActs = 0;
  for (const { field, content } of signed) {
    if (field.type !== 1) continue;
    const decoded = decodeControl(content as Buffer);
    if (!decoded.ok) throw new Error(decoded.reason);
    const { kind, body, operator } = decoded.record;
    if (operator === undefined) continue;
    const vector = log.operator.find((other) => other.kind === kind);
    operatorActs++;
    t.equal(canonicalJson({ [kind]: body }), vector?.canonical);
    t.equal(operatorMessage(log.origin, operator.serial, kind, body).toString('hex'), vector?.message);
    t.ok(verifyOperator(publicKey, log.origin, decoded.record));
    t.same(
      signOperator(privateKey, { origin: log.origin, serial: operator.serial, kind: kind as ControlKind, body }),
      operator,
    );
    t.equal(operator.sig, vector?.sig);
    t.equal(operator.key, operatorKeyId(publicKey));
  }
  t.equal(operatorActs, log.operator.length);
});

t.test('what a retire record keeps of an epoch', async (t) => {
  const leaves = vectors.retired.leaves.map(hex);
  for (const [i, leaf] of leaves.entries()) t.same(leafHash(logSuite, Buffer.from([i])), leaf);
  for (const { retired, subtrees, roots } of vectors.retired.cases) {
    const made = subtreesOf(retired, leaves.length);
    t.same(
      made.map(({ start, size }) => [start, size]),
      subtrees,
    );
    for (const [i, { start, size }] of made.entries()) {
      t.equal(rootOf(logSuite, leaves.slice(start, start + size)).toString('hex'), roots[i]);
    }
    // The root is rebuilt from the kept leaves and the subtree roots alone.
    const range = new CompactRange(logSuite);
    for (let at = 0; at < leaves.length; at = range.size) {
      const subtree = made.findIndex(({ start }) => start === at);
      if (subtree < 0) range.append(leaves[at] as Buffer);
      else range.appendSubtree(hex(roots[subtree] ?? ''), made[subtree]?.size ?? 0);
    }
    t.equal(range.root().toString('hex'), vectors.retired.root);
  }
});

t.test('accepted contents: C, and the document with the field spliced in and cut out again', async (t) => {
  const scanner = new ObjectScanner({ depthMax: 20 });
  const salt = hex(vectors.accepted.salt);
  for (const { about, received, C, spliced } of vectors.accepted.contents) {
    const bytes = Buffer.from(received);
    t.equal(scanner.scan(bytes, 0, bytes.length), 0, about);
    const content = bytes.subarray(scanner.contentStart, scanner.contentEnd);
    t.equal(contentHash(logSuite, salt, content).toString('hex'), C, about);
    t.equal(spliceSignatureField(content, Buffer.from('SIG')).toString('utf8'), spliced, about);
    const field = Buffer.from('{"v":1}');
    const cut = cutSignatureField(spliceSignatureField(content, field));
    t.same(cut, { field, content, twice: false }, about);
  }
});

t.test('refused contents are no content', async (t) => {
  const scanner = new ObjectScanner({ depthMax: 20 });
  for (const { received, hex: bytesHex = '', reason } of vectors.refused.contents) {
    const bytes = received === undefined ? hex(bytesHex) : Buffer.from(received);
    const utf8 = Buffer.from(bytes.toString('utf8')).equals(bytes);
    t.ok(!utf8 || scanner.scan(bytes, 0, bytes.length) !== 0, reason ?? '');
  }
});
