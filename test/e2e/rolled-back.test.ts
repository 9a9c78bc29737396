/**
 * An old copy of the data directory is put back behind a search engine that knows more: nothing is delivered until an operator has
 * rotated the chains, nothing is lost, nothing is there twice, and verification finds nothing amiss.
 */
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';
import { sendAll } from '../helpers/sealed-cluster.ts';
import { logseal, verifyCommand } from '../helpers/verify-command.ts';

const skip = ownElasticsearchMissing();
const documents = (first: number, count: number) =>
  Array.from({ length: count }, (_, n) => `{"message":"number ${first + n}","n":${first + n}}`);

t.test('a data directory restored from a copy', { skip }, async (t) => {
  const dir = t.testdir();
  const dataDir = join(dir, 'data');
  const copy = join(dir, 'copy');
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  await logseal('keygen', 'operator', '--out', join(dir, 'operator'));
  const key = join(dir, 'operator', 'operator.key.pem');
  const publicKey = join(dir, 'operator', 'operator.pub.pem');
  const environment = { LOGSEAL_OPERATOR_KEYS: publicKey, LOGSEAL_EPOCH_RECORDS_MAX: '10' };
  const start = () => startProxy({ dataDir, elasticsearchUrl: engine.url, environment });
  const count = async (index: string): Promise<number> => {
    await fetch(`${engine.url}/${index}/_refresh`, { method: 'POST' });
    const answer = (await (await fetch(`${engine.url}/${index}/_count`)).json()) as { count?: number };
    return answer.count ?? 0;
  };
  const delivered = async (index: string, wanted: number) => {
    while ((await count(index)) < wanted) await pause(100);
  };
  const reasons = async ({ adminUrl }: RunningProxy) => {
    const ready = (await (await fetch(`${adminUrl}/readyz`)).json()) as { reasons: unknown[] };
    return JSON.stringify(ready.reasons);
  };

  const first = await start();
  t.teardown(() => first.kill());
  await sendAll(first.url, 'web', documents(0, 25));
  await delivered('web', 25);
  process.kill(first.pid, 'SIGSTOP');
  await cp(dataDir, copy, { recursive: true });
  process.kill(first.pid, 'SIGCONT');
  await sendAll(first.url, 'web', documents(25, 38));
  await delivered('web', 63);
  first.kill();
  await first.ended;
  await rm(dataDir, { recursive: true });
  await rename(copy, dataDir);

  let proxy = await start();
  t.teardown(() => proxy.kill());
  while (!/ROLLED-BACK/.test(await reasons(proxy))) await pause(50);
  await sendAll(proxy.url, 'web', documents(63, 12));
  await sendAll(proxy.url, 'fresh', documents(0, 3));
  t.equal(await proxy.stop(), 0);
  t.strictSame([await count('web'), await count('fresh')], [63, 0], 'nothing is delivered');
  proxy = await start();
  while (!/ROLLED-BACK/.test(await reasons(proxy))) await pause(50);
  await sendAll(proxy.url, 'web', documents(75, 5));
  const wrong = await logseal('rotate', '--all', '--why', 'suspicion', '--key', key, '--admin', proxy.adminUrl);
  t.match(wrong, { exit: 3, stderr: /rolled back/ });
  const rotated = await logseal('rotate', '--all', '--why', 'rolled-back', '--key', key, '--admin', proxy.adminUrl);
  t.match(rotated, { exit: 0, stdout: /rotate .*\nrotate .*\n/ }, rotated.stderr);
  await delivered('web', 80);
  await delivered('fresh', 3);
  t.equal(await reasons(proxy), '[]');
  t.equal(await proxy.stop(), 0, 'and all of it is published');
  t.strictSame([await count('web'), await count('fresh')], [80, 3], 'each once');

  const auditor = join(dataDir, 'development-auditor', 'auditor.key.pem');
  const trust = join(dataDir, 'trust.json');
  const verdicts = await verifyCommand(
    ...[engine.url, '--key', auditor, '--trust', trust, '--no-state', '--grace', '0', '--operator-key', publicKey],
  );
  t.strictSame([verdicts.told, verdicts.exit, verdicts.summary.records], [[], 0, 83]);
});
