/**
 * Ten times in a row the proxy is killed with -9 at a random moment under load, on one data directory. Afterwards every
 * acknowledged record is in the store exactly once, and verification is content. The seed is printed; LOGSEAL_TEST_SEED repeats it.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { StoreReader } from '../../src/store/reader.ts';
import { Ledger } from '../faults/ledger.ts';
import { startProxy } from '../helpers/proxy.ts';
import { randomFrom } from '../helpers/simulated-disk.ts';

const kills = 10;
const cli = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');
const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

t.test('what was acknowledged before ten kills is stored exactly once, and verifies', async (t) => {
  t.comment(`LOGSEAL_TEST_SEED=${seed}`);
  const random = randomFrom(seed);
  const dataDir = t.testdir();
  const ledger = new Ledger({ dest: 'logs-kill', perBulk: 250, connections: 4, pauseMs: 0 });
  let sendingMs = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const proxy = await startProxy({ dataDir });
    const start = performance.now();
    ledger.start(proxy.url);
    await pause(300 + random() * 700);
    await proxy.kill();
    await ledger.stop(0);
    sendingMs += performance.now() - start;
  }
  const last = await startProxy({ dataDir });
  t.equal(await last.stop(60_000), 0, 'a graceful stop delivers the rest and ends with 0');

  const { acknowledged } = ledger;
  t.comment(`${acknowledged} acknowledged, ${Math.round(acknowledged / (sendingMs / 1000))} a second while sending`);
  t.ok(acknowledged > 5000, 'there was load');
  const times = new Map<string, number>();
  for (const batch of StoreReader.open(join(dataDir, 'store', 'logseal.sqlite')).documents('logs-kill')) {
    for (const { source } of batch) {
      const { n, attempt } = JSON.parse(source.toString()) as { n: number; attempt: number };
      times.set(`${n}.${attempt}`, (times.get(`${n}.${attempt}`) ?? 0) + 1);
    }
  }
  t.strictSame(
    ledger.acknowledgedKeys().filter((key) => !times.has(key)),
    [],
    'none is lost',
  );
  t.strictSame(
    [...times].filter(([, count]) => count > 1),
    [],
    'none is there twice',
  );

  const { stdout } = await promisify(execFile)(process.execPath, [cli, 'verify', dataDir, '--no-state', '--json']);
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as { exit: number; records: number };
  t.equal(summary.exit, 0, 'verification finds nothing');
  t.equal(summary.records, times.size, 'and saw every record');
});
