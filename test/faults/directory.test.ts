/**
 * Fault class *directory*: the data directory is put back from an old copy, behind a search engine that knows more. The proxy says
 * ROLLED-BACK and delivers nothing until an operator rotates its chains.
 */
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { createOperator } from '../../src/keys/operator.ts';
import { engineClient } from '../helpers/engine-client.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { logseal } from '../helpers/verify-command.ts';
import type { Fault, Scene } from './experiment.ts';
import { openFaultClass } from './fault-class.ts';

const lab = await openFaultClass(t, 'directory');
const skip = lab.missing;

const operator = createOperator(undefined);
const keys = join(lab.root, 'operator');
const key = join(keys, 'operator.key.pem');
const publicKey = join(keys, 'operator.pub.pem');
await mkdir(keys);
await writeFile(key, operator.keyPem);
await writeFile(publicKey, operator.publicPem);
const common = { environment: { LOGSEAL_OPERATOR_KEYS: publicKey }, verifyArguments: ['--operator-key', publicKey] };

t.test('restored from a copy, and rotated by an operator', { skip }, async (t) => {
  const restored: Fault = {
    name: 'data directory restored from a copy',
    async inject(scene) {
      const proxy = await restoreCopy(scene);
      while (!(await isRolledBack(proxy))) await pause(50);
      const before = await stored(scene);
      await scene.ledger.grows(200);
      t.equal(await stored(scene), before, 'accepted, and nothing of it delivered');
      const rotated = await logseal('rotate', '--all', '--why', 'rolled-back', '--key', key, '--admin', proxy.adminUrl);
      t.equal(rotated.exit, 0, rotated.stderr);
      while (await isRolledBack(proxy)) await pause(50);
    },
  };
  await lab.run(t, { ...common, faults: [restored], times: lab.long ? 5 : 1 });
});

t.test('without the comparison the same places are given twice', { skip }, async (t) => {
  const restored: Fault = {
    name: 'data directory restored from a copy',
    async inject(scene) {
      await restoreCopy(scene);
      await scene.ledger.grows(400);
    },
  };
  await lab.run(t, {
    ...common,
    faults: [restored],
    without: ['roll-back-compare'],
    sees: ['twice', 'verify'],
  });
});

/** Copied in one instant under load; then the proxy goes on, ends in order, and the copy takes the directory's place. */
async function restoreCopy(scene: Scene): Promise<RunningProxy> {
  const { proxy, dataDir, ledger } = scene;
  const copy = `${dataDir}-copy`;
  process.kill(proxy.pid, 'SIGSTOP');
  await cp(dataDir, copy, { recursive: true });
  process.kill(proxy.pid, 'SIGCONT');
  await ledger.grows(600);
  // In order: what was acknowledged and not delivered would be lost with the directory that is taken away.
  t.equal(await proxy.stop(), 0);
  await rm(dataDir, { recursive: true });
  await rename(copy, dataDir);
  return scene.restart();
}

async function isRolledBack({ adminUrl }: RunningProxy): Promise<boolean> {
  const answer = await fetch(`${adminUrl}/readyz`);
  return (await answer.text()).includes('ROLLED-BACK');
}

async function stored({ engine, ledger }: Scene): Promise<number> {
  return (await engineClient(engine.url).hits(ledger.options.dest)).length;
}
