/** `logseal clients`: entries that the proxy takes, and secrets that nobody sees. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ClientBook } from '../../../src/clients/client-book.ts';
import { matchesPassword, parsePasswordHash } from '../../../src/clients/password-hash.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';
import { writeSecret } from '../../helpers/secret-file.ts';
import { runLogseal } from '../../helpers/terminal.ts';

t.test('an entry with a new key, and one with a password from standard input, are taken by the proxy', async (t) => {
  const dir = t.testdir();
  const keyFile = join(dir, 'web.key');
  const web = await runLogseal([
    'clients',
    'add',
    'web',
    '--index',
    'a-*',
    '--index',
    'b',
    '--chain',
    'c',
    '--key-out',
    keyFile,
  ]);
  const app = await runLogseal(['clients', 'add', 'app', '--index', 'app', '--user', 'app'], {}, 'pass: word\n');
  t.match([web, app], [{ exitCode: 0 }, { exitCode: 0 }]);
  t.equal(statSync(keyFile).mode & 0o777, 0o600);
  const key = readFileSync(keyFile, 'utf8').trim();
  const secret = Buffer.from(key, 'base64').toString().split(':')[1] ?? '';
  t.equal(secret.length, 43);
  for (const shown of [web, app]) t.notMatch(shown.stdout + shown.stderr, new RegExp(`${secret}|pass: word`));
  const path = writeSecret(join(dir, 'clients.yaml'), `clients:\n${web.stdout}${app.stdout}`);
  t.match(await runLogseal(['clients', 'check', path]), { exitCode: 0, stdout: /2 clients, nothing wrong/ });
  const book = ClientBook.open({ path, permissions: 'private', mode: 'own', clock: new ManualClock() });
  const who = async (authorization: string) => {
    const found = await book.identify({ authorization, certificate: undefined, address: '' });
    return found.kind === 'own' ? found.client : undefined;
  };
  const client = await who(`ApiKey ${key}`);
  t.match([client?.name, client?.chain, client?.mayWrite('a-1'), client?.mayWrite('c')], ['web', 'c', true, false]);
  t.equal((await who(`Basic ${Buffer.from('app:pass: word').toString('base64')}`))?.name, 'app');
});

t.test('hash takes a secret from a file or standard input', async (t) => {
  const file = join(t.testdir(), 'secret');
  writeFileSync(file, 'from a file\n', { mode: 0o600 });
  for (const [secret, ran] of [
    ['from a file', await runLogseal(['clients', 'hash', '--secret-file', file])],
    ['from a pipe', await runLogseal(['clients', 'hash'], {}, 'from a pipe\r\n')],
  ] as const) {
    const parsed = parsePasswordHash(ran.stdout.trim());
    t.ok(parsed && (await matchesPassword(secret, parsed)), secret);
  }
});

t.test('what cannot be an entry is said in a sentence, and no key is overwritten', async (t) => {
  const dir = t.testdir({ key: 'in use\n' });
  const key = join(dir, 'key');
  const add = ['clients', 'add', 'web', '--index', 'a'];
  const cases: [string[], string, RegExp][] = [
    [add, '', /give --key-out/],
    [[...add, '--user', 'u', '--key-out', key], 'x', /give --key-out/],
    [[...add, '--key-out', key], '', /is there already and is not overwritten/],
    [[...add, '--key-out', join(dir, 'none', 'key')], '', /cannot be written \(ENOENT\)/],
    [[...add, '--user', 'u'], '', /a secret is one line/],
    [[...add, '--user', 'u'], 'two\nlines\n', /a secret is one line/],
    [[...add, '--user', 'u'], 'x'.repeat(5000), /a secret is one line/],
    [['clients', 'add', 'web', '--user', 'u'], 'x', /--index/],
    [['clients', 'check', join(dir, 'nothing')], '', /there is no such file/],
  ];
  for (const [argv, stdin, sentence] of cases) {
    t.match(await runLogseal(argv, {}, stdin), { exitCode: 3, stdout: '', stderr: sentence }, argv.join(' '));
  }
  t.equal(readFileSync(key, 'utf8'), 'in use\n');
});

t.test('config check reads the file of clients too', async (t) => {
  const path = writeSecret(join(t.testdir(), 'clients.yaml'), 'clients: [{name: a}]\n');
  const environment = { LOGSEAL_CLIENTS_FILE: path };
  t.match(await runLogseal(['config', 'check'], environment), { exitCode: 3, stderr: /required property 'indices'/ });
  writeSecret(path, 'clients: []\n');
  t.match(await runLogseal(['config', 'check'], environment), { exitCode: 0 });
});
