import { join } from 'node:path';
import t from 'tap';
import { diskFileSystem } from '../../../src/lib/file-system.ts';
import { SealLog } from '../../../src/log/seal-log.ts';
import { walkSealLog } from '../../../src/log/seal-walk.ts';
import { SimulatedDisk } from '../../helpers/simulated-disk.ts';

const fileBytes = 128 * 1024;
const textOf = (n: number) => Buffer.from(`seal ${n}\n`.padEnd(9000, 'x'));
const first = '/log/0000000000000000.seals';

/** 20 entries in several files, a head of 15. */
async function sealLog(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await using log = await SealLog.open('/log', { fs: disk, fileBytes });
  for (let n = 0; n < 15; n++) await log.append(textOf(n));
  await log.saveHead(Buffer.from('what is known'));
  for (let n = 15; n < 20; n++) await log.append(textOf(n));
  return disk;
}

async function walk(disk: SimulatedDisk) {
  const entries: number[] = [];
  const state = await walkSealLog(
    '/log',
    (entry, text) => {
      if (text.equals(textOf(entry))) entries.push(entry);
    },
    disk,
  );
  return { ...state, seen: entries };
}

t.test('every entry of every file is seen in order, and the head is told', async (t) => {
  const found = await walk(await sealLog());
  t.match(found, { entries: 20, headSize: 15, damage: [] });
  t.ok(found.files > 1);
  t.strictSame(
    found.seen,
    Array.from({ length: 20 }, (_, n) => n),
  );
});

t.test('a flipped byte is named by its file: entries, a closed file, the head', async (t) => {
  const disk = await sealLog();
  const flip = async (path: string, at: number) => {
    const broken = disk.copy();
    broken.damage(path, (bytes) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy;
    });
    return (await walk(broken)).damage;
  };
  for (const at of [0, 30, 64, 70, 100, 5000]) t.match(await flip(first, at), [{ file: first }], `byte ${at}`);
  for (const at of [3, 10, 22, 30]) t.match(await flip('/log/head', at), [{ file: '/log/head' }], `head, byte ${at}`);
});

t.test('a log that is shorter than its head knows is damage, a missing head is none', async (t) => {
  const disk = await sealLog();
  const files = (await disk.names('/log')).filter((name) => name.endsWith('.seals')).sort();
  const short = disk.copy();
  for (const name of files.slice(1)) await short.remove(`/log/${name}`);
  t.match((await walk(short)).damage, [{ what: /but its head knows 15/ }]);
  await disk.remove('/log/head');
  t.match(await walk(disk), { headSize: undefined, damage: [] });
});

t.test('an empty directory, and one that is not there, hold no seals', async (t) => {
  const directory = t.testdir({});
  t.match(await walkSealLog(directory, () => undefined, diskFileSystem), { files: 0, entries: 0, damage: [] });
  t.match(await walkSealLog(join(directory, 'none'), () => undefined), { files: 0, entries: 0, damage: [] });
});
