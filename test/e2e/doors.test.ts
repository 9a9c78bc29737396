/**
 * The real proxy with TLS, client certificates and an admin token: certificates and token replaced under load by SIGHUP, a wrong
 * reload that changes nothing, and secrets that nobody finds in what the process shows of itself.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { connect } from 'node:tls';
import type { Test } from 'tap';
import t from 'tap';
import { Agent, fetch } from 'undici';
import type { Issued } from '../helpers/authority.ts';
import { Authority } from '../helpers/authority.ts';
import { projectDir } from '../helpers/cache.ts';
import { startChild } from '../helpers/child.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { freePort, startProxy } from '../helpers/proxy.ts';
import { writeSecret } from '../helpers/secret-file.ts';
import { logseal } from '../helpers/verify-command.ts';

const servers = new Authority('servers');
const clients = new Authority('clients');
const localhost = () =>
  servers.issue({ name: 'localhost', for: 'server', dnsNames: ['localhost'], addresses: ['127.0.0.1'] });
const shipper = clients.issue({ name: 'shipper-1', for: 'client' });

const isLinux = process.platform === 'linux';

/** Lines of the proxy's log with this event. */
function eventsOf(proxy: RunningProxy, name: string): Record<string, unknown>[] {
  return proxy
    .output()
    .split('\n')
    .filter((line) => line.includes(`"event":"${name}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Sends SIGHUP and resolves with the event that says what became of it. */
async function reload(proxy: RunningProxy): Promise<Record<string, unknown>> {
  const outcomes = () => [...eventsOf(proxy, 'config-reloaded'), ...eventsOf(proxy, 'config-rejected')];
  const before = outcomes().map((event) => JSON.stringify(event));
  process.kill(proxy.pid, 'SIGHUP');
  for (;;) {
    const found = outcomes().find((event) => !before.includes(JSON.stringify(event)));
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function fingerprintAt(port: number, identity: Partial<Issued> = {}): Promise<string> {
  const { certificate: cert, key } = identity;
  const socket: TLSSocket = connect({
    port,
    host: '127.0.0.1',
    ca: servers.certificate,
    ...(cert && key ? { cert, key } : {}),
  });
  await once(socket, 'secureConnect');
  const found = socket.getPeerX509Certificate()?.fingerprint256 ?? '';
  socket.destroy();
  return found;
}

interface Setting {
  dir: string;
  proxy: RunningProxy;
  intake: string;
  admin: string;
  ports: [intake: number, admin: number];
  /** Trusts the servers' authority, and shows a certificate. */
  shipping: Agent;
  operating: Agent;
}

const token = 'canary-token-0123456789';
const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

async function begin(t: Test): Promise<Setting> {
  const dir = t.testdir();
  const first = localhost();
  const environment = {
    LOGSEAL_CONFIG: join(dir, 'logseal.yaml'),
    LOGSEAL_TLS_CERTIFICATE_FILE: writeSecret(join(dir, 'server.pem'), first.certificate),
    LOGSEAL_TLS_KEY_FILE: writeSecret(join(dir, 'server.key'), first.key),
    LOGSEAL_TLS_CLIENT_CA_FILE: writeSecret(join(dir, 'clients.pem'), clients.certificate),
    LOGSEAL_TLS_CLIENT_CERTIFICATES: 'require',
    LOGSEAL_ADMIN_TLS: 'on',
    LOGSEAL_ADMIN_TOKEN_FILE: writeSecret(join(dir, 'token'), `${token}\n`),
  };
  writeFileSync(environment.LOGSEAL_CONFIG, 'log:\n  level: info\n');
  const proxy = await startProxy({ dataDir: join(dir, 'data'), environment });
  t.teardown(() => proxy.stop());
  const [intake, admin] = [proxy.url, proxy.adminUrl].map((url) => url.replace('http:', 'https:'));
  const ca = servers.certificate;
  const shipping = new Agent({ connect: { ca, cert: shipper.certificate, key: shipper.key } });
  const operating = new Agent({ connect: { ca } });
  t.teardown(() => Promise.all([shipping.destroy(), operating.destroy()]));
  const ports = [proxy.url, proxy.adminUrl].map((url) => Number(new URL(url).port));
  return { dir, proxy, intake, admin, ports, shipping, operating } as Setting;
}

t.test('TLS on both ports, a client certificate and a token', async (t) => {
  const { dir, proxy, intake, admin, ports, shipping, operating } = await begin(t);
  const send = (dispatcher: Agent, n = 0) =>
    fetch(`${intake}/web/_doc`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"n":${n}}`,
      dispatcher,
    });
  t.equal((await send(shipping)).status, 201);
  await t.rejects(send(operating), 'no certificate, no connection');
  const ask = (path: string, headers = {}) => fetch(`${admin}${path}`, { headers, dispatcher: operating });
  t.equal((await ask('/livez')).status, 200);
  t.strictSame(await (await ask('/readyz')).json(), { ready: true });
  t.equal((await ask('/metrics')).status, 401);
  t.equal((await ask('/metrics', bearer(token))).status, 200);
  await t.rejects(globalThis.fetch(`${proxy.url}/`), 'plain HTTP gets nothing');
  while (eventsOf(proxy, 'tls-plain-http').length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  t.match(eventsOf(proxy, 'tls-plain-http'), [{ door: 'intake', from: '127.0.0.1' }]);

  await t.test('a new certificate, a new token and a new level by SIGHUP: no request under way fails', async (t) => {
    const before = await fingerprintAt(ports[0], shipper);
    let sent = 0;
    let over = false;
    const load = Promise.all(
      [0, 1, 2].map(async (client) => {
        // The last opens a connection for each request.
        for (; !over; sent += 1) {
          const dispatcher =
            client < 2
              ? shipping
              : new Agent({ connect: { ca: servers.certificate, cert: shipper.certificate, key: shipper.key } });
          const answer = await send(dispatcher, sent);
          await answer.arrayBuffer();
          if (answer.status !== 201) throw new Error(`answered ${answer.status}`);
          if (client === 2) await dispatcher.close();
        }
      }),
    );
    const more = async (count: number) => {
      const until = sent + count;
      while (sent < until) await Promise.race([load, new Promise((resolve) => setTimeout(resolve, 5))]);
    };
    await more(20);
    const second = localhost();
    writeSecret(join(dir, 'server.key'), second.key);
    writeSecret(join(dir, 'server.pem'), second.certificate);
    writeSecret(join(dir, 'token'), 'canary-token-the-second');
    writeFileSync(join(dir, 'logseal.yaml'), 'log:\n  level: debug\nack: store\nintake:\n  bodyBytesMax: 1KiB\n');
    t.match(await reload(proxy), {
      event: 'config-reloaded',
      settings: ['intake.bodyBytesMax', 'log.level'],
      changes: [/^certificate [0-9a-f]{64}$/, 'admin token'],
    });
    // Written after the other, and read from a pipe.
    while (eventsOf(proxy, 'config-needs-restart').length === 0)
      await new Promise((resolve) => setTimeout(resolve, 10));
    t.match(eventsOf(proxy, 'config-needs-restart'), [{ settings: ['ack'] }]);
    await more(20);
    over = true;
    await load;
    const after = await fingerprintAt(ports[0], shipper);
    t.not(after, before);
    t.equal(await fingerprintAt(ports[1]), after, 'the admin port has it too');
    t.equal((await ask('/metrics', bearer(token))).status, 401, 'the old token is out');
    t.equal((await ask('/metrics', bearer('canary-token-the-second'))).status, 200);
    const large = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"a":"${'x'.repeat(2048)}"}`,
    };
    t.equal((await fetch(`${intake}/web/_doc`, { ...large, dispatcher: shipping })).status, 413, 'the new bound holds');
  });

  await t.test('one wrong file, and nothing of all that is new is taken', async (t) => {
    const before = await fingerprintAt(ports[0], shipper);
    const third = localhost();
    writeSecret(join(dir, 'server.pem'), third.certificate);
    writeSecret(join(dir, 'token'), 'canary-token-the-third');
    writeFileSync(join(dir, 'logseal.yaml'), 'log:\n  level: info\n');
    t.match(await reload(proxy), { event: 'config-rejected', error: { message: /server\.key: is not the key of/ } });
    t.equal(await fingerprintAt(ports[0], shipper), before);
    t.equal((await ask('/metrics', bearer('canary-token-the-second'))).status, 200, 'the token in force stays');
    writeSecret(join(dir, 'server.key'), third.key);
    writeFileSync(join(dir, 'logseal.yaml'), 'log:\n  level: loud\n');
    t.match(await reload(proxy), { event: 'config-rejected', error: { message: /log\.level/ } });
    t.equal(await fingerprintAt(ports[0], shipper), before);
    writeFileSync(join(dir, 'logseal.yaml'), 'log:\n  level: info\n');
    t.match(await reload(proxy), { event: 'config-reloaded', changes: [/^certificate/, 'admin token'] });
    t.not(await fingerprintAt(ports[0], shipper), before);
    t.equal((await send(shipping)).status, 201);
  });

  await t.test('no secret is in what the process shows of itself', { skip: !isLinux && 'needs /proc' }, async (t) => {
    const shown = ['cmdline', 'environ', 'status', 'limits'].map((name) =>
      readFileSync(`/proc/${proxy.pid}/${name}`, 'utf8'),
    );
    t.match(shown[1], /LOGSEAL_ADMIN_TOKEN_FILE=/, 'this is its environment');
    const key = readFileSync(join(dir, 'server.key'), 'utf8').split('\n')[3] as string;
    const metrics = await (await ask('/metrics', bearer('canary-token-the-third'))).text();
    for (const text of [...shown, proxy.output(), metrics]) t.notMatch(text, /canary-token/);
    for (const text of [...shown, proxy.output(), metrics]) t.notOk(text.includes(key));
    process.kill(proxy.pid, 'SIGUSR1');
    while (eventsOf(proxy, 'debugger-refused').length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    t.notMatch(proxy.output(), /Debugger listening/);
  });
});

t.test('a password in a URL is refused, not repeated, and the sentence says where it belongs', async (t) => {
  const environment = { LOGSEAL_ELASTICSEARCH_URL: 'https://elastic:canary-password@127.0.0.1:9200' };
  const started = await startProxy({ dataDir: join(t.testdir(), 'data'), environment }).catch((error: Error) => error);
  t.match(started, { message: /must not hold credentials: use elasticsearch\.username with passwordFile/ });
  t.notMatch((started as Error).message, /canary-password/);
  const flag = ['--elasticsearch-url', 'https://elastic:canary-password@127.0.0.1:9200'];
  const checked = await logseal('config', 'check', ...flag);
  t.notMatch(checked.stdout + checked.stderr, /canary-password/);
});

t.test('SIGHUP during the start does not end it: the reload comes after', async (t) => {
  const [port, adminPort] = [await freePort(), await freePort()];
  const child = await startChild({
    command: process.execPath,
    args: [join(projectDir, 'src', 'main.ts')],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      LOGSEAL_DATA_DIR: join(t.testdir(), 'data'),
      LOGSEAL_LISTEN: `127.0.0.1:${port}`,
      LOGSEAL_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    },
    ready: /proxy-starting/,
  });
  t.teardown(() => child.stop());
  process.kill(child.pid, 'SIGHUP');
  let ended = false;
  child.ended.then(() => {
    ended = true;
  });
  const reloaded = () => child.output().includes('config-reloaded');
  while (!ended && !reloaded()) await new Promise((resolve) => setTimeout(resolve, 10));
  t.ok(reloaded(), child.output());
  t.equal(await child.stop(), 0);
});
