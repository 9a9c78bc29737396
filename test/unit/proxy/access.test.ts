/** What both ports want of whoever comes in, and what the log and readyz say about it. */
import { chownSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../../../src/config/load.ts';
import type { AdminServer } from '../../../src/http/admin-server.ts';
import type { HttpServer } from '../../../src/http/server.ts';
import type { EventName } from '../../../src/log.ts';
import { Access } from '../../../src/proxy/access.ts';
import type { Issued } from '../../helpers/authority.ts';
import { Authority } from '../../helpers/authority.ts';
import { writeSecret } from '../../helpers/secret-file.ts';

const authority = new Authority('our authority');
const good = authority.issue({ name: 'localhost', for: 'server' });
const other = authority.issue({ name: 'localhost', for: 'server' });
const expired = authority.issue({ name: 'localhost', for: 'server', expired: true });
const token = 'the-token-of-an-operator';

function write(dir: string, name: string, issued: Issued): Record<string, string> {
  return {
    LOGSEAL_TLS_CERTIFICATE_FILE: writeSecret(join(dir, `${name}.pem`), issued.certificate),
    LOGSEAL_TLS_KEY_FILE: writeSecret(join(dir, `${name}.key`), issued.key),
  };
}

function open(environment: Record<string, string>) {
  const said: [EventName, Record<string, unknown>][] = [];
  const { config } = loadConfig({ environment });
  const access = new Access(config, { event: (name, fields = {}) => said.push([name, fields]) });
  return { access, said, names: () => said.map(([name]) => name) };
}

/** Keeps what it is given; real ports are in tls.test.ts and admin-server.test.ts. */
function doors() {
  const given: unknown[] = [];
  const replaceTlsFiles = (files: unknown) => given.push(files);
  const server = { replaceTlsFiles } as unknown as HttpServer;
  const admin = {
    replaceTlsFiles,
    set token(next: string) {
      given.push(next);
    },
  } as unknown as AdminServer;
  return { given, server, admin };
}

const tokenFile = (dir: string) => ({ LOGSEAL_ADMIN_TOKEN_FILE: writeSecret(join(dir, 'token'), `${token}\n`) });

t.test('on loopback nothing is wanted and nothing is said', async (t) => {
  const { access, names } = open({});
  t.strictSame([access.intakeTls, access.adminTls, access.adminToken], [undefined, undefined, undefined]);
  t.strictSame([names(), access.reasons()], [[], []]);
});

t.test('reached by other machines without TLS: a warning, and a note in readyz', async (t) => {
  const everywhere = { LOGSEAL_LISTEN: '0.0.0.0:9280', LOGSEAL_ADMIN_LISTEN: '0.0.0.0:9281' };
  const clear = open({ ...everywhere, ...tokenFile(t.testdir()) });
  t.strictSame(clear.names(), ['intake-in-clear', 'admin-in-clear']);
  t.match(clear.access.reasons(), [/0\.0\.0\.0 without TLS/]);
  const secured = open({ ...everywhere, ...tokenFile(t.testdirName), ...write(t.testdirName, 'good', good) });
  t.strictSame([secured.names(), secured.access.reasons()], [[], []]);
  t.ok(secured.access.adminTls, 'admin.tls auto: both ports');
  const off = open({
    ...everywhere,
    LOGSEAL_ADMIN_TLS: 'off',
    ...tokenFile(t.testdirName),
    ...write(t.testdirName, 'good', good),
  });
  t.strictSame(off.names(), ['admin-in-clear']);
  t.notMatch(JSON.stringify([clear.said, off.said]), token);
});

t.test('on loopback the admin port has TLS only if told so', async (t) => {
  const dir = t.testdir();
  t.equal(open(write(dir, 'good', good)).access.adminTls, undefined);
  const ca = { LOGSEAL_ADMIN_CLIENT_CA_FILE: writeSecret(join(dir, 'ca'), authority.certificate) };
  t.match(open({ ...write(dir, 'good', good), LOGSEAL_ADMIN_TLS: 'on', ...ca }).access.adminTls, {
    clientCertificates: 'require',
    files: { clientCa: authority.certificate },
  });
  t.match(open({ ...write(dir, 'good', good), LOGSEAL_ADMIN_TLS: 'on' }).access.adminTls, {
    clientCertificates: 'none',
  });
});

t.test('files that do not fit are refused with a sentence that names them', async (t) => {
  const dir = t.testdir();
  const mixed = { ...write(dir, 'good', good), LOGSEAL_TLS_KEY_FILE: writeSecret(join(dir, 'other.key'), other.key) };
  t.throws(() => open(mixed), { message: /other\.key: is not the key of the first certificate in .*good\.pem/ });
  const swapped = {
    ...write(dir, 'good', good),
    LOGSEAL_TLS_KEY_FILE: writeSecret(join(dir, 'no.key'), good.certificate),
  };
  t.throws(() => open(swapped), { message: /no\.key: holds no PEM private key/ });
  const broken = writeSecret(
    join(dir, 'broken.pem'),
    good.certificate.replace(/[A-Za-z0-9]{20}/, 'AAAAAAAAAAAAAAAAAAAA'),
  );
  t.throws(() => open({ ...write(dir, 'good', good), LOGSEAL_TLS_CERTIFICATE_FILE: broken }), {
    message: /broken\.pem: /,
  });
  const ca = writeSecret(join(dir, 'ca.pem'), good.certificate);
  const client = { LOGSEAL_TLS_CLIENT_CA_FILE: ca, LOGSEAL_TLS_CLIENT_CERTIFICATES: 'require' };
  t.throws(() => open({ ...write(dir, 'good', good), ...client }), { message: /ca\.pem: .*not one of an authority/ });
});

t.test('an expired certificate: a start goes on and says so, a reload to it changes nothing', async (t) => {
  const dir = t.testdir();
  const started = open(write(dir, 'expired', expired));
  t.match(started.said, [['tls-certificate-invalid', { reason: /expired at/ }]]);
  t.match(started.access.reasons(), [/the certificate expired at/]);
  t.match(started.access.expiries, [{ door: 'intake' }]);
  t.ok((started.access.expiries[0]?.notAfterMs ?? Number.NaN) < Date.now(), 'for the metrics');
  const { access } = open(write(dir, 'good', good));
  const { server, admin, given } = doors();
  const { config } = loadConfig({ environment: write(dir, 'expired', expired) });
  t.throws(() => access.prepare(config, server, admin), { message: /expired\.pem: the certificate expired at/ });
  t.strictSame(given, []);
});

t.test('files that changed under the same names are taken at a reload, both ports at once', async (t) => {
  const dir = t.testdir();
  const environment = { ...write(dir, 'good', good), ...tokenFile(dir), LOGSEAL_ADMIN_TLS: 'on' };
  const { access } = open(environment);
  const { server, admin, given } = doors();
  const { config } = loadConfig({ environment });
  t.strictSame(access.prepare(config, server, admin).changes, []);
  write(dir, 'good', other);
  writeSecret(join(dir, 'token'), 'another-token-of-his');
  const prepared = access.prepare(config, server, admin);
  t.strictSame(given, [], 'looking changes nothing');
  t.match(prepared.changes, [/^certificate [0-9a-f]{64}$/, 'admin token']);
  prepared.apply();
  t.match(given, [{ certificate: other.certificate }, { certificate: other.certificate }, 'another-token-of-his']);
  t.equal(access.intakeTls?.files.certificate, other.certificate);
});

t.test('handshakes that fail by the thousand are a line a minute', async (t) => {
  const { access, said } = open(write(t.testdir(), 'good', good));
  for (let n = 0; n < 1000; n += 1) {
    access.intakeTls?.failed('ERR_SSL_HTTP_REQUEST', '10.0.0.1');
    access.intakeTls?.failed('ERR_SSL_UNSUPPORTED_PROTOCOL', '10.0.0.1');
    access.refused('token', '10.0.0.1');
  }
  t.match(said, [
    ['tls-plain-http', { door: 'intake', from: '10.0.0.1', leftOut: 0 }],
    ['tls-handshake-failed', { reason: 'ERR_SSL_UNSUPPORTED_PROTOCOL' }],
    ['admin-refused', { reason: 'token' }],
  ]);
  t.equal(said.length, 3);
});

const notRoot = process.getuid?.() !== 0 && 'only root can give a file to another user';

t.test('a secret file of another user is refused', { skip: notRoot }, async (t) => {
  const environment = tokenFile(t.testdir());
  chownSync(join(t.testdirName, 'token'), 65_534, 65_534);
  t.throws(() => open(environment), { message: /belongs to user 65534, who can change it/ });
  t.doesNotThrow(() => open({ ...environment, LOGSEAL_SECRETS_PERMISSIONS: 'any' }));
});
