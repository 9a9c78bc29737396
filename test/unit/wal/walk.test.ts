import t from 'tap';
import type { FileSystem } from '../../../src/lib/file-system.ts';
import type { Damage, SegmentState } from '../../../src/wal/walk.ts';
import { walkLog } from '../../../src/wal/walk.ts';
import { SimulatedDisk } from '../../helpers/simulated-disk.ts';
import { numberOf, openWal, payloadOf } from '../../helpers/wal-model.ts';

interface Walked {
  numbers: number[];
  segments: SegmentState[];
  damage: Damage[];
}

async function walk(fs: FileSystem, wantedFrom?: { segment: number; offset: number }): Promise<Walked> {
  const walked: Walked = { numbers: [], segments: [], damage: [] };
  const begin = () => {
    const numbers: number[] = [];
    return { numbers, frame: (payload: Buffer) => void (payload.length > 0 && numbers.push(numberOf(payload))) };
  };
  for await (const { segment, damage } of walkLog({ directory: '/wal', begin, wantedFrom, fs })) {
    if (damage !== undefined) walked.damage.push(damage);
    if (segment === undefined) continue;
    walked.segments.push(segment.state);
    walked.numbers.push(...segment.visitor.numbers);
  }
  return walked;
}

/** Frames 0 to `count - 1`, each a group of its own; several segments with more than about 30. */
async function log(count: number, options: { closed?: boolean; size?: number } = {}): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk);
  for (let n = 0; n < count; n++) await wal.append(payloadOf(n, options.size ?? 40), 'normal');
  if (options.closed !== false) await wal.close();
  return disk;
}

const pathOf = (segment: number) => `/wal/${String(segment).padStart(16, '0')}.wal`;
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

t.test('every frame of every segment is seen once, in order, and nothing is wrong', async (t) => {
  const { numbers, segments, damage } = await walk(await log(100));
  t.strictSame(damage, []);
  t.strictSame(numbers, upTo(100));
  t.ok(segments.length > 2, 'several segments');
  t.strictSame([...new Set(segments.slice(0, -1).map((one) => one.closed))], [true]);
  t.equal(segments.at(-1)?.closed, false);
  t.strictSame(
    segments.slice(1).map((one) => one.previousEnd),
    segments.slice(0, -1).map((one) => one.end),
    'each segment knows where the one before it ends',
  );
  t.equal(
    segments.reduce((sum, one) => sum + one.frames, 0),
    100,
  );
});

t.test('every flipped byte of a log that was closed is found, in the file and at or before the byte', async (t) => {
  const disk = await log(60);
  const files = (await disk.names('/wal')).filter((name) => name.endsWith('.wal')).map((name) => `/wal/${name}`);
  t.ok(files.length > 1);
  const missed: string[] = [];
  for (const path of files) {
    const { length } = disk.content(path);
    const last = path === files.at(-1);
    for (let at = 0; at < length; at++) {
      const broken = disk.copy();
      broken.damage(path, (bytes) => {
        const copy = Buffer.from(bytes);
        copy[at] = (copy[at] ?? 0) ^ 0x10;
        return copy;
      });
      const { damage, segments } = await walk(broken);
      const found = damage.some((one) => one.file === path && one.offset <= at);
      // The mark at the end of the last file proves all before it; nothing proves the mark.
      const mark = last && at >= length - 16 && segments.at(-1)?.tailBytes === 16;
      if (!found && !mark) missed.push(`${path} ${at}`);
    }
  }
  t.strictSame(missed, []);
});

t.test('a torn write at the end is no damage, and its bytes are counted', async (t) => {
  const disk = await log(10, { closed: false });
  const whole = disk.content(pathOf(1)).length;
  disk.damage(pathOf(1), (bytes) => Buffer.concat([bytes, Buffer.from('half of a frame')]));
  const { numbers, damage, segments } = await walk(disk);
  t.strictSame(damage, []);
  t.strictSame(numbers, upTo(10));
  t.match(segments, [{ end: whole, tailBytes: 15 }]);
});

t.test('a missing segment is damage, unless all before it was done', async (t) => {
  const disk = await log(100);
  await disk.remove(pathOf(2));
  t.match((await walk(disk)).damage, [{ file: pathOf(2), what: /missing/ }]);
  t.match((await walk(disk, { segment: 1, offset: 64 })).damage, [{ file: pathOf(2) }]);
  t.strictSame((await walk(disk, { segment: 3, offset: 64 })).damage, []);
});

t.test('a segment of another log is named', async (t) => {
  const [disk, other] = [await log(100), await log(100)];
  disk.damage(pathOf(2), () => Buffer.from(other.content(pathOf(2))));
  t.match((await walk(disk)).damage, [
    { file: pathOf(2), offset: 24 },
    { file: pathOf(3), offset: 24 },
  ]);
});

t.test('a segment that is deleted while the log is read is left out, with all before it', async (t) => {
  const disk = await log(100);
  let reads = 0;
  const fs = new Proxy<FileSystem>(disk, {
    get(target, name) {
      if (name !== 'open') return (...args: unknown[]) => Reflect.apply(Reflect.get(target, name), target, args);
      return async (path: string, mode: 'read') => {
        reads += 1;
        if (reads === 1) for (const segment of [1, 2]) await disk.remove(pathOf(segment));
        return disk.open(path, mode);
      };
    },
  });
  const { numbers, damage, segments } = await walk(fs);
  t.strictSame(damage, []);
  t.equal(segments[0]?.number, 3);
  t.equal(numbers.at(-1), 99);
});

t.test('what looks damaged because a write is under way is looked at again before it is called so', async (t) => {
  const disk = await log(12, { closed: false, size: 60 });
  const whole = Buffer.from(disk.content(pathOf(1)));
  // A reader sees frame 10 torn and frame 11 whole; the next look sees both.
  const torn = Buffer.from(whole);
  torn.fill(0, whole.length - 2 * 80 + 20, whole.length - 80);
  let looks = 0;
  const fs = new Proxy<FileSystem>(disk, {
    get(target, name) {
      if (name !== 'open') return (...args: unknown[]) => Reflect.apply(Reflect.get(target, name), target, args);
      return async (path: string, mode: 'read') => {
        const file = await disk.open(path, mode);
        if (path !== pathOf(1)) return file;
        return Object.assign(Object.create(file), {
          size: () => file.size(),
          close: () => file.close(),
          read: async (target: Buffer, position: number) => {
            looks += position > 0 ? 1 : 0;
            const source = looks <= 1 ? torn : whole;
            return source.copy(target, 0, position, position + target.length);
          },
        });
      };
    },
  });
  const { numbers, damage } = await walk(fs);
  t.ok(looks > 1, 'it looked again');
  t.strictSame(damage, []);
  t.strictSame(numbers, upTo(12));
});
