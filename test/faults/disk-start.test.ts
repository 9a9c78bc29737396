/** Fault class *disk*: a start on a disk that is full says what is missing, and ends. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../helpers/command.ts';
import { startProxy } from '../helpers/proxy.ts';

/** The first has no room for a cursor, the second none for the log of seals. */
const diskBytes = [256 * 1024, 12 * 1024 * 1024];

for (const size of diskBytes) {
  const name = `a start on a disk of ${size} bytes ends, and says where how much room is missing`;
  t.test(name, { skip: process.getuid?.() !== 0 && 'only root mounts a small disk' }, async (t) => {
    const disk = await mkdtemp(join(tmpdir(), 'logseal-small-'));
    t.teardown(() => rm(disk, { recursive: true, force: true }));
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk]);
    } catch (error) {
      t.plan(0, `NOT RUN: no small disk can be mounted here: ${String(error)}`);
      return;
    }
    t.teardown(() => run('umount', ['--lazy', disk]));
    const dataDir = join(disk, 'data');
    const starting = startProxy({ dataDir, elasticsearchUrl: 'http://127.0.0.1:9' });
    t.teardown(async () => (await starting.catch(() => undefined))?.kill());
    await t.rejects(starting, {
      message: /"code":"LOG_FULL".*bytes are free in .*data, a start takes up to \d+: make room/,
    });
  });
}
