/**
 * A search engine that wants credentials: the proxy may write everything, its clients may not, and it never lends them its
 * rights. Refusals are the search engine's own words.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import { startProxy } from '../helpers/proxy.ts';
import { writeSecret } from '../helpers/secret-file.ts';

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const shipper = basic('shipper', 'ship');
const bulkBody = '{"create":{"_index":"app-1"}}\n{"n":1}\n{"create":{"_index":"web-1"}}\n{"n":2}\n';

interface Answer {
  status: number;
  challenge: string | null;
  body: Record<string, unknown>;
}

async function send(url: string, path: string, authorization: string | undefined, body = bulkBody): Promise<Answer> {
  const type = path.includes('_bulk') ? 'application/x-ndjson' : 'application/json';
  const headers: Record<string, string> = { 'content-type': type };
  if (authorization !== undefined) headers.authorization = authorization;
  const answer = await fetch(url + path, { method: 'POST', headers, body });
  const challenge = answer.headers.get('www-authenticate');
  return { status: answer.status, challenge, body: (await answer.json()) as Record<string, unknown> };
}

async function isDelivering(adminUrl: string): Promise<boolean> {
  const answer = await fetch(`${adminUrl}/readyz`);
  return ((await answer.json()) as { reasons: string[] }).reasons.length === 0;
}

t.test('a search engine that wants credentials', { skip: ownElasticsearchMissing() }, async (t) => {
  const engine = await startElasticsearch({
    security: [
      { user: 'proxy', password: 'all', write: ['*'] },
      { user: 'shipper', password: 'ship', write: ['app-*'] },
    ],
  });
  t.teardown(() => engine.remove());
  const dir = t.testdir();
  const dataDir = join(dir, 'data');
  await writeFile(join(dir, 'key'), Buffer.from('proxy:all').toString('base64'), { mode: 0o600 });
  const environment = { LOGSEAL_ELASTICSEARCH_API_KEY_FILE: join(dir, 'key') };
  const start = (port?: number) =>
    startProxy({ dataDir, elasticsearchUrl: engine.url, environment, ...(port === undefined ? {} : { port }) });
  const first = await start();
  const port = Number(new URL(first.url).port);
  t.teardown(() => first.stop());
  const stored = async (authorization: string) => {
    await fetch(`${engine.url}/_refresh`, { method: 'POST', headers: { authorization } });
    const found = await fetch(`${engine.url}/app-1,web-1/_search?ignore_unavailable=true`, {
      headers: { authorization },
    });
    const { hits } = (await found.json()) as { hits: { hits: { _index: string }[] } };
    return hits.hits.map(({ _index }) => _index).sort();
  };

  await t.test(
    'without credentials, or with wrong ones: 401 in the words of Elasticsearch, and nothing signed',
    async (t) => {
      for (const authorization of [undefined, basic('shipper', 'wrong'), basic('nobody', 'x')]) {
        for (const path of ['/_bulk', '/app-1/_doc']) {
          const body = path === '/_bulk' ? bulkBody : '{"n":0}';
          const direct = await send(engine.url, path, authorization, body);
          const answer = await send(first.url, path, authorization, body);
          t.equal(answer.status, 401);
          t.strictSame(answer.challenge, direct.challenge);
          t.strictSame(answer.body, direct.body, `${path}: word for word`);
        }
      }
    },
  );

  await t.test('what the client may not write is refused item by item, though the proxy may', async (t) => {
    await fetch(`${engine.url}/web-1`, { method: 'PUT', headers: { authorization: basic('proxy', 'all') } });
    const direct = await send(engine.url, '/_bulk', shipper);
    t.match(direct.body, { errors: true });
    const answer = await send(first.url, '/_bulk?refresh=wait_for', shipper);
    t.equal(answer.status, 200);
    const items = (of: Answer) => (of.body as { items: { create: Record<string, unknown> }[] }).items;
    t.match(items(answer)[0], { create: { status: 201 } });
    t.strictSame(items(answer)[1]?.create.error, items(direct)[1]?.create.error, 'the reason, word for word');
    t.equal(items(answer)[1]?.create.status, 403);
    t.match(await send(first.url, '/web-1/_doc', shipper, '{"n":3}'), {
      status: 403,
      body: { error: { type: 'security_exception', reason: /unauthorized for user \[shipper\] on indices \[web-1\]/ } },
    });
    t.strictSame(await stored(basic('proxy', 'all')), ['app-1', 'app-1'], 'one sent straight, one through the proxy');
  });

  await t.test('a wrong key of the proxy, replaced while it runs: what waited is delivered', async (t) => {
    const key = writeSecret(join(dir, 'second-key'), Buffer.from('proxy:wrong').toString('base64'));
    const second = await startProxy({
      dataDir: join(dir, 'second'),
      elasticsearchUrl: engine.url,
      environment: { LOGSEAL_ELASTICSEARCH_API_KEY_FILE: key },
    });
    t.teardown(() => second.stop());
    const one = '{"create":{"_index":"app-1"}}\n{"n":9}\n';
    t.match(await send(second.url, '/_bulk', shipper, one), { status: 200, body: { errors: false } });
    t.notOk(await isDelivering(second.adminUrl));
    writeSecret(key, Buffer.from('proxy:all').toString('base64'));
    process.kill(second.pid, 'SIGHUP');
    while (!(await isDelivering(second.adminUrl))) await new Promise((resolve) => setTimeout(resolve, 50));
    t.equal(await second.stop(), 0);
    t.match(second.output(), /"changes":\["credentials for the search engine"\]/);
    t.equal((await stored(basic('proxy', 'all'))).length, 3, 'beside the two from before');
  });

  await t.test(
    'in an outage a credential seen good holds, every other waits; after a restart in it, all wait',
    async (t) => {
      await engine.stop();
      const one = '{"create":{"_index":"app-1"}}\n{"n":4}\n';
      t.match(await send(first.url, '/_bulk', shipper, one), { status: 200, body: { errors: false } });
      t.match(await send(first.url, '/_bulk', basic('shipper', 'wrong'), one), { status: 429 });
      t.match(await send(first.url, '/_bulk', undefined, one), { status: 429 });
      await first.stop();
      const second = await start(port);
      t.teardown(() => second.stop());
      t.match(await send(second.url, '/_bulk', shipper, one), { status: 429 }, 'nothing is known of it');
      await engine.restart();
      let answer = await send(second.url, '/_bulk', shipper, one);
      while (answer.status === 429) answer = await send(second.url, '/_bulk', shipper, one);
      t.match(answer, { status: 200, body: { errors: false } });
      while (!(await isDelivering(second.adminUrl))) await new Promise((resolve) => setTimeout(resolve, 50));
      await second.stop();
      t.equal((await stored(basic('proxy', 'all'))).length, 5, 'what was accepted in the outage is there');
    },
  );
});

t.test(
  'where no credentials are wanted an outage with a restart in it goes on accepting',
  { skip: ownElasticsearchMissing() },
  async (t) => {
    const engine = await startElasticsearch();
    t.teardown(() => engine.remove());
    const dataDir = join(t.testdir(), 'data');
    const one = '{"create":{"_index":"app-1"}}\n{"n":4}\n';
    const first = await startProxy({ dataDir, elasticsearchUrl: engine.url });
    t.match(await send(first.url, '/_bulk', undefined, one), { status: 200 });
    await first.stop();
    await engine.stop();
    // Credentials of the proxy alone would mean that the search engine wants them; what it said itself counts for more.
    await writeFile(join(t.testdirName, 'key'), 'a:b', { mode: 0o600 });
    const environment = { LOGSEAL_ELASTICSEARCH_API_KEY_FILE: join(t.testdirName, 'key') };
    const second = await startProxy({ dataDir, elasticsearchUrl: engine.url, environment });
    t.teardown(() => second.stop());
    t.match(await send(second.url, '/_bulk', undefined, one), { status: 200, body: { errors: false } });
  },
);
