/**
 * A search engine that lost what it had taken (restored from a young snapshot) is healed from the log that the proxy keeps; and
 * what composing put into index templates is taken out again.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Test } from 'tap';
import t from 'tap';
import { ownElasticsearchMissing } from '../helpers/elasticsearch.ts';
import { startProxy } from '../helpers/proxy.ts';
import type { SealedCluster } from '../helpers/sealed-cluster.ts';
import { sendAll, startSealedCluster } from '../helpers/sealed-cluster.ts';
import { logseal, verifyCommand } from '../helpers/verify-command.ts';

const skip = ownElasticsearchMissing();

const documents = (count: number) => Array.from({ length: count }, (_, n) => `{"message":"number ${n}","n":${n}}`);

t.test('a third of the records lost in Elasticsearch', { skip }, async (t) => {
  const cluster = await startSealedCluster(join(t.testdir(), 'data'));
  t.teardown(() => cluster.remove());
  const { elastic, engine, dataDir } = cluster;
  const beganAt = new Date().toISOString();
  const first = await cluster.start();
  await sendAll(first.url, 'web', documents(120));
  await sendAll(first.url, 'app', documents(60));
  // The first decides that `n` is a number: this one is refused by the mapping, and stands in the rejects.
  await sendAll(first.url, 'web', ['{"n":"no number"}']);
  t.equal(await first.stop(), 0, 'everything is delivered');
  const proxy = await cluster.start();
  t.teardown(() => proxy.stop());
  const heal = (...args: string[]) =>
    logseal('redeliver', '--data-dir', dataDir, '--elasticsearch-url', engine.url, '--from', beganAt, ...args);

  await t.test('verification names every one, and finds none missing once they are sent again', async (t) => {
    const whole = await elastic.hits('*');
    const lost = whole.filter(({ _index }, i) => i % 3 === 0 && !/^logseal-(control|checkpoints)$/.test(_index));
    t.ok(lost.some(({ _index }) => _index === 'web') && lost.length > 60, 'records, seals');
    for (const { _index, _id } of lost) await elastic.remove(_index, _id);
    t.equal((await cluster.verify()).exit, 1, 'verify finds them missing');
    const healed = await heal('--json');
    t.equal(healed.exit, 0, healed.stderr);
    const report = JSON.parse(healed.stdout);
    const records = lost.filter(({ _index }) => _index === 'web' || _index === 'app').length;
    t.match(report, { sent: records, failed: 0, stopped: false, reasons: [] }, 'exactly what was lost is sent');
    t.equal((await elastic.hits('web,app,logseal-rejects')).length, 181, 'nothing twice');
  });

  await t.test('twice is harmless, and also without the proxy', async (t) => {
    await proxy.stop();
    const again = await heal();
    t.match(again, { exit: 0, stdout: /were there already, 0 were missing and are sent\n/ }, again.stderr);
    const verdicts = await cluster.verify();
    t.strictSame([verdicts.told, verdicts.exit], [[], 0]);
    t.equal(verdicts.summary.records, 181);
  });

  await t.test('a place that only the proxy can sign for is said, and mended as it says', async (t) => {
    const restarted = await cluster.start();
    t.teardown(() => restarted.stop());
    await elastic.ask('DELETE', '/app');
    await elastic.ask('PUT', '/app-2', { aliases: { app: { is_write_index: true } } });
    const refused = await heal();
    t.match(refused, { exit: 2, stdout: /60 could not be sent:\n.*app now stands in an index.*only the proxy/ });
    const answer = await fetch(`${restarted.url}/app/_doc?refresh=wait_for`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"message":"one more"}',
    });
    t.equal(answer.status, 201);
    t.match(await heal(), { exit: 0 });
    await restarted.stop();
    const verdicts = await cluster.verify();
    t.strictSame([verdicts.told, verdicts.exit], [[], 0]);
  });

  await t.test('another search engine gets nothing', async (t) => {
    t.match(await logseal('redeliver', '--data-dir', join(dataDir, 'nowhere'), '--from', beganAt), { exit: 3 });
    const other = await startSealedCluster(join(t.testdir(), 'other'));
    t.teardown(() => other.remove());
    const args = ['--data-dir', dataDir, '--elasticsearch-url', other.engine.url, '--from', beganAt];
    t.match(await logseal('redeliver', ...args), { exit: 3, stderr: /went to the search engine .*, and this one is / });
    await removesTemplates(t, other);
  });
});

interface Templates {
  index_templates: { index_template: Record<string, unknown> }[];
}

async function removesTemplates(t: Test, { elastic, engine, start }: SealedCluster): Promise<void> {
  const template = { index_patterns: ['web-*'], template: { settings: { number_of_replicas: 0 } }, priority: 7 };
  await elastic.ask('PUT', '/_index_template/users', template);
  const asFound = (await elastic.ask<Templates>('GET', '/_index_template/users')).index_templates[0]?.index_template;
  const proxy = await start();
  await sendAll(proxy.url, 'web-1', documents(3));
  await proxy.stop();
  const url = ['--elasticsearch-url', engine.url];
  const shown = await logseal('templates', 'show', ...url);
  t.match(shown, { exit: 0, stdout: /^users: has the mapping\nlogseal-system: .*\nlogseal-mappings: .*\n$/ }, 'show');
  const removed = await logseal('templates', 'remove', ...url, '--json');
  const names = removed.stdout.trim().split('\n');
  t.strictSame(
    names.map((line) => JSON.parse(line).name),
    ['users', 'logseal-system', 'logseal-mappings'],
    'remove says what it did',
  );
  const after = await elastic.ask<Templates>('GET', '/_index_template/users');
  const { index_patterns, template: made, priority, composed_of } = after.index_templates[0]?.index_template ?? {};
  t.match(asFound, { index_patterns, template: made, priority }, "the user's template is as it was");
  t.strictSame(composed_of, []);
  t.match(await logseal('templates', 'remove', ...url), { exit: 0, stdout: 'nothing was to be removed\n' });
  t.match(await logseal('templates', 'show', ...url), { exit: 0, stdout: 'no template has the mapping\n' });
}

t.test('records lost in the embedded store come back, beside the proxy and without it', async (t) => {
  const dataDir = join(t.testdir(), 'data');
  const beganAt = new Date().toISOString();
  const first = await startProxy({ dataDir });
  await sendAll(first.url, 'web', documents(30));
  await first.stop();
  const proxy = await startProxy({ dataDir });
  t.teardown(() => proxy.stop());
  const lose = () => {
    const database = new DatabaseSync(join(dataDir, 'store', 'logseal.sqlite'));
    const { changes } = database
      .prepare(
        "DELETE FROM documents WHERE seq_no % 3 = 0 AND index_number IN (SELECT number FROM indices WHERE name = 'web')",
      )
      .run();
    database.close();
    return changes;
  };
  const heal = () => logseal('redeliver', '--data-dir', dataDir, '--from', beganAt);
  t.ok(lose());
  t.match(await heal(), { exit: 0, stdout: /[1-9]\d* were missing and are sent/ }, 'beside it');
  await proxy.stop();
  t.ok(lose());
  t.match(await heal(), { exit: 0, stdout: /[1-9]\d* were missing and are sent/ }, 'without it');
  const verdicts = await verifyCommand(dataDir, '--no-state');
  t.strictSame([verdicts.told, verdicts.exit, verdicts.summary.records], [[], 0, 30]);
});
