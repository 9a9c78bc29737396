import t from 'tap';
import { CursorFile, slotBytes } from '../../../src/wal/cursor.ts';
import { PowerCut, randomFrom, SimulatedDisk, systemError } from '../../helpers/simulated-disk.ts';

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`seed ${seed} (LOGSEAL_TEST_SEED)`);
const path = '/delivery/cursor';

function read(value: unknown): { n: number; pad?: string } {
  if (typeof value !== 'object' || value === null || !('n' in value) || typeof value.n !== 'number') {
    throw new TypeError('no cursor');
  }
  return { n: value.n };
}

t.test('a cursor is what was saved last', async (t) => {
  const disk = new SimulatedDisk();
  const { cursor, value } = await CursorFile.open(path, read, disk);
  t.equal(value, undefined);
  for (let n = 1; n <= 5; n++) await cursor.save({ n });
  await cursor.close();
  t.equal(disk.content(path).length, 2 * slotBytes, 'saves need no new space');
  t.strictSame((await CursorFile.open(path, read, disk)).value, { n: 5 });
});

t.test('a cursor is read beside its owner, and nothing is written', async (t) => {
  const disk = new SimulatedDisk();
  t.equal(await CursorFile.peek(path, read, disk), undefined, 'no file');
  const { cursor } = await CursorFile.open(path, read, disk);
  t.equal(await CursorFile.peek(path, read, disk), undefined, 'nothing saved');
  await cursor.save({ n: 7 });
  const before = disk.content(path);
  t.strictSame(await CursorFile.peek(path, read, disk), { n: 7 });
  t.ok(disk.content(path).equals(before));
  await cursor.close();
});

t.test('a file that was made and never saved to has no value', async (t) => {
  const disk = new SimulatedDisk();
  await (await CursorFile.open(path, read, disk)).cursor.close();
  const { cursor, value } = await CursorFile.open(path, read, disk);
  t.equal(value, undefined);
  await cursor.save({ n: 1 });
  await cursor.close();
  t.strictSame((await CursorFile.open(path, read, disk)).value, { n: 1 });
});

t.test('saves asked for while one is under way become one, the newest', async (t) => {
  const disk = new SimulatedDisk();
  const { cursor } = await CursorFile.open(path, read, disk);
  disk.log = [];
  await Promise.all([1, 2, 3, 4, 5].map((n) => cursor.save({ n })));
  t.ok(disk.log.filter((line) => line.startsWith('syncBytes')).length <= 2, `${disk.log}`);
  await cursor.close();
  t.strictSame((await CursorFile.open(path, read, disk)).value, { n: 5 });
});

t.test('after a power cut at any call the cursor is the one saved last, or the one being saved', async (t) => {
  let cuts = 0;
  for (let run = 0; run < 5; run++) {
    for (let cutAt = 1; cutAt < 40; cutAt++) {
      const random = randomFrom(seed + run * 100 + cutAt);
      const disk = new SimulatedDisk();
      disk.cutAt = cutAt;
      let saved = 0;
      let asked = 0;
      try {
        for (let start = 0; start < 3; start++) {
          const { cursor } = await CursorFile.open(path, read, disk);
          for (let n = 0; n < 4; n++) {
            asked += 1;
            await cursor.save({ n: asked, pad: 'x'.repeat(Math.floor(random() * 2000)) });
            saved = asked;
          }
          await cursor.close();
        }
      } catch (error) {
        cuts += error instanceof PowerCut || (error as Error).cause instanceof PowerCut ? 1 : 0;
      }
      disk.restart(random);
      const found = (await CursorFile.open(path, read, disk)).value?.n ?? 0;
      if (found !== saved && found !== asked) t.fail(`run ${run}, cut ${cutAt}: saved ${saved}, found ${found}`);
    }
  }
  t.ok(cuts > 50, `${cuts} power cuts, seed ${seed}`);
});

t.test('one damaged slot gives the value before, two are an error that names the file', async (t) => {
  const disk = new SimulatedDisk();
  const { cursor } = await CursorFile.open(path, read, disk);
  for (let n = 1; n <= 3; n++) await cursor.save({ n });
  await cursor.close();
  const flip = (at: number): void =>
    disk.damage(path, (bytes) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] as number) ^ 1;
      return copy;
    });
  flip(slotBytes + 26);
  const { cursor: again, value } = await CursorFile.open(path, read, disk);
  t.strictSame(value, { n: 2 });
  await again.close();
  flip(0);
  flip(slotBytes + 19);
  await t.rejects(CursorFile.open(path, read, disk), { code: 'DATA_DIR_INVALID', message: /\/delivery\/cursor/ });
  disk.damage(path, () => Buffer.alloc(10));
  await t.rejects(CursorFile.open(path, read, disk), { code: 'DATA_DIR_INVALID' });
  const long = encodeLength(slotBytes);
  disk.damage(path, () => long);
  await t.rejects(CursorFile.open(path, read, disk), { code: 'DATA_DIR_INVALID' });
});

function encodeLength(length: number): Buffer {
  const bytes = Buffer.alloc(2 * slotBytes);
  bytes.write('LSPCUR\r\n', 0, 'latin1');
  bytes.writeUInt32BE(length, 16);
  return bytes;
}

t.test('a cursor whose fsync failed is never trusted again, and a value too large is refused', async (t) => {
  const disk = new SimulatedDisk();
  const { cursor } = await CursorFile.open(path, read, disk);
  await cursor.save({ n: 1 });
  t.throws(() => cursor.save({ n: 2, pad: 'x'.repeat(slotBytes) }), RangeError);
  disk.fault = (call) => {
    if (call === 'syncBytes') throw systemError('EIO');
    return undefined;
  };
  await t.rejects(cursor.save({ n: 3 }), { code: 'WAL_FAILED' });
  disk.fault = undefined;
  await t.rejects(cursor.save({ n: 4 }), { code: 'WAL_FAILED' });
  await cursor.close();
  const second = await CursorFile.open(path, read, disk);
  disk.restart(() => 0.99);
  t.strictSame(
    (await CursorFile.open(path, read, disk)).value,
    second.value,
    'what a start shows, it has made durable',
  );
});

t.test('errors of the disk other than a missing file are passed on', async (t) => {
  const disk = new SimulatedDisk();
  disk.fault = () => {
    throw systemError('EACCES');
  };
  await t.rejects(CursorFile.open(path, read, disk), { code: 'EACCES' });
});
