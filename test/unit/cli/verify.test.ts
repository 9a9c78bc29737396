import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { encodeTrustFile } from '../../../src/chain/trust-file.ts';
import { wrapSecret } from '../../../src/keys/wrap.ts';
import { LogBuilder } from '../../helpers/log-builder.ts';
import { runLogseal } from '../../helpers/terminal.ts';

const shared = t.testdir({ empty: '', garbage: 'no key' });
const auditor = join(shared, 'auditor');
await runLogseal(['keygen', 'auditor', '--out', auditor]);
const key = join(auditor, 'auditor.key.pem');
const certificate = readFileSync(join(auditor, 'auditor.cert.pem'), 'utf8');

/** A sealed log of five records whose secrets are wrapped to the auditor. */
function sealedLog(): LogBuilder {
  const log = new LogBuilder();
  const chain = log.chain('logs');
  log.place('logs');
  for (const { id, name, secret } of [log.control, chain]) {
    const wrapped = wrapSecret(secret, [certificate]).toString('base64');
    log.act('chain', { id, name, suite: 1, wrapped, certificates: [], origin: log.origin });
  }
  log.records(chain, 5);
  log.sealAll('shutdown');
  log.checkpoint();
  return log;
}

interface Files {
  log: LogBuilder;
  path: string;
  trust: string;
  state: string;
  operator: string;
  checkpoint: string;
}

const log = sealedLog();
const files: Files = {
  log,
  path: join(shared, 'export.ndjson'),
  trust: join(shared, 'trust.json'),
  state: join(shared, 'state.json'),
  operator: join(shared, 'operator.pem'),
  checkpoint: join(shared, 'checkpoint'),
};
const lines = log.documents.map(({ index, id, source }) => `{"_index":"${index}","_id":"${id}","_source":${source}}\n`);
writeFileSync(files.path, Buffer.from(lines.join(''), 'latin1'));
writeFileSync(files.trust, encodeTrustFile(log.trust));
writeFileSync(files.operator, log.operator.publicKey.export({ format: 'pem', type: 'spki' }));
writeFileSync(files.checkpoint, log.note());
const damaged = join(shared, 'damaged.ndjson');
writeFileSync(damaged, Buffer.from(lines.filter((line) => !line.includes('record 3 ')).join(''), 'latin1'));
const environment = { XDG_STATE_HOME: join(shared, 'state') };

t.test('an export is verified with the key that its secrets are wrapped to, and without', async (t) => {
  for (const mode of [['--key', key], ['--public']]) {
    const { stdout, stderr, exitCode } = await runLogseal(
      ['verify', files.path, ...mode, '--trust', files.trust, '--no-state'],
      environment,
    );
    t.equal(exitCode, 0, stderr);
    t.match(stdout, /^VERIFIED: 5 records, nothing changed/);
    t.match(stdout, /Not covered: UNANCHORED: .*\n$/);
  }
});

t.test('--json gives one finding a line, then the summary', async (t) => {
  const { stdout, exitCode } = await runLogseal(
    ['verify', damaged, '--key', key, '--trust', files.trust, '--no-state', '--json'],
    environment,
  );
  t.equal(exitCode, 1);
  const told = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(told, [
    { type: 'finding', v: 1, verdict: 'MISSING', chain: log.trust.chains[1], epoch: 0, seq: 3 },
    {
      type: 'summary',
      v: 1,
      verdict: 'MISSING',
      exit: 1,
      records: 4,
      chains: 2,
      epochs: 2,
      counts: { OK: 4, MISSING: 1 },
      notCovered: [/UNANCHORED/],
    },
  ]);
  t.type(told[1].seconds, 'number');
});

t.test('the report names what is missing, and what to do', async (t) => {
  const { stdout, exitCode } = await runLogseal(['verify', damaged, '--public', '--no-state'], environment);
  t.equal(exitCode, 1);
  t.match(stdout, /^TAMPERING FOUND: MISSING, MODIFIED|^TAMPERING FOUND: MODIFIED, MISSING/);
  t.match(stdout, /no trust file was given/);
  t.match(stdout, /Next .*MISSING|Next .*MODIFIED/);
});

t.test('the memory goes by source, under the state directory, or where it is told to', async (t) => {
  const arguments_ = ['verify', files.path, '--public', '--trust', files.trust];
  t.match((await runLogseal(arguments_, environment)).stdout, /UNANCHORED/);
  t.match((await runLogseal(arguments_, environment)).stdout, /confirmed by the verifier's own memory/);
  const own = [...arguments_, '--state', files.state];
  t.match((await runLogseal(own, environment)).stdout, /UNANCHORED/);
  t.equal(JSON.parse(readFileSync(files.state, 'utf8')).instances[0].size, 2);
  const hidden = await runLogseal([...arguments_, '--state', join(files.path, 'below', 'a', 'file')], environment);
  t.equal(hidden.exitCode, 3);
});

t.test('anchor, operator key, places and grace are taken from flags', async (t) => {
  const flags = [
    '--checkpoint',
    files.checkpoint,
    '--operator-key',
    files.operator,
    '--place',
    'logs=old-*',
    '--pipeline-path',
    'tags',
    '--grace',
    '5',
  ];
  const { stdout, exitCode, stderr } = await runLogseal(
    ['verify', files.path, '--public', '--no-state', '--trust', files.trust, ...flags],
    environment,
  );
  t.equal(exitCode, 0, stderr);
  t.match(stdout, /confirmed by the checkpoint in/);
  t.notMatch(stdout, /UNANCHORED/);
});

t.test('a part is verified by index, chain and time', async (t) => {
  const chain = log.trust.chains[1] ?? '';
  for (const flags of [
    ['--index', 'logs'],
    ['--chain', chain],
    ['--from', '2025-12-01T00:00:00Z', '--to', '1900000000000'],
  ]) {
    const { stdout, exitCode } = await runLogseal(
      ['verify', damaged, '--key', key, '--no-state', ...flags],
      environment,
    );
    t.equal(exitCode, 0);
    t.match(stdout, /whether records are missing was not judged/);
  }
});

t.test('a choice that nothing meets is no verification, and ends with 3', async (t) => {
  const args = ['verify', files.path, '--key', key, '--trust', files.trust, '--no-state'];
  const { stdout, stderr, exitCode } = await runLogseal([...args, '--index', 'typo'], environment);
  t.equal(exitCode, 3);
  t.equal(stdout, '');
  t.match(stderr, 'no signed record that --index would choose');
});

t.test('wrong usage is one sentence and exit code 3', async (t) => {
  const cases: [string[], RegExp][] = [
    [[], /--key, or verify without with --public/],
    [['--public', '--key', key], /either --key or --public/],
    [['--public', '--trust', files.path], /is no trust file/],
    [['--public', '--trust', join(shared, 'nowhere')], /is not there/],
    [['--public', '--chain', 'short'], /no chain id of 22 characters/],
    [['--public', '--from', 'tomorrow'], /--from tomorrow is no time/],
    [['--public', '--grace', 'x'], /--grace x is not between/],
    [['--public', '--place', 'logs'], /not dest=pattern/],
    [['--public', '--operator-key', join(shared, 'garbage')], /is no public key/],
    [['--public', '--operator-key', join(auditor, 'auditor.cert.pem')], /is no Ed25519 key|is no public key/],
    [['--key', join(shared, 'garbage')], /is not a private key/],
    [['--public', '--state', files.path], /is not a state file/],
  ];
  for (const [flags, sentence] of cases) {
    const { stderr, stdout, exitCode } = await runLogseal(['verify', files.path, ...flags], environment);
    t.equal(exitCode, 3, flags.join(' '));
    t.match(stderr, sentence);
    t.equal(stdout, '');
  }
  const { stderr, exitCode } = await runLogseal(
    ['verify', join(shared, 'empty'), '--public', '--no-state'],
    environment,
  );
  t.equal(exitCode, 3);
  t.match(stderr, /holds nothing that Logseal has signed/);
});

t.test('inspect shows a record, its header and its proof, in words and as JSON', async (t) => {
  const record = log.documents.find(({ index }) => index === 'logs');
  const source = ['--source', files.path, '--trust', files.trust];
  const { stdout, exitCode, stderr } = await runLogseal(
    ['inspect', 'logs', record?.id ?? '', ...source, '--key', key],
    environment,
  );
  t.equal(exitCode, 0, stderr);
  t.match(stdout, /seq 0 of the chain; number 0 of epoch 0/);
  t.match(stdout, /kept in raw: agrees with C/);
  t.match(stdout, /verifies under the key of its epoch/);
  t.match(stdout, /Epoch {4}proven: leaf 0 is one of 5 under the root/);
  t.match(stdout, /Log {6}proven: its seal, entry 0, is one of 2/);
  const control = log.documents.find(({ index }) => index === 'logseal-control');
  const told = await runLogseal(
    ['inspect', 'logseal-control', control?.id ?? '', ...source, '--public', '--json'],
    environment,
  );
  t.match(JSON.parse(told.stdout), { type: 'record', v: 1, kind: 'control', seq: 0, epochProof: { proven: true } });
  const gap = ['inspect', 'logs', record?.id ?? '', '--source', damaged, '--public'];
  t.match(
    (await runLogseal(gap, environment)).stdout,
    /Epoch {4}not proven: 1 of the 5 records of its epoch are not there/,
  );
});

t.test('inspect says what does not verify, and what it cannot find', async (t) => {
  const record = log.documents.find(({ index }) => index === 'logs');
  const changed = join(shared, 'changed.ndjson');
  const name = record?.id ?? '';
  const edit = (from: string | RegExp, to: string): void =>
    writeFileSync(
      changed,
      Buffer.from(
        lines.map((line) => (line.includes(`"_id":"${name}"`) ? line.replace(from, to) : line)).join(''),
        'latin1',
      ),
    );
  const inspect = (...more: string[]) =>
    runLogseal(['inspect', 'logs', name, '--source', changed, ...more], environment);
  edit('\\"message\\"', '\\"massage\\"');
  const content = await inspect('--public');
  t.equal(content.exitCode, 1);
  t.match(content.stdout, /DOES NOT AGREE WITH C/);
  edit(/"tag":"./, '"tag":"_');
  const tag = await inspect('--key', key);
  t.match(tag.stdout, /DOES NOT VERIFY/);
  t.match(tag.stdout, /not one of the records that the seal was made over/);
  edit(/,"salt":.*$/m, '}}}');
  t.match((await inspect('--public')).stdout, /is not there any more/);
  edit(/"logseal":/, '"other":');
  t.match((await inspect('--public')).stderr, /bears no signature field/);
  edit('"v":1', '"v":7');
  t.match((await inspect('--public')).stderr, /cannot be inspected/);
  t.match(
    (await runLogseal(['inspect', 'logs', 'nowhere', '--source', files.path, '--public'], environment)).stderr,
    /has no document nowhere/,
  );
});
