import { createPrivateKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Instance } from '../../../src/sequencer/instance.ts';

const made = (dir: string) => Instance.open(dir, 'one', 1000);
const read = (dir: string) => JSON.parse(readFileSync(join(dir, 'instance.json'), 'utf8')) as Record<string, unknown>;

t.test('what was written is read again; the key is the one that it names', async (t) => {
  const dir = t.testdir();
  const first = await made(dir);
  await first.update({ upstream: 'cluster' });
  const again = await Instance.open(dir, 'another', 2000);
  t.strictSame({ ...again.state }, { ...first.state });
  t.equal(again.origin, 'one/logseal');
});

t.test('a file from before there was a checksum gets one', async (t) => {
  const dir = t.testdir();
  const { state } = await made(dir);
  const { vkey, ...old } = { ...state, v: 1 };
  writeFileSync(join(dir, 'instance.json'), JSON.stringify(old));
  t.equal((await made(dir)).state.vkey, vkey);
  t.match(read(dir), { v: 2, vkey, sha256: /^[0-9a-f]{64}$/ });
});

t.test('a damaged file stops the start, which names it', async (t) => {
  const dir = t.testdir();
  await made(dir);
  const path = join(dir, 'instance.json');
  const text = readFileSync(path, 'utf8');
  const damage = [
    text.replace('one', 'onf'),
    text.replace('1000', '1001'),
    text.replace('sha256', 'sha257'),
    text.slice(2),
  ];
  for (const damaged of damage) {
    writeFileSync(path, damaged);
    await t.rejects(made(dir), { code: 'DATA_DIR_INVALID', message: path });
  }
});

t.test('another checkpoint key stops the start, which names it', async (t) => {
  const dir = t.testdir();
  await made(dir);
  const path = join(dir, 'keys', 'checkpoint.pem');
  const der = createPrivateKey(readFileSync(path)).export({ format: 'der', type: 'pkcs8' });
  der[20] = (der[20] as number) ^ 1;
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  writeFileSync(path, key.export({ format: 'pem', type: 'pkcs8' }));
  await t.rejects(made(dir), { code: 'DATA_DIR_INVALID', message: `${path} is damaged` });
  writeFileSync(path, 'no key');
  await t.rejects(made(dir), { code: 'DATA_DIR_INVALID', message: path });
});
