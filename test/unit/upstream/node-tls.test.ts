/** How a node is recognised, on real TLS sockets: an authority, a fingerprint, and what must not pass for one. */
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import t from 'tap';
import { Connection } from '../../../src/upstream/connection.ts';
import type { NodeTls } from '../../../src/upstream/node-connector.ts';
import { Authority } from '../../helpers/authority.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const authority = new Authority('cluster authority');
const stranger = new Authority('cluster authority');
const good = authority.issue({ name: 'node', for: 'server', addresses: ['127.0.0.1'] });
const fingerprintOf = (pem: string) => new X509Certificate(pem).fingerprint256;
const pinned = fingerprintOf(authority.certificate);

interface TlsNode {
  url: string;
  /** Requests that came. */
  asked: () => number;
  replace: (chain: string[], key: string) => void;
  hangUp: () => void;
}

async function listen(t: Test, chain: string[], key: string, clientCa?: string): Promise<TlsNode> {
  let asked = 0;
  const server = createServer(
    {
      cert: chain.join('\n'),
      key,
      ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
    },
    (request, response) => {
      asked += 1;
      response.end(JSON.stringify({ client: (request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? null }));
    },
  );
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    hangUp: () => server.closeAllConnections(),
    // Sessions too, or the old certificate would go on to count in them.
    replace: (cert, newKey) => {
      server.setSecureContext({ cert: cert.join('\n'), key: newKey });
      server.closeAllConnections();
    },
  };
}

async function ask(t: Test, url: string, tls: NodeTls): Promise<unknown> {
  const connection = new Connection({ nodes: [url], requestTimeoutMs: 5_000, clock: new ManualClock(), ...tls });
  t.teardown(() => connection.close());
  await connection.ask('GET', '/');
  return (await connection.ask('GET', '/')).body;
}

t.test('the fingerprint of the authority, or of the node, is enough', async (t) => {
  const whole = await listen(t, [good.certificate, authority.certificate], good.key);
  t.match(await ask(t, whole.url, { caFingerprint: pinned }), { client: null });
  t.match(await ask(t, whole.url, { caFingerprint: pinned.replaceAll(':', '').toLowerCase() }), { client: null });
  t.match(await ask(t, whole.url, { ca: authority.certificate }), { client: null });
  const alone = await listen(t, [good.certificate], good.key);
  t.match(await ask(t, alone.url, { caFingerprint: fingerprintOf(good.certificate) }), { client: null });
  const elsewhere = authority.issue({ name: 'node', for: 'server', dnsNames: ['other.example'] });
  const renamed = await listen(t, [elsewhere.certificate], elsewhere.key);
  t.match(
    await ask(t, renamed.url, { caFingerprint: fingerprintOf(elsewhere.certificate) }),
    { client: null },
    'whatever it is called',
  );
});

t.test('who only shows the certificate of the authority is not believed, and is sent nothing', async (t) => {
  const forged = stranger.issue({ name: 'node', for: 'server', addresses: ['127.0.0.1'] });
  const expired = authority.issue({ name: 'node', for: 'server', addresses: ['127.0.0.1'], expired: true });
  const elsewhere = authority.issue({ name: 'node', for: 'server', dnsNames: ['other.example'] });
  const cases: [string, { certificate: string; key: string }, string[], string][] = [
    ['signed by another of the same name', forged, [authority.certificate], pinned],
    ['expired', expired, [authority.certificate], pinned],
    ['another host under the same authority', elsewhere, [authority.certificate], pinned],
    ['no such fingerprint', good, [authority.certificate], fingerprintOf(stranger.certificate)],
    ['the authority not sent along', good, [], pinned],
  ];
  for (const [name, node, more, caFingerprint] of cases) {
    const server = await listen(t, [node.certificate, ...more], node.key);
    await t.rejects(ask(t, server.url, { caFingerprint }), { code: 'UPSTREAM_REFUSED' }, name);
    t.equal(server.asked(), 0, name);
  }
});

t.test('a node with a new certificate under the same authority is taken, under another it is not', async (t) => {
  const server = await listen(t, [good.certificate, authority.certificate], good.key);
  const connection = new Connection({
    nodes: [server.url],
    requestTimeoutMs: 5_000,
    clock: new ManualClock(),
    caFingerprint: pinned,
  });
  t.teardown(() => connection.close());
  t.equal((await connection.ask('GET', '/')).status, 200);
  const renewed = authority.issue({ name: 'node', for: 'server', addresses: ['127.0.0.1'] });
  server.replace([renewed.certificate, authority.certificate], renewed.key);
  t.equal((await connection.ask('GET', '/')).status, 200);
  const taken = stranger.issue({ name: 'node', for: 'server', addresses: ['127.0.0.1'] });
  server.replace([taken.certificate, authority.certificate], taken.key);
  await t.rejects(connection.ask('GET', '/'), { code: 'UPSTREAM_REFUSED' });
  t.equal(server.asked(), 2);
});

t.test('a cluster that asks for a certificate gets that of the proxy', async (t) => {
  const own = authority.issue({ name: 'logseal', for: 'client' });
  const server = await listen(t, [good.certificate, authority.certificate], good.key, authority.certificate);
  for (const trust of [{ ca: authority.certificate }, { caFingerprint: pinned }]) {
    t.match(await ask(t, server.url, { ...trust, certificate: own.certificate, key: own.key }), { client: 'logseal' });
    await t.rejects(ask(t, server.url, trust), { code: /^UPSTREAM_/ });
  }
});

t.test('other certificates are believed and shown from the next socket on', async (t) => {
  const own = authority.issue({ name: 'proxy', for: 'client' });
  const next = authority.issue({ name: 'proxy, renewed', for: 'client' });
  const node = await listen(t, [good.certificate], good.key, authority.certificate);
  const shown = { certificate: own.certificate, key: own.key };
  const wrong = { ca: stranger.certificate, ...shown };
  const connection = new Connection({ nodes: [node.url], requestTimeoutMs: 5_000, clock: new ManualClock(), ...wrong });
  t.teardown(() => connection.close());
  await t.rejects(connection.ask('GET', '/'), { code: 'UPSTREAM_REFUSED' }, 'another authority than that of the node');
  connection.replaceCredentials({ ca: authority.certificate, ...shown });
  t.match((await connection.ask('GET', '/')).body, { client: 'proxy' });
  connection.replaceCredentials({ ca: authority.certificate, certificate: next.certificate, key: next.key });
  t.match((await connection.ask('GET', '/')).body, { client: 'proxy' }, 'the open socket goes on');
  node.hangUp();
  let answer: { body: unknown } | undefined;
  // The socket may be found closed only by asking.
  while (answer === undefined) answer = await connection.ask('GET', '/').catch(() => undefined);
  t.match(answer.body, { client: 'proxy, renewed' });
});
