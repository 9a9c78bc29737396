/** The admin port: who may ask, how much he may send, and what answers. On a real socket. */
import type { Test } from 'tap';
import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import type { AdminOptions, AdminRoute } from '../../../src/http/admin-server.ts';
import { AdminServer } from '../../../src/http/admin-server.ts';
import { healthRoutes } from '../../../src/http/health.ts';
import { RawConnection } from '../../helpers/raw-http.ts';

const full = { code: 'log-full', reason: 'the log is full' };
const health = healthRoutes({
  readiness: () => ({ ready: false, reasons: [full], notCovered: ['metrics-cpu'] }),
  metrics: { contentType: 'text/plain', text: async () => 'logseal_up 1\n' },
});
const acts: AdminRoute[] = [
  {
    method: 'POST',
    path: '/echo',
    answer: ({ body, query }) => ({ status: 200, body: { body, ask: query.get('ask') } }),
  },
  {
    method: 'POST',
    path: '/fail',
    answer({ body }) {
      if (body === 'refuse') throw new LogsealError('REQUEST_REFUSED', 'not that way');
      if (body === 'retry') throw new LogsealError('LOG_FULL', 'no room');
      throw new Error('the text of a secret');
    },
  },
];

async function start(t: Test, options: Partial<AdminOptions> = {}) {
  const refused: string[] = [];
  const failed: unknown[] = [];
  const admin = await AdminServer.start({
    host: '127.0.0.1',
    port: 0,
    routes: [...health, ...acts],
    token: undefined,
    refused: (why) => refused.push(why),
    failed: (error) => failed.push(error),
    ...options,
  });
  t.teardown(() => admin.stop());
  const ask = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${admin.address.port}${path}`, init);
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  return { admin, ask, post, refused, failed };
}

t.test('tells life, readiness and metrics, and nothing else', async (t) => {
  const { admin, ask } = await start(t);
  t.equal((await ask('/livez')).status, 200);
  const waiting = await ask('/readyz?verbose');
  t.equal(waiting.status, 503);
  t.same(await waiting.json(), { ready: false, reasons: [full], notCovered: ['metrics-cpu'] });
  t.equal(await (await ask('/metrics')).text(), 'logseal_up 1\n');
  t.equal((await ask('/metrics', { method: 'HEAD' })).status, 200);
  t.equal((await ask('/')).status, 404);
  const wrong = await ask('/livez', { method: 'POST' });
  t.strictSame([wrong.status, wrong.headers.get('allow')], [405, 'GET']);
  const taken = AdminServer.start({
    host: '127.0.0.1',
    port: admin.address.port,
    routes: health,
    token: undefined,
    refused: () => undefined,
    failed: () => undefined,
  });
  await t.rejects(taken, { code: 'EADDRINUSE' });
});

t.test('with a token: life and whether it is ready for everybody, all else for its holder', async (t) => {
  const { admin, ask, post, refused } = await start(t, { token: 'a-token-of-an-operator' });
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  t.equal((await ask('/livez')).status, 200);
  t.same(await (await ask('/readyz')).json(), { ready: false }, 'no reasons for strangers');
  t.match(await (await ask('/readyz', bearer('a-token-of-an-operator'))).json(), { reasons: [full] });
  for (const path of ['/metrics', '/no-such-path']) {
    const answer = await ask(path);
    t.equal(answer.status, 401, path);
    t.match(answer.headers.get('www-authenticate'), /^Bearer/);
  }
  t.equal((await ask('/metrics', bearer('a-token-of-an-operator'))).status, 200);
  for (const token of ['a-token-of-an-operatoR', 'a-token-of-an-operator2', 'a', '%00']) {
    t.equal((await ask('/metrics', bearer(token))).status, 401, token);
  }
  t.equal((await ask('/metrics', { headers: { authorization: 'Basic YTpi' } })).status, 401);
  t.equal((await post('/echo', 1)).status, 401);
  t.equal((await post('/echo', 1, bearer('a-token-of-an-operator').headers)).status, 200);
  t.same([...new Set(refused)], ['token']);
  admin.token = 'the-next-token-of-him';
  t.equal((await ask('/metrics', bearer('a-token-of-an-operator'))).status, 401, 'replaced');
  t.equal((await ask('/metrics', bearer('the-next-token-of-him'))).status, 200);
});

t.test('without a token a page in a browser on this machine can neither read nor act', async (t) => {
  const { admin, ask, post, refused } = await start(t);
  const { port } = admin.address;
  const named = async (host: string) => {
    const connection = new RawConnection(port).send(
      `GET /metrics HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
    );
    return (await connection.answer())?.status;
  };
  for (const host of ['localhost', `LOCALHOST:${port}`, `127.0.0.1:${port}`, '127.9.9.9', `[::1]:${port}`]) {
    t.equal(await named(host), 200, host);
  }
  const rebound = [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '',
  ];
  for (const host of rebound) t.equal(await named(host), 403, `"${host}"`);
  t.same([...new Set(refused)], ['host']);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonp']) {
    t.equal((await post('/echo', 1, { 'content-type': type })).status, 415, type);
  }
  t.equal((await ask('/echo', { method: 'OPTIONS' })).status, 405, 'no preflight is answered');
  const answer = await post('/echo?ask=a%20b', { deep: [1] }, { 'content-type': 'application/json; charset=utf-8' });
  t.same(await answer.json(), { body: { deep: [1] }, ask: 'a b' });
});

t.test('bodies are bounded and checked, and what goes wrong inside is not shown', async (t) => {
  const { ask, post, failed } = await start(t);
  t.equal((await post('/echo', 'x'.repeat(1024 * 1024))).status, 413);
  const headers = { 'content-type': 'application/json' };
  t.equal((await ask('/echo', { method: 'POST', headers, body: '{' })).status, 400);
  t.equal((await ask('/echo', { method: 'POST', headers })).status, 400, 'no body');
  const refused = await post('/fail', 'refuse');
  t.equal(refused.status, 400);
  t.same(await refused.json(), { error: 'not that way', code: 'REQUEST_REFUSED' });
  t.equal((await post('/fail', 'retry')).status, 503);
  t.equal(failed.length, 0);
  const broken = await post('/fail', 'break');
  t.equal(broken.status, 500);
  t.notMatch(await broken.text(), /secret/);
  t.match(failed, [{ message: 'the text of a secret' }]);
});
