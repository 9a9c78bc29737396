import { createSecretKey, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { CursorValue } from '../../../src/delivery/cursor-keeper.ts';
import { CursorFile } from '../../../src/wal/cursor.ts';
import type { LogKeys } from '../../../src/wal/frame-cipher.ts';
import type { Position } from '../../../src/wal/position.ts';
import { LogWriter } from '../../helpers/log-writer.ts';
import { runLogseal } from '../../helpers/terminal.ts';

const baseMs = 1_763_891_234_567;

interface Laid {
  dataDir: string;
  writer: LogWriter;
  positions: Position[];
  end: Position;
  save(cursor: CursorValue): Promise<void>;
}

/** A data directory with 12 frames of two records each (web, audit), a control record and a seal, in small segments. */
async function layOut(dataDir: string, keys?: LogKeys): Promise<Laid> {
  for (const name of ['wal', 'delivery', 'log']) mkdirSync(join(dataDir, name));
  writeFileSync(join(dataDir, 'instance.json'), '{}');
  const writer = await LogWriter.open(join(dataDir, 'wal'), 2048, keys);
  const positions: Position[] = [];
  for (let n = 0; n < 12; n++) {
    const records = ['web', 'audit'].map((dest) => ({ dest, content: `{"n":${n}}`, timeMs: baseMs + n * 1000 }));
    positions.push(await writer.records(records));
  }
  await writer.controlRecord({ epoch: 0 });
  await writer.seal(0);
  const end = writer.wal.end;
  await writer.wal.close();
  const save = async (cursor: CursorValue) => {
    const opened = await CursorFile.open(join(dataDir, 'delivery', 'cursor'), (value) => value as CursorValue);
    await opened.cursor.save(cursor);
    await opened.cursor.close();
  };
  return { dataDir, writer, positions, end, save };
}

async function objects(
  args: string[],
): Promise<{ exitCode: number; all: Record<string, unknown>[]; last: Record<string, unknown> }> {
  const { stdout, exitCode } = await runLogseal([...args, '--json']);
  const all = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { exitCode, all, last: all.at(-1) ?? {} };
}

const at = (positions: readonly Position[], index: number) => positions[index] ?? { segment: 0, offset: 0 };

t.test('without a cursor everything waits, by destination, since the oldest record', async (t) => {
  const { dataDir } = await layOut(t.testdir());
  const { exitCode, all, last } = await objects(['wal', 'inspect', dataDir]);
  t.equal(exitCode, 0);
  t.match(last, {
    type: 'wal',
    records: 24,
    controls: 1,
    seals: 1,
    waitingRecords: 25,
    oldestMs: baseMs,
    sealsWaiting: 1,
    damage: 0,
  });
  const segments = all.filter((one) => one.type === 'wal-segment');
  t.ok(segments.length > 2);
  t.equal(
    segments.reduce((sum, one) => sum + Number(one.records), 0),
    24,
  );
  const waiting = all.filter((one) => one.type === 'wal-waiting');
  t.strictSame(waiting.map((one) => one.dest).sort(), ['audit', 'logseal-control', 'web']);
});

t.test(
  'with a cursor only what lies after it waits; a lane and its parked records wait from their own places',
  async (t) => {
    const { dataDir, positions, save, end } = await layOut(t.testdir());
    const main = at(positions, 10);
    const parked = [{ position: at(positions, 1), seq: 3, blockedMs: 5000 }];
    const lane = { dests: ['audit'], position: at(positions, 4), sent: at(positions, 5), blockedMs: 65_000, parked };
    await save({ main, sent: main, seals: end, lanes: [lane] });
    const { all, last, exitCode } = await objects(['wal', 'inspect', dataDir]);
    t.equal(exitCode, 0);
    t.match(last, { waitingRecords: 2 + 1 + 8 + 1, sealsWaiting: 0 });
    const byDest = Object.fromEntries(
      all.filter((one) => one.type === 'wal-waiting').map((one) => [one.dest, one.records]),
    );
    t.strictSame(byDest, { audit: 9, web: 2, 'logseal-control': 1 });
    t.match(
      all.find((one) => one.dest === 'audit'),
      { oldestMs: baseMs + 1000 },
    );
    const { stdout } = await runLogseal(['wal', 'inspect', '--data-dir', dataDir, '--top', '1']);
    t.match(stdout, /held: audit {2}from segment \d+, byte \d+, refused for 1 min 5 s, 1 records tried apart/);
    t.match(stdout, /Waiting for the search engine: 12 records/);
    t.match(stdout, /and 2 more destinations/);
    t.match(stdout, /No damage found\.\nNot covered: /);
  },
);

t.test('check finds a flipped byte in segments, cursors and head, names file and byte, and ends with 1', async (t) => {
  const { dataDir, positions, save, end } = await layOut(t.testdir());
  await save({ main: at(positions, 10), sent: end, seals: end, lanes: [] });
  t.equal((await runLogseal(['wal', 'check', dataDir])).exitCode, 0);
  const segment = join(dataDir, 'wal', '0000000000000001.wal');
  const whole = readFileSync(segment);
  const broken = Buffer.from(whole);
  broken[200] = (broken[200] ?? 0) ^ 1;
  writeFileSync(segment, broken);
  const found = await runLogseal(['wal', 'check', dataDir]);
  t.equal(found.exitCode, 1);
  t.match(found.stdout, /DAMAGE .*0000000000000001\.wal, byte 64: a frame is missing or fails its checksum/);
  writeFileSync(segment, whole);
  const cursor = join(dataDir, 'delivery', 'cursor');
  writeFileSync(cursor, Buffer.alloc(readFileSync(cursor).length, 7));
  t.match(
    (await runLogseal(['wal', 'check', dataDir])).stdout,
    /DAMAGE .*delivery.cursor, byte 0: .* no readable slot/,
  );
});

t.test('check finds a cursor that is at no frame, or outside the log', async (t) => {
  const { dataDir, positions, save, end } = await layOut(t.testdir());
  const main = at(positions, 10);
  const places: [Position, RegExp][] = [
    [{ ...main, offset: main.offset + 8 }, /a cursor is there, but no frame/],
    [{ segment: 99, offset: 64 }, /after the end of the log/],
    [{ segment: end.segment, offset: end.offset + 4096 }, /a cursor is there, but no frame/],
  ];
  for (const [place, what] of places) {
    await save({ main: place, sent: place, seals: place, lanes: [] });
    const { exitCode, stdout } = await runLogseal(['wal', 'check', dataDir]);
    t.equal(exitCode, 1);
    t.match(stdout, what);
  }
});

t.test('what is no data directory is no damage: 3, in one sentence', async (t) => {
  const { exitCode, stderr } = await runLogseal(['wal', 'check', t.testdir({})]);
  t.equal(exitCode, 3);
  t.match(stderr, /is no data directory of a proxy/);
  t.match(await runLogseal(['wal', 'inspect', t.testdirName, '--top', 'x']), { exitCode: 3, stderr: /--top/ });
});

t.test('an encrypted log is checked from outside without its key, and counted with it', async (t) => {
  const dir = t.testdir({ data: {} });
  const key = randomBytes(32);
  for (const [name, bytes] of [['key', key] as const, ['other', randomBytes(32)] as const]) {
    writeFileSync(join(dir, name), `${bytes.toString('hex')}\n`, { mode: 0o600 });
  }
  const { dataDir } = await layOut(join(dir, 'data'), { current: createSecretKey(key), previous: [] });
  const outside = await objects(['wal', 'check', dataDir]);
  t.match([outside.exitCode, outside.last], [0, { records: 0, closedFrames: 14, damage: 0 }]);
  t.match((await runLogseal(['wal', 'check', dataDir])).stdout, /Not covered: what is encrypted/);
  const wrong = await objects(['wal', 'check', dataDir, '--encryption-key-file', join(dir, 'other')]);
  t.match([wrong.exitCode, wrong.last], [0, { records: 0, closedFrames: 14 }]);
  const inside = await objects(['wal', 'inspect', dataDir, '--encryption-key-file', join(dir, 'key')]);
  t.match([inside.exitCode, inside.last], [0, { records: 24, seals: 1, closedFrames: 0, waitingRecords: 25 }]);
  const segment = join(dataDir, 'wal', '0000000000000001.wal');
  const broken = readFileSync(segment);
  broken[200] = (broken[200] ?? 0) ^ 1;
  writeFileSync(segment, broken);
  t.equal((await objects(['wal', 'check', dataDir])).exitCode, 1, 'a flipped byte is found without the key');
});
