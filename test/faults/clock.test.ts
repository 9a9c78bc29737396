/**
 * Fault class *clock*: the wall clock jumps while the proxy runs, and between two runs. Nothing is lost for that, times of a chain
 * do not go back, epochs are sealed by the monotonic clock, and verify says CLOCK, which is no alarm.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import t from 'tap';
import { fakeTimeMissing, startFakeTime } from '../helpers/fake-time.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { verifyCommand } from '../helpers/verify-command.ts';
import type { Fault, Scene } from './experiment.ts';
import { openFaultClass } from './fault-class.ts';

const lab = await openFaultClass(t, 'clock');
const skip = lab.missing || fakeTimeMissing();
const hour = 3600;
const year = 365 * 24 * hour;

const wall = skip ? undefined : await startFakeTime(join(lab.root, 'time'));
/** Epochs come to their age. */
const environment = { LOGSEAL_EPOCH_RECORDS_MAX: '16384', ...wall?.environment };
let ahead = 0;

function jump(seconds: number): void {
  ahead += seconds;
  wall?.set(ahead);
}

t.test('jumps while it runs, and between two runs', { skip }, async (t) => {
  const dataDir = join(lab.root, 'data-jumps');
  const faults = [
    jumped('the clock goes back an hour', -hour),
    jumped('the clock goes forward an hour', hour),
    leapSecond(t),
    restarted('stopped, back an hour, started', -hour, (proxy) => proxy.stop()),
    restarted('killed, forward a year, started', year, (proxy) => proxy.kill()),
    jumped('the clock goes back a year', -year),
  ];
  await lab.run(t, { dataDir, faults, environment, times: lab.long ? 10 : 1 });
  const counts = await verdicts(dataDir);
  t.ok((counts.CLOCK ?? 0) > 0, 'verify says CLOCK');
});

t.test('without the rule that times do not go back', { skip }, async (t) => {
  await lab.run(t, {
    environment,
    faults: [jumped('the clock goes back an hour', -hour)],
    without: ['monotone-time'],
    sees: ['outOfPlace'],
  });
});

function leapSecond(t: Test): Fault {
  return {
    name: 'a leap second: one second twice',
    async inject(scene) {
      const events = jumpsTold(scene.proxy);
      jump(-1);
      await sealsGoOn(scene);
      t.equal(jumpsTold(scene.proxy), events, 'is no jump');
      jump(1);
    },
  };
}

/** The event says so, and epochs go on being sealed. */
function jumped(name: string, seconds: number): Fault {
  return {
    name,
    async inject(scene) {
      const events = jumpsTold(scene.proxy);
      jump(seconds);
      while (jumpsTold(scene.proxy) === events) await pause(20);
      await sealsGoOn(scene);
    },
  };
}

function restarted(name: string, seconds: number, end: (proxy: RunningProxy) => Promise<unknown>): Fault {
  return {
    name,
    async inject(scene) {
      await end(scene.proxy);
      jump(seconds);
      await sealsGoOn({ proxy: await scene.restart() });
    },
  };
}

function jumpsTold(proxy: RunningProxy): number {
  return proxy.output().split('"clock-jumped"').length;
}

/** Until another epoch has come to its age. */
async function sealsGoOn({ proxy }: Pick<Scene, 'proxy'>): Promise<void> {
  const before = await sealedByAge(proxy);
  while ((await sealedByAge(proxy)) === before) await pause(50);
}

async function sealedByAge({ adminUrl }: RunningProxy): Promise<number> {
  const answer = await fetch(`${adminUrl}/metrics`);
  return Number(/^logseal_epochs_sealed_total\{reason="time"\} (\d+)/m.exec(await answer.text())?.[1] ?? 0);
}

async function verdicts(dataDir: string): Promise<Record<string, number>> {
  const key = ['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')];
  const { summary } = await verifyCommand(lab.engine.url, ...key, '--trust', join(dataDir, 'trust.json'), '--no-state');
  return summary.counts;
}
