/** What Elasticsearch refused, as its operator meets it: listed with the reason, sent again once the mapping is mended, discarded. */
import { join } from 'node:path';
import t from 'tap';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import { startProxy } from '../helpers/proxy.ts';
import { sendAll } from '../helpers/sealed-cluster.ts';
import { logseal, verifyCommand } from '../helpers/verify-command.ts';

const skip = ownElasticsearchMissing();

interface Listed {
  chain: string;
  seq: number;
  state: string;
  field?: string;
  value?: string;
  mapping?: string;
}

t.test('rejects are listed, retried and discarded, and verify agrees', { skip }, async (t) => {
  const dir = t.testdir();
  const dataDir = join(dir, 'data');
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  const put = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${engine.url}/${path}`, { method: 'PUT', headers, body: JSON.stringify(body) });
    t.equal(answer.status, 200, path);
  };
  await put('orders', { mappings: { dynamic: 'strict', properties: { n: { type: 'long' } } } });
  await logseal('keygen', 'operator', '--out', join(dir, 'operator'));
  const publicKey = join(dir, 'operator', 'operator.pub.pem');
  const environment = { LOGSEAL_OPERATOR_KEYS: publicKey };
  const proxy = await startProxy({ dataDir, elasticsearchUrl: engine.url, environment });
  t.teardown(() => proxy.stop());
  await sendAll(proxy.url, 'orders', [
    '{"n":1}',
    '{"n":"x"}',
    '{"n":2,"extra":{"deep":1}}',
    '{"n":3,"extra":{"deep":2}}',
  ]);
  const rejects = (...args: string[]) => logseal('rejects', ...args);
  const listed = async (): Promise<Listed[]> => {
    const { stdout } = await rejects('list', engine.url, '--json');
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };
  const states = (list: Listed[]) => list.map(({ seq, state }) => [seq, state]);
  let list: Listed[] = [];
  while (list.length < 3) list = await listed();

  await t.test('each with its field, what stands there and what was wanted', async (t) => {
    t.match(list[0], {
      seq: 1,
      dest: 'orders',
      state: 'open',
      field: 'n',
      value: 'string',
      mapping: 'long',
      status: 400,
    });
    t.match(list[1], { seq: 2, error: 'strict_dynamic_mapping_exception', field: 'extra', value: 'object' });
    const chain = String(list[0]?.chain);
    const shown = await rejects('show', engine.url, '--chain', chain, '--seqs', '1');
    t.match(shown.stdout, /field n: string, mapped as long\n {2}\{"n":"x"\}\n/);
    t.match((await rejects('list', engine.url)).stdout, /3 records in the rejects, 3 of them open\n$/);
  });

  await t.test('a mended mapping takes what is sent again; what it still refuses is rejected again', async (t) => {
    await put('orders/_mapping', { properties: { extra: { properties: { deep: { type: 'long' } } } } });
    t.match(await rejects('retry', engine.url, '--admin', proxy.adminUrl), { exit: 3, stderr: /say which/ });
    const retried = await rejects('retry', engine.url, '--dest', 'orders', '--admin', proxy.adminUrl);
    t.match(retried, { exit: 2, stdout: /1: rejected: document_parsing_exception[\s\S]*2 of 3 records are delivered/ });
    while (states(list).join() !== '1,open,2,retried,3,retried') list = await listed();
    t.pass('and the list says so');
  });

  await t.test('what an operator discards stays where it is, and is not sent again', async (t) => {
    const key = join(dir, 'operator', 'operator.key.pem');
    const discarded = await rejects(
      ...['discard', engine.url, '--dest', 'orders', '--reason', 'a test', '--key', key, '--admin', proxy.adminUrl],
    );
    t.match(discarded, { exit: 0, stdout: /^discard / }, discarded.stderr);
    while (list[0]?.state !== 'discarded') list = await listed();
    const chain = String(list[0].chain);
    const again = await rejects('retry', engine.url, '--chain', chain, '--seqs', '1', '--admin', proxy.adminUrl);
    t.match(again, { exit: 3, stderr: /discarded/ });
  });

  t.equal(await proxy.stop(), 0);
  const key = join(dataDir, 'development-auditor', 'auditor.key.pem');
  const trust = join(dataDir, 'trust.json');
  const verdicts = await verifyCommand(
    ...[engine.url, '--key', key, '--trust', trust, '--no-state', '--grace', '0', '--operator-key', publicKey],
  );
  t.strictSame([verdicts.told, verdicts.exit, verdicts.summary.records], [[], 0, 4]);
  t.match(verdicts.summary.counts, { OK: 3, 'REJECTED-OK': 1 });
  t.match(verdicts.summary.notCovered.join('\n'), /an operator discarded 1 rejected records of chain .*: a test/);
});
