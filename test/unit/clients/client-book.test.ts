/** Who is a client: what counts as one, what it costs to try, and how long it is known. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import type { Identified, Identity } from '../../../src/clients/client-book.ts';
import { ClientBook } from '../../../src/clients/client-book.ts';
import { hashPassword } from '../../../src/clients/password-hash.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const keyHash = await hashPassword('key secret');
const userHash = await hashPassword('a:b c');
const apiKey = (id: string, secret: string) => `ApiKey ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

const text = `clients:
  - name: web
    apiKeys: [{id: k1, hash: ${keyHash}}]
    certificates: [{commonName: 'web-*', dnsName: '*.web.example'}, {fingerprint: '${'AB:'.repeat(31)}AB'}]
    indices: [web-*]
    recordsPerSecond: 10
  - name: app
    users: [{name: app, hash: ${userHash}}]
    indices: [app-*, web-shared]
    pipelines: [app-*]
`;

async function open(t: Test, mode: 'own' | 'either' = 'own') {
  const path = join(t.testdir(), 'clients.yaml');
  await writeFile(path, text, { mode: 0o600 });
  const clock = new ManualClock();
  const book = ClientBook.open({ path, permissions: 'private', mode, clock });
  const who = async (identity: Partial<Identity>): Promise<string> => {
    const found: Identified = await book.identify({
      authorization: undefined,
      certificate: undefined,
      address: '10.0.0.1',
      ...identity,
    });
    return found.kind === 'own' ? found.client.name : found.kind;
  };
  return { path, clock, book, who };
}

const certificate = (commonName: string, dnsNames: string[], fingerprint = '00'.repeat(32)) => ({
  commonName,
  dnsNames,
  uris: [],
  fingerprint,
});

t.test('an API key, a user, or a certificate that is all its rule says', async (t) => {
  const { who } = await open(t);
  t.equal(await who({ authorization: apiKey('k1', 'key secret') }), 'web');
  t.equal(await who({ authorization: apiKey('k1', 'key secret').replace('ApiKey', 'apikey') }), 'web');
  t.equal(await who({ authorization: basic('app', 'a:b c') }), 'app', 'a password may hold colons');
  t.equal(await who({ certificate: certificate('web-1', ['a.web.example']) }), 'web');
  t.equal(await who({ certificate: certificate('web-1', ['a.other.example']) }), 'refused', 'one of two is not enough');
  t.equal(await who({ certificate: certificate('x', [], 'ab'.repeat(32)) }), 'web');
  const good = certificate('web-1', ['a.web.example']);
  t.equal(await who({ certificate: good, authorization: basic('app', 'wrong') }), 'refused', 'a header decides alone');
});

t.test('everything else is refused, or with mode either passed on; a wrong secret of ours never is', async (t) => {
  const { who } = await open(t);
  const either = await open(t, 'either');
  const cases: [string, Partial<Identity>, string][] = [
    ['nothing', {}, 'stranger'],
    ['unknown user', { authorization: basic('elastic', 'x') }, 'stranger'],
    ['unknown key', { authorization: apiKey('k9', 'x') }, 'stranger'],
    ['a token', { authorization: 'Bearer abc' }, 'stranger'],
    ['a key as password', { authorization: basic('k1', 'key secret') }, 'stranger'],
    ['a name without colon', { authorization: `Basic ${Buffer.from('app').toString('base64')}` }, 'stranger'],
    ['not base64', { authorization: 'Basic a!b' }, 'stranger'],
    ['too long', { authorization: basic('app', 'x'.repeat(5000)) }, 'stranger'],
    ['zeros at the end', { authorization: basic('app', 'a:b c\0') }, 'stranger'],
    ['wrong password', { authorization: basic('app', 'a:b') }, 'refused'],
    ['wrong key', { authorization: apiKey('k1', 'key secreT') }, 'refused'],
  ];
  for (const [name, identity, wanted] of cases) {
    t.equal(await who({ ...identity, address: name }), 'refused', name);
    t.equal(await either.who({ ...identity, address: name }), wanted, `${name}, either`);
  }
});

t.test('wrong secrets are counted by address and then not tried; a known one goes on', async (t) => {
  const { who, clock } = await open(t);
  const good = { authorization: apiKey('k1', 'key secret') };
  t.equal(await who(good), 'web');
  const wrong = (n: number) => ({ authorization: basic(n % 2 === 0 ? 'app' : 'nobody', `wrong ${n}`) });
  for (let n = 0; n < 10; n += 1) t.equal(await who(wrong(n)), 'refused');
  await t.rejects(who(wrong(10)), { code: 'CLIENT_LIMITED', details: { retryAfterMs: 5000 } });
  await t.rejects(who({ authorization: basic('app', 'a:b c') }), { code: 'CLIENT_LIMITED' }, 'a right one neither');
  t.equal(await who(wrong(9)), 'refused', 'one that is known to be wrong is not tried again');
  t.equal(await who(good), 'web');
  t.equal(await who({ authorization: basic('app', 'a:b c'), address: '10.0.0.2' }), 'app');
  clock.advance(5_000);
  t.equal(await who(wrong(11)), 'refused', 'one more each five seconds');
  await t.rejects(who(wrong(12)), { code: 'CLIENT_LIMITED' });
});

t.test('the addresses of one IPv6 network count as one', async (t) => {
  const { who } = await open(t);
  for (let n = 0; n < 10; n += 1) {
    t.equal(await who({ authorization: basic('app', `wrong ${n}`), address: `2001:db8::${n}` }), 'refused');
  }
  await t.rejects(who({ authorization: basic('app', 'x'), address: '2001:db8:0:0:9:9:9:9' }), {
    code: 'CLIENT_LIMITED',
  });
  t.equal(await who({ authorization: basic('app', 'x'), address: '2001:db8:0:1::1' }), 'refused');
});

t.test('of tries at once one is computed, the same header once, and too many are not', async (t) => {
  const { who } = await open(t);
  const same = await Promise.all(Array.from({ length: 50 }, () => who({ authorization: basic('app', 'a:b c') })));
  t.strictSame(new Set(same), new Set(['app']));
  const many = await Promise.allSettled(
    Array.from({ length: 300 }, (_, n) => who({ authorization: basic('app', `wrong ${n}`) })),
  );
  const refused = many.filter(({ status }) => status === 'fulfilled');
  t.equal(refused.length, 10, 'as many as an address may fail; the others cost nothing');
});

t.test('a reload takes effect at once, all or nothing, and forgives no rate', async (t) => {
  const { path, book, who } = await open(t);
  const key = { authorization: apiKey('k1', 'key secret') };
  const before = await book.identify({ ...key, certificate: undefined, address: '' });
  if (before.kind === 'own') before.client.rate.take(1000, 0, 0);
  await writeFile(path, `${text}  - name: app\n    users: []\n    indices: []\n`);
  t.throws(() => book.read(), { code: 'CONFIG_INVALID' });
  t.equal(await who(key), 'web');
  await writeFile(path, text.replace('web-shared', 'web-other'));
  book.replace(book.read());
  const after = await book.identify({ ...key, certificate: undefined, address: '' });
  t.match(after, { kind: 'own' });
  if (after.kind === 'own') t.ok(after.client.rate.waitMs(0) > 0);
  await writeFile(path, text.replace('id: k1', 'id: k2'));
  book.replace(book.read());
  t.equal(await who(key), 'refused');
});

t.test('an entry says where, and through which pipelines', async (t) => {
  const { book } = await open(t);
  const found = await book.identify({ authorization: basic('app', 'a:b c'), certificate: undefined, address: '' });
  if (found.kind !== 'own') throw new Error('not found');
  const { client } = found;
  t.strictSame(
    ['app-1', 'app-', 'app', 'web-shared', 'web-shared-2', 'xapp-1'].map((dest) => client.mayWrite(dest)),
    [true, true, false, true, false, false],
  );
  t.strictSame(
    ['app-p', '_none', 'other'].map((name) => client.mayName(name)),
    [true, true, false],
  );
});
