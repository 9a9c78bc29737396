/** `logseal wal` and `logseal doctor` beside a real proxy that works: they see it as it is, and leave no trace. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import t from 'tap';
import { Ledger } from '../faults/ledger.ts';
import { run } from '../helpers/command.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';

const main = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');

/** Names, sizes, times and contents of all files. Sockets have no content. */
function fingerprint(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { size, mtimeMs, ctimeMs, ino } = statSync(path);
      const content = createHash('sha256').update(readFileSync(path)).digest('hex');
      return `${path} ${ino} ${size} ${mtimeMs} ${ctimeMs} ${content}`;
    })
    .sort();
}

/** Stops a process, and waits until each of its threads stands: one that is in a write when the signal comes ends it first. */
async function standStill(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const tasks = `/proc/${pid}/task`;
  const stateOf = (task: string) => readFileSync(join(tasks, task, 'stat'), 'utf8').replace(/^.*\) /s, '')[0];
  while (!readdirSync(tasks).every((task) => stateOf(task) === 'T')) await pause(20);
}

/** A Node that may read every file and write none: a command that writes fails in it. */
const readOnly = ['--permission', '--allow-fs-read=*'];

const environment = {
  // Small and short, so that segments come and go while they are read.
  LOGSEAL_WAL_SEGMENT_BYTES: '1MiB',
  LOGSEAL_WAL_KEEP: '1s',
  LOGSEAL_EPOCH_AGE_MAX: '500ms',
};

/** Ended before its directory goes: tap removes that first where it was asked for first. */
async function proxyOf(t: Test): Promise<RunningProxy> {
  let proxy: RunningProxy | undefined;
  t.teardown(() => proxy?.kill());
  proxy = await startProxy({ dataDir: join(t.testdir({}), 'data'), environment });
  return proxy;
}

t.test(
  'inspect and check read beside a proxy under load, find nothing wrong, and could not have written',
  async (t) => {
    const proxy = await proxyOf(t);
    const { dataDir } = proxy;
    const ledger = new Ledger({ dest: 'logs-inspected', perBulk: 100, connections: 2, pauseMs: 0 });
    ledger.start(proxy.url);
    try {
      let removed = 0;
      // Until old segments have gone under it, at least some rounds.
      for (let round = 0; round < 6 || (removed < 3 && round < 100); round += 1) {
        const text = await run(process.execPath, [...readOnly, main, 'wal', 'check', dataDir, '--json']);
        const lines = text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Record<string, unknown>);
        const whole = lines.at(-1);
        t.match(whole, { type: 'wal', damage: 0 }, `round ${round}`);
        removed = Number(lines.find((line) => line.type === 'wal-segment')?.number ?? 1) - 1;
      }
      t.ok(removed >= 3, `segments went while others were read (${removed})`);
    } finally {
      await ledger.stop();
    }
    await t.rejects(
      run(process.execPath, [...readOnly, main, 'keygen', 'auditor', '--out', join(dataDir, 'written')]),
      { exitCode: 3, message: /restricted|ERR_ACCESS_DENIED/i },
      'control: a command that writes fails in such a process',
    );
  },
);

t.test(
  'of a proxy that stands still in the middle of its work nothing changes by it, names and times included',
  async (t) => {
    const proxy = await proxyOf(t);
    const { dataDir } = proxy;
    const ledger = new Ledger({ dest: 'logs-inspected', perBulk: 100, connections: 2, pauseMs: 0 });
    ledger.start(proxy.url);
    await ledger.grows(5000);
    let [inspected, checked] = ['', ''];
    try {
      await standStill(proxy.pid);
      const before = fingerprint(dataDir);
      inspected = await run(process.execPath, [main, 'wal', 'inspect', dataDir]);
      checked = await run(process.execPath, [main, 'wal', 'check', dataDir]);
      t.strictSame(fingerprint(dataDir), before);
    } finally {
      process.kill(proxy.pid, 'SIGCONT');
      await ledger.stop();
    }
    t.match(inspected, /Write-ahead log of .*Waiting for the search engine.*Seal log/s);
    t.match(checked, /No damage found/);
  },
);
