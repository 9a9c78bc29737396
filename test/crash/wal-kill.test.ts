import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { CursorFile } from '../../src/wal/cursor.ts';
import type { Position } from '../../src/wal/position.ts';
import { WalReader } from '../../src/wal/reader.ts';
import { WriteAheadLog } from '../../src/wal/write-ahead-log.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { randomFrom } from '../helpers/simulated-disk.ts';

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`seed ${seed} (LOGSEAL_TEST_SEED)`);
const child = fileURLToPath(new URL('../helpers/append-until-killed.ts', import.meta.url));

/** Runs the child until it has acknowledged `count` frames or more, kills it, returns all it acknowledged. */
async function runAndKill(directory: string, from: number, count: number): Promise<Map<number, Position>> {
  const running = spawn(process.execPath, [child, directory, String(from)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  let lines = 0;
  let killed = false;
  running.stdout.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    lines += chunk.split('\n').length - 1;
    if (lines <= count || killed) return;
    killed = true;
    running.kill('SIGKILL');
  });
  const [, signal] = await once(running, 'close');
  if (signal !== 'SIGKILL') throw new Error(`the child ended by itself: ${text.slice(-200)}`);
  const acknowledged = new Map<number, Position>();
  for (const line of text.split('\n').slice(1, -1)) {
    const [n, segment, offset] = line.split(' ').map(Number) as [number, number, number];
    acknowledged.set(n, { segment, offset });
  }
  return acknowledged;
}

async function framesOf(directory: string): Promise<{ n: number; position: Position }[]> {
  await using reader = await WalReader.open(join(directory, 'wal'), undefined);
  const found = [];
  for (;;) {
    const frames = await reader.next(undefined);
    if (frames === undefined) return found;
    for (const { payload, position } of frames) {
      const n = payload.readUInt32BE(0);
      if (!payload.subarray(4).every((byte) => byte === n % 251)) throw new Error(`frame ${n} is damaged`);
      found.push({ n, position });
    }
  }
}

t.test('a process killed five times at random moments has lost no acknowledged frame and doubled none', async (t) => {
  const directory = t.testdir();
  const random = randomFrom(seed);
  const acknowledged = new Map<number, Position>();
  let from = 0;
  for (let kill = 0; kill < 5; kill++) {
    const run = await runAndKill(directory, from, 1 + Math.floor(random() * 600));
    for (const [n, position] of run) {
      if (acknowledged.has(n)) t.fail(`${n} was acknowledged twice`);
      acknowledged.set(n, position);
    }
    // Those that were under way may be there; their numbers are not used again.
    from = Math.max(from, ...run.keys()) + 100;
  }
  const { cursor, value } = await CursorFile.open(join(directory, 'cursor'), (json) => json as Position);
  await cursor.close();
  const { wal, recovery } = await WriteAheadLog.open({
    dir: join(directory, 'wal'),
    bytesMax: 1024 ** 3,
    reserveBytes: 0,
    segmentBytes: 256 * 1024,
    keepMs: 3_600_000,
    clock: new ManualClock(),
    cursor: value,
    fatal: (error) => t.fail(error),
  });
  const found = await framesOf(directory);
  await wal.close();
  t.equal(new Set(found.map((frame) => frame.n)).size, found.length, 'no frame is there twice');
  const places = new Map(found.map((frame) => [frame.n, frame.position]));
  for (const [n, position] of acknowledged) {
    if (JSON.stringify(places.get(n)) !== JSON.stringify(position)) t.fail(`${n} is not where it was acknowledged`);
  }
  t.ok(acknowledged.size > 100 && found.length - acknowledged.size <= 30, `${acknowledged.size} of ${found.length}`);
  t.ok(recovery.frames > 0);
});
