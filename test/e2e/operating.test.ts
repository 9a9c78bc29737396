/**
 * What the manual tells an operator to do, done: the key ceremony word for word, a data directory moved to another place, and one
 * that a newer version wrote.
 */
import { execFile } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { readChecked, withChecksum } from '../../src/lib/checked-json.ts';
import { projectDir } from '../helpers/cache.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import { startProxy } from '../helpers/proxy.ts';
import { sendAll } from '../helpers/sealed-cluster.ts';
import { textOf } from '../helpers/source-tree.ts';
import { logseal, verifyCommand } from '../helpers/verify-command.ts';

const manual = textOf('docs/operating.md');

function blocks(kind: string): string[] {
  return [...manual.matchAll(new RegExp(`^\`\`\`sh ${kind}\\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1] ?? '');
}

t.test('the key ceremony works as it is written', async (t) => {
  const dir = t.testdir();
  const command = `logseal() { '${process.execPath}' '${join(projectDir, 'cli', 'main.ts')}' "$@"; }`;
  const shell = (script: string, environment: Record<string, string> = {}) =>
    promisify(execFile)('bash', ['-euo', 'pipefail', '-c', `${command}\n${script}`], {
      cwd: dir,
      env: { PATH: process.env.PATH, HOME: dir, ...environment },
    });
  const steps = blocks('ceremony');
  t.equal(steps.length, 4);
  let printed = '';
  for (const step of steps) printed += (await shell(`umask 077\n${step}`)).stdout;
  t.match(printed, /sha256 Fingerprint=/i, 'the number of the certificate');
  t.match(printed, /[0-9a-f]{64}/, 'the number of the operator');
  t.equal(readFileSync(join(dir, 'trial.secret')).length, 32, 'the auditor opens what is wrapped');
  const dataDir = join(dir, 'data');
  const environment = {
    LOGSEAL_AUDITOR_CERTIFICATES: join(dir, 'auditor', 'auditor.cert.pem'),
    LOGSEAL_OPERATOR_KEYS: join(dir, 'operator', 'operator.pub.pem'),
    LOGSEAL_ENCRYPTION_KEY_FILE: join(dir, 'log.key'),
    LOGSEAL_ENCRYPTION_IN_CLEAR: 'store',
  };
  const proxy = await startProxy({ dataDir, environment });
  await sendAll(proxy.url, 'web', ['{"n":1}', '{"n":2}']);
  const key = ['--key', join(dir, 'operator', 'operator.key.pem')];
  const passphrase = ['--passphrase-file', join(dir, 'operator.passphrase')];
  const rotated = await logseal(
    'rotate',
    '--all',
    '--why',
    'suspicion',
    ...key,
    ...passphrase,
    '--admin',
    proxy.adminUrl,
  );
  t.equal(rotated.exit, 0, rotated.stderr);
  t.equal(await proxy.stop(), 0);
  cpSync(join(dataDir, 'trust.json'), join(dir, 'trust.json'));
  const verified = await shell(blocks('ceremony-verify')[0] ?? 'false', { SOURCE: dataDir });
  t.match(verified.stdout, /^VERIFIED: /);
});

t.test('a data directory is moved: it goes on elsewhere, and verifies', async (t) => {
  const dir = t.testdir();
  const [old, moved] = [join(dir, 'old'), join(dir, 'elsewhere', 'moved')];
  const first = await startProxy({ dataDir: old });
  await sendAll(first.url, 'web', ['{"n":1}', '{"n":2}']);
  t.equal(await first.stop(), 0);
  await promisify(execFile)('bash', ['-c', `mkdir '${join(dir, 'elsewhere')}' && cp -a '${old}' '${moved}'`]);
  t.equal((await logseal('wal', 'check', moved)).exit, 0);
  const second = await startProxy({ dataDir: moved });
  await sendAll(second.url, 'web', ['{"n":3}']);
  t.equal(await second.stop(), 0);
  const state = ['--state', join(dir, 'state.json')];
  t.match((await verifyCommand(old, ...state)).summary, { exit: 0, records: 2 });
  t.match((await verifyCommand(moved, ...state)).summary, { exit: 0, records: 3 }, 'one history, by one state');
});

/** Gives a file of frames another version, with a checksum that is right. */
function raiseVersion(path: string): void {
  const bytes = readFileSync(path);
  bytes.writeUInt32BE(9, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 60)), 60);
  writeFileSync(path, bytes);
}

function raiseInstance(path: string): void {
  const read = readChecked(readFileSync(path, 'utf8'));
  if (!read.ok) throw new Error(read.reason);
  writeFileSync(path, JSON.stringify(withChecksum({ ...read.value, v: 3 })));
}

t.test('a directory that a newer version wrote is refused by name, and left as it is', async (t) => {
  const dir = t.testdir();
  const dataDir = join(dir, 'data');
  const proxy = await startProxy({ dataDir });
  await sendAll(proxy.url, 'web', ['{"n":1}']);
  t.equal(await proxy.stop(), 0);
  const named = (folder: string, end: string) =>
    join(folder, readdirSync(join(dataDir, folder)).find((name) => name.endsWith(end)) ?? end);
  const newer: [file: string, raise: (path: string) => void, says: RegExp][] = [
    [named('wal', '.wal'), raiseVersion, /WAL_CORRUPT.*has format version 9/],
    [named('log', '.seals'), raiseVersion, /LOG_CORRUPT.*has format version 9/],
    [named('keys', '.key'), (path) => writeFileSync(path, readFileSync(path).fill('LSK2', 0, 4)), /KEY_INVALID/],
    ['instance.json', raiseInstance, /DATA_DIR_INVALID.*instance\.json is not of format 1 or 2/],
  ];
  for (const [file, raise, says] of newer) {
    const path = join(dataDir, file);
    const before = readFileSync(path);
    raise(path);
    const raised = readFileSync(path);
    t.notOk(raised.equals(before), `${file} is changed`);
    const failed: Error = await startProxy({ dataDir }).then(
      () => new Error('it started'),
      (error) => error,
    );
    t.match(failed.message, says, file);
    t.match(failed.message, /ended with 3 /);
    t.ok(readFileSync(path).equals(raised), `${file} is left as it is`);
    writeFileSync(path, before);
  }
  const again = await startProxy({ dataDir });
  await sendAll(again.url, 'web', ['{"n":2}']);
  t.equal(await again.stop(), 0);
  t.match((await verifyCommand(dataDir, '--no-state')).summary, { exit: 0, records: 2 });
});

t.test('of two copies that run at once the second delivers nothing', { skip: ownElasticsearchMissing() }, async (t) => {
  // Its own: what other tests' proxies publish meanwhile is foreign to this one's verification.
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  const { url } = engine;
  const dir = t.testdir();
  const [first, second] = [join(dir, 'first'), join(dir, 'second')];
  const start = (dataDir: string) => startProxy({ dataDir, elasticsearchUrl: url });
  const before = await start(first);
  await sendAll(before.url, 'two', ['{"n":1}']);
  t.equal(await before.stop(), 0);
  cpSync(first, second, { recursive: true });
  const one = await start(first);
  await sendAll(one.url, 'two', ['{"n":2}']);
  // What it began with and what it took is published when it stops; the other start sees that it went on.
  t.equal(await one.stop(), 0);
  const again = await start(first);
  const other = await start(second);
  await sendAll(other.url, 'two', ['{"n":3}']);
  const readyz = async () => (await fetch(`${other.adminUrl}/readyz`)).text();
  while (!(await readyz()).includes('ROLLED-BACK')) await pause(100);
  await sendAll(again.url, 'two', ['{"n":4}']);
  t.equal(await again.stop(), 0);
  t.equal(await other.stop(), 0);
  const key = ['--key', join(first, 'development-auditor', 'auditor.key.pem'), '--trust', join(first, 'trust.json')];
  const { summary } = await verifyCommand(url, ...key, '--no-state', '--index', 'two');
  t.match(summary, { exit: 0, records: 3 }, 'the first goes on as if nothing were');
});
