import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { EpochMac } from '../../../src/chain/epoch-mac.ts';
import {
  decodeCheckpoint,
  decodeVkey,
  encodeVkey,
  parseNote,
  signCheckpoint,
  signNote,
  verifyCheckpoint,
  verifyNote,
} from '../../../src/chain/note.ts';
import { decodeSeal, encodeSeal, verifySealMac } from '../../../src/chain/seal.ts';
import { logSuite } from '../../../src/chain/suite.ts';
import { decodeTrustFile } from '../../../src/chain/trust-file.ts';
import { vectors } from '../../helpers/lsp1-vectors.ts';

const key = new EpochMac(logSuite, Buffer.alloc(32, 1));
const text = encodeSeal(
  {
    origin: 'logs.example.com/logseal',
    suite: 1,
    chain: Buffer.alloc(16, 1),
    epoch: 7,
    first: 100,
    count: 2,
    root: Buffer.alloc(32, 2),
    prev: Buffer.alloc(16, 3),
    opened: 5,
    closed: 6,
    reason: 'time',
    anchor: Buffer.alloc(32, 4),
  },
  (lines) => key.sealMac(lines),
);

t.test('a seal comes back as it was written', async (t) => {
  const decoded = decodeSeal(text);
  if (!decoded.ok) throw new Error(decoded.reason);
  t.ok(verifySealMac(decoded.seal, key));
  t.same(decoded.seal.anchor, Buffer.alloc(32, 4));
  t.same(
    encodeSeal(decoded.seal, () => decoded.seal.mac),
    text,
  );
});

t.test('flipping any bit of a seal is seen', async (t) => {
  for (let at = 0; at < text.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = Buffer.from(text);
      flipped[at] = (flipped[at] as number) ^ (1 << bit);
      const decoded = decodeSeal(flipped);
      if (decoded.ok && verifySealMac(decoded.seal, key)) t.fail(`byte ${at}, bit ${bit}`);
    }
  }
  t.pass(`${text.length} bytes`);
});

t.test('another spelling of a seal is no seal', async (t) => {
  const good = text.toString('utf8');
  const edits: [string | RegExp, string][] = [
    ['LSP1 seal\n', 'LSP2 seal\n'],
    ['LSP1 seal\n', 'LSP1 seal\r\n'],
    [/\n$/, ''],
    [/\n$/, '\n\n'],
    [/\n$/, '\nmore 1\n'],
    [/epoch 7\nfirst 100\n/, 'first 100\nepoch 7\n'],
    ['epoch 7', 'epoch 07'],
    ['epoch 7', 'epoch +7'],
    ['epoch 7', 'epoch  7'],
    ['epoch 7', 'epoch 7 '],
    ['epoch 7', 'epoch 4294967296'],
    ['epoch 7\n', ''],
    ['first 100', 'first 9007199254740991'],
    ['first 100', 'first 9007199254740992'],
    ['first 100', 'first 100.0'],
    ['count 2', 'count 4294967297'],
    ['suite 1', 'suite 256'],
    ['origin logs.example.com/logseal', 'origin logs.example.com'],
    ['origin logs.example.com/logseal', 'origin lo+gs/logseal'],
    ['origin logs.example.com/logseal', 'origin lo\u00a0gs/logseal'],
    ['chain 01', 'chain 0A'],
    ['chain 01', 'chain 0'],
    ['root A', 'root B'],
    [/root .*\n/, 'root AA==\n'],
    [/(prev .*)=\n/, '$1\n'],
    ['reason time', 'reason other'],
    [/anchor .*\n/, 'anchor --\n'],
    [/mac .*\n/, 'mac -\n'],
  ];
  for (const [from, to] of edits) {
    const edited = good.replace(from, to);
    if (edited === good.replace('root A', 'root B')) continue;
    t.not(edited, good, to);
    t.match(decodeSeal(Buffer.from(edited)), { ok: false, reason: /./ }, JSON.stringify(to));
  }
  t.equal(decodeSeal(Buffer.alloc(20_000, 0x41)).ok, false);
  t.equal(decodeSeal(Buffer.from([0xff])).ok, false);
  t.equal(decodeSeal(Buffer.from(good.replace(/anchor .*\n/, 'anchor -\n'))).ok, true);
});

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const origin = 'logs.example.com/logseal';
const vkey = decodeVkey(encodeVkey(origin, publicKey));
if (vkey === undefined) throw new Error('vkey');
const note = signCheckpoint({ origin, size: 3, root: Buffer.alloc(32, 5) }, privateKey);

t.test('a checkpoint verifies under its key alone, beside the lines of witnesses', async (t) => {
  t.match(verifyCheckpoint(note, vkey), { ok: true, checkpoint: { origin, size: 3, root: Buffer.alloc(32, 5) } });
  const witness = generateKeyPairSync('ed25519');
  const cosigned = `${note}${signNote(`${origin}\n`, 'witness.example/w1', witness.privateKey).split('\n\n')[1]}`;
  t.match(verifyCheckpoint(cosigned, vkey), { ok: true });
  t.equal(parseNote(cosigned)?.signatures.length, 2);
  const other = decodeVkey(encodeVkey(origin, witness.publicKey));
  if (other === undefined) throw new Error('vkey');
  t.match(verifyCheckpoint(note, other), { ok: false, forged: true, reason: /not signed/ });
  t.match(verifyCheckpoint(note, { ...vkey, name: 'other/logseal' }), { ok: false, forged: false, reason: /origin/ });
});

t.test('flipping any bit of a checkpoint is seen', async (t) => {
  const bytes = Buffer.from(note);
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ 1;
    if (verifyCheckpoint(flipped.toString('utf8'), vkey).ok) t.fail(`byte ${at}`);
  }
  t.pass(`${bytes.length} bytes`);
});

t.test('one wrong signature of a key spoils the note', async (t) => {
  const parsed = parseNote(note);
  const [line] = parsed?.signatures ?? [];
  if (parsed === undefined || line === undefined) throw new Error('note');
  const wrong = { ...line, signature: Buffer.alloc(64) };
  t.notOk(verifyNote({ ...parsed, signatures: [line, wrong] }, vkey));
  t.notOk(verifyNote({ ...parsed, signatures: [{ ...line, signature: Buffer.alloc(63) }] }, vkey));
  t.notOk(verifyNote({ ...parsed, signatures: [] }, vkey));
});

t.test('what is no note, no checkpoint or no vkey is not read', async (t) => {
  const lines = note.split('\n');
  const notes = [
    '',
    'text\n',
    'text\n\n',
    note.slice(0, -1),
    note.replace('\u2014', '-'),
    note.replace('\n\n', '\n\r\n'),
    note.replace(' GG', ' '),
    note.replace(/\u2014 \S+ /, '\u2014 a+b '),
    note.replace(/ \S+\n$/, ' AAAAAA==\n'),
    `a\tb\n\n${lines.at(-2)}\n`,
    `\ud800\n\n${lines.at(-2)}\n`,
    `${'x'.repeat(300_000)}\n\n${lines.at(-2)}\n`,
    `x\n\n${`${lines.at(-2)}\n`.repeat(65)}`,
    `x\n\n${lines[4]?.replace(/ \S+$/, ` ${Buffer.alloc(9000).toString('base64')}`)}\n`,
  ];
  for (const text of notes) {
    if (text !== note) t.equal(parseNote(text), undefined, JSON.stringify(text.slice(0, 120)));
  }
  const root = Buffer.alloc(32).toString('base64');
  for (const text of [
    `o\n1\n${root}`,
    `o\n1\n${root}\nextension\n`,
    `o\n01\n${root}\n`,
    `o\n-1\n${root}\n`,
    `o\n9007199254740992\n${root}\n`,
    `o\n1\n${root.slice(4)}\n`,
    `o o\n1\n${root}\n`,
    `\n1\n${root}\n`,
  ]) {
    t.equal(decodeCheckpoint(text), undefined, JSON.stringify(text));
  }
  t.match(decodeCheckpoint(`o\n0\n${root}\n`), { origin: 'o', size: 0 });
  t.match(verifyCheckpoint('x', vkey), { ok: false, forged: false, reason: /note/ });
  t.match(verifyCheckpoint(signNote('x\n', origin, privateKey), vkey), { ok: false, reason: /no checkpoint/ });
  const good = encodeVkey(origin, publicKey);
  const [name, id, blob] = good.split(/\+(?=[0-9a-f]{8}\+)|(?<=\+[0-9a-f]{8})\+/);
  for (const text of [
    '',
    'x',
    `${name}+00000000+${blob}`,
    `${name}x+${id}+${blob}`,
    `${name}+${id?.toUpperCase()}x+${blob}`,
    `${name}+${id}+${blob}=`,
    `${name}+${id}+${Buffer.alloc(33).toString('base64')}`,
  ]) {
    t.equal(decodeVkey(text), undefined, text);
  }
  t.throws(() => signNote('no line feed', origin, privateKey), RangeError);
  t.throws(() => signNote('a\tb\n', origin, privateKey), RangeError);
  const rsa = generateKeyPairSync('x25519');
  t.throws(() => encodeVkey(origin, rsa.publicKey), TypeError);
});

t.test('a trust file of another form is refused with its reason', async (t) => {
  const { trust } = vectors.log;
  const cases: [unknown, RegExp][] = [
    [5, /object/],
    [{ ...trust, more: 1 }, /object/],
    [{ ...trust, origin: 'other/logseal' }, /vkey/],
    [{ ...trust, origin: 5 }, /vkey/],
    [{ ...trust, vkey: `${trust.vkey}A` }, /vkey/],
    [{ ...trust, control: 'x' }, /control/],
    [{ ...trust, chains: 'x' }, /chains/],
    [{ ...trust, chains: [5] }, /chains/],
  ];
  for (const [value, reason] of cases) t.match(decodeTrustFile(JSON.stringify(value)), { ok: false, reason });
  t.match(decodeTrustFile('{'), { ok: false, reason: /JSON/ });
  const twice = JSON.stringify(trust).replace('{', `{"origin":"${trust.origin}",`);
  t.match(decodeTrustFile(twice), { ok: false, reason: /object/ });
});
