import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import type { Test } from 'tap';
import t from 'tap';
import { createAuditor } from '../../../src/keys/auditor.ts';
import { DirectoryLock } from '../../../src/wal/lock.ts';
import { lockHolder } from '../../../src/wal/lock-state.ts';
import { fakeNode, json } from '../../helpers/fake-node.ts';
import { freePort } from '../../helpers/proxy.ts';
import { runLogseal } from '../../helpers/terminal.ts';

interface Told {
  area: string;
  status: string;
  found: string;
  advice?: string;
}

async function doctor(dataDir: string, environment: Record<string, string> = {}, args: string[] = []) {
  const { stdout, stderr, exitCode } = await runLogseal(['doctor', '--json', ...args], {
    LOGSEAL_DATA_DIR: dataDir,
    ...environment,
  });
  const lines = stdout.trim().split('\n');
  const objects = lines.map((line) => JSON.parse(line === '' ? '{}' : line) as Record<string, unknown>);
  const checks = objects.filter((one) => one.type === 'check') as unknown as Told[];
  const of = (area: string) => checks.filter((check) => check.area === area);
  return {
    exitCode,
    stderr,
    checks,
    of,
    estimate: objects.find((one) => one.type === 'estimate'),
    verdict: objects.at(-1),
  };
}

function dataDirectory(t: Test, instance: object): string {
  const dataDir = join(t.testdir({}), 'data');
  for (const path of [dataDir, join(dataDir, 'keys'), join(dataDir, 'wal')]) mkdirSync(path, { mode: 0o700 });
  writeFileSync(
    join(dataDir, 'instance.json'),
    JSON.stringify({ v: 1, name: 'i', certificates: [], chains: [], clean: true, ...instance }),
  );
  return dataDir;
}

t.test('before the first start it says what is missing for production, and fails nothing', async (t) => {
  const dataDir = join(t.testdir({}), 'data');
  const { exitCode, of, verdict } = await doctor(dataDir);
  t.match(of('configuration'), [{ status: 'ok' }]);
  t.match(of('directory')[0], { status: 'ok', found: /is not there: the first start makes it/ });
  t.match(of('disk'), [{ found: /\d+ writes of 4096 bytes with fdatasync/ }]);
  t.match(of('keys'), [
    { status: 'warn', found: /no auditor certificate/, advice: /keygen auditor/ },
    { status: 'ok', found: /in clear/ },
  ]);
  t.match(of('search engine'), [{ status: 'warn', found: /embedded store/ }]);
  t.match(of('proxy'), [{ status: 'ok', found: /no proxy runs/ }]);
  const elsewhere =
    of('directory').filter(({ status }) => status === 'fail').length +
    of('disk').filter(({ status }) => status === 'fail').length;
  if (elsewhere === 0) t.equal(exitCode, 0);
  t.equal(verdict?.type, 'doctor');
  t.notOk(existsSync(dataDir), 'it makes no directory');
});

t.test('all problems of the configuration are told, and nothing else is looked at', async (t) => {
  const { exitCode, checks } = await doctor(t.testdir({}), { LOGSEAL_ACK: 'perhaps', LOGSEAL_WAL_KEEP: 'long' });
  t.equal(exitCode, 1);
  t.equal(checks.length, 2);
  t.match(checks, [
    { area: 'configuration', status: 'fail', found: /LOGSEAL_\w+: .*ack/ },
    { area: 'configuration', status: 'fail', found: /wal\.keep/ },
  ]);
  t.match(await runLogseal(['doctor', '--hours', '-1']), { exitCode: 3, stderr: /--hours/ });
});

t.test('a key file that others can read fails, a directory that they can list warns', async (t) => {
  const dataDir = dataDirectory(t, {});
  const key = join(dataDir, 'keys', 'checkpoint.pem');
  writeFileSync(key, 'x', { mode: 0o600 });
  t.strictSame(
    (await doctor(dataDir)).of('directory').filter(({ status }) => status === 'fail'),
    [],
  );
  chmodSync(dataDir, 0o755);
  t.match((await doctor(dataDir)).of('directory')[1], { status: 'warn', found: /mode 755/, advice: /chmod 700/ });
  chmodSync(key, 0o640);
  const { exitCode, of } = await doctor(dataDir);
  t.equal(exitCode, 1);
  t.match(of('directory')[1], { status: 'fail', found: /others can read .*checkpoint\.pem/ });
  t.strictSame(readdirSync(dataDir).sort(), ['instance.json', 'keys', 'wal'], 'the probe of the disk is gone');
});

t.test('certificates of auditors: how long, unreadable, and not those of the chains', async (t) => {
  const dataDir = dataDirectory(t, { certificates: ['ab'.repeat(32)] });
  const dir = t.testdirName;
  const years = 20 * 365.25 * 86_400_000;
  const soon = await createAuditor({ name: 'soon', nowMs: Date.now() - years + 10 * 86_400_000 });
  writeFileSync(join(dir, 'soon.pem'), soon.certPem);
  writeFileSync(join(dir, 'none.pem'), 'nothing');
  const paths = ['soon', 'none'].map((name) => join(dir, `${name}.pem`)).join(',');
  const { exitCode, of } = await doctor(dataDir, { LOGSEAL_AUDITOR_CERTIFICATES: paths });
  t.equal(exitCode, 1);
  t.match(of('keys'), [
    { status: 'warn', found: /soon\.pem .*: \d+ days left/, advice: /rotates all chains/ },
    { status: 'fail', found: /none\.pem/ },
    { status: 'warn', found: /others than those that the chains are wrapped to/ },
    { status: 'ok' },
  ]);
});

t.test('a search engine that is away, another one, a wrong clock, and rights that are missing', async (t) => {
  const dataDir = dataDirectory(t, { upstream: 'uuid-of-before' });
  const away = `http://127.0.0.1:${await freePort()}`;
  const gone = await doctor(dataDir, { LOGSEAL_ELASTICSEARCH_URL: away });
  t.equal(gone.exitCode, 1);
  t.match(gone.of('search engine'), [{ status: 'fail', found: /does not answer/, advice: /wait in the log/ }]);
  let lacking: string[] = ['manage'];
  let hourOff = 0;
  const node = await fakeNode((request, response) => {
    const path = request.url ?? '';
    if (path === '/') {
      return json(response, 200, { cluster_name: 'c', cluster_uuid: 'uuid-of-now', version: { number: '9.5.3' } });
    }
    if (path.startsWith('/_security/_authenticate'))
      return json(response, 401, { error: { type: 'security_exception' } });
    if (path.startsWith('/_cat/health')) {
      return json(response, 200, [{ epoch: String(Math.floor(Date.now() / 1000) + hourOff) }]);
    }
    if (path.startsWith('/_security/user/_has_privileges')) {
      const { index } = JSON.parse(request.text) as { index: { names: string[]; privileges: string[] }[] };
      const rights = (names: string[], all: string[]) =>
        Object.fromEntries(
          names.map((name) => [name, Object.fromEntries(all.map((one) => [one, !lacking.includes(one)]))]),
        );
      const answer = index.map(({ names, privileges }) => rights(names, privileges))[0];
      return json(response, 200, {
        username: 'shipper',
        cluster: { monitor: true, manage_index_templates: true },
        index: answer,
      });
    }
    return json(response, 404, {});
  });
  t.teardown(() => node.close());
  const other = await doctor(dataDir, { LOGSEAL_ELASTICSEARCH_URL: `${node.url},${away}` });
  t.equal(other.exitCode, 1);
  t.match(other.of('search engine'), [
    { status: 'ok', found: /answers: elasticsearch 9\.5\.3/ },
    { status: 'warn', found: /does not answer/ },
    { status: 'fail', found: /went to uuid-of-before, and this is uuid-of-now/, advice: /--new-upstream/ },
    { status: 'warn', found: /shipper lacks manage on logseal-seals/ },
  ]);
  t.match(
    other.of('clock').find(({ found }) => /search engine/.test(found)),
    { status: 'ok' },
  );
  lacking = ['create_doc'];
  hourOff = 3600;
  const weak = await doctor(dataDirectory(t, {}), { LOGSEAL_ELASTICSEARCH_URL: node.url });
  t.match(weak.of('search engine').at(-1), { status: 'fail', found: /lacks create_doc/ });
  t.match(
    weak.of('clock').find(({ found }) => /search engine/.test(found)),
    { status: 'warn', advice: /NTP/ },
  );
});

t.test('it sees who holds the lock without taking it', async (t) => {
  const dataDir = dataDirectory(t, {});
  t.equal(await lockHolder(dataDir), undefined);
  t.notOk(existsSync(join(dataDir, 'lock')));
  const lock = await DirectoryLock.acquire(dataDir);
  t.strictSame(await lockHolder(dataDir), { pid: process.pid });
  const port = await freePort();
  const { of } = await doctor(dataDir, { LOGSEAL_ADMIN_LISTEN: `127.0.0.1:${port}` });
  t.match(of('proxy'), [
    { status: 'ok', found: new RegExp(`process ${process.pid} runs`) },
    { status: 'warn', found: /admin port .* does not answer/ },
  ]);
  lock.release();
  t.equal(await lockHolder(dataDir), undefined);
  const again = await DirectoryLock.acquire(dataDir);
  t.teardown(() => again.release());
  t.match(await lockHolder(dataDir), { pid: process.pid });
});

t.test('an estimate without a log needs a rate and a size', async (t) => {
  const none = await doctor(dataDirectory(t, {}), {}, ['--estimate']);
  t.match(none.estimate, { reason: /--records-per-second/ });
  const args = ['--estimate', '--records-per-second', '100', '--record-bytes', '850', '--hours', '10'];
  const given = await doctor(dataDirectory(t, {}), {}, args);
  t.match(given.estimate, { recordsPerDay: 8_640_000, logBytesPerDay: 8_640_000_000, hours: 10 });
  const text = await runLogseal(['doctor', ...args], { LOGSEAL_DATA_DIR: dataDirectory(t, {}) });
  t.match(text.stdout, /outage of 10 h .* of disk/);
  t.match(text.stdout, /Not looked at: /);
});

t.test('certificates of the ports and of the nodes: days left, or that they are over', async (t) => {
  const years = 20 * 365.25 * 86_400_000;
  const soon = await createAuditor({ name: '127.0.0.1', nowMs: Date.now() - years + 10 * 86_400_000 });
  const good = await createAuditor({ name: '127.0.0.1' });
  const dir = t.testdir({ 'cert.pem': soon.certPem, 'ca.pem': good.certPem });
  writeFileSync(join(dir, 'key.pem'), soon.keyPem, { mode: 0o600 });
  const server = createServer({ cert: good.certPem, key: good.keyPem });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { of } = await doctor(join(dir, 'data'), {
    LOGSEAL_TLS_CERTIFICATE_FILE: join(dir, 'cert.pem'),
    LOGSEAL_TLS_KEY_FILE: join(dir, 'key.pem'),
    LOGSEAL_ELASTICSEARCH_URL: `https://127.0.0.1:${port}`,
    LOGSEAL_ELASTICSEARCH_CA_FILE: join(dir, 'ca.pem'),
    LOGSEAL_ELASTICSEARCH_REQUEST_TIMEOUT: '1s',
  });
  t.match(of('certificates'), [
    { status: 'warn', found: /tls\.certificateFile .*: \d+ days left/, advice: /SIGHUP/ },
    { status: 'ok', found: /elasticsearch\.caFile .*: 7\d{3} days left/ },
    { status: 'ok', found: new RegExp(`certificate of 127\\.0\\.0\\.1:${port}: 7\\d{3} days left`) },
  ]);
});
