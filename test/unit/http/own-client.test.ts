/** What of a request by a client of the proxy's own reaches the search engine: the question, and nothing in anybody's name. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { ClientBook } from '../../../src/clients/client-book.ts';
import { hashPassword } from '../../../src/clients/password-hash.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import type { IntakeServerOptions } from '../../helpers/intake-server.ts';
import { post, startIntakeServer } from '../../helpers/intake-server.ts';

const hash = await hashPassword('secret');
const authorization = `Basic ${Buffer.from('app:secret').toString('base64')}`;

async function start(t: Test, mode: 'own' | 'either' = 'own', options: IntakeServerOptions = {}) {
  const path = join(t.testdir(), 'clients.yaml');
  const entry = `  - name: app\n    users: [{name: app, hash: ${hash}}]\n    indices: [app-*, .own]\n    pipelines: [good]\n`;
  await writeFile(path, `clients:\n${entry}    bytesPerSecond: 1KiB\n`, { mode: 0o600 });
  const clients = ClientBook.open({ path, permissions: 'private', mode, clock: systemClock });
  return startIntakeServer(t, { ...options, clients, ownAuthorization: 'ApiKey of-the-proxy' });
}

t.test(
  'a handshake is asked by the proxy itself: its credentials, a chosen few parameters, nothing else',
  async (t) => {
    const server = await start(t);
    const headers = {
      authorization,
      accept: 'application/json',
      'es-security-runas-user': 'elastic',
      'x-forwarded-for': '10.0.0.1',
      cookie: 'a=b',
      'x-opaque-id': 'mine',
    };
    const query = 'level=indices&wait_for_status=green&timeout=1h&pretty&filter_path=status&h=a%26b&error_trace';
    const answer = await fetch(`${server.url}//_cluster/health?${query}`, { headers });
    t.equal(answer.status, 200);
    const [asked] = server.asked;
    t.equal(asked?.url, '/_cluster/health?pretty=&filter_path=status&h=a%26b');
    t.equal(asked?.headers.authorization, 'ApiKey of-the-proxy');
    t.strictSame(Object.keys(asked?.headers ?? {}).sort(), [
      'accept',
      'authorization',
      'connection',
      'host',
      'x-opaque-id',
    ]);
    t.equal(answer.headers.get('x-opaque-id'), 'mine');
    t.equal((await fetch(`${server.url}/_nodes/_all/http`, { headers })).status, 200);
    t.equal(server.asked[1]?.url, '/_nodes/_all/http');
  },
);

t.test('everything else is refused, and nobody is asked', async (t) => {
  const server = await start(t);
  const headers = { authorization };
  for (const [method, path] of [
    ['GET', '/_nodes'],
    ['GET', '/_nodes/http/..%2f..%2f_security'],
    ['GET', '/_nodes/stats'],
    ['GET', '/_cluster/health/app-1'],
    ['GET', '/app-1/_search'],
    ['GET', '/app-1/_doc/1'],
    ['OPTIONS', '/_bulk'],
    ['POST', '/_refresh'],
    ['PUT', '/_index_template/app'],
    ['DELETE', '/app-1'],
    ['POST', '/app-1/_update/1'],
    ['POST', '/_reindex'],
    ['PUT', '/.own/_doc/1'],
  ] as const) {
    const answer = await fetch(server.url + path, { method, headers });
    t.equal(answer.status, 403, `${method} ${path}`);
    t.match(await answer.json(), { error: { type: 'security_exception' }, status: 403 });
  }
  const body =
    '{"create":{"_index":".own"}}\n{"n":1}\n{"delete":{"_index":".own","_id":"1"}}\n{"create":{"_index":"app-1"}}\n{"n":2}\n';
  const bulk = await post(`${server.url}/_bulk`, body, headers);
  t.match(bulk.json, {
    items: [{ create: { status: 403 } }, { delete: { status: 403 } }, { create: { status: 201 } }],
  });
  t.strictSame(server.asked, []);
  t.strictSame(
    server.intake.records.map(({ dest }) => dest),
    ['app-1'],
  );
});

t.test('a pipeline has to be allowed by name, wherever it stands', async (t) => {
  const server = await start(t);
  const headers = { authorization };
  const named = (pipeline: string) => `{"create":{"_index":"app-1","pipeline":"${pipeline}"}}\n{"n":1}\n`;
  t.match(await post(`${server.url}/_bulk`, named('good'), headers), { status: 200 });
  t.match(await post(`${server.url}/_bulk`, named('good') + named('bad'), headers), { status: 403 });
  t.match(await post(`${server.url}/app-1/_bulk?pipeline=bad`, '{"create":{}}\n{"n":1}\n', headers), { status: 403 });
  t.match(await post(`${server.url}/app-1/_doc?pipeline=bad`, '{"n":1}', headers), { status: 403 });
  t.equal(server.intake.records.length, 1, 'nothing of a request that is refused');
});

t.test('who owes is refused before the body is read, in the shape that shippers send again for', async (t) => {
  const server = await start(t);
  const headers = { authorization };
  const large = `{"create":{"_index":"app-1"}}\n{"text":"${'x'.repeat(100_000)}"}\n`;
  t.match(await post(`${server.url}/_bulk`, large, headers), { status: 200 });
  const refused = await post(`${server.url}/_bulk`, large, headers);
  t.match(refused, { status: 429, json: { error: { type: 'es_rejected_execution_exception' }, status: 429 } });
  const wait = Number(refused.headers.get('retry-after'));
  t.ok(wait > 60 && wait < 100, `after ${wait} s`);
  t.match(await post(`${server.url}/app-1/_doc`, '{"n":1}', headers), { status: 429 });
  t.equal(server.intake.records.length, 1);
});

t.test('mode either: who is not in the file is passed on as before, with its own credentials', async (t) => {
  const asked: (string | undefined)[] = [];
  const server = await start(t, 'either', {
    authorize: async (authorization) => {
      asked.push(authorization);
      return { kind: 'ok' };
    },
  });
  const other = { authorization: 'Bearer abc', 'es-security-runas-user': 'x' };
  t.match(await post(`${server.url}/web-1/_doc`, '{"n":1}', other), { status: 201 });
  t.strictSame(asked, ['Bearer abc']);
  t.equal((await fetch(`${server.url}/web-1/_search`, { headers: other })).status, 200);
  t.match(server.asked[0]?.headers, other);
  t.match(await post(`${server.url}/app-1/_doc`, '{"n":1}', { authorization }), { status: 201 });
  t.strictSame(asked, ['Bearer abc'], 'nobody is asked about our own');
  const wrong = { authorization: `Basic ${Buffer.from('app:wrong').toString('base64')}` };
  t.match(await post(`${server.url}/app-1/_doc`, '{"n":1}', wrong), { status: 401 });
});

t.test('what the proxy was answered stands in during an outage for its own clients alone', async (t) => {
  const server = await start(t, 'either');
  const headers = { authorization };
  t.equal((await fetch(`${server.url}/_license`, { headers })).status, 200);
  await server.upstream.stop();
  t.equal((await fetch(`${server.url}/_license`, { headers })).status, 200);
  t.equal((await fetch(`${server.url}/_license`)).status, 503);
});
