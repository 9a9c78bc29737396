/**
 * Fault class *disk*, bit flips: one bit in each kind of file of a data directory, of a proxy that was killed and of one that
 * stopped; then a start. A flip is found (the error names the file), written over, without meaning, or, at the very end of a log
 * that kill -9 left, told as a torn write. Anything else is a defect. LOGSEAL_TEST_SEED repeats a run's draws.
 */
import { createSecretKey, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import t from 'tap';
import { startProxy } from '../helpers/proxy.ts';
import { randomFrom } from '../helpers/simulated-disk.ts';
import type { CheckOptions, Problem, Promises } from './crash-check.ts';
import { brokenPromises } from './crash-check.ts';
import type { Region } from './flip-regions.ts';
import { regionsOf } from './flip-regions.ts';
import type { FlipRow } from './flip-row.ts';
import { recordFlips } from './flip-row.ts';
import { Ledger } from './ledger.ts';
import { startMemoryEngine } from './memory-engine.ts';
import { dest } from './recorded-run.ts';

const long = process.env.LOGSEAL_TEST_FAULTS_LONG !== undefined;
const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const random = randomFrom(seed);
t.comment(`LOGSEAL_TEST_SEED=${seed}`);

const flipsInShort = 2;
/** In the long form each byte of a part up to that length, of a longer one so many at random. */
const flipsInLong = 1200;
const keptReserveBytes = 4096;
const environment = {
  LOGSEAL_EPOCH_RECORDS_MAX: '64',
  LOGSEAL_WAL_SEGMENT_BYTES: '1MiB',
  LOGSEAL_WAL_BYTES_MAX: '256MiB',
};
/** In memory where the machine has such a place: a directory is written, read and thrown away. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const root = await mkdtemp(join(scratch, 'logseal-flips-'));
t.teardown(() => rm(root, { recursive: true, force: true }));

const masterKey = randomBytes(32);
const keyFile = join(root, 'encryption.key');
await writeFile(keyFile, masterKey.toString('hex'), { mode: 0o600 });

interface Made {
  dataDir: string;
  promises: Promises;
  options: CheckOptions;
}

/** Some of it delivered; the rest waits, since the search engine is gone. Ended by kill -9, or by a stop that delivered all. */
async function make(name: string, how: { stopped: boolean; encrypted: boolean }): Promise<Made> {
  const dataDir = join(root, name);
  const ledger = new Ledger({ dest, perBulk: 16, messageChars: 700 });
  const engine = await startMemoryEngine(() => 0, [dest]);
  const more: Record<string, string> = how.encrypted ? { LOGSEAL_ENCRYPTION_KEY_FILE: keyFile } : {};
  const start = () =>
    startProxy({
      dataDir,
      elasticsearchUrl: engine.url,
      environment: { ...environment, ...more, LOGSEAL_STOP_TIMEOUT: '3s' },
    });
  const acknowledged: number[] = [];
  const send = async (url: string, bulks: number) => {
    for (let sent = 0; sent < bulks; sent += 1) {
      const bulk = ledger.draw(0);
      const headers = { 'content-type': 'application/x-ndjson' };
      const answer = await fetch(`${url}/_bulk`, { method: 'POST', headers, body: ledger.body(bulk) });
      ledger.settle(bulk, answer.status, await answer.text());
      if (bulk.outcome !== 'acknowledged') throw new Error(`a record was not acknowledged: ${ledger.strange}`);
      for (let n = bulk.first; n < bulk.first + bulk.count; n += 1) acknowledged.push(n);
    }
  };
  const first = await start();
  await send(first.url, 20);
  if ((await first.stop()) !== 0) throw new Error(`the proxy did not stop: ${first.output()}`);
  if (!how.stopped) await engine.close();
  const second = await start();
  // Not a whole epoch at the end: the last thing written is records.
  await send(second.url, 121);
  if (how.stopped) {
    if ((await second.stop()) !== 0) throw new Error(`the proxy did not stop: ${second.output()}`);
    await engine.close();
  } else await second.kill();
  const reserve = join(dataDir, 'wal', 'reserve');
  await truncate(reserve, keptReserveBytes);
  const documents = engine.documents;
  const options = how.encrypted ? { keys: { current: createSecretKey(masterKey), previous: [] } } : {};
  return { dataDir, options, promises: { acknowledged, connectionOf: () => 0, sent: documents, stored: documents } };
}

/** Bits of a part. */
function drawn({ from, to }: Region): number[] {
  const bit = (at: number) => at * 8 + Math.floor(random() * 8);
  if (to - from <= (long ? flipsInLong : 0)) return Array.from({ length: to - from }, (_, n) => bit(from + n));
  return Array.from({ length: long ? flipsInLong : flipsInShort }, () =>
    bit(from + Math.floor(random() * (to - from))),
  );
}

type Found =
  | { kind: 'detected'; code: string }
  | { kind: 'rewritten' | 'harmless' | 'torn' }
  | { kind: 'wrong'; text: string };

async function flip({ dataDir, promises, options }: Made, region: Region, bit: number): Promise<Found> {
  const state = join(root, 'state');
  await cp(dataDir, state, { recursive: true });
  try {
    const path = join(state, region.path);
    const file = await open(path, 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, bit >> 3);
    byte[0] = (byte[0] as number) ^ (1 << (bit & 7));
    await file.write(byte, 0, 1, bit >> 3);
    await file.close();
    const problems = await brokenPromises(state, promises, options);
    if (problems.length > 0) return judged(problems, region);
    if (region.path.endsWith('auditor.cert.pem')) return auditorOf(state, dataDir);
    const now = await readFile(path);
    return { kind: now[bit >> 3] === byte[0] ? 'harmless' : 'rewritten' };
  } finally {
    await rm(state, { recursive: true });
  }
}

function judged(problems: readonly Problem[], region: Region): Found {
  const text = problems.map((one) => one.text).join('; ');
  const [{ kind, code, message = '' } = { kind: 'start' }] = problems;
  if (region.torn && problems.every((one) => one.kind === 'lost')) return { kind: 'torn' };
  if (kind !== 'start' && !(kind === 'read' && region.readLater)) return { kind: 'wrong', text };
  const [, number, extension] = /(\d+)\.(wal|seals)$/.exec(region.path) ?? [];
  const place =
    number === undefined ? basename(region.path) : `${extension === 'wal' ? 'segment' : 'file'} ${Number(number)}`;
  if (code === undefined) return { kind: 'wrong', text: `no code: ${text}` };
  if (!message.includes(place)) return { kind: 'wrong', text: `${place} is not named: ${text}` };
  return { kind: 'detected', code: kind === 'read' ? `${code} when it is read again` : code };
}

/** What is wrapped to a key that nobody has is lost to every verifier. */
function auditorOf(state: string, dataDir: string): Found {
  const [now, before] = [state, dataDir].map((dir) =>
    new X509Certificate(readFileSync(join(dir, 'development-auditor', 'auditor.cert.pem'))).publicKey.export({
      format: 'der',
      type: 'spki',
    }),
  );
  return now !== undefined && before?.equals(now)
    ? { kind: 'harmless' }
    : { kind: 'wrong', text: 'wrapped to a key of nobody' };
}

for (const how of [
  { name: 'killed', stopped: false, encrypted: false },
  { name: 'stopped', stopped: true, encrypted: false },
  { name: 'encrypted', stopped: false, encrypted: true },
]) {
  t.test(`a flipped bit in the directory of a proxy: ${how.name}`, async (t) => {
    const made = await make(how.name, how);
    const all = await regionsOf(made.dataDir, how.stopped);
    const regions = how.encrypted ? all.filter(({ path }) => path.endsWith('.wal')) : all;
    t.strictSame(await withoutFlip(made), [], 'without a flip every promise is kept');
    for (const region of regions) {
      const row = { flips: 0, detected: {} as Record<string, number>, rewritten: 0, harmless: 0, torn: 0, wrong: 0 };
      const file = how.encrypted ? `${region.file}, encrypted` : region.file;
      const wrong: string[] = [];
      for (const bit of drawn(region)) {
        const found = await flip(made, region, bit);
        row.flips += 1;
        if (found.kind === 'detected') row.detected[found.code] = (row.detected[found.code] ?? 0) + 1;
        else row[found.kind] += 1;
        if (found.kind === 'wrong') wrong.push(`bit ${bit & 7} of byte ${bit >> 3}: ${found.text}`);
      }
      t.strictSame(wrong, [], `${file}, ${region.part}: ${JSON.stringify(row)}`);
      recordFlips({ file, part: region.part, ...row } satisfies FlipRow);
    }
  });
}

t.test('the real process ends too, and names the file', async (t) => {
  const made = await make('process', { stopped: false, encrypted: false });
  const regions = await regionsOf(made.dataDir, false);
  const engine = await startMemoryEngine(() => 0, [dest], made.promises.stored);
  t.teardown(() => engine.close());
  const expected: [file: string, part: string, said: RegExp][] = [
    ['wal/*.wal', 'waiting frame: body', /"code":"WAL_CORRUPT".*segment \d+/],
    ['keys/*.key', 'all of it', /"code":"KEY_INVALID".*\.key/],
    ['keys/checkpoint.pem', 'all of it', /"code":"DATA_DIR_INVALID".*checkpoint\.pem/],
    ['instance.json', 'all of it', /"code":"DATA_DIR_INVALID".*instance\.json/],
    ['trust.json', 'all of it', /"code":"DATA_DIR_INVALID".*trust\.json/],
    // Read by the delivery thread.
    ['delivery/places', 'all of it', /"code":"DELIVERY_FAILED".*delivery\/places/],
  ];
  for (const [file, part, said] of expected) {
    const region = regions.find((one) => one.file === file && one.part === part);
    if (region === undefined) throw new Error(`there is no ${part} of ${file}`);
    const state = join(root, 'state');
    await cp(made.dataDir, state, { recursive: true });
    const bytes = await readFile(join(state, region.path));
    const at = (region.from + region.to) >> 1;
    bytes[at] = (bytes[at] as number) ^ 1;
    await writeFile(join(state, region.path), bytes);
    const output = await startProxy({ dataDir: state, elasticsearchUrl: engine.url, environment }).then(
      async (proxy) => {
        await proxy.ended;
        return proxy.output();
      },
      (error: Error) => error.message,
    );
    t.match(output, said, file);
    await rm(state, { recursive: true });
  }
});

t.test('control: a log that ends too early without a trace is seen', async (t) => {
  const { dataDir, promises, options } = await make('control', { stopped: false, encrypted: false });
  const regions = await regionsOf(dataDir, false);
  const last = regions.find(({ part }) => part === 'last group before kill -9: header');
  await truncate(join(dataDir, last?.path ?? ''), last?.from ?? 0);
  t.match(await brokenPromises(dataDir, promises, options), [{ kind: 'lost' }]);
});

async function withoutFlip({ dataDir, promises, options }: Made): Promise<Problem[]> {
  const state = join(root, 'state');
  await cp(dataDir, state, { recursive: true });
  try {
    return await brokenPromises(state, promises, options);
  } finally {
    await rm(state, { recursive: true });
  }
}
