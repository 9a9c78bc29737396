/** Fault class *process*: killed at named points, told to end under load, out of memory, two on one directory. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { startProxy } from '../helpers/proxy.ts';
import type { Fault, Scene } from './experiment.ts';
import { openFaultClass } from './fault-class.ts';
import { killAt, killBeforeAnswer, killBeforeSend, rolledOver, takenIds, toDest, toRejects } from './process-faults.ts';

const lab = await openFaultClass(t, 'process');
const skip = lab.missing;

t.test('kill -9 at points of the network', { skip }, async (t) => {
  await lab.run(t, {
    faults: [
      killBeforeSend,
      killAt('after send', 'upstream', 'forwarded', toDest),
      killBeforeAnswer,
      killAt('after the answer to a send', 'upstream', 'answered', toDest),
      killAt('before answer', 'intake', 'answer', toDest),
      killAt('after answer', 'intake', 'answered', toDest),
    ],
  });
});

t.test('kill -9 where rejects are written', { skip }, async (t) => {
  await lab.run(t, {
    ...takenIds,
    faults: [
      killAt('before rejects write', 'upstream', 'request', toRejects),
      killAt('after rejects write', 'upstream', 'answer', toRejects),
    ],
  });
});

t.test('kill -9 after send, and the retry meets another write index', { skip }, async (t) => {
  await lab.run(t, rolledOver);
});

t.test('ended, starved, and doubled', { skip }, async (t) => {
  await lab.run(t, { faults: [ended, starved, doubled] });
});

const kills = 50;

if (lab.long) {
  t.test('kill -9 at random moments', { skip }, async (t) => {
    const killed: Fault = {
      name: 'kill -9 at a random moment',
      async inject({ proxy }) {
        await pause(lab.random() * 2000);
        await proxy.kill();
      },
    };
    await lab.run(t, { faults: [killed], times: kills });
  });
}

const ended: Fault = {
  name: 'SIGTERM under load',
  async inject({ proxy }) {
    const exit = await proxy.stop(60_000);
    if (exit !== 0) throw new Error(`SIGTERM under load ended it with ${exit}: ${proxy.output().slice(-1000)}`);
  },
};

const starvedMsMax = 20_000;

/** The kernel gives it no more memory than it has; under load it dies of that, and if it only starves it is killed. */
const starved: Fault = {
  name: 'out of memory',
  async inject({ proxy }) {
    const status = await readFile(`/proc/${proxy.pid}/status`, 'utf8');
    const kilobytes = Number(/^VmSize:\s+(\d+) kB/m.exec(status)?.[1]);
    await promisify(execFile)('prlimit', [`--pid=${proxy.pid}`, '--core=0', `--as=${kilobytes * 1024}`]);
    const over = new AbortController();
    const late = pause(starvedMsMax, undefined, { signal: over.signal }).then(() => proxy.kill());
    late.catch(() => undefined);
    const how = await proxy.ended;
    over.abort();
    if (how === 0) throw new Error('it ended in order without memory');
  },
};

const doubled: Fault = {
  name: 'two proxies on one directory',
  async inject(scene) {
    const second = await startSecond(scene);
    if (!/DATA_DIR_LOCKED/.test(second)) throw new Error(`the second was not refused: ${second}`);
  },
};

/** Why a second proxy did not start. */
async function startSecond({ dataDir, upstream }: Scene): Promise<string> {
  try {
    const second = await startProxy({ dataDir, elasticsearchUrl: upstream.url });
    await second.kill();
    return 'it started';
  } catch (error) {
    return String(error);
  }
}
