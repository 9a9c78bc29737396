/**
 * After an old copy of the data directory was put back: what the search engine knows of this instance beyond it, as far as it verifies
 * under keys that can be derived from the key files. The log goes on after the seals that are there, and each chain after its records.
 * Believes nothing: seals must make the checkpoint under our own key or bear a mac of their epoch, records a tag of theirs.
 */
import { EpochMac } from '../chain/epoch-mac.ts';
import { encodeHeader } from '../chain/header.ts';
import { EpochKeys } from '../chain/key-tree.ts';
import { CompactRange } from '../chain/merkle.ts';
import type { Checkpoint } from '../chain/note.ts';
import type { Seal } from '../chain/seal.ts';
import { decodeSeal, encodeSeal, verifySealMac } from '../chain/seal.ts';
import { logSuite } from '../chain/suite.ts';
import type { LogHeads } from './heads.ts';
import type { LiveChain, OpenEpoch } from './live-chain.ts';

/** A record's signature field as it was found; nothing of it is verified. */
export interface FoundRecord {
  epoch: number;
  index: number;
  seq: number;
  timeMs: number;
  type: 0 | 1;
  flags: number;
  dest: string;
  id: string;
  /** C, 32 bytes. */
  hash: Buffer;
  prev: Buffer;
  tag: Buffer;
}

/** What the search engine says of this instance. Each may fail with UPSTREAM_*. */
export interface RemoteKnowledge {
  /** The newest checkpoint that is signed by our own key. */
  newest(): Promise<Checkpoint | undefined>;
  /** Seals that say they are this entry of the log, or a later one; ascending by entry, maybe several for one. */
  seals(from: number): Promise<{ entry: number; text: Buffer }[]>;
  /** Whether a record of any of these chains (22 characters) claims a seq of at least `nextSeq`. */
  beyond(chains: readonly { id: string; nextSeq: number }[]): Promise<boolean>;
  /** Records of a chain from a seq on, ascending. */
  records(chain: string, fromSeq: number): Promise<FoundRecord[]>;
}

/** An epoch that has records elsewhere and no seal. */
export interface RemoteEpoch extends OpenEpoch {
  epoch: number;
  nextSeq: number;
  lastTimeMs: number;
  /** Tag of its last record. */
  prev: Buffer;
}

export interface CatchUp {
  /** To be appended to the log, in order: as they are there. */
  seals: Buffer[];
  /** Seals that were lost with the directory, made again: they are yet to be published. */
  remade: Buffer[];
  /** By chain, 22 characters: what is open there after these seals. */
  open: Map<string, RemoteEpoch>;
}

/** Undefined: nothing more is known there, or not enough of it to go on from. `chains` as they were recovered; left as they are. */
export async function catchUp(
  chains: readonly LiveChain[],
  heads: LogHeads,
  remote: RemoteKnowledge,
  origin: string,
): Promise<CatchUp | undefined> {
  const keys = new DerivedKeys(chains);
  try {
    const newest = await remote.newest();
    const seals = await provenSeals(await remote.seals(heads.range.size), heads, newest, keys);
    if (seals === undefined) return undefined;
    const own = chains.map(({ id22, nextSeq }) => ({ id: id22, nextSeq }));
    if (seals.length === 0 && !(await remote.beyond(own))) return undefined;
    const sealed = new Map<string, Seal>();
    for (const { seal } of seals) sealed.set(seal.chain.toString('base64url'), seal);
    const open = new Map<string, RemoteEpoch>();
    let more = seals.length > 0;
    const remade: Buffer[] = [];
    for (const chain of chains) {
      const last = sealed.get(chain.id22);
      if (last?.reason === 'rotate') continue;
      const head = last === undefined ? heads.byChain.get(chain.id22) : headOf(last);
      const found = await follow(chain, head, { remote, keys, origin });
      remade.push(...found.seals);
      more ||= found.seals.length > 0;
      if (found.open === undefined) continue;
      open.set(chain.id22, found.open);
      more ||= found.open.nextSeq > chain.nextSeq;
    }
    return more ? { seals: seals.map(({ text }) => text), remade, open } : undefined;
  } finally {
    keys.wipe();
  }
}

/**
 * Whether there is a record, from these seqs on, that we did not make: nothing of ours was sent since. Only what bears a tag of an
 * epoch whose key can still be had says so.
 */
export async function contradicted(
  chains: readonly LiveChain[],
  seqs: Readonly<Record<string, number>>,
  remote: RemoteKnowledge,
): Promise<boolean> {
  const claimed = chains.map(({ id22 }) => ({ id: id22, nextSeq: seqs[id22] ?? 0 }));
  if (!(await remote.beyond(claimed))) return false;
  const keys = new DerivedKeys(chains);
  try {
    for (const chain of chains) {
      const records = await remote.records(chain.id22, seqs[chain.id22] ?? 0);
      for (const record of records.sort((a, b) => a.epoch - b.epoch)) {
        if (keys.of(chain.id22, record.epoch)?.verifiesTag(headerOf(chain, record), record.tag) === true) return true;
      }
    }
    return false;
  } finally {
    keys.wipe();
  }
}

interface Known {
  remote: RemoteKnowledge;
  keys: DerivedKeys;
  origin: string;
}

interface Head {
  epoch: number;
  nextSeq: number;
  mac: Buffer;
}

function headOf({ epoch, first, count, mac }: Seal): Head {
  return { epoch, nextSeq: first + count, mac };
}

/** Up to the checkpoint its root decides, after it the mac of each. Undefined if the checkpoint knows more than can be shown. */
async function provenSeals(
  found: readonly { entry: number; text: Buffer }[],
  heads: LogHeads,
  newest: Checkpoint | undefined,
  keys: DerivedKeys,
): Promise<{ text: Buffer; seal: Seal }[] | undefined> {
  const range = CompactRange.decode(logSuite, heads.range.encode());
  const proven: { text: Buffer; seal: Seal }[] = [];
  for (const { entry, text } of found) {
    if (entry !== range.size) continue;
    const decoded = decodeSeal(text);
    if (!decoded.ok) continue;
    const { seal } = decoded;
    const key = keys.of(seal.chain.toString('base64url'), seal.epoch);
    const covered = newest !== undefined && entry < newest.size;
    if (key === undefined ? !covered : !verifySealMac(seal, key)) continue;
    proven.push({ text, seal });
    range.appendEntry(text);
    if (newest !== undefined && range.size === newest.size && !range.root().equals(newest.root)) return undefined;
  }
  return newest !== undefined && range.size < newest.size ? undefined : proven;
}

interface Followed {
  /** Seals that were lost with the directory, made again from their records. */
  seals: Buffer[];
  open: RemoteEpoch | undefined;
}

/**
 * The records after a head, as far as they follow each other without a gap. Where they go on in the next epoch, the seal between is one
 * that nobody has any more: it is made again, and is right if the next epoch's first record names it.
 */
async function follow(chain: LiveChain, from: Head | undefined, known: Known): Promise<Followed> {
  const records = await known.remote.records(chain.id22, from?.nextSeq ?? 0);
  const seals: Buffer[] = [];
  let head = from;
  for (;;) {
    const open = openEpoch(chain, head, records, known.keys);
    if (open === undefined) return { seals, open };
    const next = records.find(
      ({ epoch, index, seq }) => epoch === open.epoch + 1 && index === 0 && seq === open.nextSeq,
    );
    const seal = next === undefined ? undefined : lostSeal(chain, open, next, known);
    if (seal === undefined) return { seals, open };
    seals.push(seal.text);
    head = { epoch: open.epoch, nextSeq: open.nextSeq, mac: seal.mac };
  }
}

function openEpoch(
  chain: LiveChain,
  head: Head | undefined,
  records: readonly FoundRecord[],
  keys: DerivedKeys,
): RemoteEpoch | undefined {
  const epoch = (head?.epoch ?? -1) + 1;
  const firstSeq = head?.nextSeq ?? 0;
  const key = keys.of(chain.id22, epoch);
  if (key === undefined) return undefined;
  const { suite } = chain.keys;
  const range = new CompactRange(suite);
  let prev: Buffer = head?.mac.subarray(0, 16) ?? Buffer.alloc(16);
  let openedMs = 0;
  let lastTimeMs = 0;
  for (const record of records) {
    const { seq, timeMs, index, tag } = record;
    if (record.epoch !== epoch || seq !== firstSeq + range.size || index !== range.size) continue;
    const header = headerOf(chain, record);
    if (!record.prev.equals(prev) || !key.verifiesTag(header, tag)) continue;
    if (range.size === 0) openedMs = timeMs;
    lastTimeMs = timeMs;
    range.appendEntry(Buffer.concat([header, tag]));
    prev = tag;
  }
  if (range.size === 0) return undefined;
  return { epoch, range, firstSeq, openedMs, nextSeq: firstSeq + range.size, lastTimeMs, prev };
}

function headerOf({ id: chain, suite }: LiveChain, record: FoundRecord): Buffer {
  const { epoch, index, seq, timeMs, type, hash: contentHash, prev, dest, id } = record;
  const flags = record.flags === 1 ? 1 : 0;
  return encodeHeader({ suite, type, flags, chain, epoch, index, seq, timeMs, contentHash, prev, dest, id });
}

/** Why an epoch ends while its process goes on. */
const lostReasons = ['size', 'time', 'idle'] as const;

/** All of it is known but when it closed and why, and what it comes to stands in the next record. */
function lostSeal(
  chain: LiveChain,
  open: RemoteEpoch,
  next: FoundRecord,
  { keys, origin }: Known,
): { text: Buffer; mac: Buffer } | undefined {
  const key = keys.of(chain.id22, open.epoch);
  if (key === undefined || keys.of(chain.id22, next.epoch)?.verifiesTag(headerOf(chain, next), next.tag) !== true) {
    return undefined;
  }
  const { epoch, firstSeq: first, range, prev, openedMs: opened, lastTimeMs } = open;
  const statement = {
    origin,
    suite: chain.suite,
    chain: chain.id,
    epoch,
    first,
    count: range.size,
    root: range.root(),
  };
  const last = Math.min(next.timeMs, lastTimeMs + sealDelayMsMax);
  for (let closed = lastTimeMs; closed <= last; closed += 1) {
    for (const reason of lostReasons) {
      let mac: Buffer = Buffer.alloc(0);
      const text = encodeSeal({ ...statement, prev, opened, closed, reason, anchor: undefined }, (lines) => {
        mac = key.sealMac(lines);
        return mac;
      });
      if (mac.subarray(0, 16).equals(next.prev)) return { text, mac };
    }
  }
  return undefined;
}

/** Keys of later epochs, made from copies of those that the chains hold. */
class DerivedKeys {
  readonly #keys: Map<string, EpochKeys>;

  constructor(chains: readonly LiveChain[]) {
    this.#keys = new Map(
      chains.map(({ id22, keys }) => {
        const state = keys.state();
        const copy = EpochKeys.fromState(state);
        state.macKey.fill(0);
        for (const node of state.nodes) node.key.fill(0);
        return [id22, copy];
      }),
    );
  }

  /** Undefined for a chain that we hold no key of, and for an epoch whose key is gone. Epochs must be asked for in ascending order. */
  of(chain: string, epoch: number): EpochMac | undefined {
    const keys = this.#keys.get(chain);
    if (keys === undefined || epoch < keys.epoch || epoch - keys.epoch > epochsMax) return undefined;
    while (keys.epoch < epoch) keys.advance();
    const key = keys.macKey();
    const mac = new EpochMac(keys.suite, key);
    key.fill(0);
    return mac;
  }

  wipe(): void {
    for (const keys of this.#keys.values()) keys.wipe();
  }
}

/** Ten years of epochs of ten seconds: a number from outside must not keep the start busy for ever. */
const epochsMax = 32_000_000;
/** From an epoch's last record to its seal. Tried millisecond by millisecond, some seconds of work at the worst. */
const sealDelayMsMax = 120_000;
