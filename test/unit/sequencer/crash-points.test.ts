/** Starts after a process that was killed in the middle of making or rotating chains. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import { Instance } from '../../../src/sequencer/instance.ts';
import type { WriteAheadLog } from '../../../src/wal/write-ahead-log.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';
import { openRefusing, openSigning, openWal, readLog } from '../../helpers/signing-rig.ts';

t.test('a control chain whose own creation record a crash took is made anew', async (t) => {
  const dir = t.testdir();
  const clock = new ManualClock();
  const { wal } = await openWal(dir, clock);
  const stalled = Promise.withResolvers<void>();
  const stalling = {
    append: () => {
      stalled.resolve();
      return new Promise<never>(() => undefined);
    },
    room: () => true,
    durable: wal.durable,
  };
  void openSigning(dir, { wal: stalling as unknown as WriteAheadLog, clock });
  await stalled.promise;
  await wal.close();
  const before = (await Instance.open(dir, undefined, 0)).state.control;
  const rig = await openSigning(dir);
  await rig.close();
  const { records } = await readLog(dir);
  const control = rig.instance.state.control;
  t.not(control, before);
  t.match(records[0], { chain: control, seq: 0 });
  t.match(records[0]?.content, `{"chain":{"id":"${control}"`);
  t.notOk(existsSync(join(dir, 'keys', `${before}.key`)), 'the key that nobody could have checked is gone');
});

t.test('a rotation of the control chain that ended before its record goes on with the old one', async (t) => {
  const dir = t.testdir();
  const { rig, wal } = await openRefusing(dir);
  const old = rig.instance.state.control;
  const stray = rig.signing.chains.rotate(rig.signing.chains.control, 'schedule');
  stray.catch(() => undefined);
  rig.signing.sequencer.control = () => new Promise<never>(() => undefined);
  while (rig.instance.state.chains.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await rig.instance.update({});
  t.not(rig.instance.state.control, old);
  await wal.close();
  const second = await openSigning(dir);
  t.equal(second.instance.state.control, old);
  t.equal(second.signing.chains.control.id22, old);
  await second.close();
  const { records } = await readLog(dir);
  t.strictSame([...new Set(records.map(({ chain }) => chain))], [old]);
});

t.test('a rotation for other certificates that a crash cut off is done again for all', async (t) => {
  const dir = t.testdir();
  const first = await openSigning(dir);
  await first.append('web', 1);
  await first.close();
  const [certificate] = first.certificates;
  const others = [{ ...certificate, sha256: 'f'.repeat(64) }] as typeof first.certificates;
  const errors: unknown[] = [];
  const clock = new ManualClock();
  const { wal } = await openWal(dir, clock);
  let left = 4;
  const failing = {
    append: (payload: Buffer, space: 'normal' | 'reserve') => {
      left -= 1;
      return left < 0 ? Promise.reject(new LogsealError('LOG_FULL', 'full')) : wal.append(payload, space);
    },
    room: () => true,
    get durable() {
      return wal.durable;
    },
  };
  const change = { certificates: others, clock, fatal: (error: unknown) => errors.push(error) };
  await t.rejects(openSigning(dir, { ...change, wal: failing as unknown as WriteAheadLog }));
  await wal.close();
  const third = await openSigning(dir, { certificates: others });
  await third.close();
  t.strictSame(third.instance.state.certificates, ['f'.repeat(64)]);
  const { records } = await readLog(dir);
  const made = new Map(
    records.flatMap(({ content }) => {
      if (!content.startsWith('{"chain":')) return [];
      const { chain } = JSON.parse(content);
      return [[chain.id, chain.certificates]];
    }),
  );
  for (const { id } of third.instance.state.chains) t.strictSame(made.get(id), ['f'.repeat(64)]);
});
