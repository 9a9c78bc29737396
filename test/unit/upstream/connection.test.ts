import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Test } from 'tap';
import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import type { ConnectionOptions } from '../../../src/upstream/connection.ts';
import { Connection } from '../../../src/upstream/connection.ts';
import type { FakeNode } from '../../helpers/fake-node.ts';
import { fakeNode, fakeSocket, json } from '../../helpers/fake-node.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const clock = new ManualClock();
/** Nothing listens there, and nothing may: the port is reserved. */
const nowhere = 'http://127.0.0.1:1';

function open(t: Test, nodes: string[], more: Partial<ConnectionOptions> = {}): Connection {
  const connection = new Connection({ nodes, requestTimeoutMs: 5000, clock, ...more });
  t.teardown(() => connection.close());
  return connection;
}

async function node(t: Test, ...given: Parameters<typeof fakeNode>): Promise<FakeNode> {
  const made = await fakeNode(...given);
  t.teardown(() => made.close());
  return made;
}

async function failure(promise: Promise<unknown>): Promise<LogsealError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LogsealError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

t.test('several nodes take turns, and a base path and a unix socket are kept to', async (t) => {
  const first = await node(t, (_request, response) => json(response, 200, { n: 1 }));
  const second = await node(t, (_request, response) => json(response, 404, { n: 2 }));
  // A socket's path has about 100 bytes at most; the test's own folder is longer.
  const folder = await mkdtemp(join(tmpdir(), 'logseal-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const third = await node(t, (_request, response) => json(response, 200, { n: 3 }), join(folder, 'x.sock'));
  const connection = open(t, [first.url, `${second.url}/base/`, third.url]);
  const answers = [];
  for (let n = 0; n < 6; n += 1) answers.push(await connection.ask('GET', '/x?y'));
  t.strictSame(
    answers.map(({ body }) => body),
    [1, 2, 3, 1, 2, 3].map((n) => ({ n })),
  );
  t.equal(answers[1]!.status, 404, 'any status is an answer');
  t.equal(second.asked[0]!.path, '/base/x?y');
  t.equal(third.asked[0]!.path, '/x?y');
  t.match(connection.names, [first.url, second.url, /^unix:\//]);
});

t.test('a node that cannot be reached is passed over, rests, and is tried again later', async (t) => {
  const well = await node(t, (_request, response) => json(response, 200, {}));
  let sick = 0;
  const away = await fakeSocket(() => {
    sick += 1;
  });
  const { url } = away;
  await away.close();
  const connection = open(t, [url, well.url]);
  for (let n = 0; n < 4; n += 1) t.equal((await connection.ask('GET', '/')).status, 200);
  t.equal(sick, 0);
  t.equal(well.asked.length, 4);
  const { port } = new URL(url);
  const { createServer } = await import('node:http');
  const back = createServer((_request, response) => {
    sick += 1;
    response.end('{}');
  });
  await new Promise<void>((resolve) => back.listen(Number(port), '127.0.0.1', resolve));
  t.teardown(() => {
    back.closeAllConnections();
    back.close();
  });
  await connection.ask('GET', '/');
  await connection.ask('GET', '/');
  t.equal(sick, 0, 'still resting');
  t.strictSame(connection.out, [url]);
  clock.advance(60_000);
  while (connection.out.length > 0) await pause(5);
  t.equal(sick, 1, 'asked by a question of its own, not with a request');
  await connection.ask('GET', '/');
  await connection.ask('GET', '/');
  t.equal(sick, 2, 'back in turn');
});

t.test('nobody to be reached is UPSTREAM_REFUSED: nothing was sent', async (t) => {
  const error = await failure(open(t, [nowhere, `unix:${join(t.testdir(), 'none.sock')}`]).ask('POST', '/_bulk', {}));
  t.equal(error.code, 'UPSTREAM_REFUSED');
});

t.test('once a byte may have left, a failure is UPSTREAM_UNKNOWN and no other node is asked', async (t) => {
  const other = await node(t, (_request, response) => json(response, 200, {}));
  const faults: [string, (socket: import('node:net').Socket) => void][] = [
    ['reset after the request', (socket) => socket.once('data', () => socket.resetAndDestroy())],
    ['end without an answer', (socket) => socket.once('data', () => socket.end())],
    [
      'half an answer',
      (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"a"')),
    ],
    ['no HTTP', (socket) => socket.once('data', () => socket.end('what?\r\n\r\n'))],
    ['silence', () => {}],
  ];
  for (const [name, fault] of faults) {
    const bad = await fakeSocket(fault);
    t.teardown(() => bad.close());
    const connection = open(t, [bad.url, other.url], { requestTimeoutMs: name === 'silence' ? 200 : 5000 });
    t.equal((await failure(connection.ask('POST', '/_bulk', { a: 1 }))).code, 'UPSTREAM_UNKNOWN', name);
  }
  t.equal(other.asked.length, 0);
});

t.test('a request that is still waiting for a socket at its time-out was certainly not sent', async (t) => {
  let requests = 0;
  const stuck = await fakeSocket((socket) => socket.on('data', () => (requests += 1)));
  t.teardown(() => stuck.close());
  const connection = open(t, [stuck.url], { connectionsMax: 1, requestTimeoutMs: 400 });
  const first = failure(connection.ask('GET', '/first'));
  const second = failure(connection.request({ method: 'GET', path: '/second', requestTimeoutMs: 100 }));
  t.equal((await second).code, 'UPSTREAM_REFUSED');
  t.equal((await first).code, 'UPSTREAM_UNKNOWN');
  t.equal(requests, 1, 'the second never left, not even later');
});

t.test('an answer past the bound is cut off, not kept', async (t) => {
  const endless = await node(t, (_request, response) => {
    response.writeHead(200);
    response.end('x'.repeat(200_000));
  });
  t.equal(
    (await failure(open(t, [endless.url], { answerBytesMax: 100_000 }).ask('GET', '/'))).code,
    'UPSTREAM_UNKNOWN',
  );
});

t.test('credentials go to the engine in each of their forms, and never into an error or a name', async (t) => {
  const seen = await node(t, (_request, response) => json(response, 200, {}));
  const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;
  const forms: [Partial<ConnectionOptions>, string, string | undefined][] = [
    [{ username: 'me', password: 'se:cret' }, seen.url, basic('me:se:cret')],
    [{ apiKey: 'id:se:cret' }, seen.url, `ApiKey ${Buffer.from('id:se:cret').toString('base64')}`],
    [{ apiKey: 'c2VjcmV0\n', username: 'me' }, seen.url, 'ApiKey c2VjcmV0'],
    [{}, seen.url.replace('//', '//me:se%3Acret@'), basic('me:se:cret')],
    [{}, seen.url, undefined],
  ];
  for (const [options, url, expected] of forms) {
    const connection = open(t, [url], options);
    await connection.ask('GET', '/');
    t.equal(seen.asked.at(-1)!.authorization, expected);
    t.strictSame(connection.names, [seen.url]);
    t.notMatch(inspect(connection), /cret/, 'not even when somebody logs the object');
    await connection.ask('GET', '/', undefined, 'Basic Y2xpZW50');
    t.equal(seen.asked.at(-1)!.authorization, 'Basic Y2xpZW50', "a client's own");
    await connection.ask('GET', '/', undefined, null);
    t.equal(seen.asked.at(-1)!.authorization, undefined, 'none at all');
  }
  const error = await failure(open(t, ['http://me:se%3Acret@127.0.0.1:1']).ask('GET', '/'));
  t.notMatch(inspect(error, { depth: 10 }), /cret/);
  t.notMatch(inspect(await failure((async () => open(t, ['ftp://me:secret@x']).names)())), /secret/);
  t.equal((await failure((async () => open(t, []).names)())).code, 'CONFIG_INVALID');
});
