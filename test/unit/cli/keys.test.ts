import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { contentHash } from '../../../src/chain/content.ts';
import { encodeControl } from '../../../src/chain/control-record.ts';
import { chainIdOf, EpochKeys } from '../../../src/chain/key-tree.ts';
import { encodeSignatureField, spliceSignatureField } from '../../../src/chain/signature-field.ts';
import { logSuite, suites } from '../../../src/chain/suite.ts';
import type { Certificate } from '../../../src/keys/auditor.ts';
import { openAuditorKey, readCertificates } from '../../../src/keys/auditor.ts';
import { writeKeyFile } from '../../../src/keys/key-file.ts';
import { wrapSecret } from '../../../src/keys/wrap.ts';
import { StoreDatabase } from '../../../src/store/database.ts';
import { run } from '../../helpers/command.ts';
import { runLogseal } from '../../helpers/terminal.ts';

const mode = (path: string) => statSync(path).mode & 0o777;

/** One auditor for all tests: making an RSA key takes a second. */
const shared = t.testdir({ passphrase: 'correct horse\n' });
const [keyPath, certificatePath] = [
  join(shared, 'auditor', 'auditor.key.pem'),
  join(shared, 'auditor', 'auditor.cert.pem'),
];
await runLogseal(['keygen', 'auditor', '--out', join(shared, 'auditor')]);

/** A control record that names a chain, as it lies in the index logseal-control. */
function chainDocument(secret: Buffer, name: string, seq: number, certificates: readonly Certificate[]): Buffer {
  const id = chainIdOf(logSuite, secret).toString('base64url');
  const wrapped =
    certificates.length === 0
      ? ''
      : wrapSecret(
          secret,
          certificates.map(({ pem }) => pem),
        ).toString('base64');
  const body = {
    id,
    name,
    suite: 1,
    wrapped,
    certificates: certificates.map(({ sha256 }) => sha256),
    origin: 'x/logseal',
  };
  const content = encodeControl('chain', body);
  const salt = Buffer.alloc(16, 7);
  const field = encodeSignatureField({
    suite: 1,
    type: 1,
    flags: 0,
    chain: Buffer.alloc(16, 1),
    epoch: 0,
    index: seq,
    seq,
    timeMs: 1,
    dest: 'logseal-control',
    hash: contentHash(logSuite, salt, content),
    prev: Buffer.alloc(16),
    tag: Buffer.alloc(16),
    salt,
  });
  return spliceSignatureField(content, Buffer.from(field));
}

t.test("keygen writes the auditor's key for its owner only, and a certificate that fits it", async (t) => {
  const out = join(t.testdir(), 'new', 'auditor');
  const ran = await runLogseal(['keygen', 'auditor', '--out', out, '--name', 'Ærø audit']);
  t.match(ran, { exitCode: 0, stderr: '', stdout: /auditor\.key\.pem.*\n.*LOGSEAL_AUDITOR_CERTIFICATES=/ });
  t.equal(mode(join(out, 'auditor.key.pem')), 0o600);
  const [certificate] = await readCertificates([join(out, 'auditor.cert.pem')]);
  t.match(certificate?.subject, 'CN=Ærø audit');
  const before = readFileSync(join(out, 'auditor.key.pem'));
  t.match(await runLogseal(['keygen', 'auditor', '--out', out]), {
    exitCode: 3,
    stderr: /is there already and is not overwritten/,
  });
  t.same(readFileSync(join(out, 'auditor.key.pem')), before);
});

t.test('keygen refuses when only the certificate is there, and leaves no half behind', async (t) => {
  const out = t.testdir({ 'auditor.cert.pem': 'mine' });
  t.match(await runLogseal(['keygen', 'auditor', '--out', out]), {
    exitCode: 3,
    stderr: /auditor\.cert\.pem is there already/,
  });
  t.throws(() => statSync(join(out, 'auditor.key.pem')), { code: 'ENOENT' });
  t.equal(readFileSync(join(out, 'auditor.cert.pem'), 'utf8'), 'mine');
  t.match(await runLogseal(['keygen', 'auditor']), { exitCode: 3, stderr: /required option '--out <dir>'/ });
});

t.test('a passphrase encrypts the key, and a passphrase file that others can read is warned of', async (t) => {
  const out = t.testdir();
  const passphrase = join(shared, 'passphrase');
  chmodSync(passphrase, 0o644);
  const ran = await runLogseal(['keygen', 'auditor', '--out', out, '--passphrase-file', passphrase, '--json']);
  t.match(ran, { exitCode: 0, stderr: /can be read by others: chmod 600/ });
  t.strictSame(JSON.parse(ran.stdout), {
    type: 'auditor',
    v: 1,
    key: join(out, 'auditor.key.pem'),
    certificate: join(out, 'auditor.cert.pem'),
  });
  const pem = readFileSync(join(out, 'auditor.key.pem'), 'utf8');
  t.match(pem, /ENCRYPTED PRIVATE KEY/);
  t.equal(openAuditorKey(pem, 'correct horse', 'f').asymmetricKeyType, 'rsa');
  t.throws(() => openAuditorKey(pem, 'wrong', 'f'), { code: 'KEY_INVALID' });
  const empty = join(t.testdir({ p: '' }), 'p');
  t.match(await runLogseal(['keygen', 'auditor', '--out', out, '--passphrase-file', empty]), {
    exitCode: 3,
    stderr: /is empty/,
  });
});

t.test('keys wrap makes what openssl opens, for every suite, and never prints the secret', async (t) => {
  const dir = t.testdir({ bad: 'short' });
  const secret = Buffer.alloc(32, 0xa5);
  const files = { binary: join(dir, 'binary'), text: join(dir, 'text') };
  writeFileSync(files.binary, secret);
  writeFileSync(files.text, `${secret.toString('base64url')}\n`);
  for (const [name, suite] of [
    ['sha256', suites[0]],
    ['sha512-256', suites[1]],
    ['sha3-256', suites[2]],
    ['blake2s-256', suites[3]],
  ] as const) {
    const out = join(dir, `${name}.der`);
    const ran = await runLogseal([
      'keys',
      'wrap',
      '--certificate',
      certificatePath,
      '--secret-file',
      files.binary,
      '--suite',
      name,
      '--out',
      out,
      '--json',
    ]);
    t.equal(ran.exitCode, 0, ran.stderr);
    const result = JSON.parse(ran.stdout);
    t.match(result, {
      type: 'wrap',
      v: 1,
      suite: suite?.id,
      certificates: [/^[0-9a-f]{64}$/],
      wrapped: readFileSync(out).toString('base64'),
    });
    t.equal(result.chain, chainIdOf(suite ?? logSuite, secret).toString('base64url'));
    const opened = join(dir, `${name}.opened`);
    await run('openssl', ['cms', '-decrypt', '-inform', 'DER', '-in', out, '-inkey', keyPath, '-out', opened]);
    t.same(readFileSync(opened), secret);
    t.notMatch(ran.stdout, secret.toString('base64url'));
  }
  const wrap = (...more: string[]) => runLogseal(['keys', 'wrap', '--certificate', certificatePath, ...more]);
  t.match(
    (await wrap('--secret-file', files.text)).stdout,
    `chain ${chainIdOf(logSuite, secret).toString('base64url')}, suite SHA-256\nwrapped to `,
  );
  t.not((await wrap()).stdout, (await wrap()).stdout, 'a fresh secret each time');
  t.match(await wrap('--out', join(dir, 'sha256.der')), { exitCode: 3, stderr: /not overwritten/ });
  t.match(await wrap('--out', join(dir, 'none', 'x')), { exitCode: 3, stderr: /cannot be written/ });
  t.match(await wrap('--suite', 'md5'), { exitCode: 3, stderr: /md5 is not a suite/ });
  t.match(await wrap('--secret-file', join(dir, 'bad')), { exitCode: 3, stderr: /neither 32 bytes nor/ });
  t.match(await runLogseal(['keys', 'wrap', '--certificate', join(dir, 'bad')]), {
    exitCode: 3,
    stderr: /no certificate in PEM/,
  });
});

t.test('keys show lists chains, epochs and certificates of a data directory, and no key', async (t) => {
  const dir = t.testdir({ keys: {} });
  const secrets = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const ids: string[] = [];
  for (const [at, secret] of secrets.entries()) {
    const keys = EpochKeys.fromSecret(logSuite, secret);
    for (let epoch = 0; epoch < 3 * at; epoch += 1) keys.advance();
    await writeKeyFile(join(dir, 'keys'), keys);
    ids.push(keys.chain.toString('base64url'));
    keys.wipe();
  }
  const [control = '', data = ''] = ids;
  const chains = [
    { id: control, name: 'control', suite: 1, createdMs: 0 },
    { id: data, name: 'logs', suite: 1, createdMs: 86_400_000 },
  ];
  writeFileSync(
    join(dir, 'instance.json'),
    JSON.stringify({ v: 1, name: 'one', control, certificates: ['ab'.repeat(32)], chains, clean: true }),
  );
  const ran = await runLogseal(['keys', 'show', dir]);
  t.match(ran, { exitCode: 0, stdout: new RegExp(`${data} +3 +SHA-256 +1970-01-02T00:00:00.000Z +logs\n`) });
  t.match(ran.stdout, /instance one\nwrapped to certificate (ab){32}\n/);
  t.match(ran.stdout, /control \(control\)/);
  const lines = (await runLogseal(['keys', 'show', '--json'], { LOGSEAL_DATA_DIR: dir })).stdout.trimEnd().split('\n');
  t.match(
    lines.map((line) => JSON.parse(line)),
    [
      { type: 'chain', v: 1, chain: control, epoch: 0, control: true },
      { type: 'chain', chain: data, epoch: 3, name: 'logs', control: false },
      { type: 'instance', v: 1, name: 'one', origin: 'one/logseal' },
    ],
  );
  const key = EpochKeys.fromSecret(logSuite, secrets[0] as Buffer).macKey();
  t.notMatch(ran.stdout + lines.join(), key.toString('base64url'));
  writeFileSync(join(dir, 'instance.json'), '{}');
  t.match(await runLogseal(['keys', 'show', dir]), { exitCode: 3, stderr: /instance\.json is damaged/ });
  t.match(await runLogseal(['keys', 'show', join(dir, 'keys')]), {
    exitCode: 3,
    stderr: /no data directory of a proxy/,
  });
});

t.test('keys unwrap prints each chain with its secret, from an export and from a data directory', async (t) => {
  const dir = t.testdir({ data: { 'development-auditor': {} } });
  const certificates = await readCertificates([certificatePath]);
  const secrets = [Buffer.alloc(32, 3), Buffer.alloc(32, 4)];
  const documents = [
    ...secrets.map((secret, at) => chainDocument(secret, `chain ${at}`, at, certificates)),
    chainDocument(Buffer.alloc(32, 5), 'nobody', 2, []),
  ];
  const exported = join(dir, 'export.ndjson');
  writeFileSync(
    exported,
    documents.map((source, at) => `{"_index":"logseal-control","_id":"${at}","_source":${source}}\n`).join(''),
  );
  const expected = Object.fromEntries(
    secrets.map((secret) => [chainIdOf(logSuite, secret).toString('base64url'), secret.toString('base64url')]),
  );
  const ran = await runLogseal(['keys', 'unwrap', exported, '--key', keyPath, '--json']);
  t.equal(ran.exitCode, 0, ran.stderr);
  t.strictSame(JSON.parse(ran.stdout), expected);
  t.match(ran.stderr, /is not wrapped to this key/);
  t.match(
    (await runLogseal(['keys', 'unwrap', exported, '--key', keyPath])).stdout,
    Object.entries(expected)[1]?.join(' '),
  );
  t.match(await runLogseal(['keys', 'unwrap', exported]), {
    exitCode: 3,
    stderr: /give the auditor's private key with --key/,
  });
  t.match(await runLogseal(['keys', 'unwrap', exported, '--key', join(dir, 'none')]), {
    exitCode: 3,
    stderr: /cannot be read/,
  });

  const other = join(dir, 'other');
  await runLogseal(['keygen', 'auditor', '--out', other]);
  t.match(await runLogseal(['keys', 'unwrap', exported, '--key', join(other, 'auditor.key.pem')]), {
    exitCode: 3,
    stdout: '',
    stderr: /opens none of the 3 chains/,
  });
  writeFileSync(join(dir, 'empty.ndjson'), '');
  t.match(await runLogseal(['keys', 'unwrap', join(dir, 'empty.ndjson'), '--key', keyPath]), {
    exitCode: 3,
    stderr: /no control record/,
  });

  const database = new StoreDatabase(join(dir, 'data', 'store', 'logseal.sqlite'));
  database.transaction(() => {
    const index = database.makeIndex('logseal-control');
    for (const [at, source] of documents.entries()) database.put(index, String(at), source, undefined, undefined);
  });
  database.close();
  t.match(await runLogseal(['keys', 'unwrap', join(dir, 'data')]), {
    exitCode: 3,
    stderr: /give the auditor's private key/,
  });
  writeFileSync(join(dir, 'data', 'development-auditor', 'auditor.key.pem'), readFileSync(keyPath));
  const development = await runLogseal(['keys', 'unwrap', join(dir, 'data'), '--json']);
  t.strictSame(JSON.parse(development.stdout), expected);
  t.match(development.stderr, /using the development key .*proves nothing to others/);
});
