/**
 * Clients of the proxy's own, seen from outside: the real process, a file that `logseal clients` made, and what is found in the
 * store and on the chains afterwards.
 */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { startProxy } from '../helpers/proxy.ts';
import { RawConnection } from '../helpers/raw-http.ts';
import { logseal as command, verifyCommand } from '../helpers/verify-command.ts';

async function logseal(...args: string[]): Promise<string> {
  const { exit, stdout, stderr } = await command(...args);
  if (exit !== 0) throw new Error(`logseal ${args[0]} ended with ${exit}: ${stderr}`);
  return stdout;
}

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

function sender(url: string) {
  return async (path: string, authorization?: string, body?: string, method = body === undefined ? 'GET' : 'POST') => {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (authorization !== undefined) headers.authorization = authorization;
    const answer = await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body }) });
    const text = await answer.text();
    const json = (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>;
    return { status: answer.status, json, headers: answer.headers };
  };
}

const bulkOf = (...dests: string[]) => dests.map((dest) => `{"create":{"_index":"${dest}"}}\n{"n":1}\n`).join('');

t.test('clients of the proxy itself', async (t) => {
  const dir = t.testdir({ password: 'correct horse' });
  const file = join(dir, 'clients.yaml');
  const entry = await logseal(
    'clients',
    'add',
    'web',
    '--index',
    'web-*',
    '--chain',
    'of-web',
    '--key-out',
    join(dir, 'key'),
  );
  const user = await logseal(
    'clients',
    'add',
    'app',
    '--index',
    'app-*',
    '--user',
    'app',
    '--secret-file',
    join(dir, 'password'),
  );
  await writeFile(file, `clients:\n${entry}${user}  recordsPerSecond: 2\n`, { mode: 0o600 });
  t.match(await logseal('clients', 'check', file), /2 clients/);
  const webKey = `ApiKey ${(await readFile(join(dir, 'key'), 'utf8')).trim()}`;
  const appUser = basic('app', 'correct horse');
  const proxy = await startProxy({ dataDir: join(dir, 'data'), environment: { LOGSEAL_CLIENTS_FILE: file } });
  t.teardown(() => proxy.stop());
  const send = sender(proxy.url);
  const said = async (pattern: RegExp) => {
    while (!pattern.test(proxy.output())) await pause(20);
  };

  await t.test('who is not in the file, or has another secret, gets 401 in the shape of Elasticsearch', async (t) => {
    const [id] = Buffer.from(webKey.slice(7), 'base64').toString().split(':');
    const wrongKey = `ApiKey ${Buffer.from(`${id}:wrong`).toString('base64')}`;
    for (const authorization of [undefined, basic('app', 'wrong'), basic('nobody', 'x'), wrongKey, 'Bearer x']) {
      for (const [path, body] of [
        ['/_bulk', bulkOf('web-1')],
        ['/web-1/_doc', '{"n":0}'],
        ['/', undefined],
      ] as const) {
        const answer = await send(path, authorization, body);
        t.equal(answer.status, 401, `${authorization} ${path}`);
        t.match(answer.headers.get('www-authenticate'), /Basic realm="security".*ApiKey/);
        t.match(answer.json, { status: 401, error: { type: 'security_exception', root_cause: [{}] } });
      }
    }
  });

  await t.test('a client writes where its entry says, and nowhere else', async (t) => {
    const answer = await send('/_bulk?refresh=true', webKey, bulkOf('web-1', 'app-1', '.hidden', 'web-2'));
    t.equal(answer.status, 200);
    const items = answer.json.items as { create: { status: number; error?: { type: string; reason: string } } }[];
    t.strictSame(
      items.map((item) => item.create.status),
      [201, 403, 403, 201],
    );
    t.match(items[1]?.create.error, {
      type: 'security_exception',
      reason: /unauthorized for user \[web\] on indices \[app-1\]/,
    });
    t.match(await send('/app-1/_doc', webKey, '{"n":0}'), { status: 403 });
    t.match(await send('/.hidden/_doc', webKey, '{"n":0}'), { status: 403 }, 'what is not signed neither');
    t.match(await send('/web-1/_doc?pipeline=elsewhere', webKey, '{"n":0}'), { status: 403 }, 'nor through a pipeline');
    t.match(await send('/web-1/_doc', webKey, '{"n":0}'), { status: 201 });
  });

  await t.test('the rights of the proxy are not lent: nothing but the handshake is passed on', async (t) => {
    for (const [method, path] of [
      ['GET', '/web-1/_search'],
      ['GET', '/_search'],
      ['GET', '/_nodes/stats'],
      ['GET', '/_nodes'],
      ['GET', '/_cat/indices'],
      ['GET', '/_security/_authenticate'],
      ['PUT', '/_index_template/x'],
      ['DELETE', '/web-1'],
      ['POST', '/_aliases'],
    ] as const) {
      const answer = await send(path, webKey, method === 'GET' ? undefined : '{}', method);
      t.match(answer, { status: 403, json: { error: { type: 'security_exception' } } }, `${method} ${path}`);
    }
    t.match(await send('/?pretty=false&filter_path=version', webKey), { status: 200, json: { version: {} } });
  });

  await t.test('above its rate a client is refused whole, with the time to wait, and others are not', async (t) => {
    const first = await send('/_bulk', appUser, bulkOf(...Array<string>(300).fill('app-1')));
    t.match(first, { status: 200, json: { errors: false } });
    const second = await send('/_bulk', appUser, bulkOf('app-1'));
    t.equal(second.status, 429);
    t.ok(Number(second.headers.get('retry-after')) > 60, 'as long as it owes');
    t.match(await send('/_bulk', webKey, bulkOf('web-1')), { status: 200, json: { errors: false } });
  });

  await t.test('a reload takes a client out at once; a file that is wrong changes nothing', async (t) => {
    await writeFile(file, `clients:\n${user}`, { mode: 0o600 });
    process.kill(proxy.pid, 'SIGHUP');
    await said(/config-reloaded/);
    t.match(await send('/_bulk', webKey, bulkOf('web-1')), { status: 401 });
    await appendFile(file, '  indices: nothing\n');
    process.kill(proxy.pid, 'SIGHUP');
    await said(/config-rejected/);
    t.match(await send('/', appUser), { status: 200 });
  });

  await proxy.stop();
  const output = proxy.output();
  for (const secret of ['correct horse', webKey.slice(7), appUser.slice(6), '$scrypt$'])
    t.notOk(output.includes(secret));
  const dataDir = join(dir, 'data');
  const { chains } = JSON.parse(await readFile(join(dataDir, 'instance.json'), 'utf8')) as {
    chains: { name: string }[];
  };
  t.strictSame(
    chains.map(({ name }) => name).sort(),
    ['app', 'control', 'of-web'],
    'one chain for both web-1 and web-2',
  );
  const key = join(dataDir, 'development-auditor', 'auditor.key.pem');
  const verified = await verifyCommand(dataDir, '--key', key, '--trust', join(dataDir, 'trust.json'));
  t.match(verified.summary, { records: 304, chains: 3 });
  t.strictSame(
    verified.told.filter((line) => !line.startsWith('WEAK')),
    [],
  );
});

t.test('a client that holds all it may have does not keep another one out', async (t) => {
  const dir = t.testdir();
  const entry = (name: string) => logseal('clients', 'add', name, '--index', `${name}-*`, '--key-out', join(dir, name));
  const file = join(dir, 'clients.yaml');
  await writeFile(file, `clients:\n${await entry('greedy')}${await entry('small')}`, { mode: 0o600 });
  const keyOf = async (name: string) => `ApiKey ${(await readFile(join(dir, name), 'utf8')).trim()}`;
  const [greedy, small] = [await keyOf('greedy'), await keyOf('small')];
  const proxy = await startProxy({
    dataDir: join(dir, 'data'),
    environment: { LOGSEAL_CLIENTS_FILE: file, LOGSEAL_INTAKE_REQUESTS_MAX: '16', LOGSEAL_INTAKE_HOLD_MAX: '2s' },
  });
  t.teardown(() => proxy.stop());
  const send = sender(proxy.url);
  // Known before, so that no secret is computed while the places are taken.
  for (const key of [greedy, small]) t.match(await send('/', key), { status: 200 });
  const port = Number(new URL(proxy.url).port);
  const head = `POST /_bulk HTTP/1.1\r\nhost: x\r\nauthorization: ${greedy}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n`;
  const slow = Array.from({ length: 40 }, () => new RawConnection(port).send(`${head}{"create"`));
  t.teardown(() => {
    for (const connection of slow) connection.end();
  });
  // All but fourteen of them are held, then refused: all places that one may have are taken.
  const refused = slow.map(async (connection) => (await connection.answer())?.status);
  const answered: (number | undefined)[] = [];
  for (const each of refused) void each.then((status) => answered.push(status));
  while (answered.length < 26) await pause(20);
  t.strictSame(new Set(answered), new Set([429]));
  for (let n = 0; n < 20; n += 1) {
    t.match(await send('/_bulk', small, bulkOf('small-1')), { status: 200, json: { errors: false } });
  }
  t.equal(answered.length, 26, 'the others have their places still');
  t.match(await send('/_bulk', greedy, bulkOf('greedy-1')), { status: 429 });
});
