/**
 * Opens a data directory as a start of the proxy does, up to where it accepts and signs, in this process, and says what of the
 * promises made before the power went is not kept. The order of the start is that of src/proxy/stages.ts.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeVkey } from '../../src/chain/note.ts';
import { decodeSeal } from '../../src/chain/seal.ts';
import { neededFrom, readCursorValue } from '../../src/delivery/cursor-keeper.ts';
import type { PlacesOptions } from '../../src/delivery/places.ts';
import { Places } from '../../src/delivery/places.ts';
import { LogsealError } from '../../src/errors.ts';
import { entryKinds } from '../../src/journal/entry-kind.ts';
import { RecordView, readRecordsHeader, recordsHeaderBytes } from '../../src/journal/records-entry.ts';
import { createAuditor } from '../../src/keys/auditor.ts';
import { readKeyFile } from '../../src/keys/key-file.ts';
import { walkSealLog } from '../../src/log/seal-walk.ts';
import { findAuditors } from '../../src/proxy/auditors.ts';
import { keepTrust } from '../../src/proxy/trust-keeper.ts';
import { CursorFile } from '../../src/wal/cursor.ts';
import type { LogDirectory, LogKeys } from '../../src/wal/frame-cipher.ts';
import { keysOf, pathOf } from '../../src/wal/frame-cipher.ts';
import { DirectoryLock } from '../../src/wal/lock.ts';
import type { Position } from '../../src/wal/position.ts';
import { comparePositions, readPosition } from '../../src/wal/position.ts';
import { WalReader } from '../../src/wal/reader.ts';
import { WriteAheadLog } from '../../src/wal/write-ahead-log.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { openSigning } from '../helpers/signing-rig.ts';
import type { EngineDocument } from './memory-engine.ts';
import { dest } from './recorded-run.ts';

/** What must be so after a cut. */
export interface Promises {
  /** Numbers of records that were acknowledged before it. */
  acknowledged: readonly number[];
  /** The connection that a record came on; on each of them, records have the order of their numbers. */
  connectionOf: (n: number) => number;
  /** What the search engine may have. */
  sent: readonly EngineDocument[];
  /** Of these the proxy was told that they are stored: it need not send them again. */
  stored: readonly EngineDocument[];
}

interface LoggedRecord {
  chain: string;
  seq: number;
  tag: string;
  /** -1 for a control record. */
  n: number;
  /** Delivery will come to it. */
  waits: boolean;
}

export interface Problem {
  /** `start`: it throws; `read`: it does not, and a reader of the log does. */
  kind: 'lost' | 'twice' | 'outOfPlace' | 'seals' | 'start' | 'read';
  /** Records. */
  count: number;
  text: string;
  /** Of the error, where there is one. */
  code?: string;
  message?: string;
}

export interface CheckOptions {
  /** Of an encrypted log. */
  keys?: LogKeys;
}

/** The broken promises; none is how it should be. A start that throws is one of them. */
export async function brokenPromises(
  dataDir: string,
  promises: Promises,
  options: CheckOptions = {},
): Promise<Problem[]> {
  const path = join(dataDir, 'wal');
  const walDir = options.keys === undefined ? path : { path, keys: options.keys };
  let started = false;
  try {
    const cursor = await startAndSign(dataDir, walDir);
    started = true;
    const records = await readRecords(walDir, cursor);
    const told = await wrongSeals(dataDir, promises);
    return [...losses(records, promises), ...twins(records, promises), ...disorder(records, promises), ...told];
  } catch (error) {
    const text = `${started ? 'the reading' : 'the start'} fails: ${describe(error)}`;
    const told = error instanceof LogsealError ? { code: error.code, message: error.message } : {};
    return [{ kind: started ? 'read' : 'start', count: 0, text, ...told }];
  }
}

function problem(kind: Problem['kind'], text: string, count = 1): Problem {
  return { kind, count, text };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${'code' in error ? `${error.code}: ` : ''}${error.message}${cause}`;
}

/** Starts, signs three records more, and is killed. Resolves with where delivery would have gone on. */
async function startAndSign(dataDir: string, walDir: LogDirectory): Promise<Position> {
  using _lock = await DirectoryLock.acquire(dataDir);
  await giveAuditor(join(dataDir, 'development-auditor'));
  const { certificates } = await findAuditors([], dataDir);
  await mkdir(join(dataDir, 'delivery'), { recursive: true, mode: 0o700 });
  const delivery = await CursorFile.open(join(dataDir, 'delivery', 'cursor'), readCursorValue);
  await delivery.cursor.close();
  const unsealed = await CursorFile.open(join(dataDir, 'unsealed'), readPosition);
  await unsealed.cursor.close();
  const needed = delivery.value === undefined ? { segment: 0, offset: 0 } : neededFrom(delivery.value);
  const clock = new ManualClock(Date.now());
  const { wal, recovery } = await WriteAheadLog.open({
    dir: pathOf(walDir),
    keys: keysOf(walDir),
    bytesMax: 64 * 1024 * 1024,
    reserveBytes: 4096,
    segmentBytes: 1024 * 1024,
    // Nothing is deleted, so that all can be read afterwards.
    keepMs: 86_400_000,
    clock,
    cursor: firstWanted(needed, unsealed.value),
    fatal: (error) => {
      throw error;
    },
  });
  try {
    const rig = await openSigning(dataDir, {
      wal,
      walDir,
      unsealedFrom: unsealed.value,
      replayedFrames: recovery.frames,
      certificates,
      clock,
    });
    const { instance, signing } = rig;
    const chains = signing.chains.all.map((chain) => chain.id22);
    const vkey = encodeVkey(instance.origin, instance.checkpointPublicKey);
    const trust = { origin: instance.origin, vkey, control: signing.chains.control.id22, chains };
    await keepTrust(dataDir, trust, (chain) => signing.knowsChain(chain));
    await Places.open({ path: join(dataDir, 'delivery', 'places'), ...nobody });
    await rig.append(dest, 3);
    await rig.signing.sealData();
  } finally {
    await wal.close();
  }
  return needed;
}

/** Not asked while the file is read. */
const nobody = {} as Pick<PlacesOptions, 'host' | 'upstream'>;

const auditor = createAuditor({ name: 'logseal development auditor' });

/** Where a cut came before there was one. A start makes it, but an RSA key for each of thousands of states takes too long. */
async function giveAuditor(directory: string): Promise<void> {
  if (existsSync(join(directory, 'auditor.cert.pem'))) return;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { keyPem, certPem } = await auditor;
  await writeFile(join(directory, 'auditor.key.pem'), keyPem);
  await writeFile(join(directory, 'auditor.cert.pem'), certPem);
}

function firstWanted(needed: Position, unsealed: Position | undefined): Position | undefined {
  if (unsealed === undefined) return undefined;
  const first = comparePositions(needed, unsealed) < 0 ? needed : unsealed;
  return first.segment === 0 ? undefined : first;
}

async function readRecords(walDir: LogDirectory, cursor: Position): Promise<LoggedRecord[]> {
  const records: LoggedRecord[] = [];
  const reader = await WalReader.open(walDir, undefined);
  for (;;) {
    const frames = await reader.next(undefined);
    if (frames === undefined) break;
    for (const { payload, position } of frames) {
      if (payload[0] !== entryKinds.records) continue;
      const { chain, count } = readRecordsHeader(payload);
      const view = new RecordView().seek(payload, recordsHeaderBytes);
      for (let left = count; left > 0; left -= 1) {
        const content = JSON.parse(view.content.toString()) as { n?: number; attempt?: number };
        records.push({
          chain: chain.toString('base64url'),
          seq: view.seq,
          tag: view.tag.toString('base64url'),
          // The three of this start have no attempt.
          n: content.attempt === undefined ? -1 : (content.n ?? -1),
          waits: comparePositions(position, cursor) >= 0,
        });
        view.seek(payload, view.next);
      }
    }
  }
  await reader.close();
  return records;
}

function losses(records: readonly LoggedRecord[], { acknowledged, stored }: Promises): Problem[] {
  const there = new Set(records.filter((record) => record.waits).map((record) => record.n));
  for (const { index, text } of stored) if (index === dest) there.add((JSON.parse(text) as { n: number }).n);
  const lost = acknowledged.filter((n) => !there.has(n));
  return lost.length === 0 ? [] : [problem('lost', `acknowledged record ${lost[0]} is lost`, lost.length)];
}

/** A record in two places of the log, or a place that two records have, one of which may be published. */
function twins(records: readonly LoggedRecord[], { sent }: Promises): Problem[] {
  const problems: Problem[] = [];
  const tags = new Map<string, string>();
  for (const { text } of sent) {
    const { logseal } = JSON.parse(text) as { logseal?: { chain: string; seq: number; tag: string } };
    if (logseal !== undefined) tags.set(`${logseal.chain} ${logseal.seq}`, logseal.tag);
  }
  const numbers = new Set<number>();
  const places = new Set<string>();
  for (const { chain, seq, tag, n } of records) {
    const place = `${chain} ${seq}`;
    if ((tags.get(place) ?? tag) !== tag)
      problems.push(problem('twice', `place ${place} was published with another tag`));
    if (places.has(place)) problems.push(problem('twice', `place ${place} is there twice`));
    if (n >= 0 && numbers.has(n)) problems.push(problem('twice', `record ${n} is there twice`));
    places.add(place);
    numbers.add(n);
  }
  return problems;
}

function disorder(records: readonly LoggedRecord[], { connectionOf }: Promises): Problem[] {
  const newest = new Map<number, number>();
  const seqs = new Map<string, number>();
  for (const { chain, seq, n } of records) {
    const before = seqs.get(chain);
    if (before !== undefined && seq !== before + 1) {
      return [problem('outOfPlace', `chain ${chain}: seq ${seq} follows ${before}`)];
    }
    seqs.set(chain, seq);
    if (n < 0) continue;
    const connection = connectionOf(n);
    if (n <= (newest.get(connection) ?? -1)) {
      return [problem('outOfPlace', `record ${n} stands behind a later one of its connection`)];
    }
    newest.set(connection, n);
  }
  return [];
}

/** Published seals are in the log of seals unchanged, and the keys of sealed epochs are gone. */
async function wrongSeals(dataDir: string, { sent }: Promises): Promise<Problem[]> {
  const problems: Problem[] = [];
  const texts: string[] = [];
  const sealed = new Map<string, number>();
  await walkSealLog(join(dataDir, 'log'), (_entry, text) => {
    texts.push(text.toString());
    const decoded = decodeSeal(text);
    if (decoded.ok) sealed.set(decoded.seal.chain.toString('base64url'), decoded.seal.epoch);
  });
  for (const { index, text } of sent) {
    if (index !== 'logseal-seals') continue;
    const { seal, entry } = JSON.parse(text) as { seal: string; entry: number };
    if (texts[entry] !== seal) problems.push(problem('seals', `published seal ${entry} is another one, or gone`));
  }
  const keysDir = join(dataDir, 'keys');
  for (const name of existsSync(keysDir) ? await readdir(keysDir) : []) {
    if (!/\.key(\.tmp)?$/.test(name)) continue;
    const keys = await readKeyFile(join(keysDir, name)).catch(() => undefined);
    const epoch = sealed.get(name.slice(0, 22)) ?? -1;
    if (keys !== undefined && keys.epoch <= epoch)
      problems.push(problem('seals', `${name} has the key of epoch ${keys.epoch}, which is sealed`));
  }
  return problems;
}
