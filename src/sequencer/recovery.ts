/**
 * Where every chain stands when a process starts: from the seal log, the frames that are not yet sealed, and the key files.
 * Reads only; closing what another process left open is the caller's next step.
 */
import { join } from 'node:path';
import { decodeControl } from '../chain/control-record.ts';
import { encodeHeader } from '../chain/header.ts';
import type { EpochKeys } from '../chain/key-tree.ts';
import { CompactRange } from '../chain/merkle.ts';
import type { Suite } from '../chain/suite.ts';
import { suiteOf } from '../chain/suite.ts';
import { LogsealError } from '../errors.ts';
import { entryKinds } from '../journal/entry-kind.ts';
import { RecordView, readRecordsHeader, recordFlags, recordsHeaderBytes } from '../journal/records-entry.ts';
import { decodeSealEntry } from '../journal/seal-entry.ts';
import { readKeyFile } from '../keys/key-file.ts';
import { BufferPool } from '../lib/buffer-pool.ts';
import { diskFileSystem } from '../lib/file-system.ts';
import type { SealLog } from '../log/seal-log.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import { WalReader } from '../wal/reader.ts';
import type { RemoteEpoch } from './catch-up.ts';
import { controlChain } from './chain-rule.ts';
import type { LogHeads } from './heads.ts';
import type { ActiveChain, Instance } from './instance.ts';
import type { OpenEpoch } from './live-chain.ts';
import { LiveChain } from './live-chain.ts';

export interface RecoveryOptions {
  instance: Instance;
  heads: LogHeads;
  sealLog: SealLog;
  walDir: LogDirectory;
  /** From where frames may belong to an epoch without a seal; undefined means all of them. */
  from: Position | undefined;
  /** End of what is durable. */
  limit: Position;
  /** What is open elsewhere, by chain: an old copy of the directory was put back. */
  remote?: ReadonlyMap<string, RemoteEpoch>;
}

export interface RecoveredChains {
  /** In the order of their making; several of one name if a rotation was interrupted. */
  chains: LiveChain[];
  /** Chains that have ended, or were begun and never announced: they sign nothing any more, and what is left of their keys can go. */
  over: ActiveChain[];
  /** Chains whose rotate record is on disk, whether or not they have ended. */
  rotated: Set<string>;
}

/** What control records in the log say of chains, by id. */
interface Said {
  announced: Set<string>;
  rotated: Set<string>;
}

/** What the frames say about an epoch that has no seal. */
interface Unsealed extends OpenEpoch {
  epoch: number;
  nextSeq: number;
  lastTimeMs: number;
  prev: Buffer;
}

export async function recoverChains(options: RecoveryOptions): Promise<RecoveredChains> {
  const { unsealed, announced, rotated } = await scan(options);
  const { instance, heads } = options;
  const { state } = instance;
  const chains: LiveChain[] = [];
  const over: ActiveChain[] = [];
  const isEnded = ({ id }: ActiveChain) => heads.ended.has(id);
  const others = state.chains.filter((active) => active.name === controlChain && active.id !== state.control);
  // A control chain whose first record a crash took has a secret that is wrapped to nobody: it must not go on.
  const first = heads.range.size === 0 && unsealed.size === 0;
  const keepControl = !(first || others.some((active) => !isEnded(active)));
  for (const active of state.chains) {
    const used = heads.byChain.has(active.id) || unsealed.has(active.id) || announced.has(active.id);
    const early = state.prepared?.some(({ body }) => body.id === active.id) === true;
    if (isEnded(active) || !(used || early || (keepControl && active.id === state.control))) over.push(active);
    else chains.push(await restore(options, active, further(unsealed.get(active.id), options.remote?.get(active.id))));
  }
  return { chains, over, rotated };
}

const keptBytesMax = 32 * 1024 * 1024;

async function scan(options: RecoveryOptions): Promise<Said & { unsealed: Map<string, Unsealed> }> {
  const unsealed = new Map<string, Unsealed>();
  const said: Said = { announced: new Set(), rotated: new Set() };
  // Nothing of a frame is kept: its memory is used again.
  const pool = new BufferPool(keptBytesMax);
  const reader = await WalReader.open(options.walDir, options.from, diskFileSystem, pool);
  try {
    for (;;) {
      const frames = await reader.next(options.limit);
      if (frames === undefined) return { unsealed, ...said };
      for (const frame of frames) {
        if (frame.payload[0] === entryKinds.seal) await takeSeal(options, frame.payload, unsealed);
        else if (frame.payload[0] === entryKinds.records) takeRecords(options, frame.payload, unsealed, said);
      }
      if (frames[0] !== undefined) pool.giveBack(frames[0].payload);
    }
  } finally {
    await reader.close();
  }
}

/** The seal log may lack the newest seals: they became durable in the write-ahead log first. */
async function takeSeal(options: RecoveryOptions, payload: Buffer, unsealed: Map<string, Unsealed>): Promise<void> {
  const { heads, sealLog } = options;
  const { entry, seal } = decodeSealEntry(payload);
  if (entry < heads.range.size) return;
  if (entry > heads.range.size) {
    throw new LogsealError('DATA_DIR_INVALID', `seals ${heads.range.size} to ${entry - 1} of the log are missing`);
  }
  const text = Buffer.from(seal);
  await sealLog.append(text);
  unsealed.delete(heads.add(text).chain.toString('base64url'));
}

function takeRecords(options: RecoveryOptions, payload: Buffer, unsealed: Map<string, Unsealed>, said: Said): void {
  const header = readRecordsHeader(payload);
  const id = header.chain.toString('base64url');
  const view = new RecordView().seek(payload, recordsHeaderBytes);
  // Of any control chain: the one that announced a chain may have been rotated since.
  const control = view.type === 1;
  const { byChain, ended } = options.heads;
  const sealed = ended.has(id) || header.epoch <= (byChain.get(id)?.epoch ?? -1);
  if (sealed && !control) return;
  const suite = knownSuite(header.suite);
  for (let left = header.count; left > 0; left -= 1) {
    if (control) noteSaid(view.content, said);
    if (!sealed) addLeaf(unsealed, id, suite, header.chain, header.epoch, view);
    view.seek(payload, view.next);
  }
}

function noteSaid(content: Buffer, { announced, rotated }: Said): void {
  const control = decodeControl(content);
  if (!control.ok) return;
  if (control.record.kind === 'chain') announced.add(control.record.body.id);
  else if (control.record.kind === 'rotate') rotated.add(control.record.body.old);
}

function addLeaf(
  unsealed: Map<string, Unsealed>,
  id: string,
  suite: Suite,
  chain: Buffer,
  epoch: number,
  record: RecordView,
): void {
  let open = unsealed.get(id);
  if (open === undefined || open.epoch !== epoch) {
    open = {
      epoch,
      range: new CompactRange(suite),
      firstSeq: record.seq,
      openedMs: record.timeMs,
      nextSeq: record.seq,
      lastTimeMs: 0,
      prev: Buffer.alloc(16),
    };
    unsealed.set(id, open);
  }
  const { dest, timeMs, seq } = record;
  const header = encodeHeader({
    suite: suite.id,
    type: record.type,
    flags: (record.flags & recordFlags.idGiven) === 0 ? 0 : 1,
    chain,
    epoch,
    index: record.index,
    seq,
    timeMs,
    contentHash: record.hash,
    prev: record.prev,
    dest,
    id: record.id,
  });
  open.range.appendEntry(Buffer.concat([header, record.tag]));
  open.nextSeq = seq + 1;
  open.lastTimeMs = timeMs;
  open.prev = Buffer.from(record.tag);
}

async function restore(options: RecoveryOptions, active: ActiveChain, open: Unsealed | undefined): Promise<LiveChain> {
  const suite = knownSuite(active.suite);
  const keysDir = join(options.instance.dir, 'keys');
  const keys: EpochKeys = await readKeyFile(join(keysDir, `${active.id}.key`));
  const head = options.heads.byChain.get(active.id);
  const nextEpoch = (head?.epoch ?? -1) + 1;
  if (keys.epoch === nextEpoch - 1) keys.advance();
  // An old copy was put back, and the log has caught up.
  if (options.instance.state.rolledBack !== undefined) while (keys.epoch < nextEpoch) keys.advance();
  if (keys.epoch !== nextEpoch || (open !== undefined && open.epoch !== nextEpoch)) {
    throw new LogsealError(
      'DATA_DIR_INVALID',
      `chain ${active.id}: its key file is at epoch ${keys.epoch}, its seals end before epoch ${nextEpoch}` +
        (open === undefined ? '' : `, its records at epoch ${open.epoch}`),
    );
  }
  const place = {
    nextSeq: open?.nextSeq ?? head?.nextSeq ?? 0,
    prev: open?.prev ?? head?.mac.subarray(0, 16) ?? Buffer.alloc(16),
    lastTimeMs: Math.max(open?.lastTimeMs ?? 0, head?.closedMs ?? 0),
  };
  return new LiveChain(active.name, active.createdMs, suite, keys, place, open);
}

/** Of one epoch that two know, what goes further. */
function further(own: Unsealed | undefined, remote: Unsealed | undefined): Unsealed | undefined {
  if (own === undefined || remote === undefined) return own ?? remote;
  return remote.epoch > own.epoch || remote.nextSeq > own.nextSeq ? remote : own;
}

function knownSuite(id: number): Suite {
  const suite = suiteOf(id);
  if (suite === undefined) throw new LogsealError('DATA_DIR_INVALID', `suite ${id} is not known`);
  return suite;
}
