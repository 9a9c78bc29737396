import type { Test } from 'tap';
import t from 'tap';
import type { Position } from '../../../src/wal/position.ts';
import { randomFrom, SimulatedDisk } from '../../helpers/simulated-disk.ts';
import { openWal, payloadOf, readAll } from '../../helpers/wal-model.ts';

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`seed ${seed} (LOGSEAL_TEST_SEED)`);
const mebibyte = 1024 * 1024;
const numbers = async (disk: SimulatedDisk, from?: Position): Promise<number[]> =>
  (await readAll(disk, from)).map((frame) => frame.n);

t.test('bytesMax refuses normal appends, and reserve appends only when the reserve is used up as well', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk, { bytesMax: 3000, reserveBytes: 2 * mebibyte });
  await wal.append(payloadOf(0, 2800), 'normal');
  t.ok(wal.room(50));
  t.notOk(wal.room(500));
  await t.rejects(wal.append(payloadOf(1, 500), 'normal'), { code: 'LOG_FULL' });
  t.equal(disk.content('/wal/reserve').length, 2 * mebibyte);
  await wal.append(payloadOf(2, mebibyte + 1000), 'reserve');
  t.equal(wal.freeBytes, 0);
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(disk.content('/wal/reserve').length, 0, 'the reserve file gives up what the log takes, in whole MiB');
  await t.rejects(wal.append(payloadOf(3, mebibyte), 'reserve'), { code: 'LOG_FULL' });
  t.strictSame(await numbers(disk), [0, 2]);
  await wal.trim(wal.durable);
  t.equal(disk.content('/wal/reserve').length, 2 * mebibyte, 'and has it again when the log has drained');
  await wal.append(payloadOf(4, 2000), 'normal');
  t.strictSame(await numbers(disk), [4]);
  await wal.close();
});

t.test('segments that are only kept make way for new frames', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk, { bytesMax: 6000, keepMs: 1e9 });
  for (let n = 0; n < 4; n++) await wal.append(payloadOf(n, 1000), 'normal');
  await wal.trim(wal.durable);
  t.strictSame(await numbers(disk), [0, 1, 2, 3]);
  for (let n = 4; n < 8; n++) await wal.append(payloadOf(n, 1000), 'normal');
  const kept = await numbers(disk);
  t.ok(kept.length < 8 && kept.at(-1) === 7, `${kept}`);
  await wal.close();
});

t.test('a full disk refuses a normal append and leaves no byte of it, while reserve appends go on', async (t) => {
  const disk = new SimulatedDisk();
  const { wal, clock } = await openWal(disk, { reserveBytes: 2 * mebibyte, segmentBytes: 64 * 1024 });
  await wal.append(payloadOf(0, 1000), 'normal');
  const end = wal.durable;
  disk.capacity = disk.usedBytes + 600;
  const both = await Promise.allSettled([
    wal.append(payloadOf(1, 1000), 'normal'),
    wal.append(payloadOf(2, 1000), 'reserve'),
    wal.append(payloadOf(3, 1000), 'normal'),
  ]);
  t.match(both, [
    { status: 'rejected', reason: { code: 'LOG_FULL' } },
    { status: 'fulfilled', value: end },
    { status: 'rejected', reason: { code: 'LOG_FULL' } },
  ]);
  t.equal(disk.content('/wal/reserve').length, mebibyte);
  t.equal(wal.freeBytes, 0);
  await t.rejects(wal.append(payloadOf(4, 10), 'normal'), { code: 'LOG_FULL' });
  await wal.append(payloadOf(5, 100), 'reserve');
  t.strictSame(await numbers(disk), [0, 2, 5]);

  clock.advance(1000);
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(wal.freeBytes, 0, 'still full');
  disk.capacity += 20 * mebibyte;
  clock.advance(1000);
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(wal.freeBytes > 0, 'space has returned');
  t.equal(disk.content('/wal/reserve').length, 2 * mebibyte, 'the reserve first');
  await wal.append(payloadOf(6, 100), 'normal');
  t.strictSame(await numbers(disk), [0, 2, 5, 6]);
  await wal.close();
});

t.test('a refused append does not come back after a power cut', async (t) => {
  for (let run = 0; run < 40; run++) await refuseAndCut(t, randomFrom(seed + run));
});

async function refuseAndCut(t: Pick<Test, 'match' | 'strictSame'>, random: () => number): Promise<void> {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk, { segmentBytes: 64 * 1024, reserveBytes: 0 });
  await wal.append(payloadOf(0, 100), 'normal');
  disk.capacity = disk.usedBytes + 16 + 104 + 8;
  // The first frame of the group fits whole: only the truncation keeps it from coming back.
  const results = await Promise.allSettled([1, 2].map((n) => wal.append(payloadOf(n, 104), 'normal')));
  t.match(results, [{ reason: { code: 'LOG_FULL' } }, { reason: { code: 'LOG_FULL' } }]);
  disk.capacity = Number.POSITIVE_INFINITY;
  disk.restart(random);
  const { wal: next, recovery } = await openWal(disk, { reserveBytes: 0 });
  t.strictSame(recovery, { frames: 1, bytes: 100, tornBytes: 0 });
  await next.close();
}

t.test('when the reserve is used up too, reserve appends are refused, and nothing is damaged', async (t) => {
  const disk = new SimulatedDisk();
  const { wal, fatal } = await openWal(disk, { reserveBytes: mebibyte, segmentBytes: 4096 });
  disk.capacity = disk.usedBytes;
  let written = 0;
  for (;;) {
    const result = await wal.append(payloadOf(written, 3000), 'reserve').catch((error: { code: string }) => error.code);
    if (result === 'LOG_FULL') break;
    written += 1;
  }
  t.ok(written * 3072 > mebibyte * 0.9, `${written} appends found room in the reserve`);
  await t.rejects(wal.append(payloadOf(0, 3000), 'reserve'), { code: 'LOG_FULL' });
  t.equal((await numbers(disk)).length, written);
  t.equal(fatal.length, 0);
  await wal.trim(wal.durable);
  t.equal((await numbers(disk)).length <= 1, true, 'draining deletes even the segment that was written to');
  disk.capacity = Number.POSITIVE_INFINITY;
  await wal.trim(wal.durable);
  t.ok(wal.freeBytes > 0);
  await wal.append(payloadOf(written, 3000), 'normal');
  await wal.close();
});

t.test('no room for the next segment is full, not broken, and is tried again', async (t) => {
  const disk = new SimulatedDisk();
  const { wal, fatal } = await openWal(disk, { reserveBytes: 0, segmentBytes: 2048 });
  await wal.append(payloadOf(0, 1800), 'normal');
  for (const call of ['sync', 'syncDirectory']) {
    disk.fault = (name) => {
      if (name === call) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      return undefined;
    };
    await t.rejects(wal.append(payloadOf(1, 1000), 'reserve'), { code: 'LOG_FULL' });
    // A small one would fit into the old segment; but the new one's name may be on disk, with the old one's end in it.
    await t.rejects(wal.append(payloadOf(2, 8), 'reserve'), { code: 'LOG_FULL' });
    await t.rejects(wal.append(payloadOf(3, 8), 'normal'), { code: 'LOG_FULL' });
  }
  disk.fault = undefined;
  t.strictSame(await wal.append(payloadOf(4, 8), 'reserve'), { segment: 2, offset: 64 });
  t.equal(fatal.length, 0);
  t.strictSame(await numbers(disk), [0, 4]);
  await wal.close();
});

t.test(
  'normal and reserve appends that wait for a new segment are told apart when there is no room for it',
  async (t) => {
    const disk = new SimulatedDisk();
    const { wal } = await openWal(disk, { reserveBytes: mebibyte, segmentBytes: 2048 });
    await wal.append(payloadOf(0, 1800), 'normal');
    disk.capacity = disk.usedBytes;
    const results = await Promise.allSettled([
      wal.append(payloadOf(1, 1000), 'normal'),
      wal.append(payloadOf(2, 1000), 'reserve'),
    ]);
    t.match(results, [{ reason: { code: 'LOG_FULL' } }, { value: { segment: 2, offset: 64 } }]);
    await wal.close();
  },
);

t.test('a start on a full disk uses the reserve to write the log anew, and has no room for records', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk, { reserveBytes: mebibyte, segmentBytes: 64 * 1024 });
  await wal.append(payloadOf(0, 50_000), 'normal');
  await wal.close();
  disk.capacity = disk.usedBytes;
  const { wal: next, recovery } = await openWal(disk, { reserveBytes: 2 * mebibyte, segmentBytes: 64 * 1024 });
  t.equal(recovery.frames, 1);
  t.equal(next.freeBytes, 0);
  await t.rejects(next.append(payloadOf(1), 'normal'), { code: 'LOG_FULL' });
  await next.close();
  disk.capacity = 1000;
  await disk.remove('/wal/reserve');
  await t.rejects(openWal(disk, { reserveBytes: mebibyte }), { code: 'LOG_FULL', message: /no room in \/wal/ });
  t.strictSame(await numbers(disk), [0], 'and that failure changed nothing');
});

t.test('a truncation that fails after ENOSPC is fatal', async (t) => {
  const disk = new SimulatedDisk();
  const { wal, fatal } = await openWal(disk, { reserveBytes: 0 });
  disk.capacity = disk.usedBytes;
  disk.fault = (call) => {
    if (call === 'truncate') throw Object.assign(new Error('EIO'), { code: 'EIO' });
    return undefined;
  };
  await t.rejects(wal.append(payloadOf(0), 'normal'), { code: 'WAL_FAILED' });
  t.equal(fatal.length, 1);
  await wal.close();
});

t.test('a full disk at close costs only the mark', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  await wal.append(payloadOf(0), 'normal');
  disk.capacity = disk.usedBytes + 3;
  await wal.close();
  disk.capacity = Number.POSITIVE_INFINITY;
  const { recovery, wal: next } = await openWal(disk);
  t.strictSame(recovery, { frames: 1, bytes: 40, tornBytes: 3 });
  await next.close();
});
