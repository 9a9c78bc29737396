/**
 * Ten times in a row the proxy is killed with -9 at a random moment under load, on one data directory. Afterwards every
 * acknowledged record is in the store exactly once, and verification is content. The seed is printed; LOGSEAL_TEST_SEED repeats it.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { StoreReader } from '../../src/store/reader.ts';
import { numberedSender } from '../helpers/bulk-client.ts';
import { startProxy } from '../helpers/proxy.ts';

const kills = 10;
const cli = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');
const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

t.test('what was acknowledged before ten kills is stored exactly once, and verifies', async (t) => {
  t.comment(`LOGSEAL_TEST_SEED=${seed}`);
  const random = mulberry(seed);
  const dataDir = t.testdir();
  const sender = numberedSender({ dest: 'logs-kill', perBulk: 250, connections: 4 });
  let sendingMs = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const proxy = await startProxy({ dataDir });
    const moment = 300 + random() * 700;
    const killed = new Promise<void>((resolve) => {
      setTimeout(() => void proxy.kill().then(resolve), moment);
    });
    const start = performance.now();
    await sender.run(proxy.url, killed);
    await killed;
    sendingMs += performance.now() - start;
  }
  const last = await startProxy({ dataDir });
  t.equal(await last.stop(60_000), 0, 'a graceful stop delivers the rest and ends with 0');

  const acknowledged = sender.acknowledged.reduce((sum, [from, to]) => sum + to - from, 0);
  t.comment(`${acknowledged} acknowledged, ${Math.round(acknowledged / (sendingMs / 1000))} a second while sending`);
  t.ok(acknowledged > 5000, 'there was load');
  const times = new Uint8Array(sender.sent);
  for (const batch of StoreReader.open(join(dataDir, 'store', 'logseal.sqlite')).documents('logs-kill')) {
    for (const { source } of batch) {
      const { n } = JSON.parse(source.toString()) as { n: number };
      times[n] = (times[n] ?? 0) + 1;
    }
  }
  const numbers = sender.acknowledged.flatMap(([from, to]) => Array.from({ length: to - from }, (_, at) => from + at));
  t.strictSame(
    numbers.filter((n) => times[n] === 0),
    [],
    'none is lost',
  );
  t.strictSame(
    [...times.keys()].filter((n) => (times[n] ?? 0) > 1),
    [],
    'none is there twice',
  );

  const { stdout } = await promisify(execFile)(process.execPath, [cli, 'verify', dataDir, '--no-state', '--json']);
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as { exit: number; records: number };
  t.equal(summary.exit, 0, 'verification finds nothing');
  t.equal(
    summary.records,
    times.reduce((sum, count) => sum + count, 0),
    'and saw every record',
  );
});

/** A small seeded generator, so that a failing run can be repeated. */
function mulberry(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
