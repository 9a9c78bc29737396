import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import { WalReader } from '../../../src/wal/reader.ts';
import { randomFrom, SimulatedDisk } from '../../helpers/simulated-disk.ts';
import { numberOf, openWal, payloadOf, readAll } from '../../helpers/wal-model.ts';

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`seed ${seed} (LOGSEAL_TEST_SEED)`);
const segment = '/wal/0000000000000001.wal';

/** Three groups: 0 and 1, 2, 3 and 4; closed cleanly or not. */
async function smallLog(clean: boolean): Promise<{ disk: SimulatedDisk; lastGroup: number }> {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  await Promise.all([0, 1].map((n) => wal.append(payloadOf(n, 13), 'normal')));
  await wal.append(payloadOf(2, 24), 'normal');
  const lastGroup = wal.end.offset;
  await Promise.all([3, 4].map((n) => wal.append(payloadOf(n, 30), 'normal')));
  if (clean) await wal.close();
  return { disk, lastGroup };
}

/** The numbers that a start finds, or the error's offset. */
async function start(disk: SimulatedDisk): Promise<number[] | number> {
  try {
    const { wal } = await openWal(disk);
    const found = (await readAll(disk, undefined, wal.durable)).map((frame) => frame.n);
    await wal.close();
    return found;
  } catch (error) {
    if (!(error instanceof LogsealError) || error.code !== 'WAL_CORRUPT') throw error;
    return error.details.offset as number;
  }
}

t.test('every flipped bit after a clean close is found, and named at or before the byte it is in', async (t) => {
  const { disk } = await smallLog(true);
  const size = disk.content(segment).length;
  const mark = size - 16;
  for (let at = 0; at < size; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const broken = disk.copy();
      broken.damage(segment, (bytes) => {
        const copy = Buffer.from(bytes);
        copy[at] = (copy[at] as number) ^ (1 << bit);
        return copy;
      });
      const result = await start(broken);
      if (at >= mark) {
        // The mark itself: all frames are there.
        if (Array.isArray(result) && result.length === 5) continue;
      } else if (typeof result === 'number' && result <= at && result > at - 64) {
        continue;
      }
      t.fail(`bit ${bit} of byte ${at}: ${result}`);
      return;
    }
  }
  t.pass(`${size} bytes`);
});

t.test('after a crash a flipped bit is found too, except in the last group, where it is a torn tail', async (t) => {
  const { disk, lastGroup } = await smallLog(false);
  const size = disk.content(segment).length;
  for (let at = 0; at < size; at++) {
    const broken = disk.copy();
    broken.damage(segment, (bytes) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] as number) ^ 0x10;
      return copy;
    });
    const result = await start(broken);
    const right =
      at < lastGroup
        ? typeof result === 'number' && result <= at
        : Array.isArray(result) && [3, 4].includes(result.length);
    if (!right) t.fail(`byte ${at}: ${result}`);
  }
  t.pass(`${size} bytes, last group at ${lastGroup}`);
});

t.test('what one start has recovered, the next one no longer takes for a torn tail', async (t) => {
  const { disk, lastGroup } = await smallLog(false);
  t.strictSame(await openWal(disk).then(({ recovery }) => recovery.frames), 5);
  disk.damage(segment, (bytes) => {
    const copy = Buffer.from(bytes);
    copy[lastGroup + 20] = 0;
    return copy;
  });
  t.equal(await start(disk), lastGroup);
});

t.test('a log cut at any byte of its last group keeps the whole frames before the cut', async (t) => {
  const { disk, lastGroup } = await smallLog(false);
  const size = disk.content(segment).length;
  for (let length = lastGroup; length < size; length++) {
    const cut = disk.copy();
    cut.damage(segment, (bytes) => bytes.subarray(0, length));
    const result = await start(cut);
    t.ok(Array.isArray(result) && result.every((n, index) => n === index) && result.length >= 3, `cut at ${length}`);
  }
});

t.test('frames in another place, another segment or another log are no frames', async (t) => {
  const { disk } = await smallLog(false);
  const { disk: other } = await smallLog(false);
  const frame = (from: SimulatedDisk): Buffer => Buffer.from(from.content(segment).subarray(64, 96));
  const own = disk.copy();
  const at = own.content(segment).length;
  own.damage(segment, (bytes) => Buffer.concat([bytes, frame(own)]));
  t.strictSame(await start(own), [0, 1, 2, 3, 4], 'a copy of its first frame at the end is a torn tail');
  const foreign = disk.copy();
  foreign.damage(segment, (bytes) => Buffer.concat([bytes.subarray(0, 64), frame(other), bytes.subarray(96)]));
  t.equal(await start(foreign), 64);
  t.ok(at > 96);
});

t.test('pages of a torn last group in any order and mixture are a torn tail, never damage', async (t) => {
  const random = randomFrom(seed);
  for (let run = 0; run < 200; run++) {
    const disk = new SimulatedDisk();
    const { wal } = await openWal(disk, { segmentBytes: 64 * 1024 });
    await wal.append(payloadOf(0, 500), 'normal');
    disk.fault = (call) => {
      if (call === 'syncBytes') throw Object.assign(new Error('EIO'), { code: 'EIO' });
      return undefined;
    };
    const before = wal.end.offset;
    await Promise.allSettled([1, 2, 3, 4].map((n) => wal.append(payloadOf(n, 600 + n * 300), 'normal')));
    disk.kill();
    disk.damage(segment, (bytes) => {
      const copy = Buffer.from(bytes);
      for (let at = before; at < copy.length; at += 512)
        if (random() < 0.4) copy.fill(0, at, Math.min(at + 512, copy.length));
      return copy;
    });
    const result = await start(disk);
    if (!Array.isArray(result) || result[0] !== 0) t.fail(`seed ${seed}, run ${run}: ${result}`);
  }
  t.pass(`seed ${seed}`);
});

t.test(
  'a reader stops at its limit, names damage before it, and takes what is not yet written for the end',
  async (t) => {
    const disk = new SimulatedDisk();
    const { wal } = await openWal(disk, { segmentBytes: 4096 });
    for (let n = 0; n < 20; n++) await wal.append(payloadOf(n, 700), 'normal');
    const all = await readAll(disk);
    t.equal(all.length, 20);
    for (const frame of all) {
      const found = await readAll(disk, undefined, frame.position);
      t.equal(found.length, frame.n, `up to ${frame.n}`);
    }
    const third = all[3];
    const broken = disk.copy();
    broken.damage(segment, (bytes) => {
      const copy = Buffer.from(bytes);
      copy[(third?.position.offset as number) + 20] = 0;
      return copy;
    });
    await t.rejects(readAll(broken, undefined, wal.durable), {
      code: 'WAL_CORRUPT',
      details: { segment: 1, offset: third?.position.offset },
    });
    const last = disk.copy();
    const tail = `/wal/000000000000000${wal.durable.segment}.wal`;
    last.damage(tail, (bytes) => bytes.subarray(0, bytes.length - 3));
    t.equal((await readAll(last)).length, 19, 'without a limit');
    await t.rejects(readAll(last, undefined, wal.durable), { code: 'WAL_CORRUPT' });
    await wal.close();
  },
);

t.test('a reader goes on where it was while the log grows, changes segments and is started again', async (t) => {
  const disk = new SimulatedDisk();
  let { wal } = await openWal(disk, { keepMs: 1e9 });
  const reader = await WalReader.open('/wal', undefined, disk);
  const seen: number[] = [];
  const read = async (): Promise<void> => {
    for (;;) {
      const frames = await reader.next(wal.durable);
      if (frames === undefined) return;
      for (const { payload } of frames) seen.push(numberOf(payload));
    }
  };
  for (let n = 0; n < 40; n++) {
    await wal.append(payloadOf(n, 300), 'normal');
    if (n % 3 === 0) await read();
    if (n % 7 === 0) {
      await wal.close();
      ({ wal } = await openWal(disk, { keepMs: 1e9 }));
    }
  }
  await read();
  t.strictSame(
    seen,
    Array.from({ length: 40 }, (_, n) => n),
  );
  t.equal(await reader.next(wal.durable), undefined);
  reader.seek({ segment: 1, offset: 64 });
  t.equal((await reader.next(wal.durable))?.[0]?.payload.toString('latin1', 0, 2), '0:');
  await reader.close();
  await wal.close();
});

t.test('a reader of an empty directory waits, one of a trimmed segment says so', async (t) => {
  const disk = new SimulatedDisk();
  await using early = await WalReader.open('/wal', undefined, disk);
  t.equal(await early.next(undefined), undefined);
  const { wal } = await openWal(disk);
  for (let n = 0; n < 6; n++) await wal.append(payloadOf(n, 900), 'normal');
  t.equal((await early.next(undefined))?.length, 2);
  await wal.trim(wal.durable);
  await using late = await WalReader.open('/wal', { segment: 1, offset: 64 }, disk);
  await t.rejects(late.next(undefined), { code: 'WAL_TRIMMED' });
  await t.rejects(readAll(disk, undefined, { segment: 9, offset: 64 }), { code: 'WAL_CORRUPT' });
  await wal.close();
});

t.test('a reader holds about 4 MiB, however large the log', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk, { segmentBytes: 16 * 1024 * 1024, bytesMax: 64 * 1024 * 1024 });
  const group = Array.from({ length: 9 }, (_, n) => wal.append(payloadOf(n, 1024 * 1024 - 3), 'normal'));
  await Promise.all(group);
  await using reader = await WalReader.open('/wal', undefined, disk);
  const sizes = [];
  for (;;) {
    const frames = await reader.next(wal.durable);
    if (frames === undefined) break;
    sizes.push(frames.length);
    t.ok((frames[0]?.payload.buffer.byteLength ?? 0) <= 4 * 1024 * 1024);
  }
  t.strictSame(sizes, [3, 3, 3]);
  await wal.close();
});
