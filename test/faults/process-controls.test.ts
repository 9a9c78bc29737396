/** Control runs of the class *process*: with one protection off the laboratory sees what it else never sees. */
import { join } from 'node:path';
import t from 'tap';
import { startProxy } from '../helpers/proxy.ts';
import type { Fault } from './experiment.ts';
import { openFaultClass } from './fault-class.ts';
import { faultyMountMissing, mountFaulty } from './faulty-mount.ts';
import { killBeforeAnswer, killBeforeSend, killOn, rolledOver, takenIds } from './process-faults.ts';
import { withoutProtection } from './protections.ts';

const lab = await openFaultClass(t, 'process');
const skip = lab.missing;
const noMount = lab.missing || faultyMountMissing();

t.test('without a cursor that waits for answers records are lost', { skip }, async (t) => {
  await lab.run(t, { faults: [killBeforeSend], without: ['cursor-behind-answers'], sees: ['lost'] });
});

t.test('without a fixed id records are there twice', { skip }, async (t) => {
  await lab.run(t, { faults: [killBeforeAnswer], without: ['fixed-id'], sees: ['twice'] });
});

t.test('without the comparison of tags what met a taken id is lost', { skip }, async (t) => {
  await lab.run(t, { ...takenIds, faults: [killBeforeAnswer], without: ['tag-compare'], sees: ['lost'] });
});

t.test('without a look-up what was stored before a roll-over is there twice', { skip }, async (t) => {
  await lab.run(t, { ...rolledOver, without: ['look-up'], sees: ['twice'] });
});

t.test('without waiting for the log what was acknowledged is lost', { skip: noMount }, async (t) => {
  const mount = await mountFaulty(join(lab.root, 'disk-append'));
  t.teardown(() => mount.unmount());
  // The answer has time to go out.
  const killed = killOn('before append', mount, { op: 'write', path: 'data/wal/*.wal', delayMs: 500 });
  const dataDir = join(mount.dir, 'data');
  await lab.run(t, { dataDir, faults: [killed], without: ['append-before-answer'], sees: ['lost'] });
});

t.test('without the order of seal and key a seal is missing for ever', { skip: noMount }, async (t) => {
  const mount = await mountFaulty(join(lab.root, 'disk-seal'));
  t.teardown(() => mount.unmount());
  const killed = killOn('after key swap', mount, { op: 'rename', path: 'data/keys/*', phase: 'after' });
  const dataDir = join(mount.dir, 'data');
  await lab.run(t, { dataDir, faults: [killed], without: ['seal-before-key'], sees: ['start', 'verify'] });
});

t.test('without the lock two proxies spoil the directory', { skip }, async (t) => {
  const doubled: Fault = {
    name: 'two proxies on one directory',
    // The first stands still meanwhile, so that the second finds a whole directory, and goes on in it.
    async inject({ dataDir, upstream, ledger, proxy }) {
      process.kill(proxy.pid, 'SIGSTOP');
      const nodeFlags = withoutProtection('directory-lock');
      const second = await startProxy({ dataDir, elasticsearchUrl: upstream.url, nodeFlags });
      const bulk = ledger.draw(ledger.options.connections, 300);
      const headers = { 'content-type': 'application/x-ndjson' };
      const answer = await fetch(`${second.url}/_bulk`, { method: 'POST', headers, body: ledger.body(bulk) });
      ledger.settle(bulk, answer.status, await answer.text());
      await second.kill();
      process.kill(proxy.pid, 'SIGCONT');
      await Promise.race([ledger.grows(300).catch(() => undefined), proxy.ended]);
      await proxy.kill();
    },
  };
  await lab.run(t, {
    faults: [doubled],
    without: ['directory-lock'],
    sees: ['start', 'verify', 'lost', 'twice'],
  });
});
