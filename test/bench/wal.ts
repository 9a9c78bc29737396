/**
 * What the write-ahead log costs over the bare system calls: pwritev + fdatasync of the same payloads, in the same run.
 * node test/bench/wal.ts [directory]   (a directory on the disk in question)
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { diskFileSystem, writeAll } from '../../src/lib/file-system.ts';
import { WalReader } from '../../src/wal/reader.ts';
import { WriteAheadLog } from '../../src/wal/write-ahead-log.ts';

const mebibyte = 1024 * 1024;
const payloadBytes = 600_000;
const count = 400;
const rounds = 3;

async function rate(act: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await act();
  return (payloadBytes * count) / 1000 / (performance.now() - begin);
}

async function bare(directory: string, payload: Buffer): Promise<number> {
  const path = join(directory, 'bare');
  const file = await diskFileSystem.open(path, 'create');
  const megabytes = await rate(async () => {
    for (let n = 0; n < count; n++) {
      await writeAll(file, [payload], n * payload.length);
      await file.syncBytes();
    }
  });
  await file.close();
  await diskFileSystem.remove(path);
  return megabytes;
}

function openLog(directory: string): Promise<{ wal: WriteAheadLog; recovery: { frames: number } }> {
  return WriteAheadLog.open({
    dir: directory,
    bytesMax: 4096 * mebibyte,
    reserveBytes: 64 * mebibyte,
    segmentBytes: 64 * mebibyte,
    keepMs: 0,
    clock: systemClock,
    cursor: undefined,
    fatal: (error) => {
      throw error;
    },
  });
}

async function appendAll(wal: WriteAheadLog, payload: Buffer, together: number): Promise<void> {
  let left = count;
  const client = async (): Promise<void> => {
    while (left-- > 0) await wal.append(payload, 'normal');
  };
  await Promise.all(Array.from({ length: together }, client));
}

async function readAll(directory: string, wal: WriteAheadLog): Promise<void> {
  await using reader = await WalReader.open(directory, undefined);
  while ((await reader.next(wal.durable)) !== undefined);
}

const base = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'wal-bench-'));
try {
  const payload = Buffer.alloc(payloadBytes, 'x');
  for (let round = 1; round <= rounds; round++) {
    const raw = await bare(base, payload);
    const directory = join(base, `wal-${round}`);
    const { wal } = await openLog(directory);
    const one = await rate(() => appendAll(wal, payload, 1));
    const four = await rate(() => appendAll(wal, payload, 4));
    const reading = (await rate(() => readAll(directory, wal))) * 2;
    await wal.close();
    const begin = performance.now();
    const again = await openLog(directory);
    const recovery = (performance.now() - begin) / 1000;
    const rss = Math.round(process.memoryUsage().rss / mebibyte);
    await again.wal.close();
    rmSync(directory, { recursive: true });
    const line = [
      `bare ${raw.toFixed(0)} MB/s`,
      `append ${one.toFixed(0)} (${(one / raw).toFixed(2)} of bare)`,
      `4 at once ${four.toFixed(0)} (${(four / raw).toFixed(2)})`,
      `read ${reading.toFixed(0)}`,
      `recover ${again.recovery.frames} frames in ${recovery.toFixed(2)} s`,
      `rss ${rss} MiB`,
    ];
    process.stdout.write(`${line.join(' · ')}\n`);
  }
} finally {
  rmSync(base, { recursive: true, force: true });
}
