/**
 * A proxy whose write-ahead log is encrypted, from outside: killed with -9 under load while Elasticsearch is away, looked through for a
 * text that every record holds, started with a missing and a wrong key, and drained. Control: the same without a key shows the text.
 */
import { writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { Ledger } from '../faults/ledger.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import { engineClient } from '../helpers/engine-client.ts';
import { freePort, startProxy } from '../helpers/proxy.ts';
import { logseal, verifyCommand } from '../helpers/verify-command.ts';

const kills = 3;
const bulksBetween = 8;
const perBulk = 150;
/** Stands in every record of the sender. */
const canary = Buffer.from('GET /assets/application.css');
const skip = ownElasticsearchMissing();

/** Files under the directory that hold the text. */
async function filesWith(directory: string, text: Buffer): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found: string[] = [];
  for (const path of paths) if ((await readFile(path)).includes(text)) found.push(path);
  return found;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 90_000;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not in time: ${what}`);
    await pause(50);
  }
}

t.test('records that wait are not to be read without the key, and are all delivered with it', { skip }, async (t) => {
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  const elastic = engineClient(engine.url);
  const dataDir = join(t.testdir({ credentials: {}, data: {} }), 'data');
  const credentials = join(dataDir, '..', 'credentials');
  const key = join(credentials, 'log-key');
  const made = await logseal('keygen', 'encryption', '--out', key);
  t.equal(made.exit, 0, made.stderr);
  t.equal((await logseal('keygen', 'encryption', '--out', key)).exit, 3, 'a key is never overwritten');
  await logseal('keygen', 'encryption', '--out', join(credentials, 'other-key'));
  const start = (environment: Record<string, string>) =>
    startProxy({ dataDir, elasticsearchUrl: engine.url, environment });
  const encrypted = { CREDENTIALS_DIRECTORY: credentials, LOGSEAL_ENCRYPTION_KEY_FILE: 'credential:log-key' };
  const ledger = new Ledger({ dest: 'encrypted', perBulk });

  for (let kill = 0; kill < kills; kill += 1) {
    const proxy = await start(encrypted);
    if (kill === 0) {
      await until('the first contact', () =>
        elastic.hits('logseal-control').then(
          (hits) => hits.length > 0,
          () => false,
        ),
      );
      await engine.kill();
    }
    ledger.start(proxy.url);
    await ledger.grows(bulksBetween * perBulk);
    await proxy.kill();
    await ledger.stop(0);
  }
  t.strictSame(await filesWith(dataDir, canary), [], 'no file of the data directory holds the text of a record');

  await t.rejects(start({}), /ENCRYPTION_KEY_MISSING.*wal.*encrypted/, 'a missing key is said, with the file');
  await t.rejects(
    start({ LOGSEAL_ENCRYPTION_KEY_FILE: join(credentials, 'other-key') }),
    /ENCRYPTION_KEY_WRONG.*wal.*encrypted/,
    'and a wrong one',
  );

  await engine.restart();
  await elastic.settled();
  const last = await start(encrypted);
  const { acknowledged } = ledger;
  t.equal(await last.stop(90_000), 0, 'a graceful stop delivers the rest');
  const times = new Map<string, number>();
  for (const { _source } of await elastic.hits('encrypted')) {
    const { n, attempt } = _source as unknown as { n: number; attempt: number };
    times.set(`${n}.${attempt}`, (times.get(`${n}.${attempt}`) ?? 0) + 1);
  }
  t.ok(acknowledged >= kills * bulksBetween * perBulk, `${acknowledged} acknowledged`);
  t.strictSame(
    ledger.acknowledgedKeys().filter((key) => times.get(key) !== 1),
    [],
    'each once',
  );
  const verdicts = await verifyCommand(
    engine.url,
    ...['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')],
    ...['--trust', join(dataDir, 'trust.json'), '--no-state', '--grace', '0'],
  );
  t.strictSame(verdicts.told, []);
  t.equal(verdicts.exit, 0);

  const config = join(credentials, 'logseal.yaml');
  const redeliver = (encryption: object) => {
    writeFileSync(config, JSON.stringify({ dataDir, elasticsearch: { url: engine.url }, ...encryption }));
    return logseal('redeliver', '--config', config, '--from', '2020-01-01');
  };
  const healed = await redeliver({ encryption: { keyFile: key } });
  t.match(healed, { exit: 0, stdout: /0 were missing/ }, healed.stderr);
  t.match(await redeliver({}), { exit: 3, stderr: /encrypted.*no key is configured/ });
});

t.test(
  'control: without a key the same search finds the text; a key that comes later is said until it covers all',
  async (t) => {
    const dataDir = join(t.testdir({ data: {} }), 'data');
    const away = `http://127.0.0.1:${await freePort()}`;
    const send = async (url: string) => {
      const ledger = new Ledger({ dest: 'clear', perBulk: 10, connections: 1 });
      ledger.start(url);
      await ledger.grows(1);
      await ledger.stop();
    };
    const clear = await startProxy({ dataDir, elasticsearchUrl: away });
    await send(clear.url);
    await clear.kill();
    const found = await filesWith(dataDir, canary);
    t.match(found, [/0001\.wal$/], 'the log, and nothing else');

    const keys = join(dataDir, '..', 'keys');
    await mkdir(keys);
    const key = join(keys, 'key');
    await logseal('keygen', 'encryption', '--out', key);
    const later = await startProxy({
      dataDir,
      elasticsearchUrl: away,
      environment: { LOGSEAL_ENCRYPTION_KEY_FILE: key },
    });
    t.match(later.output(), /"event":"log-in-clear","segments":1/);
    await send(later.url);
    const readiness = await (await fetch(`${later.adminUrl}/readyz`)).json();
    t.match(JSON.stringify(readiness), /1 segments of the write-ahead log, from before its key, are on disk in clear/);
    await later.kill();
    t.strictSame(await filesWith(dataDir, canary), found, 'only what was in clear before');

    await t.rejects(
      startProxy({ dataDir, environment: { LOGSEAL_ENCRYPTION_KEY_FILE: key } }),
      /encryption\.keyFile the embedded store keeps records in clear/,
      'the embedded store is refused beside a key',
    );
  },
);
