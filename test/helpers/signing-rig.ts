/** What signs, on real files, without sockets and delivery: opened, used, and left as a crash leaves it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeVkey } from '../../src/chain/note.ts';
import type { Seal } from '../../src/chain/seal.ts';
import { decodeSeal } from '../../src/chain/seal.ts';
import { logSuite } from '../../src/chain/suite.ts';
import { LogsealError } from '../../src/errors.ts';
import { entryKinds } from '../../src/journal/entry-kind.ts';
import { RecordView, readRecordsHeader, recordsHeaderBytes } from '../../src/journal/records-entry.ts';
import { decodeSealEntry } from '../../src/journal/seal-entry.ts';
import type { Certificate } from '../../src/keys/auditor.ts';
import { createAuditor, readCertificates } from '../../src/keys/auditor.ts';
import { createMetrics } from '../../src/metrics.ts';
import { Instance } from '../../src/sequencer/instance.ts';
import type { SigningOptions } from '../../src/sequencer/open.ts';
import { Signing } from '../../src/sequencer/open.ts';
import { WalReader } from '../../src/wal/reader.ts';
import { WriteAheadLog } from '../../src/wal/write-ahead-log.ts';
import { ManualClock } from './manual-clock.ts';

const auditor = await createAuditor({ name: 'test auditor', nowMs: 1_763_000_000_000 });
const certificates = await readTestCertificates();

async function readTestCertificates(): Promise<Certificate[]> {
  const directory = await mkdtemp(join(tmpdir(), 'logseal-test-'));
  const path = join(directory, 'auditor.cert.pem');
  await writeFile(path, auditor.certPem);
  const read = await readCertificates([path], 1_763_800_000_000);
  await rm(directory, { recursive: true });
  return read;
}

export interface SigningRig {
  signing: Signing;
  instance: Instance;
  clock: ManualClock;
  wal: WriteAheadLog;
  certificates: readonly Certificate[];
  /** Appends records `{"n":…}` to a destination. */
  append(dest: string, count: number): Promise<void>;
  /** A clean end. */
  close(): Promise<void>;
  /** What a killed process leaves: nothing is sealed, nothing is said. */
  crash(): Promise<void>;
}

const fatal = (error: unknown): never => {
  throw error;
};

export function openWal(dir: string, clock: ManualClock): ReturnType<typeof WriteAheadLog.open> {
  return WriteAheadLog.open({
    dir: join(dir, 'wal'),
    bytesMax: 256 * 1024 * 1024,
    reserveBytes: 64 * 1024 * 1024,
    segmentBytes: 16 * 1024 * 1024,
    keepMs: 3_600_000,
    clock,
    cursor: undefined,
    fatal,
  });
}

/** With `change.wal` the log is the caller's, and stays open after `crash`. */
export async function openSigning(dir: string, change: Partial<SigningOptions> = {}): Promise<SigningRig> {
  const clock = new ManualClock();
  const walDir = join(dir, 'wal');
  const instance = await Instance.open(dir, 'test', clock.now());
  const opened = change.wal === undefined ? await openWal(dir, clock) : undefined;
  const wal = change.wal ?? (opened as NonNullable<typeof opened>).wal;
  const signing = await Signing.open({
    instance,
    wal,
    walDir,
    unsealedFrom: undefined,
    replayedFrames: opened?.recovery.frames ?? 0,
    suite: logSuite,
    certificates,
    rules: [],
    chainsMax: 8,
    rotateEveryMs: 30 * 86_400_000,
    limits: { recordsMax: 40, ageMaxMs: 10_000, idleMs: 60_000 },
    pendingBytesMax: 16 * 1024 * 1024,
    holdMaxMs: 1000,
    version: 'test',
    configHash: '0'.repeat(64),
    vkey: encodeVkey(instance.origin, instance.checkpointPublicKey),
    unsigned: new Set(),
    clock,
    metrics: createMetrics({ processMetrics: false }),
    watching: { watch: () => undefined, unwatch: () => undefined },
    fatal,
    ...change,
  });
  return {
    signing,
    instance,
    clock,
    wal,
    certificates,
    async append(dest, count) {
      const contents = Array.from({ length: count }, (_, n) => Buffer.from(`{"n":${n}}`));
      const body = Buffer.concat(contents);
      const descriptors = new Int32Array(count * 6);
      let at = 0;
      for (const [place, content] of contents.entries()) {
        descriptors.set([at, at + content.length, 0, -1, -1, 0], place * 6);
        at += content.length;
      }
      await signing.sequencer.append({ body, count, descriptors, dests: [dest], ids: [], metas: [] }, 'wal');
    },
    async close() {
      await signing.sealData();
      await signing.sealControl();
      await signing.close();
      await wal.close();
    },
    async crash() {
      await opened?.wal.close();
    },
  };
}

export interface LoggedRecord {
  chain: string;
  epoch: number;
  index: number;
  seq: number;
  dest: string;
  id: string;
  prev: string;
  tag: string;
  content: string;
}

/** Everything that the log holds, in its order. */
export async function readLog(dir: string): Promise<{ records: LoggedRecord[]; seals: Seal[] }> {
  const records: LoggedRecord[] = [];
  const seals: Seal[] = [];
  const reader = await WalReader.open(join(dir, 'wal'), undefined);
  for (;;) {
    const frames = await reader.next(undefined);
    if (frames === undefined) break;
    for (const { payload } of frames) {
      if (payload[0] === entryKinds.seal) {
        const decoded = decodeSeal(Buffer.from(decodeSealEntry(payload).seal));
        if (decoded.ok) seals.push(decoded.seal);
      } else if (payload[0] === entryKinds.records) records.push(...recordsOf(payload));
    }
  }
  await reader.close();
  return { records, seals };
}

function recordsOf(payload: Buffer): LoggedRecord[] {
  const { chain, epoch, count } = readRecordsHeader(payload);
  const view = new RecordView().seek(payload, recordsHeaderBytes);
  const records: LoggedRecord[] = [];
  for (let left = count; left > 0; left -= 1) {
    records.push({
      chain: chain.toString('base64url'),
      epoch,
      index: view.index,
      seq: view.seq,
      dest: view.dest,
      id: view.id,
      prev: view.prev.toString('hex'),
      tag: view.tag.toString('hex'),
      content: view.content.toString(),
    });
    view.seek(payload, view.next);
  }
  return records;
}

/** Every record links to the one before it, over the ends of epochs and over restarts. */
export function brokenLinks(records: LoggedRecord[], seals: Seal[], chain: string): string[] {
  const own = records.filter((record) => record.chain === chain);
  const broken: string[] = [];
  let before: LoggedRecord | undefined;
  for (const [place, record] of own.entries()) {
    if (record.seq !== place) broken.push(`record ${place} has seq ${record.seq}`);
    const seal = seals.find((one) => one.chain.toString('base64url') === chain && one.epoch === record.epoch - 1);
    const first = record.epoch === 0 ? '0'.repeat(32) : seal?.mac.subarray(0, 16).toString('hex');
    const expected = record.index === 0 ? first : before?.tag;
    if (record.prev !== expected) broken.push(`record ${place} does not link`);
    before = record;
  }
  return broken;
}

/** A log that refuses the appends that `refuses` names. */
function refusing(wal: WriteAheadLog, refuses: (kind: number) => boolean): WriteAheadLog {
  return {
    append: (payload: Buffer, space: 'normal' | 'reserve') =>
      refuses(payload[0] ?? 0)
        ? Promise.reject(new LogsealError('LOG_FULL', 'the write-ahead log is full'))
        : wal.append(payload, space),
    room: () => true,
    get durable() {
      return wal.durable;
    },
  } as unknown as WriteAheadLog;
}

export async function openRefusing(dir: string) {
  const clock = new ManualClock();
  const { wal } = await openWal(dir, clock);
  const refused = new Set<number>();
  const errors: unknown[] = [];
  const rig = await openSigning(dir, {
    wal: refusing(wal, (kind) => refused.has(kind)),
    clock,
    fatal: (error) => errors.push(error),
  });
  return { rig, wal, refused, errors };
}
