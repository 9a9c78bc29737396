/** Fault class *disk*: calls that fail once or for a while, a disk that is full, read-only, slow, or writes half of what it is given. */
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import t from 'tap';
import { run } from '../helpers/command.ts';
import type { Fault, Scene } from './experiment.ts';
import { openFaultClass } from './fault-class.ts';
import type { DiskCall, FaultRule, FaultyMount } from './faulty-mount.ts';
import { faultyMountMissing, mountFaulty } from './faulty-mount.ts';

const lab = await openFaultClass(t, 'disk');
const skip = lab.missing || faultyMountMissing();

/** Large records and small segments, so that segments fill and go; epochs and their keys change all the time anyway. */
const busy = {
  ledger: { messageChars: 2000 },
  environment: { LOGSEAL_WAL_SEGMENT_BYTES: '1MiB', LOGSEAL_WAL_KEEP: '0ms' },
};

const files: Record<string, string> = {
  'the log': 'data/wal/*.wal',
  'a new segment': 'data/wal/*.tmp',
  'the directory of the log': 'data/wal',
  'the log of seals': 'data/log/*.seals',
  'a new key file': 'data/keys/*.tmp',
  'an old key file': '.go-fuse*/deleted',
  'the directory of keys': 'data/keys',
  'the cursor': 'data/delivery/cursor',
  'the mark of unsealed epochs': 'data/unsealed',
};
type Calls = readonly [DiskCall, keyof typeof files][];

/** A failure that stops the proxy: nothing is known any more about what the disk holds, and the next start finds out. */
function stopping(mount: FaultyMount, op: DiskCall, file: string, errno: 'EIO' | 'ENOSPC'): Fault {
  return {
    name: `${errno} on ${op} of ${file}, once: it stops`,
    async inject({ proxy }) {
      const rule = await mount.rule({ op, path: files[file] ?? '', errno, times: 1 });
      const how = await proxy.ended;
      await rule.remove();
      if (how !== 1) throw new Error(`it ended with ${how}`);
      const failure = proxy.output().match(/^\{.*"proxy-failed".*$/m)?.[0] ?? '';
      if (!failure.includes('"code":"') || !failure.includes(mount.dir)) {
        throw new Error(`the failure names no code and no file: ${failure || proxy.output().slice(-2000)}`);
      }
    },
  };
}

/** A failure that it lives through. */
function passing(mount: FaultyMount, name: string, rule: FaultRule, uses = 1): Fault {
  return {
    name,
    async inject({ proxy, ledger }) {
      const set = await mount.rule({ times: uses, ...rule });
      let broken: Error | undefined;
      void proxy.ended.then((how) => {
        broken = new Error(`it ended with ${how}: ${proxy.output().slice(-2000)}`);
      });
      while (set.firings.length < uses) await ledger.grows(1, () => broken);
      await set.remove();
    },
  };
}

const full = (mount: FaultyMount, op: DiskCall, file: string) =>
  passing(mount, `ENOSPC on ${op} of ${file}, once: it goes on`, { op, path: files[file] ?? '', errno: 'ENOSPC' });

const mebibyte = Buffer.alloc(1024 * 1024);

/** Somebody else's file takes all room until somebody was refused; then it goes away. */
function fullForAWhile(mount: FaultyMount): Fault {
  return {
    name: 'the disk is full for a while: 429, and then it goes on',
    async inject({ ledger, proxy }: Scene) {
      const refused = () => ledger.bulks.filter(({ status }) => status === 429).length;
      const before = refused();
      let how: number | string | undefined;
      void proxy.ended.then((end) => {
        how = end;
      });
      const ballast = join(mount.backing, 'ballast');
      while (refused() === before) {
        await appendFile(ballast, mebibyte).catch(async (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOSPC') throw error;
          await pause(20);
        });
        if (how !== undefined) throw new Error(`it ended with ${how}: ${proxy.output().slice(-2000)}`);
      }
      await rm(ballast);
    },
  };
}

function readOnly(mount: FaultyMount): Fault {
  return {
    name: 'the disk becomes read-only: it stops',
    async inject({ proxy }) {
      await mount.readOnly(true);
      const how = await proxy.ended;
      await mount.readOnly(false);
      if (how !== 1) throw new Error(`it ended with ${how}`);
    },
  };
}

const mostTelling: Calls = [
  ['fdatasync', 'the log'],
  ['fdatasync', 'the log of seals'],
  ['rename', 'a new key file'],
  ['write', 'the cursor'],
];
const allThatStop: Calls = [
  ...mostTelling,
  ['write', 'the log'],
  ['write', 'a new segment'],
  ['create', 'a new segment'],
  ['fsync', 'a new segment'],
  ['rename', 'a new segment'],
  ['fsyncdir', 'the directory of the log'],
  ['unlink', 'the log'],
  ['write', 'the log of seals'],
  ['open', 'a new key file'],
  ['write', 'a new key file'],
  ['fsync', 'a new key file'],
  ['fsyncdir', 'the directory of keys'],
  ['write', 'an old key file'],
  ['fsync', 'an old key file'],
  ['fdatasync', 'the cursor'],
  ['write', 'the mark of unsealed epochs'],
  ['fdatasync', 'the mark of unsealed epochs'],
];
/** Also where there is only no room: these files have theirs from the beginning, so the disk says what cannot be. */
const fullAndStop: Calls = [
  ['write', 'the log of seals'],
  ['fdatasync', 'the log of seals'],
  ['fdatasync', 'the log'],
  ['write', 'the cursor'],
  ['fdatasync', 'the cursor'],
  ['write', 'the mark of unsealed epochs'],
  ['unlink', 'the log'],
];
const fullAndGoOn: Calls = [
  ['write', 'the log'],
  ['write', 'a new key file'],
];
const allFullAndGoOn: Calls = [
  ...fullAndGoOn,
  ['write', 'a new segment'],
  ['create', 'a new segment'],
  ['fsync', 'a new segment'],
  ['rename', 'a new segment'],
  ['fsyncdir', 'the directory of the log'],
  ['create', 'a new key file'],
  ['fsync', 'a new key file'],
  ['rename', 'a new key file'],
  ['fsyncdir', 'the directory of keys'],
  ['write', 'an old key file'],
];

/** What the proxy allocates at its start, and some room for the log. */
const smallDiskBytes = 160 * 1024 * 1024;

/** With a size, on a disk of its own of that size. */
async function mounted(t: Test, name: string, bytes?: number): Promise<FaultyMount> {
  const backing = await mkdtemp(join(tmpdir(), `logseal-disk-${name}-`));
  if (bytes !== undefined) await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', backing]);
  const mount = await mountFaulty(backing);
  t.teardown(async () => {
    await mount.unmount();
    if (bytes !== undefined) await run('umount', ['--lazy', backing]);
    await rm(backing, { recursive: true });
  });
  return mount;
}

t.test('a call to the disk that fails once', { skip }, async (t) => {
  const mount = await mounted(t, 'once');
  const fail = lab.long ? allThatStop : mostTelling;
  const goOn = lab.long ? allFullAndGoOn : fullAndGoOn;
  await lab.run(t, {
    ...busy,
    dataDir: join(mount.dir, 'data'),
    faults: [
      ...fail.map(([op, file]) => stopping(mount, op, String(file), 'EIO')),
      ...goOn.map(([op, file]) => full(mount, op, String(file))),
      ...(lab.long ? fullAndStop : []).map(([op, file]) => stopping(mount, op, String(file), 'ENOSPC')),
    ],
  });
});

t.test('a disk that is full, read-only, slow, or writes half', { skip }, async (t) => {
  const mount = await mounted(t, 'while', smallDiskBytes);
  await lab.run(t, {
    ...busy,
    dataDir: join(mount.dir, 'data'),
    // Held requests are refused soon.
    environment: { ...busy.environment, LOGSEAL_INTAKE_HOLD_MAX: '500ms' },
    faults: [
      fullForAWhile(mount),
      passing(mount, 'writes of the log that write half', { op: 'write', path: 'data/wal/*.wal', short: 700 }, 50),
      passing(mount, 'a slow disk: 100 ms for each fdatasync', { op: 'fdatasync', path: '*', delayMs: 100 }, 20),
      readOnly(mount),
    ],
  });
});

t.test('control: without the stop at a failed write the loss is seen', { skip }, async (t) => {
  const mount = await mounted(t, 'control');
  const ignored: Fault = {
    name: 'EIO on write of the log, once',
    async inject({ proxy }) {
      const rule = await mount.rule({ op: 'write', path: 'data/wal/*.wal', errno: 'EIO', times: 1 });
      await rule.fired;
      // Delivery finds the hole.
      await proxy.ended;
      await rule.remove();
    },
  };
  await lab.run(t, {
    ...busy,
    dataDir: join(mount.dir, 'data'),
    faults: [ignored],
    without: ['failed-write'],
    sees: ['lost', 'start'],
  });
});
