import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { readClientFile } from '../../../src/clients/client-file.ts';
import { hashPassword, matchesPassword, parsePasswordHash, unmatchable } from '../../../src/clients/password-hash.ts';
import { RateLimit } from '../../../src/clients/rate-limit.ts';
import { LogsealError } from '../../../src/errors.ts';

const hash = await hashPassword('secret');

t.test('a hash is of one secret, with its own salt and cost; weak and boundless ones are none', async (t) => {
  const parsed = parsePasswordHash(hash);
  if (parsed === undefined) throw new Error('not readable');
  t.ok(await matchesPassword('secret', parsed));
  for (const wrong of ['', 'Secret', 'secret ']) t.notOk(await matchesPassword(wrong, parsed), wrong);
  t.not(await hashPassword('secret'), hash);
  t.notOk(await matchesPassword('secret', unmatchable(parsed)));
  const cheap = parsePasswordHash(hash.replace('$15$', () => '$14$'));
  t.notOk(cheap && (await matchesPassword('secret', cheap)), 'another cost is another hash');
  for (const [from, to] of [
    ['$15$', '$13$'],
    ['$15$', '$18$'],
    ['$8$', '$9$'],
    ['$8$1$', '$8$0$'],
    ['$8$1$', '$8$5$'],
    ['scrypt', 'md5'],
    ['$scrypt', 'scrypt'],
  ] as const) {
    t.equal(parsePasswordHash(hash.replace(from, () => to)), undefined, to);
  }
  t.equal(parsePasswordHash(hash.slice(0, -1)), undefined);
});

t.test('a file that is wrong is refused with every problem, its line, and no secret', async (t) => {
  const path = join(t.testdir(), 'clients.yaml');
  const read = async (text: string, mode = 0o600) => {
    await writeFile(path, text, { mode });
    try {
      return readClientFile(path, 'private');
    } catch (error) {
      if (error instanceof LogsealError && error.code === 'CONFIG_INVALID') return error.message;
      throw error;
    }
  };
  const good = `clients:\n  - name: a\n    apiKeys: [{id: k, hash: ${hash}}]\n    indices: [a-*]\n    bytesPerSecond: 10MiB\n    chain: c\n`;
  t.match(await read(good), [{ name: 'a', indices: ['a-*'], chain: 'c', bytesPerSecond: 10 * 1024 * 1024 }]);
  t.strictSame(await read('clients: []\n'), []);
  const cases: [string, RegExp[]][] = [
    ['', [/clients/]],
    ['clients: [{name: a}]\n', [/:1: clients\.0 must have required property 'indices'/]],
    [good.replace('name: a', 'name: a b'), [/:2: clients\.0\.name must match pattern/]],
    [good.replace('indices: [a-*]', 'indices: []'), [/:4: clients\.0\.indices must NOT have fewer than 1/]],
    [good.replace('chain: c', 'chain: control'), [/:6: clients\.0\.chain control is the proxy's own/]],
    [good.replace('chain: c', 'password: hunter2'), [/:6: clients\.0\.password is no member/]],
    [good.replace(hash, 'a, hunter2: hunter2'), [/:3: clients\.0\.apiKeys\.0 has a member that is none/]],
    [good.replace(hash, 'hunter2'), [/:3: clients\.0\.apiKeys\.0 hash must be one that `logseal clients hash`/]],
    [good.replace('10MiB', '0B'), [/:5: clients\.0\.bytesPerSecond must be more/]],
    [`${good}  - name: a\n    indices: [x]\n`, [/client a stands in the file twice/, /:7: .* a has neither apiKeys/]],
    [
      `${good}  - name: b\n    apiKeys: [{id: k, hash: ${hash}}]\n    indices: [x]\n`,
      [/API key k stands in the file twice/],
    ],
    [`${good}  - name: b\n    certificates: [{}]\n    indices: [x]\n`, [/clients\.1\.certificates\.0/]],
    ['clients: [\n', [/flow/i]],
  ];
  for (const [text, wanted] of cases) {
    const found = await read(text);
    for (const pattern of wanted) t.match(found, pattern);
    t.notMatch(found, /hunter2|\$scrypt/);
  }
  const { chmod, rm } = await import('node:fs/promises');
  await chmod(path, 0o644);
  t.throws(() => readClientFile(path, 'private'), /others can read it/);
  await rm(path);
  t.throws(() => readClientFile(path, 'private'), /there is no such file/);
});

t.test('the example is one', async (t) => {
  const example = join(import.meta.dirname, '..', '..', '..', 'config', 'clients.yaml');
  t.match(readClientFile(example, 'any'), [{ name: 'web', chain: 'web' }, { name: 'legacy' }, { name: 'edge' }]);
});

t.test('a rate holds in the mean: one larger request is taken whole, and owed', async (t) => {
  const rate = new RateLimit({ recordsPerSecond: 100, bytesPerSecond: undefined });
  t.equal(rate.waitMs(0), 0);
  rate.take(150, 1e9, 0);
  t.equal(rate.waitMs(0), 0, 'two seconds of it at once');
  rate.take(350, 0, 0);
  t.equal(rate.waitMs(0), 3000);
  t.ok(rate.waitMs(2900) > 0);
  t.equal(rate.waitMs(3010), 0);
  const same = new RateLimit({ recordsPerSecond: 100, bytesPerSecond: 5 }, rate);
  same.take(100, 0, 3010);
  t.ok(rate.waitMs(3010) > 0, 'the same account after a reload');
  const bytes = new RateLimit({ recordsPerSecond: undefined, bytesPerSecond: 1000 });
  bytes.take(1, 12_000, 0);
  t.equal(bytes.waitMs(0), 10_000);
  t.equal(new RateLimit({ recordsPerSecond: undefined, bytesPerSecond: undefined }).waitMs(5), 0);
});
