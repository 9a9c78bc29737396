/** Disks that refuse, timers that come late, clocks that go back, and records that come after the last seal. */
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Batch } from '../../../src/bulk/batch.ts';
import { SealLog } from '../../../src/log/seal-log.ts';
import { LogHeads } from '../../../src/sequencer/heads.ts';
import { Instance } from '../../../src/sequencer/instance.ts';
import type { WriteAheadLog } from '../../../src/wal/write-ahead-log.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';
import { brokenLinks, openRefusing, openSigning, openWal, readLog } from '../../helpers/signing-rig.ts';

t.test(
  'tagged records that the log refuses end the process, and the next start gives their places to others',
  async (t) => {
    const dir = t.testdir();
    const { rig, wal, refused, errors } = await openRefusing(dir);
    await rig.append('web', 3);
    refused.add(1);
    await t.rejects(rig.append('web', 2), { code: 'WAL_FAILED' });
    t.match(errors, [{ code: 'LOG_FULL' }]);
    await wal.close();
    const second = await openSigning(dir);
    await second.append('web', 1);
    await second.close();
    const { records } = await readLog(dir);
    t.strictSame(
      records.filter(({ dest }) => dest === 'web').map(({ seq, epoch }) => [seq, epoch]),
      [0, 1, 2, 3].map((seq) => [seq, seq < 3 ? 0 : 1]),
    );
  },
);

t.test('a seal that the log refuses ends the process, also when a request filled the epoch', async (t) => {
  const dir = t.testdir();
  const { rig, wal, refused, errors } = await openRefusing(dir);
  refused.add(2);
  await t.rejects(rig.append('web', 40));
  t.match(errors, [{ code: 'LOG_FULL' }]);
  await wal.close();
});

t.test('a request is admitted by what it takes in the log, not by what it sent', async (t) => {
  const dir = t.testdir();
  const clock = new ManualClock();
  const { wal } = await openWal(dir, clock);
  const asked: number[] = [];
  const narrow = {
    append: wal.append.bind(wal),
    room: (bytes: number) => {
      asked.push(bytes);
      return false;
    },
    get durable() {
      return wal.durable;
    },
  };
  const rig = await openSigning(dir, { wal: narrow as unknown as WriteAheadLog, clock });
  const count = 1000;
  const body = Buffer.from('{}'.repeat(count));
  const descriptors = new Int32Array(count * 6);
  for (let n = 0; n < count; n += 1) descriptors.set([2 * n, 2 * n + 2, 0, -1, 0, 0], n * 6);
  const batch: Batch = {
    body,
    count,
    descriptors,
    dests: ['d'.repeat(200)],
    ids: [],
    metas: [`{"a":"${'x'.repeat(92)}"}`],
  };
  const held = rig.signing.sequencer.admit(batch, new AbortController().signal, { source: '' });
  clock.advance(1000);
  await t.rejects(held, { code: 'LOG_FULL' });
  t.ok((asked[0] ?? 0) >= count * (200 + 100 + 22 + 116), `room for ${asked[0]} bytes`);
  await rig.crash();
  await wal.close();
});

t.test('a timer that waited behind a rotation seals nothing on the chain that ended', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.append('web', 3);
  const [old] = rig.signing.chains.all;
  if (old === undefined) throw new TypeError('no chain');
  const gate = Promise.withResolvers<void>();
  const queued = Promise.withResolvers<void>();
  void old.exclusive(() => gate.promise);
  const exclusive = old.exclusive.bind(old);
  old.exclusive = (act) => {
    const turn = exclusive(act);
    queued.resolve();
    return turn;
  };
  const rotated = rig.signing.rotateAll('schedule');
  await queued.promise;
  // The end of the first chain waits at the gate; its epoch's timer comes due behind it.
  rig.clock.advance(10_000);
  gate.resolve();
  await rotated;
  await rig.close();
  const { seals } = await readLog(dir);
  const own = seals.filter((seal) => seal.chain.toString('base64url') === old.id22);
  t.strictSame(
    own.map(({ reason, epoch }) => [reason, epoch]),
    [['rotate', 0]],
  );
});

t.test('a rotation that a stop meets is done for all chains, one that comes later for none', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  for (const dest of ['a', 'b']) await rig.append(dest, 1);
  const before = rig.instance.state.chains.map(({ id }) => id);
  const rotated = rig.signing.rotateAll('upstream');
  await Promise.resolve();
  await Promise.all([rig.signing.sealData(), rotated]);
  await t.rejects(rig.signing.rotateAll('upstream'), { code: 'STOPPING', disposition: 'retry' });
  await rig.close();
  const after = rig.instance.state.chains.map(({ id }) => id);
  t.equal(after.length, 3);
  t.notOk(after.some((id) => before.includes(id)));
});

t.test('two rotations at once give each chain one successor', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.append('web', 3);
  await Promise.all([rig.signing.rotateAll('schedule'), rig.signing.rotateAll('upstream')]);
  await rig.close();
  const { records, seals } = await readLog(dir);
  const turns = records.flatMap(({ content }) =>
    content.startsWith('{"rotate":') ? [JSON.parse(content).rotate.old] : [],
  );
  t.equal(turns.length, 4);
  t.equal(new Set(turns).size, 4, 'nobody is succeeded twice');
  t.equal(seals.filter(({ reason }) => reason === 'rotate').length, 4);
});

t.test('what is signed after the last seal has a seal of its own, and then the directory is clean', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.append('web', 3);
  await rig.signing.sealData();
  await rig.append('web', 2);
  await rig.signing.sealControl();
  await rig.signing.sequencer.control('reject', { chain: 'A'.repeat(22), seqs: [[0, 0]], reason: 'mapping' });
  await rig.signing.close();
  await t.rejects(rig.append('web', 1), { code: 'STOPPING' }, 'nothing without a key');
  await rig.wal.close();
  t.equal((await Instance.open(dir, undefined, 0)).state.clean, true);
  const { records, seals } = await readLog(dir);
  const sealed = seals.reduce((sum, { count }) => sum + count, 0);
  t.equal(sealed, records.length, 'every record is under a seal');
  t.equal(seals.at(-1)?.chain.toString('base64url'), rig.instance.state.control);
});

t.test('the log is wanted from a seal on until the seal log has it, also from that of an empty epoch', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  const { control } = rig.signing.chains;
  rig.clock.advance(10_000);
  await control.exclusive(() => undefined);
  const before = rig.wal.durable;
  let seen: unknown;
  const note = control.noteFrame.bind(control);
  control.noteFrame = (epoch, position) => {
    note(epoch, position);
    rig.signing.unsealedFrom();
    seen = rig.signing.unsealedFrom();
  };
  rig.clock.advance(60_000);
  await control.exclusive(() => undefined);
  t.match(seen, { segment: before.segment, offset: before.offset });
  await rig.close();
  t.ok((await readLog(join(dir))).seals.some(({ reason }) => reason === 'idle'));
});

t.test('a full disk holds up the next epoch, and no chain is lost for it', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.append('web', 3);
  const [chain] = rig.signing.chains.all;
  const temporary = join(dir, 'keys', `${chain?.id22}.key.tmp`);
  symlinkSync('/dev/full', temporary);
  let sealed = false;
  const filled = rig.append('web', 40).then(() => {
    sealed = true;
  });
  while ((await readLog(dir)).seals.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(sealed, false);
  rmSync(temporary);
  while (!sealed) {
    rig.clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await filled;
  symlinkSync('/dev/full', join(dir, 'instance.json.tmp'));
  await t.rejects(rig.append('other', 1), { code: 'LOG_FULL' }, 'which is answered 429');
  rmSync(join(dir, 'instance.json.tmp'));
  await rig.append('other', 1);
  await rig.close();
  const { records, seals } = await readLog(dir);
  t.strictSame(brokenLinks(records, seals, chain?.id22 ?? ''), []);
  t.equal(records.filter(({ dest }) => dest === 'other').length, 1);
});

t.test('a stop does not wait for room that the disk does not have, and the next start goes on', async (t) => {
  const dir = t.testdir();
  const errors: unknown[] = [];
  const rig = await openSigning(dir, { fatal: (error) => errors.push(error) });
  await rig.append('web', 3);
  const [chain] = rig.signing.chains.all;
  const temporary = join(dir, 'keys', `${chain?.id22}.key.tmp`);
  symlinkSync('/dev/full', temporary);
  const filled = rig.append('web', 40);
  filled.catch(() => undefined);
  while ((await readLog(dir)).seals.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const stopped = rig.signing.sealData();
  await t.rejects(filled, { code: 'WAL_FAILED', message: /no room for a key file in .*keys/ });
  await stopped;
  t.match(errors, [{ code: 'WAL_FAILED' }]);
  await rig.crash();
  rmSync(temporary);
  const second = await openSigning(dir);
  await second.append('web', 1);
  await second.close();
  const { records, seals } = await readLog(dir);
  t.strictSame(brokenLinks(records, seals, chain?.id22 ?? ''), []);
});

t.test('chains that have ended cost a few bytes in the snapshot, and are still known', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.append('web', 1);
  const id = (await readLog(dir)).records.find(({ dest }) => dest === 'web')?.id ?? '';
  await rig.signing.rotateAll('schedule');
  await rig.close();
  const again = await openSigning(dir);
  t.equal(again.signing.sequencer.ownsId(id), true);
  await again.close();
  const log = await SealLog.open(join(dir, 'log'));
  const heads = LogHeads.decode(log.loadHead()?.blob ?? Buffer.alloc(0));
  await log.close();
  t.equal(heads.ended.size, 2);
  t.equal(heads.byChain.size, 2);
});

t.test('a clock that goes back, also over a crash, never shows in the order of times', async (t) => {
  const dir = t.testdir();
  const first = await openSigning(dir);
  await first.append('web', 3);
  first.clock.jump(3_600_000);
  await first.append('web', 2);
  first.clock.jump(-7_200_000);
  await first.append('web', 38);
  await first.crash();
  const second = await openSigning(dir);
  second.clock.jump(-3_600_000);
  await second.append('web', 1);
  await second.close();
  const { records, seals } = await readLog(dir);
  const chain = records.find(({ dest }) => dest === 'web')?.chain ?? '';
  const own = seals.filter((seal) => seal.chain.toString('base64url') === chain);
  const times = own.flatMap(({ opened, closed }) => [opened, closed]);
  t.equal(own.length, 3);
  t.strictSame(
    times.toSorted((a, b) => a - b),
    times,
  );
  t.strictSame(brokenLinks(records, seals, chain), []);
});
