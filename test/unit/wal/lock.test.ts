import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { DirectoryLock } from '../../../src/wal/lock.ts';

const holder = fileURLToPath(new URL('../../helpers/hold-lock.ts', import.meta.url));

t.test(
  'one process a directory: the second is told the pid of the first, and kill -9 leaves no stale lock',
  async (t) => {
    const directory = t.testdir();
    const child = spawn(process.execPath, [holder, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await t.rejects(DirectoryLock.acquire(directory), {
      code: 'DATA_DIR_LOCKED',
      message: new RegExp(`in use by process ${child.pid}$`),
      details: { pid: child.pid, directory },
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    using lock = await DirectoryLock.acquire(directory);
    t.ok(lock);
  },
);

t.test('the same process cannot lock twice, also by another name of the directory', async (t) => {
  const directory = t.testdir();
  const alias = join(t.testdirName, '..', `${t.testdirName.split('/').at(-1)}-alias`);
  symlinkSync(directory, alias);
  t.teardown(() => import('node:fs').then((fs) => fs.unlinkSync(alias)));
  const lock = await DirectoryLock.acquire(directory);
  await t.rejects(DirectoryLock.acquire(directory), { code: 'DATA_DIR_LOCKED', details: { pid: process.pid } });
  await t.rejects(DirectoryLock.acquire(alias), { code: 'DATA_DIR_LOCKED' });
  lock.release();
  lock.release();
  const again = await DirectoryLock.acquire(alias);
  again.release();
  t.strictSame(readdirSync(directory).sort(), ['lock', 'lock.pid']);
  t.equal(statSync(join(directory, 'lock')).size, 0, 'nothing is ever written into the lock');
});

t.test('a missing directory is made, and an unreadable pid only makes the message poorer', async (t) => {
  const directory = join(t.testdir(), 'new');
  const lock = await DirectoryLock.acquire(directory);
  writeFileSync(join(directory, 'lock.pid'), 'what?');
  await t.rejects(DirectoryLock.acquire(directory), { code: 'DATA_DIR_LOCKED', message: /in use by another process$/ });
  lock.release();
});

t.test('a lock file that is none is named', async (t) => {
  const directory = t.testdir();
  writeFileSync(join(directory, 'lock'), 'x'.repeat(5000));
  await t.rejects(DirectoryLock.acquire(directory), { code: 'DATA_DIR_INVALID' });
  const other = t.testdir({ deep: {} });
  mkdirSync(join(other, 'deep', 'lock'));
  await t.rejects(DirectoryLock.acquire(join(other, 'deep')), { code: 'DATA_DIR_INVALID' });
});
