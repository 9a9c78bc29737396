/**
 * TLS of the port for shippers, tried by clients that are not ours: openssl, curl, undici, node:tls. What must be refused is
 * first shown to pass at a server without our bounds, so that no refusal is the client's own.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { get as plainGet } from 'node:http';
import { Agent as HttpsAgent, get as secureGet } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect as plainConnect } from 'node:net';
import { join } from 'node:path';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { createServer, connect as secureConnect } from 'node:tls';
import type { Test } from 'tap';
import t from 'tap';
import { Client, fetch } from 'undici';
import type { TlsFiles } from '../../../src/config/tls-files.ts';
import type { ClientCertificate } from '../../../src/http/client-certificate.ts';
import { clientCertificate } from '../../../src/http/client-certificate.ts';
import type { DoorTls } from '../../../src/http/door.ts';
import { createDoor, replaceFiles } from '../../../src/http/door.ts';
import { Authority } from '../../helpers/authority.ts';
import { run } from '../../helpers/command.ts';

const ours = new Authority('our authority');
const theirs = new Authority('somebody else');
const first = ours.issue({ name: 'localhost', for: 'server', dnsNames: ['localhost'], addresses: ['127.0.0.1'] });
const second = ours.issue({ name: 'localhost', for: 'server', dnsNames: ['localhost'], addresses: ['127.0.0.1'] });
const shipper = ours.issue({
  name: 'shipper-1',
  for: 'client',
  dnsNames: ['shipper.example', 'b.example'],
  uris: ['spiffe://example/shipper,DNS:evil.example'],
  addresses: ['10.1.2.3'],
});

const files = (changes: Partial<TlsFiles> = {}): TlsFiles => ({
  ...first,
  clientCa: undefined,
  minVersion: 'TLSv1.2',
  ...changes,
});

interface Door {
  port: number;
  /** Reasons of failed handshakes. */
  failed: string[];
  seen: (ClientCertificate | undefined)[];
  replace(files: TlsFiles): void;
}

async function open(t: Test, tls: Partial<DoorTls> = {}): Promise<Door> {
  const failed: string[] = [];
  const seen: (ClientCertificate | undefined)[] = [];
  const server = createDoor(
    { keepAliveTimeout: 60_000 },
    { files: files(), clientCertificates: 'none', failed: (reason) => failed.push(reason), ...tls },
  );
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    seen.push(clientCertificate(request.socket));
    request.resume().on('end', () => response.end('here'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    port: (server.address() as AddressInfo).port,
    failed,
    seen,
    replace: (next) => replaceFiles(server, next),
  };
}

/** What `openssl s_client` agreed on; undefined where there was no handshake. OPENSSL_CONF keeps the machine's bounds out. */
async function probe(port: number, ...args: string[]): Promise<string | undefined> {
  const all = ['s_client', '-connect', `127.0.0.1:${port}`, '-brief', ...args];
  const env = { PATH: process.env.PATH, OPENSSL_CONF: '/dev/null' };
  const text = await run('/bin/sh', ['-c', 'exec openssl "$@" 2>&1', 'sh', ...all], { env, input: '' }).catch(
    () => undefined,
  );
  return text === undefined ? undefined : /^Ciphersuite: (.*)$/m.exec(text)?.[1];
}

/** Resolves with the socket once the server has taken it, which with TLS 1.3 is later than the client's own handshake. */
function secure(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = secureConnect({ port, host: '127.0.0.1', ca: ours.certificate, ...options });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.once('data', () => resolve(socket));
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  });
}

/** The same probe against a server that takes everything. */
async function control(t: Test): Promise<number> {
  const server = createServer({
    cert: first.certificate,
    key: first.key,
    minVersion: 'TLSv1',
    ciphers: 'ALL:eNULL:@SECLEVEL=0',
    dhparam: 'auto',
  });
  server.on('tlsClientError', () => undefined);
  server.on('secureConnection', (socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

const weak = (cipher: string) => ['-tls1_2', '-cipher', `${cipher}:@SECLEVEL=0`];

t.test('only TLS 1.2 and 1.3, with forward secrecy and authenticated ciphers', async (t) => {
  const { port } = await open(t);
  const anything = await control(t);
  const refused: [string, string[]][] = [
    ['TLS 1.0', ['-tls1', '-cipher', 'ALL:@SECLEVEL=0']],
    ['TLS 1.1', ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']],
    ['CBC', weak('ECDHE-RSA-AES128-SHA256')],
    ['CBC with SHA-1', weak('ECDHE-RSA-AES256-SHA')],
    ['no forward secrecy', weak('AES128-GCM-SHA256')],
    ['finite-field groups', weak('DHE-RSA-AES128-GCM-SHA256')],
    ['no server authentication', weak('ADH-AES128-GCM-SHA256:AECDH-AES128-SHA')],
    ['no encryption', weak('NULL-SHA256')],
  ];
  for (const [name, args] of refused) {
    t.ok(await probe(anything, ...args), `${name}: the probe works`);
    t.equal(await probe(port, ...args), undefined, `${name} is refused`);
  }
  const taken = ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'];
  for (const cipher of taken) t.equal(await probe(port, '-tls1_2', '-cipher', cipher), cipher);
  for (const suite of ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']) {
    t.equal(await probe(port, '-tls1_3', '-ciphersuites', suite), suite);
  }
  t.equal(await probe(port, '-tls1_3', '-ciphersuites', 'TLS_AES_128_CCM_SHA256'), undefined);
  const strict = await open(t, { files: files({ minVersion: 'TLSv1.3' }) });
  t.equal(await probe(strict.port, '-tls1_2'), undefined, 'minVersion TLSv1.3');
  t.ok(await probe(strict.port, '-tls1_3'));
});

t.test('curl, undici and Node speak to it, over HTTP/1.1', async (t) => {
  const { port } = await open(t);
  const dir = t.testdir({ 'ca.pem': ours.certificate });
  const url = `https://localhost:${port}/`;
  const curl = (...args: string[]) =>
    run('curl', ['-sS', '--noproxy', '*', '--resolve', `localhost:${port}:127.0.0.1`, ...args, url]);
  const version = await run('curl', ['--version']).catch(() => undefined);
  if (version !== undefined) {
    t.equal(await curl('--cacert', join(dir, 'ca.pem'), '-w', ' %{http_version}'), 'here 1.1');
    t.match(await curl().catch((error: unknown) => error), { exitCode: 60 }, 'an unknown authority');
  }
  const client = new Client(url, { connect: { ca: ours.certificate, allowH2: true }, allowH2: true });
  t.teardown(() => client.destroy());
  t.equal(await (await fetch(url, { dispatcher: client })).text(), 'here');
  const socket = await secure(port, { ALPNProtocols: ['h2', 'http/1.1'] });
  t.equal(socket.alpnProtocol, 'http/1.1');
  socket.destroy();
  await t.rejects(secure(port, { ALPNProtocols: ['h2'] }), { message: /no application protocol/ });
});

t.test('who does not finish the handshake, speaks plain HTTP or garbage is cut off, and named', async (t) => {
  const { port, failed } = await open(t, { handshakeMsMax: 200 });
  const silent = plainConnect(port, '127.0.0.1');
  await new Promise((resolve) =>
    silent
      .once('close', resolve)
      .on('error', () => undefined)
      .resume(),
  );
  t.strictSame(failed.splice(0), ['ERR_TLS_HANDSHAKE_TIMEOUT']);
  await t.rejects(
    new Promise((resolve, reject) => plainGet({ port, host: '127.0.0.1' }, resolve).on('error', reject)),
    { code: 'ECONNRESET' },
  );
  t.strictSame(failed.splice(0), ['ERR_SSL_HTTP_REQUEST']);
  const garbage = plainConnect(port, '127.0.0.1');
  garbage.write('\x16\x03\x01garbage garbage garbage');
  await new Promise((resolve) =>
    garbage
      .once('close', resolve)
      .on('error', () => undefined)
      .resume(),
  );
  t.match(failed, [/^ERR_/]);
});

t.test('client certificates: none is asked for, asked for, wanted', async (t) => {
  const clientCa = ours.certificate;
  const stranger = theirs.issue({ name: 'shipper-1', for: 'client' });
  const expired = ours.issue({ name: 'shipper-1', for: 'client', expired: true });
  const serverOnly = first;
  const identity = (issued: { certificate: string; key: string }) => ({ cert: issued.certificate, key: issued.key });
  const ask = async (door: Door, options: ConnectionOptions) => {
    (await secure(door.port, options)).destroy();
    return door.seen.at(-1);
  };
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const required = await open(t, { files: files({ clientCa }), clientCertificates: 'require' });
    t.match(await ask(required, { ...identity(shipper), maxVersion }), {
      commonName: 'shipper-1',
      dnsNames: ['shipper.example', 'b.example'],
      uris: ['spiffe://example/shipper,DNS:evil.example'],
      addresses: ['10.1.2.3'],
      fingerprint: /^[0-9a-f]{64}$/,
    });
    for (const [name, options] of Object.entries({
      none: {},
      stranger: identity(stranger),
      expired: identity(expired),
      serverOnly: identity(serverOnly),
    })) {
      await t.rejects(ask(required, { ...options, maxVersion }), Error, `${maxVersion}: ${name} does not get in`);
    }
    t.equal(required.seen.length, 1, 'no request of theirs was seen');
    const asked = await open(t, { files: files({ clientCa }), clientCertificates: 'request' });
    t.match(await ask(asked, { ...identity(shipper), maxVersion }), { commonName: 'shipper-1' });
    t.equal(await ask(asked, { maxVersion }), undefined, 'without one');
    for (const one of [stranger, expired, serverOnly]) {
      t.equal(await ask(asked, { ...identity(one), maxVersion }), undefined, 'one that is not verified is as none');
    }
  }
  const none = await open(t);
  t.equal(await ask(none, identity(shipper)), undefined);
});

t.test('a new certificate under load: no request fails, open connections go on, new ones get it', async (t) => {
  const door = await open(t);
  const fingerprint = (socket: TLSSocket) => socket.getPeerX509Certificate()?.fingerprint256;
  const old = await secure(door.port);
  const ask = (agent: HttpsAgent | false) =>
    new Promise<void>((resolve, reject) => {
      const options = { port: door.port, host: '127.0.0.1', ca: ours.certificate, agent };
      secureGet(options, (response) => response.resume().on('end', resolve)).on('error', reject);
    });
  const kept = new HttpsAgent({ keepAlive: true, maxSockets: 4 });
  t.teardown(() => kept.destroy());
  let answered = 0;
  let over = false;
  const client = async (agent: HttpsAgent | false) => {
    while (!over) {
      await ask(agent);
      answered += 1;
    }
  };
  const clients = Promise.all([client(false), client(false), client(kept), client(kept), client(kept)]);
  for (let round = 0; round < 20; round += 1) {
    door.replace(files(round % 2 === 0 ? second : first));
    const before = answered;
    while (answered < before + 10) await Promise.race([clients, new Promise((resolve) => setImmediate(resolve))]);
  }
  door.replace(files(second));
  over = true;
  await clients;
  t.strictSame(door.failed, []);
  const young = await secure(door.port);
  t.not(fingerprint(young), fingerprint(old));
  old.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await new Promise((resolve, reject) => old.once('data', resolve).once('error', reject));
  t.pass('the connection from before is served');
  old.destroy();
  young.destroy();
});

t.test('a client authority that was taken away lets nobody in, not even by a session from before', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const door = await open(t, { files: files({ clientCa: ours.certificate }), clientCertificates: 'require' });
    const options = { cert: shipper.certificate, key: shipper.key, maxVersion };
    const sessions: Buffer[] = [];
    const socket = secureConnect({ port: door.port, host: '127.0.0.1', ca: ours.certificate, ...options });
    await new Promise<void>((resolve) => {
      socket.on('session', (session) => {
        sessions.push(session);
        resolve();
      });
    });
    socket.destroy();
    const session = sessions.at(-1) as Buffer;
    const resumed = await secure(door.port, { ...options, session });
    t.equal(resumed.isSessionReused(), true, `${maxVersion}: the session is good`);
    t.match(door.seen.at(-1), { commonName: 'shipper-1' }, 'and has its identity');
    resumed.destroy();
    door.replace(files({ clientCa: theirs.certificate }));
    await t.rejects(secure(door.port, { ...options, session }), Error, `${maxVersion}: no longer`);
  }
});
