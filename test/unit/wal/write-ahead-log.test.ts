import fc from 'fast-check';
import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import type { Position } from '../../../src/wal/position.ts';
import { comparePositions } from '../../../src/wal/position.ts';
import { SimulatedDisk } from '../../helpers/simulated-disk.ts';
import { openWal, payloadOf, readAll } from '../../helpers/wal-model.ts';

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`seed ${seed} (LOGSEAL_TEST_SEED)`);

const syncsOf = (disk: SimulatedDisk): number => disk.log.filter((line) => line.startsWith('syncBytes')).length;

t.test('appends made together share one write and one fdatasync, and keep their order', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  disk.log = [];
  const positions = await Promise.all([0, 1, 2, 3, 4].map((n) => wal.append(payloadOf(n), 'normal')));
  t.equal(syncsOf(disk), 1);
  t.equal(disk.log.filter((line) => line.startsWith('write ')).length, 1);
  t.strictSame(
    positions,
    [...positions].sort(comparePositions),
    'the positions ascend in the order in which append was called',
  );
  const found = await readAll(disk, undefined, wal.durable);
  t.strictSame(
    found.map((frame) => frame.position),
    positions,
  );
  t.strictSame(found.at(-1)?.next, wal.end);
  await wal.close();
});

t.test('an append resolves only after the fdatasync of its group', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  let synced = false;
  disk.fault = (call) => {
    if (call === 'syncBytes') synced = true;
    return undefined;
  };
  const heard: Position[] = [];
  wal.onDurable((durable) => heard.push(durable));
  t.strictSame(wal.durable, { segment: 1, offset: 64 });
  const append = wal.append(payloadOf(1), 'normal').then(() => t.ok(synced));
  t.notOk(synced);
  await append;
  t.strictSame(heard, [wal.durable]);
  await wal.close();
});

t.test('a segment is begun with its file, its name and its directory on disk before the first frame', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  for (let n = 0; n < 4; n++) await wal.append(payloadOf(n, 900), 'normal');
  const second = disk.log.slice(disk.log.findIndex((line) => line.includes('02.wal.tmp')));
  const calls = second.map((line) => line.replace('/wal/00000000000000', '')).slice(0, 7);
  t.strictSame(calls, [
    'open 02.wal.tmp',
    'write 02.wal.tmp',
    'sync 02.wal.tmp',
    'rename 02.wal.tmp',
    'syncDirectory /wal',
    'write 02.wal.tmp',
    'syncBytes 02.wal.tmp',
  ]);
  t.equal(wal.end.segment, 2);
  await wal.close();
});

t.test('a payload larger than a segment has one of its own', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  const sizes = [100, 9000, 5_000_000, 100];
  const options = { bytesMax: 10_000_000 };
  await wal.close();
  const { wal: large } = await openWal(disk, options);
  const positions = await Promise.all(sizes.map((size, n) => large.append(payloadOf(n, size), 'normal')));
  t.strictSame(
    positions.map((position) => position.segment),
    [1, 2, 3, 4],
  );
  t.strictSame(
    (await readAll(disk)).map((frame) => frame.n),
    [0, 1, 2, 3],
  );
  await large.close();
  const { recovery, wal: again } = await openWal(disk, options);
  t.strictSame(recovery, { frames: 4, bytes: 5_009_200, tornBytes: 0 });
  await again.close();
});

t.test('opening does not move frames, counts those at and after the cursor, and goes on behind them', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  for (let n = 0; n < 12; n++) await wal.append(payloadOf(n, 400), 'normal');
  const before = await readAll(disk, undefined, wal.durable);
  await wal.close();
  const cursor = before[6]?.position;
  const { wal: next, recovery } = await openWal(disk, { cursor, keepMs: 1e9 });
  t.strictSame(recovery, { frames: 6, bytes: 2400, tornBytes: 0 });
  t.strictSame(await readAll(disk, undefined, next.durable), before, 'kept segments stay readable too');
  await next.append(payloadOf(12), 'normal');
  t.strictSame(
    (await readAll(disk, cursor, next.durable)).map((frame) => frame.n),
    [6, 7, 8, 9, 10, 11, 12],
  );
  await next.close();
  const files = disk.log.length;
  for (let i = 0; i < 5; i++) await (await openWal(disk, { cursor, keepMs: 1e9 })).wal.close();
  t.ok(disk.log.length > files);
  t.equal((await readAll(disk)).length, 13, 'starting again and again adds nothing');
});

t.test('trim deletes whole segments before the position, once they are older than keepMs', async (t) => {
  const disk = new SimulatedDisk();
  const { wal, clock } = await openWal(disk, { keepMs: 1000 });
  const names = async (): Promise<number> => (await disk.names('/wal')).filter((name) => name.endsWith('.wal')).length;
  for (let n = 0; n < 9; n++) await wal.append(payloadOf(n, 900), 'normal');
  t.equal(await names(), 5);
  const used = wal.usedBytes;
  await wal.trim({ segment: 3, offset: 64 });
  t.equal(await names(), 5, 'kept for redelivery');
  t.ok(wal.usedBytes < used, 'but no longer counted');
  clock.advance(1000);
  await wal.trim({ segment: 3, offset: 64 });
  t.equal(await names(), 3);
  await wal.trim({ segment: 1, offset: 64 });
  t.equal(await names(), 3, 'an older position changes nothing');
  await wal.trim(wal.durable);
  t.equal(await names(), 1, 'the last one stays');
  await t.rejects(wal.trim({ segment: 99, offset: 64 }), RangeError);
  await wal.append(payloadOf(9, 900), 'normal');
  await wal.close();
});

t.test('a cursor at the end of a deleted segment is the start of the next one', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  for (let n = 0; n < 3; n++) await wal.append(payloadOf(n, 900), 'normal');
  const cursor = (await readAll(disk)).find((frame) => frame.n === 1)?.next;
  t.equal(cursor?.segment, 1);
  await wal.trim(cursor as Position);
  await wal.close();
  t.notOk((await disk.names('/wal')).includes('0000000000000001.wal'));
  const { wal: next, recovery } = await openWal(disk, { cursor });
  t.equal(recovery.frames, 1);
  t.strictSame(
    (await readAll(disk, cursor, next.durable)).map((frame) => frame.n),
    [2],
  );
  await next.close();
});

t.test('after a failed fdatasync every pending and later append is refused, and the owner is told once', async (t) => {
  const disk = new SimulatedDisk();
  const { wal, fatal } = await openWal(disk);
  await wal.append(payloadOf(0), 'normal');
  const durable = wal.durable;
  disk.fault = (call) => {
    if (call === 'syncBytes') throw Object.assign(new Error('EIO'), { code: 'EIO' });
    return undefined;
  };
  const results = await Promise.allSettled([1, 2].map((n) => wal.append(payloadOf(n), 'normal')));
  disk.fault = undefined;
  results.push(...(await Promise.allSettled([wal.append(payloadOf(3), 'reserve')])));
  for (const result of results) t.match(result, { status: 'rejected', reason: { code: 'WAL_FAILED' } });
  t.equal(fatal.length, 1);
  t.strictSame(wal.durable, durable);
  await wal.close();
});

t.test('an append that flies and one that waits are both refused when the disk fails', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  let waiting: Promise<PromiseSettledResult<Position>[]> | undefined;
  disk.fault = (call) => {
    if (call !== 'write') return undefined;
    waiting = Promise.allSettled([wal.append(payloadOf(2), 'normal')]);
    throw Object.assign(new Error('EIO'), { code: 'EIO' });
  };
  await t.rejects(wal.append(payloadOf(1), 'normal'), { code: 'WAL_FAILED' });
  t.match(await waiting, [{ status: 'rejected', reason: { code: 'WAL_FAILED' } }]);
  await wal.close();
});

t.test('short writes are continued', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  disk.fault = (call) => (call === 'write' ? 7 : undefined);
  await Promise.all([0, 1, 2].map((n) => wal.append(payloadOf(n, 33), 'normal')));
  disk.fault = undefined;
  t.equal((await readAll(disk)).length, 3);
  await wal.close();
});

t.test('limits: empty payloads, a full queue, and a closing log', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk, { queueBytesMax: 256 });
  t.throws(() => wal.append(Buffer.alloc(0), 'normal'), RangeError);
  const results = await Promise.allSettled([0, 1, 2].map((n) => wal.append(payloadOf(n, 100), 'normal')));
  t.match(results, [{ status: 'fulfilled' }, { status: 'fulfilled' }, { reason: { code: 'LOG_FULL' } }]);
  const last = wal.append(payloadOf(3), 'normal');
  const closed = wal.close();
  await t.rejects(wal.append(payloadOf(4), 'normal'), { code: 'STOPPING' });
  await closed;
  await t.resolves(last, 'what was accepted before close is written');
});

t.test('what the disk cannot keep is an error that names directory, segment and byte', async (t) => {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  for (let n = 0; n < 9; n++) await wal.append(payloadOf(n, 900), 'normal');
  await wal.close();
  const open = async (cursor: Position | undefined, change: (disk: SimulatedDisk) => unknown): Promise<unknown> => {
    const copy = disk.copy();
    await change(copy);
    return openWal(copy, { cursor }).then(
      () => undefined,
      (error: unknown) => (error instanceof LogsealError ? `${error.code} ${error.message}` : error),
    );
  };
  const name = (segment: number): string => `/wal/000000000000000${segment}.wal`;
  const none = (): void => undefined;
  t.match(await open({ segment: 9, offset: 64 }, none), /WAL_CORRUPT .*segment 9: the cursor points into a segment/);
  t.match(await open({ segment: 5, offset: 9064 }, none), /WAL_CORRUPT .*segment 5: the cursor is at no frame/);
  t.match(await open({ segment: 5, offset: 72 }, none), /WAL_CORRUPT .*cursor is at no frame .* byte 72/);
  t.match(await open(undefined, (d) => d.remove(name(3))), /WAL_CORRUPT .*segment 3: the segment is missing/);
  t.match(await open({ segment: 2, offset: 64 }, (d) => d.remove(name(3))), /segment 3: the segment is missing/);
  t.equal(await open({ segment: 4, offset: 64 }, (d) => d.remove(name(2))), undefined, 'a trim that was cut off');
  t.match(await open({ segment: 1, offset: 64 }, (d) => d.remove(name(1))), /the cursor points into a segment/);
  const other = new SimulatedDisk();
  const { wal: foreign } = await openWal(other);
  for (let n = 0; n < 9; n++) await foreign.append(payloadOf(n, 900), 'normal');
  await foreign.close();
  t.match(
    await open(undefined, (d) => d.damage(name(2), () => other.content(name(2)))),
    /WAL_CORRUPT .*segment 2: the segment is of another log/,
  );
  t.match(
    await open(undefined, (d) => d.damage(name(2), () => d.content(name(3)))),
    /segment 2: the file has another number in its header/,
  );
  t.match(
    await open(undefined, (d) => d.damage(name(2), (bytes) => bytes.subarray(0, 1500))),
    /segment 2: a frame fails its checksum at byte/,
  );
  t.match(
    await open(undefined, (d) => d.damage(name(2), (bytes) => bytes.subarray(0, 50))),
    /segment 2: the file is shorter than its header/,
  );
  const empty = new SimulatedDisk();
  await t.rejects(openWal(empty, { cursor: { segment: 1, offset: 64 } }), /there is a cursor but no log/);
});

t.test('any sequence of appends, trims and restarts reads back as it was written', async (t) => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), size: fc.nat(3000), more: fc.nat(4) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('trim' as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), clean: fc.boolean() }) },
  );
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const disk = new SimulatedDisk();
    let sent = 0;
    let first = 0;
    let cursor: Position | undefined;
    let { wal } = await openWal(disk);
    for (const act of steps) {
      if (act.kind === 'append') {
        const group = Array.from({ length: 1 + act.more }, () => wal.append(payloadOf(sent++, act.size), 'normal'));
        await Promise.all(group);
      } else if (act.kind === 'trim') {
        const all = await readAll(disk, cursor, wal.durable);
        const done = all[Math.floor(act.at * (all.length - 1))];
        if (done === undefined) continue;
        cursor = done.next;
        first = done.n + 1;
        await wal.trim(cursor);
      } else {
        if (act.clean) await wal.close();
        disk.restart(() => 0.99);
        ({ wal } = await openWal(disk, { cursor }));
      }
      const found = (await readAll(disk, cursor, wal.durable)).map((frame) => frame.n);
      const wanted = Array.from({ length: sent - first }, (_, index) => first + index);
      if (found.join() !== wanted.join()) throw new Error(`found ${found}, wanted ${wanted}`);
    }
    await wal.close();
  });
  await fc.assert(property, { seed, numRuns: 60 });
  t.pass(`seed ${seed}`);
});
