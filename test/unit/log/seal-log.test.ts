import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { SealLog } from '../../../src/log/seal-log.ts';
import { PowerCut, randomFrom, SimulatedDisk, systemError } from '../../helpers/simulated-disk.ts';

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`seed ${seed} (LOGSEAL_TEST_SEED)`);
const fileBytes = 128 * 1024;
const first = '/log/0000000000000000.seals';

const open = (fs: SimulatedDisk): Promise<SealLog> => SealLog.open('/log', { fs, fileBytes });
const textOf = (n: number, size = 500): Buffer => Buffer.from(`seal ${n} `.padEnd(size, '.'));

async function entries(log: SealLog, from = 0): Promise<number[]> {
  const found = [];
  let expected = from;
  for await (const { entry, text } of log.read(from)) {
    if (entry !== expected++) throw new Error(`entry ${entry} instead of ${expected - 1}`);
    const n = Number(text.toString('latin1').split(' ')[1]);
    if (!text.equals(textOf(n, text.length))) throw new Error(`the text of ${n} is damaged`);
    found.push(n);
  }
  return found;
}

const upTo = (count: number, from = 0): number[] => Array.from({ length: count - from }, (_, n) => from + n);

function flip(disk: SimulatedDisk, path: string, at: number, bit = 0): void {
  disk.damage(path, (bytes) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] as number) ^ (1 << bit);
    return copy;
  });
}

t.test('entries have the numbers of their order, also over many files, and read from any of them', async (t) => {
  const disk = new SimulatedDisk();
  const log = await open(disk);
  t.equal(log.size, 0);
  t.strictSame(await entries(log), []);
  for (let n = 0; n < 900; n += 3) {
    const numbers = await Promise.all([n, n + 1, n + 2].map((i) => log.append(textOf(i))));
    t.strictSame(numbers, [n, n + 1, n + 2]);
  }
  t.ok((await disk.names('/log')).filter((name) => name.endsWith('.seals')).length >= 4);
  for (const from of [0, 1, 123, 124, 500, 899, 900, 5000]) t.strictSame(await entries(log, from), upTo(900, from));
  await t.rejects(entries(log, -1), RangeError);
  await log.close();
  const again = await open(disk);
  t.equal(again.size, 900);
  t.strictSame(await entries(again), upTo(900));
  await again.close();
});

t.test('seals that come together share one fdatasync; a reader beside them sees those that were there', async (t) => {
  const disk = new SimulatedDisk();
  const log = await open(disk);
  await log.append(textOf(0));
  disk.log = [];
  const reading = entries(log);
  await Promise.all(upTo(9).map((n) => log.append(textOf(n + 1))));
  t.equal(disk.log.filter((line) => line.startsWith('syncBytes')).length, 1);
  t.strictSame(await reading, [0]);
  await log.close();
});

t.test('a reader is not confused by a file change under it', async (t) => {
  const disk = new SimulatedDisk();
  const log = await open(disk);
  for (const n of upTo(110)) await log.append(textOf(n, 1000));
  const reader = log.read(0);
  const seen = [(await reader.next()).value?.entry];
  await Promise.all(upTo(100).map((n) => log.append(textOf(n + 110, 1000))));
  for await (const { entry } of reader) seen.push(entry);
  t.strictSame(seen, upTo(110));
  await log.close();
});

t.test('limits: entry sizes and a closed log', async (t) => {
  const log = await open(new SimulatedDisk());
  t.throws(() => log.append(Buffer.alloc(0)), RangeError);
  t.throws(() => log.append(Buffer.alloc(64 * 1024 + 1)), RangeError);
  t.equal(await log.append(textOf(0, 64 * 1024)), 0);
  await log.close();
  await t.rejects(log.append(textOf(1)), { code: 'STOPPING' });
});

t.test('every flipped byte of an entry before the last is named by its number', async (t) => {
  const disk = new SimulatedDisk();
  const log = await open(disk);
  for (const n of upTo(4)) await log.append(textOf(n, 61));
  await log.close();
  const frame = 16 + 64;
  for (let at = 0; at < 64 + 3 * frame; at++) {
    const broken = disk.copy();
    flip(broken, first, at, at % 8);
    const entry = at < 64 ? 0 : Math.floor((at - 64) / frame);
    const details = { entry, offset: at < 64 ? 0 : 64 + entry * frame, file: 0 };
    await t.rejects(open(broken), { code: 'LOG_CORRUPT', details }, `byte ${at}`);
  }
  const torn = disk.copy();
  flip(torn, first, 64 + 3 * frame + 20);
  const rest = await open(torn);
  t.equal(rest.size, 3, 'in the last one it is a torn tail');
  t.equal(rest.tornBytes, 77);
  t.equal(await rest.append(textOf(3)), 3);
  await rest.close();
});

t.test('damage in an older file is named when it is read, and does not keep the log from starting', async (t) => {
  const disk = new SimulatedDisk();
  const log = await open(disk);
  for (const n of upTo(400)) await log.append(textOf(n));
  await log.close();
  const files = (await disk.names('/log')).filter((name) => name.endsWith('.seals')).sort();
  flip(disk, first, 64 + 10 * 520 + 30);
  const started = await open(disk);
  t.strictSame((await entries(started, 300)).length, 100);
  await t.rejects(entries(started), { code: 'LOG_CORRUPT', details: { entry: 10, file: 0, offset: 64 + 10 * 520 } });
  await started.close();
  await disk.remove(`/log/${files[1]}`);
  const holed = await open(disk);
  await t.rejects(entries(holed, 50), { code: 'LOG_CORRUPT' });
  await holed.close();
  await disk.remove(first);
  await t.rejects(open(disk), { code: 'LOG_CORRUPT', message: /entry 0 .* is missing/ });
});

t.test('a head is kept, its damage is noticed, and one that knows more than the log is proof of loss', async (t) => {
  const disk = new SimulatedDisk();
  const log = await open(disk);
  t.equal(log.loadHead(), undefined);
  for (const n of upTo(5)) await log.append(textOf(n));
  await log.saveHead(Buffer.from('after five'));
  await log.append(textOf(5));
  await t.rejects(log.saveHead(Buffer.alloc(0), 7), RangeError);
  await t.rejects(log.saveHead(Buffer.alloc(17 * 1024 * 1024)), RangeError);
  await log.close();
  const again = await open(disk);
  t.match(again.loadHead(), { size: 5, blob: Buffer.from('after five') });
  await again.close();
  const damaged = [
    (bytes: Buffer) => bytes.subarray(0, 20),
    (bytes: Buffer) => bytes.subarray(0, 30),
    (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(17 * 1024 * 1024)]),
  ];
  for (const change of damaged) {
    const broken = disk.copy();
    broken.damage('/log/head', change);
    const log = await open(broken);
    t.equal(log.loadHead(), undefined);
    await log.close();
  }
  for (let at = 0; at < disk.content('/log/head').length; at++) {
    const broken = disk.copy();
    flip(broken, '/log/head', at);
    const log = await open(broken);
    if (log.loadHead() !== undefined) t.fail(`byte ${at}`);
    await log.close();
  }
  flip(disk, first, 64 + 16 + 3);
  disk.damage(first, (bytes) => Buffer.concat([bytes.subarray(0, 64 + 2 * 520), Buffer.alloc(fileBytes)]));
  flip(disk, first, 64 + 16 + 3);
  await t.rejects(open(disk), { code: 'LOG_CORRUPT', message: /entry 2 .*its head knows 5 entries/ });
});

t.test('a full disk leaves room for a file of seals, then refuses, and goes on when there is room', async (t) => {
  const disk = new SimulatedDisk();
  const log = await open(disk);
  disk.capacity = disk.usedBytes;
  let written = 0;
  while ((await log.append(textOf(written)).catch((error: { code: string }) => error.code)) !== 'LOG_FULL')
    written += 1;
  t.ok(written > 200, `${written} seals`);
  await t.rejects(log.append(textOf(written)), { code: 'LOG_FULL' });
  disk.capacity = Number.POSITIVE_INFINITY;
  t.equal(await log.append(textOf(written)), written);
  t.strictSame(await entries(log), upTo(written + 1));
  await log.close();
  disk.capacity = disk.usedBytes - fileBytes;
  await t.rejects(open(disk), { code: 'LOG_FULL' });
});

t.test('a failed sync is final, and a start on the same machine shows only what it has made durable', async (t) => {
  const disk = new SimulatedDisk();
  const log = await open(disk);
  await log.append(textOf(0));
  disk.fault = (call) => {
    if (call === 'syncBytes') throw systemError('EIO');
    return undefined;
  };
  const flying = log.append(textOf(1));
  await t.rejects(flying, { code: 'WAL_FAILED' });
  disk.fault = undefined;
  await t.rejects(log.append(textOf(2)), { code: 'WAL_FAILED' });
  await log.close();
  disk.kill();
  const second = await open(disk);
  const shown = await entries(second);
  await second.close();
  disk.restart(() => 0.99);
  const third = await open(disk);
  t.strictSame(await entries(third), shown);
  await third.close();
});

t.test('after a power cut at any call every answered seal is there once, in order', async (t) => {
  let cuts = 0;
  for (let run = 0; run < 3; run++) {
    for (let cutAt = 1; ; cutAt++) {
      const random = randomFrom(seed + run * 1000 + cutAt);
      const disk = new SimulatedDisk();
      disk.cutAt = cutAt;
      let answered = 0;
      let sent = 0;
      let cut = false;
      try {
        for (let start = 0; start < 2; start++) {
          const log = await open(disk);
          while (sent < 3 * (start + 1)) {
            const texts = [textOf(sent++, 40_000), textOf(sent++, 600)];
            await Promise.all(texts.map((text) => log.append(text)));
            answered = sent;
          }
          await log.saveHead(Buffer.from('head'));
          await log.close();
        }
      } catch (error) {
        cut = error instanceof PowerCut || (error as Error).cause instanceof PowerCut;
        if (!cut) throw error;
      }
      disk.restart(random);
      const log = await open(disk);
      const found = await entries(log);
      await log.close();
      if (found.length < answered || found.some((n, index) => n !== index)) {
        t.fail(`seed ${seed}, run ${run}, cut ${cutAt}: answered ${answered}, found ${found}`);
      }
      if (!cut) break;
      cuts += 1;
    }
  }
  t.ok(cuts > 100, `${cuts} power cuts`);
});

t.test('it works on real files', async (t) => {
  const directory = join(t.testdir(), 'log');
  const log = await SealLog.open(directory);
  for (const n of upTo(20)) await log.append(textOf(n));
  await log.saveHead(Buffer.from('x'));
  await log.close();
  await using again = await SealLog.open(directory);
  t.strictSame(await entries(again), upTo(20));
  t.equal(again.loadHead()?.size, 20);
  t.strictSame(readdirSync(directory).sort(), ['0000000000000000.seals', 'head', 'next.tmp']);
});
