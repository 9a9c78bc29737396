/**
 * Clients of the proxy's own in front of a search engine that wants credentials and speaks TLS: each has the rights of its entry and
 * none of the proxy's, whoever is no client of ours has those that the search engine gives it, and one node less is noticed by
 * readyz alone.
 */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import type { Dispatcher } from 'undici';
import { Agent, request } from 'undici';
import { Authority } from '../helpers/authority.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';
import { writeSecret } from '../helpers/secret-file.ts';
import { startTlsFront } from '../helpers/tls-front.ts';
import { logseal } from '../helpers/verify-command.ts';

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const bulkOf = (...dests: string[]) => dests.map((dest) => `{"create":{"_index":"${dest}"}}\n{"n":1}\n`).join('');

interface Answer {
  status: number;
  json: Record<string, unknown>;
}

async function ask(url: string, dispatcher: Dispatcher, body?: string, headers: Record<string, string> = {}) {
  const answer = await request(url, {
    dispatcher,
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { status: answer.statusCode, json: (await answer.body.json()) as Record<string, unknown> };
}

async function reasons({ adminUrl }: RunningProxy): Promise<string[]> {
  const answer = (await (await fetch(`${adminUrl}/readyz`)).json()) as { reasons: { code: string }[] };
  return answer.reasons.map(({ code }) => code);
}

const statuses = ({ json }: Answer) =>
  (json.items as { create: { status: number } }[]).map((item) => item.create.status);

t.test('own clients before a secured cluster of two nodes', { skip: ownElasticsearchMissing() }, async (t) => {
  const engine = await startElasticsearch({
    security: [
      { user: 'proxy', password: 'all', write: ['*'] },
      { user: 'shipper', password: 'ship', write: ['app-*'] },
    ],
  });
  t.teardown(() => engine.remove());
  const cluster = new Authority('cluster authority');
  const node = cluster.issue({ name: 'node', for: 'server', addresses: ['127.0.0.1'] });
  const [one, two] = [
    await startTlsFront(engine.url, node, cluster.certificate),
    await startTlsFront(engine.url, node, cluster.certificate),
  ];
  t.teardown(() => Promise.all([one.away(), two.away()]));
  const dir = t.testdir();
  const clients = new Authority('client authority');
  const [web, other] = [
    clients.issue({ name: 'web-1', for: 'client', dnsNames: ['web-1.example'] }),
    clients.issue({ name: 'somebody', for: 'client' }),
  ];
  const door = cluster.issue({ name: 'proxy', for: 'server', addresses: ['127.0.0.1'] });
  const added = await logseal('clients', 'add', 'job', '--index', 'job-*', '--key-out', join(dir, 'job.key'));
  const certified = '- name: web\n  certificates: [{dnsName: "web-*.example"}]\n  indices: [web-*]\n  chain: of-web\n';
  const proxy = await startProxy({
    dataDir: join(dir, 'data'),
    elasticsearchUrl: `${one.url},${two.url}`,
    environment: {
      LOGSEAL_ELASTICSEARCH_CA_FINGERPRINT: new X509Certificate(cluster.certificate).fingerprint256,
      LOGSEAL_ELASTICSEARCH_API_KEY_FILE: writeSecret(join(dir, 'key'), Buffer.from('proxy:all').toString('base64')),
      LOGSEAL_CLIENTS_FILE: writeSecret(join(dir, 'clients.yaml'), `clients:\n${added.stdout}${certified}`),
      LOGSEAL_CLIENTS_MODE: 'either',
      LOGSEAL_TLS_CERTIFICATE_FILE: writeSecret(join(dir, 'door.pem'), door.certificate),
      LOGSEAL_TLS_KEY_FILE: writeSecret(join(dir, 'door.key'), door.key),
      LOGSEAL_TLS_CLIENT_CA_FILE: writeSecret(join(dir, 'clients.pem'), clients.certificate),
      LOGSEAL_TLS_CLIENT_CERTIFICATES: 'request',
    },
  });
  t.teardown(() => proxy.stop());
  const url = proxy.url.replace('http:', 'https:');
  const agents = [web, other, undefined].map(
    (own) =>
      new Agent({
        connect: { ca: cluster.certificate, ...(own && { cert: own.certificate, key: own.key }) },
      }),
  );
  const [asWeb, asOther, asNobody] = agents as [Agent, Agent, Agent];
  t.teardown(() => Promise.all(agents.map((agent) => agent.destroy())));
  const proxyUser = { authorization: basic('proxy', 'all') };
  const count = async (index: string) => {
    await fetch(`${engine.url}/${index}/_refresh`, { method: 'POST', headers: proxyUser });
    const answer = await fetch(`${engine.url}/${index}/_count`, { headers: proxyUser });
    return answer.status === 404 ? 0 : ((await answer.json()) as { count: number }).count;
  };

  await t.test(
    'a certificate is an identity: it writes where its entry says, with rights that nobody else has',
    async (t) => {
      const answer = await ask(`${url}/_bulk?refresh=true`, asWeb, bulkOf('web-1', 'app-1'));
      t.strictSame(statuses(answer), [201, 403]);
      t.equal(await count('web-1'), 1);
      t.match(await ask(`${url}/_bulk`, asOther, bulkOf('web-1')), { status: 401 }, 'another of the same authority');
      t.match(await ask(`${url}/_bulk`, asNobody, bulkOf('web-1')), { status: 401 }, 'in the words of Elasticsearch');
      t.match(await ask(`${url}/`, asWeb), { status: 200, json: { version: {} } });
      t.match(await ask(`${url}/web-1/_search`, asWeb), { status: 403 }, 'the rights of the proxy are not lent');
    },
  );

  await t.test('an API key of the proxy is one, and its wrong secret is not passed on', async (t) => {
    const { readFile } = await import('node:fs/promises');
    const key = (await readFile(join(dir, 'job.key'), 'utf8')).trim();
    const right = { authorization: `ApiKey ${key}` };
    const [id] = Buffer.from(key, 'base64').toString().split(':');
    const wrong = { authorization: `ApiKey ${Buffer.from(`${id}:all`).toString('base64')}` };
    t.strictSame(statuses(await ask(`${url}/_bulk`, asNobody, bulkOf('job-1', 'web-1'), right)), [201, 403]);
    t.match(await ask(`${url}/_bulk`, asNobody, bulkOf('job-1'), wrong), {
      status: 401,
      json: { error: { reason: /unable to authenticate user/ } },
    });
  });

  await t.test(
    'who is no client of ours has the rights that Elasticsearch gives, with and without a certificate',
    async (t) => {
      const shipper = { authorization: basic('shipper', 'ship') };
      for (const agent of [asNobody, asOther, asWeb]) {
        t.strictSame(statuses(await ask(`${url}/_bulk`, agent, bulkOf('app-1', 'web-1'), shipper)), [201, 403]);
      }
      const seen = await ask(`${url}/_security/_authenticate`, asWeb, undefined, shipper);
      t.match(seen, { status: 200, json: { username: 'shipper' } });
    },
  );

  await t.test('a node that goes away is left out, named by readyz, and taken again when it is back', async (t) => {
    while ((await reasons(proxy)).length > 0) await pause(50);
    const stored = await count('web-1');
    await one.away();
    let sent = 0;
    while (!(await reasons(proxy)).includes('upstream-node-out')) {
      t.match(await ask(`${url}/_bulk`, asWeb, bulkOf('web-1')), { status: 200, json: { errors: false } });
      sent += 1;
      await pause(20);
    }
    for (let n = 0; n < 10; n += 1) {
      t.match(await ask(`${url}/`, asWeb), { status: 200 }, 'what is passed on goes to the other');
      t.match(await ask(`${url}/_bulk?refresh=true`, asWeb, bulkOf('web-1')), { status: 200, json: { errors: false } });
    }
    while ((await count('web-1')) < stored + sent + 10) await pause(50);
    const before = one.taken;
    await one.back();
    while ((await reasons(proxy)).includes('upstream-node-out')) await pause(50);
    t.ok(one.taken > before, 'asked again');
    t.equal(await count('web-1'), stored + sent + 10, 'each once');
  });
});
