/** The faulty disk tells the truth: what a rule says happens to the call and the process it names, and to nothing else. */
import { execFile } from 'node:child_process';
import { mkdir, open, readdir, readFile, rename, statfs, unlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { bare } from '../helpers/command.ts';
import { readChanges } from './changes.ts';
import type { FaultyMount } from './faulty-mount.ts';
import { faultyMountMissing, mountFaulty } from './faulty-mount.ts';
import { RecordedDisk } from './recorded-disk.ts';

const skip = faultyMountMissing();

async function mounted(t: Test): Promise<FaultyMount> {
  const mount = await mountFaulty(join(t.testdir(), 'backing'));
  t.teardown(() => mount.unmount());
  return mount;
}

/** A process of its own that runs `script` with the mount as `dir`; its exit code or signal, and what it printed. */
function inProcess(dir: string, script: string): Promise<{ ended: number | string; printed: string }> {
  const text = `const fs = await import('node:fs'); const dir = ${JSON.stringify(dir)}; ${script}`;
  return new Promise((resolve) => {
    const args = ['--input-type=module', '-e', text];
    execFile(...bare(process.execPath, args), (error, stdout, stderr) => {
      resolve({ ended: error?.signal ?? error?.code ?? 0, printed: stdout + stderr });
    });
  });
}

t.test('without a rule it is a directory as any', { skip }, async (t) => {
  const mount = await mounted(t);
  const bytes = Buffer.alloc(3_000_000, 7);
  await writeFile(join(mount.dir, 'a'), bytes);
  await mkdir(join(mount.dir, 'd'), { mode: 0o700 });
  await rename(join(mount.dir, 'a'), join(mount.dir, 'd', 'b'));
  t.ok(bytes.equals(await readFile(join(mount.backing, 'd', 'b'))));
  t.ok((await statfs(mount.dir)).bavail > 0);
});

t.test('a failing fsync is seen by the process that calls it, once, and by no other file', { skip }, async (t) => {
  const mount = await mounted(t);
  const rule = await mount.rule({ op: 'fsync', path: 'a', nth: 2, errno: 'EIO' });
  const script = `
    const codes = [];
    for (const name of ['a', 'b', 'a', 'a']) {
      const file = fs.openSync(dir + '/' + name, 'w');
      try { fs.fsyncSync(file); codes.push('ok') } catch (error) { codes.push(error.code) }
    }
    console.log(codes.join());
  `;
  t.match(await inProcess(mount.dir, script), { ended: 0, printed: 'ok,ok,EIO,ok\n' });
  t.match(await rule.fired, { op: 'fsync', path: 'a' });
  t.equal(rule.firings.length, 1);
});

t.test('fdatasync, fsync of a directory and fsync of a file are told apart', { skip }, async (t) => {
  const mount = await mounted(t);
  const rules = await Promise.all(
    (['fsync', 'fdatasync', 'fsyncdir'] as const).map((op) => mount.rule({ op, phase: 'after' })),
  );
  const file = await open(join(mount.dir, 'a'), 'w');
  await file.sync();
  await file.datasync();
  await file.datasync();
  await file.close();
  const directory = await open(mount.dir, 'r');
  await directory.sync();
  await directory.close();
  await Promise.all(rules.map((rule) => rule.remove()));
  t.strictSame(
    rules.map((rule) => rule.firings.length),
    [1, 2, 1],
  );
});

for (const phase of ['before', 'after'] as const) {
  t.test(
    `a process killed ${phase} a rename leaves it ${phase === 'before' ? 'undone' : 'done'}`,
    { skip },
    async (t) => {
      const mount = await mounted(t);
      await writeFile(join(mount.dir, 'old'), 'x');
      const rule = await mount.rule({ op: 'rename', path: 'old', phase, kill: 'caller' });
      const script = `fs.renameSync(dir + '/old', dir + '/new'); console.log('lived')`;
      t.match(await inProcess(mount.dir, script), { ended: 'SIGKILL', printed: '' });
      await rule.fired;
      const name = phase === 'before' ? 'old' : 'new';
      t.equal(await readFile(join(mount.backing, name), 'utf8'), 'x');
    },
  );
}

t.test('a full disk, a read-only one, and one that writes half', { skip }, async (t) => {
  const mount = await mounted(t);
  const path = join(mount.dir, 'a');
  const full = await mount.rule({ op: 'write', errno: 'ENOSPC', times: 1 });
  await t.rejects(writeFile(path, 'some'), { code: 'ENOSPC' });
  await writeFile(path, 'some');
  await full.remove();
  await mount.readOnly(true);
  await t.rejects(unlink(path), { code: 'EROFS' });
  await t.rejects(writeFile(path, 'other'), { code: 'EROFS' });
  t.equal(await readFile(path, 'utf8'), 'some');
  await mount.readOnly(false);
  await mount.rule({ op: 'write', short: 3, times: 1 });
  const writes = await mount.rule({ op: 'write', phase: 'after' });
  const file = await open(path, 'r+');
  await file.write(Buffer.from('longer'), 0, 6, 0);
  await file.close();
  await writes.remove();
  t.equal(writes.firings.length, 2, 'libuv writes the rest itself');
  t.equal(await readFile(path, 'utf8'), 'longer');
});

/** Paths with the text of files. */
async function treeOf(dir: string): Promise<Record<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(files.map(async (path) => [relative(dir, path), (await readFile(path)).toString('latin1')])),
  );
}

/** Writes a record of its own making onto the mount, and reckons what the disk may hold at its end. */
async function recorded(t: Test): Promise<{ mount: FaultyMount; state(name: string, keep: number): Promise<object> }> {
  const mount = await mounted(t);
  const log = join(t.testdirName, 'changes');
  await mount.record(log);
  await mkdir(join(mount.dir, 'd'));
  for (const name of ['first', 'second']) await writeFile(join(mount.dir, 'd', name), name.repeat(3000));
  await rename(join(mount.dir, 'd', 'first'), join(mount.dir, 'd', 'renamed'));
  const file = await open(join(mount.dir, 'd', 'second'), 'r+');
  await file.write('changed', 6000);
  await file.truncate(9000);
  await file.sync();
  await file.write('not synced', 100);
  await unlink(join(mount.dir, 'd', 'renamed'));
  await file.close();
  await mount.stopRecord();
  const disk = new RecordedDisk();
  for (const change of await readChanges(log)) disk.apply(change);
  return {
    mount,
    async state(name, keep) {
      const target = join(log, '..', 'states', name);
      await disk.writeState(target, { random: Math.random, keep: [keep] });
      return treeOf(target);
    },
  };
}

t.test('a record, with all that it says, gives the tree that is there', { skip }, async (t) => {
  const { mount, state } = await recorded(t);
  t.strictSame(await state('all', 1), await treeOf(mount.dir));
});

t.test('of a record only what was synced is sure: not a name whose directory was not', { skip }, async (t) => {
  const { mount, state } = await recorded(t);
  t.strictSame(await state('none', 0), {});
  const states = await Promise.all(Array.from({ length: 40 }, (_, at) => state(`some-${at}`, 0.5)));
  const texts = new Set(states.map((tree) => JSON.stringify(tree)));
  t.ok(texts.size > 5, 'many different trees are possible');
  t.notOk(JSON.stringify(await treeOf(mount.dir)).includes('renamed'));
  t.ok(
    [...texts].some((text) => text.includes('renamed')),
    'a removed name can be back',
  );
});

t.test('the number of changes is read without a call, and counts changes alone', { skip }, async (t) => {
  const mount = await mounted(t);
  t.equal(mount.changes(), 0);
  await writeFile(join(mount.dir, 'a'), 'x');
  const after = mount.changes();
  t.equal(after, 2, 'one for the name, one for the bytes');
  await readFile(join(mount.dir, 'a'));
  t.equal(mount.changes(), after);
});
