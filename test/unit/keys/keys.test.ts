import { execFileSync } from 'node:child_process';
import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, openSync, readdirSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { EpochKeys } from '../../../src/chain/key-tree.ts';
import type { Suite } from '../../../src/chain/suite.ts';
import { suites } from '../../../src/chain/suite.ts';
import { createAuditor, openAuditorKey, readCertificates } from '../../../src/keys/auditor.ts';
import { keyFilePath, readKeyFile, removeKeyFile, writeKeyFile } from '../../../src/keys/key-file.ts';
import { unwrapSecret, wrapSecret } from '../../../src/keys/wrap.ts';

const secret = Buffer.from(Array.from({ length: 32 }, (_, i) => 255 - i));
const passphrase = 'correct horse ü';
const [open, locked] = await Promise.all([
  createAuditor({ name: 'Open auditor' }),
  createAuditor({ name: 'Prüfer, "Revision" 7', passphrase }),
]);

function openssl(args: string[], input?: Buffer): Buffer {
  return execFileSync('openssl', args, { input: input ?? '', stdio: ['pipe', 'pipe', 'pipe'] });
}

t.test('what is wrapped opens with the key of each certificate, here and with openssl cms', async (t) => {
  const dir = t.testdir({
    'open.key': open.keyPem,
    'open.crt': open.certPem,
    'locked.key': locked.keyPem,
    'locked.crt': locked.certPem,
    pass: `${passphrase}\n`,
  });
  const certificates = await readCertificates([join(dir, 'open.crt'), join(dir, 'locked.crt')]);
  const wrapped = wrapSecret(
    secret,
    certificates.map(({ pem }) => pem),
  );
  t.same(unwrapSecret(wrapped, openAuditorKey(open.keyPem, undefined, 'open.key')), secret);
  t.same(unwrapSecret(wrapped, openAuditorKey(locked.keyPem, passphrase, 'locked.key')), secret);
  writeFileSync(join(dir, 'wrapped.der'), wrapped);
  const decrypt = ['cms', '-decrypt', '-binary', '-inform', 'DER', '-in', join(dir, 'wrapped.der')];
  t.same(openssl([...decrypt, '-inkey', join(dir, 'open.key')]), secret);
  const recipient = ['-recip', join(dir, 'locked.crt'), '-inkey', join(dir, 'locked.key')];
  t.same(openssl([...decrypt, ...recipient, '-passin', `file:${join(dir, 'pass')}`]), secret);
  const single = wrapSecret(secret, [open.certPem]);
  t.notSame(wrapSecret(secret, [open.certPem]), single, 'each wrapping has keys of its own');
});

t.test('what openssl cms wrapped opens here: PKCS #1 v1.5, OAEP with SHA-1 and with SHA-256', async (t) => {
  const dir = t.testdir({ 'a.crt': open.certPem, 'b.crt': locked.certPem, secret });
  const encrypt = ['cms', '-encrypt', '-binary', '-aes-256-cbc', '-outform', 'DER', '-in', join(dir, 'secret')];
  const oaep = ['-recip', join(dir, 'a.crt'), '-keyopt', 'rsa_padding_mode:oaep'];
  const messages = [
    openssl([...encrypt, join(dir, 'b.crt'), join(dir, 'a.crt')]),
    openssl([...encrypt, ...oaep]),
    openssl([...encrypt, ...oaep, '-keyopt', 'rsa_oaep_md:sha256']),
    openssl([...encrypt, '-keyid', join(dir, 'a.crt')]),
  ];
  const key = openAuditorKey(open.keyPem, undefined, 'a');
  for (const message of messages) t.same(unwrapSecret(message, key), secret);
});

t.test("a key that is no recipient's, and bytes that are no message, are refused with a reason", async (t) => {
  const key = openAuditorKey(locked.keyPem, passphrase, 'locked.key');
  const wrapped = wrapSecret(secret, [open.certPem]);
  t.throws(() => unwrapSecret(wrapped, key), { code: 'KEY_INVALID', message: /1 other certificates, not to this key/ });
  t.throws(() => wrapSecret(secret, []), { code: 'KEY_INVALID', message: /no auditor certificate/ });
  const dir = t.testdir({ 'a.crt': open.certPem, secret, short: 'too short' });
  const encrypt = ['cms', '-encrypt', '-binary', '-outform', 'DER'];
  const other = [
    Buffer.alloc(0),
    Buffer.from('nothing'),
    wrapped.subarray(0, -1),
    Buffer.concat([wrapped, Buffer.alloc(1)]),
    Buffer.alloc(2 << 20, 0x30),
    openssl([...encrypt, '-aes-128-cbc', '-in', join(dir, 'secret'), join(dir, 'a.crt')]),
    openssl(['cms', '-data_create', '-outform', 'DER', '-in', join(dir, 'secret')]),
  ];
  for (const bytes of other) t.throws(() => unwrapSecret(bytes, key), { code: 'KEY_INVALID', message: /no CMS/ });
  const short = openssl([...encrypt, '-aes-256-cbc', '-in', join(dir, 'short'), join(dir, 'a.crt')]);
  t.throws(() => unwrapSecret(short, openAuditorKey(open.keyPem, undefined, 'a')), { code: 'KEY_INVALID' });
});

t.test("an auditor's key opens with its passphrase alone, and errors name the file", async (t) => {
  t.match(locked.keyPem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
  t.match(open.keyPem, /^-----BEGIN PRIVATE KEY-----/);
  t.equal(createPrivateKey({ key: locked.keyPem, passphrase }).asymmetricKeyDetails?.modulusLength, 3072);
  const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const cases: [string, string | undefined, RegExp][] = [
    [locked.keyPem, 'wrong', /^auditor\.key does not open with this passphrase$/],
    [locked.keyPem, undefined, /^auditor\.key is encrypted: give the passphrase$/],
    ['nothing', undefined, /^auditor\.key is not a private key in PEM$/],
    [ed25519, undefined, /^auditor\.key is a key of type ed25519, not RSA$/],
  ];
  for (const [pem, given, message] of cases) {
    t.throws(() => openAuditorKey(pem, given, 'auditor.key'), { code: 'KEY_INVALID', message });
  }
  await t.rejects(createAuditor({ name: 'x', bits: 2048 }), { code: 'USAGE', message: /3072/ });
  await t.rejects(createAuditor({ name: 'x', passphrase: '' }), { code: 'USAGE' });
});

t.test('a made certificate is what openssl takes for one', async (t) => {
  const certificate = new X509Certificate(locked.certPem);
  t.match(certificate.subject, /^CN=Prüfer.*Revision/);
  t.ok(certificate.verify(certificate.publicKey));
  t.ok(certificate.checkPrivateKey(createPrivateKey({ key: locked.keyPem, passphrase })));
  const dir = t.testdir({ 'a.crt': locked.certPem });
  const text = openssl(['x509', '-in', join(dir, 'a.crt'), '-noout', '-ext', 'keyUsage,basicConstraints']).toString();
  t.match(text, /Key Encipherment/);
  t.match(text, /CA:FALSE/);
});

t.test('certificates are read from all files, and what a proxy must not use is refused by file name', async (t) => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' });
  const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
  const dir = t.testdir({
    both: `# two\n${open.certPem}${locked.certPem}`,
    one: open.certPem.replaceAll('\n', '\r\n'),
    none: 'nothing',
    broken: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    large: 'x'.repeat((1 << 20) + 1),
    'weak.key': weak,
    'ed.key': ed25519,
  });
  for (const name of ['weak', 'ed']) {
    const request = ['req', '-x509', '-key', join(dir, `${name}.key`), '-subj', '/CN=x', '-days', '1'];
    writeFileSync(join(dir, name), openssl(request));
  }
  const path = (name: string): string => join(dir, name);
  const read = await readCertificates([path('both')]);
  t.match(read, [{ file: path('both'), subject: 'CN=Open auditor' }, { sha256: /^[0-9a-f]{64}$/ }]);
  const der = new X509Certificate(open.certPem).raw;
  t.equal(read[0]?.sha256, createHash('sha256').update(der).digest('hex'));
  t.equal((await readCertificates([path('one')]))[0]?.sha256, read[0]?.sha256);
  const cases: [string[], RegExp][] = [
    [['missing'], /missing cannot be read/],
    [['none'], /none holds no certificate/],
    [['broken'], /broken holds a certificate that cannot be read/],
    [['large'], /large is longer/],
    [['weak'], /weak holds a key of 2048 bits; at least 3072/],
    [['ed'], /ed holds a key of type ed25519/],
    [['both', 'one'], /given twice/],
  ];
  for (const [names, message] of cases) {
    await t.rejects(readCertificates(names.map(path)), { code: 'KEY_INVALID', message });
  }
  const year = 365 * 86_400_000;
  await t.rejects(readCertificates([path('one')], Date.now() - year), { message: /one is not valid before/ });
  await t.rejects(readCertificates([path('one')], Date.now() + 30 * year), { message: /one expired on/ });
  writeFileSync(path('many'), locked.certPem.repeat(65));
  await t.rejects(readCertificates([path('many')]), { message: /65 auditor certificates/ });
});

t.test('a key file gives back the keys of its epoch and of all later ones', async (t) => {
  const dir = t.testdir();
  for (const suite of suites) {
    const keys = EpochKeys.fromSecret(suite, secret);
    for (const steps of [0, 1, 6, 250]) {
      for (let i = 0; i < steps; i++) keys.advance();
      await writeKeyFile(dir, keys);
      const read = await readKeyFile(keyFilePath(dir, keys.chain));
      t.equal(read.epoch, keys.epoch);
      t.equal(read.suite, suite);
      t.same(read.chain, keys.chain);
      t.same(read.macKey(), keys.macKey());
      for (let i = 0; i < 9; i++) read.advance();
      t.same(read.macKey(), later(suite, keys.epoch + 9));
    }
    t.equal(statSync(keyFilePath(dir, keys.chain)).mode & 0o777, 0o600);
  }
  t.equal(readdirSync(dir).length, suites.length, 'nothing but the key files is left');
});

function later(suite: Suite, epoch: number): Buffer {
  const keys = EpochKeys.fromSecret(suite, secret);
  while (keys.epoch < epoch) keys.advance();
  return keys.macKey();
}

t.test('the file of the epoch before is overwritten with zeros, and so is a file left by a crash', async (t) => {
  const dir = t.testdir();
  const keys = EpochKeys.fromSecret(suites[0] as Suite, secret);
  await writeKeyFile(dir, keys);
  const path = keyFilePath(dir, keys.chain);
  const oldInode = openSync(path, 'r');
  writeFileSync(`${path}.tmp`, Buffer.alloc(5000, 0xee));
  const leftInode = statSync(`${path}.tmp`).ino;
  const oldKey = keys.macKey();
  keys.advance();
  await writeKeyFile(dir, keys);
  const old = Buffer.alloc(4096, 1);
  const length = readSync(oldInode, old, 0, old.length, 0);
  t.same(old.subarray(0, length), Buffer.alloc(length));
  t.equal(statSync(path).ino, leftInode, 'the left file was overwritten in its place');
  t.notOk(readFileSync(path).includes(oldKey));
  t.notOk(readFileSync(path).includes(Buffer.alloc(8, 0xee)), 'nothing of the left file remains');
  const newInode = openSync(path, 'r');
  writeFileSync(`${path}.tmp`, 'left');
  await removeKeyFile(dir, keys.chain);
  t.same(readdirSync(dir), []);
  const read = readSync(newInode, old, 0, old.length, 0);
  t.same(old.subarray(0, read), Buffer.alloc(read));
  await removeKeyFile(dir, keys.chain);
});

t.test('a missing or damaged key file is refused, whichever byte is wrong', async (t) => {
  const dir = t.testdir();
  const keys = EpochKeys.fromSecret(suites[0] as Suite, secret);
  await writeKeyFile(dir, keys);
  const path = keyFilePath(dir, keys.chain);
  const good = readFileSync(path);
  await t.rejects(readKeyFile(join(dir, 'missing.key')), { code: 'KEY_INVALID', message: /missing/ });
  for (let at = 0; at < good.length; at += 7) {
    const flipped = Buffer.from(good);
    flipped[at] = (flipped[at] as number) ^ 1;
    writeFileSync(path, flipped);
    await t.rejects(readKeyFile(path), { code: 'KEY_INVALID' }, `byte ${at}`);
  }
  for (const bytes of [good.subarray(0, -1), Buffer.concat([good, Buffer.alloc(1)]), Buffer.alloc(0)]) {
    writeFileSync(path, bytes);
    await t.rejects(readKeyFile(path), { code: 'KEY_INVALID', message: /no key file/ });
  }
  const suite9 = Buffer.from(good);
  suite9[4] = 9;
  createHash('sha256')
    .update(suite9.subarray(0, -32))
    .digest()
    .copy(suite9, suite9.length - 32);
  writeFileSync(path, suite9);
  await t.rejects(readKeyFile(path), { code: 'KEY_INVALID', message: /unknown suite 9/ });
  t.match(good.length, 1113);
  const file = join(dir, 'file');
  writeFileSync(file, '');
  chmodSync(file, 0o600);
  await t.rejects(writeKeyFile(join(file, 'x'), keys), { code: 'WAL_FAILED', cause: { code: 'ENOTDIR' } });
});
