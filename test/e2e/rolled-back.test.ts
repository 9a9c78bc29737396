/**
 * An old copy of the data directory is put back behind a search engine that knows more: nothing is delivered until an operator has
 * rotated the chains, nothing is lost, nothing is there twice, and verification finds nothing amiss.
 */
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import t from 'tap';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { freePort, startProxy } from '../helpers/proxy.ts';
import { sendAll } from '../helpers/sealed-cluster.ts';
import { logseal, verifyCommand } from '../helpers/verify-command.ts';

const skip = ownElasticsearchMissing();
const documents = (first: number, count: number) =>
  Array.from({ length: count }, (_, n) => `{"message":"number ${first + n}","n":${first + n}}`);

interface Restored {
  dataDir: string;
  key: string;
  start(elasticsearchUrl?: string): Promise<RunningProxy>;
  count(index: string): Promise<number>;
  delivered(index: string, wanted: number): Promise<void>;
  verify(): ReturnType<typeof verifyCommand>;
}

/** 25 records, an instant of which there is a copy, 38 more, all delivered; then the copy takes the directory's place. */
async function restored(t: Test): Promise<Restored> {
  const dir = t.testdir();
  const dataDir = join(dir, 'data');
  const copy = join(dir, 'copy');
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  await logseal('keygen', 'operator', '--out', join(dir, 'operator'));
  const key = join(dir, 'operator', 'operator.key.pem');
  const publicKey = join(dir, 'operator', 'operator.pub.pem');
  const environment = { LOGSEAL_OPERATOR_KEYS: publicKey, LOGSEAL_EPOCH_RECORDS_MAX: '10' };
  const start = async (elasticsearchUrl = engine.url) => {
    const proxy = await startProxy({ dataDir, elasticsearchUrl, environment });
    t.teardown(() => proxy.kill());
    return proxy;
  };
  const count = async (index: string): Promise<number> => {
    await fetch(`${engine.url}/${index}/_refresh`, { method: 'POST' });
    const answer = (await (await fetch(`${engine.url}/${index}/_count`)).json()) as { count?: number };
    return answer.count ?? 0;
  };
  const delivered = async (index: string, wanted: number) => {
    while ((await count(index)) < wanted) await pause(100);
  };
  const first = await start();
  await sendAll(first.url, 'web', documents(0, 25));
  await delivered('web', 25);
  process.kill(first.pid, 'SIGSTOP');
  await cp(dataDir, copy, { recursive: true });
  process.kill(first.pid, 'SIGCONT');
  await sendAll(first.url, 'web', documents(25, 38));
  await delivered('web', 63);
  await first.kill();
  await rm(dataDir, { recursive: true });
  await rename(copy, dataDir);
  const auditor = ['--key', join(dataDir, 'development-auditor', 'auditor.key.pem'), '--operator-key', publicKey];
  const memory = ['--trust', join(dataDir, 'trust.json'), '--no-state', '--grace', '0'];
  return { dataDir, key, start, count, delivered, verify: () => verifyCommand(engine.url, ...auditor, ...memory) };
}

async function says({ adminUrl }: RunningProxy, what: RegExp): Promise<void> {
  while (!what.test(await (await fetch(`${adminUrl}/readyz`)).text())) await pause(50);
}

const rotateAll = ({ adminUrl }: RunningProxy, key: string, why: string) =>
  logseal('rotate', '--all', '--why', why, '--key', key, '--admin', adminUrl);

t.test('a data directory restored from a copy', { skip }, async (t) => {
  const { key, start, count, delivered, verify } = await restored(t);
  let proxy = await start();
  await says(proxy, /ROLLED-BACK/);
  await sendAll(proxy.url, 'web', documents(63, 12));
  await sendAll(proxy.url, 'fresh', documents(0, 3));
  t.equal(await proxy.stop(), 0);
  t.strictSame([await count('web'), await count('fresh')], [63, 0], 'nothing is delivered');
  proxy = await start();
  await says(proxy, /ROLLED-BACK/);
  await sendAll(proxy.url, 'web', documents(75, 5));
  t.match(await rotateAll(proxy, key, 'suspicion'), { exit: 3, stderr: /rolled back/ });
  const rotated = await rotateAll(proxy, key, 'rolled-back');
  t.match(rotated, { exit: 0, stdout: /rotate .*\nrotate .*\n/ }, rotated.stderr);
  await delivered('web', 80);
  await delivered('fresh', 3);
  await says(proxy, /"reasons":\[\]/);
  t.equal(await proxy.stop(), 0, 'and all of it is published');
  t.strictSame([await count('web'), await count('fresh')], [80, 3], 'each once');
  const verdicts = await verify();
  t.strictSame([verdicts.told, verdicts.exit, verdicts.summary.records], [[], 0, 83]);
});

t.test(
  'nothing is delivered where the search engine answers only after the copy was signed on',
  { skip },
  async (t) => {
    const { start, count } = await restored(t);
    let proxy = await start(`http://127.0.0.1:${await freePort()}`);
    await sendAll(proxy.url, 'web', documents(63, 12));
    t.equal(await proxy.stop(), 0);
    proxy = await start();
    await says(proxy, /ROLLED-BACK.* waits in the log/);
    await sendAll(proxy.url, 'web', documents(75, 3));
    t.equal(await count('web'), 63);
  },
);
