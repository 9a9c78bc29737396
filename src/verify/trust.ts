/**
 * Whom this run trusts: instances from trust files, from the verifier's memory, or pinned from what is there for the first time;
 * and their chains, which grow only by verified records of a trusted control chain.
 *
 * Owns that growth. Must never take a chain on the word of a record that does not verify.
 */
import { hash } from 'node:crypto';
import type { ControlRecord } from '../chain/control-record.ts';
import { decodeControl } from '../chain/control-record.ts';
import { headerAt } from '../chain/header.ts';
import type { VerifierKey } from '../chain/note.ts';
import { decodeVkey } from '../chain/note.ts';
import { suiteOf } from '../chain/suite.ts';
import type { TrustFile } from '../chain/trust-file.ts';
import type { ChainBook, TrustedChain } from './chain-book.ts';
import { FieldReader } from './field-reader.ts';
import type { StoredText } from './system-documents.ts';

/** Opens a wrapped S_chain; undefined if this key is not one of its recipients. The caller overwrites what it gets. */
export type Unwrap = (chain: string, wrapped: Buffer) => Buffer | undefined;

export interface Instance {
  number: number;
  origin: string;
  vkey: string;
  key: VerifierKey;
  /** Ids of its control chains: a rotated one is followed by another. */
  controls: Set<string>;
  /** Chains that must be there, whatever the data says. */
  expected: Set<string>;
  /** Taken from the data in this run, for want of a trust file. */
  pinned: boolean;
}

/** A control record that can name a chain, not verified yet. */
export interface TrustRecord {
  record: ControlRecord;
  /** The chain it stands in, 22 characters. */
  chain: string;
  epoch: number;
  index: number;
  seq: number;
  time: number;
  header: Buffer;
  tag: Buffer;
  leaf: Buffer;
}

const growthKinds: ReadonlySet<string> = new Set(['chain', 'rotate', 'boot']);
const kindMarks = ['"chain":{', '"rotate":{', '"boot":{'].map((text) => Buffer.from(text));

/** Control records of the kinds chain, rotate and boot, or all, whose content fits their hash, by seq. */
export function trustRecords(documents: Iterable<StoredText>, all: boolean = false): TrustRecord[] {
  const field = new FieldReader();
  const { content } = field;
  const records: TrustRecord[] = [];
  for (const { text } of documents) {
    if (field.read(text) !== 'read' || field.type !== 1 || !content.read(text, field)) continue;
    if (!all && !kindMarks.some((kind) => content.content().includes(kind))) continue;
    const suite = suiteOf(field.suite);
    const decoded = decodeControl(content.content());
    if (suite === undefined || !decoded.ok || !(all || growthKinds.has(decoded.record.kind))) continue;
    const commitment = hash(suite.algorithm, content.hashed(), 'buffer');
    if (field.hasHash && !commitment.equals(field.hash)) continue;
    const { scratch, headerOffset: start, epoch, index, seq, time } = field;
    commitment.copy(scratch, start + headerAt.contentHash);
    records.push({
      record: decoded.record,
      chain: scratch.toString('base64url', start + headerAt.chain, start + headerAt.chain + 16),
      epoch,
      index,
      seq,
      time,
      header: Buffer.from(field.header),
      tag: Buffer.from(field.tag),
      leaf: hash(suite.algorithm, field.leafInput(), 'buffer'),
    });
  }
  return records.sort((a, b) => a.seq - b.seq);
}

/** An instance as a trust file or the verifier's memory has it. */
export function trustedInstance(number: number, trust: TrustFile, pinned: boolean): Instance | undefined {
  const key = decodeVkey(trust.vkey);
  if (key === undefined) return undefined;
  const { origin, vkey, control, chains } = trust;
  return { number, origin, vkey, key, controls: new Set([control]), expected: new Set([control, ...chains]), pinned };
}

/** Instances as they present themselves: the first boot record of each control chain names its key. */
export function presentedInstances(records: readonly TrustRecord[]): TrustFile[] {
  const found = new Map<string, TrustFile>();
  for (const { record, chain } of records) {
    if (record.kind !== 'boot') continue;
    const origin = decodeVkey(record.body.vkey)?.name;
    if (origin === undefined || found.has(origin) || [...found.values()].some(({ control }) => control === chain))
      continue;
    found.set(origin, { origin, vkey: record.body.vkey, control: chain, chains: [chain] });
  }
  return [...found.values()];
}

export interface Growth {
  instances: readonly Instance[];
  book: ChainBook;
  records: readonly TrustRecord[];
  /** Whether a record verifies: by its tag, or without key by its epoch's root. */
  isVerified: (record: TrustRecord, chain: TrustedChain) => boolean;
  unwrap: Unwrap | undefined;
  withoutKeys: boolean;
}

/** Adds chains until no verified record names a new one, and opens their keys. */
export function growTrust(growth: Growth): void {
  const { instances, book, records } = growth;
  for (const instance of instances) for (const id of instance.expected) addChain(growth, id, instance);
  const taken = new Set<TrustRecord>();
  let grown = true;
  while (grown) {
    grown = false;
    for (const entry of records) {
      const chain = book.get(entry.chain);
      const instance = chain === undefined ? undefined : instances[chain.instance];
      if (chain === undefined || instance?.controls.has(chain.id) !== true || taken.has(entry)) continue;
      // Without the control chain's key nobody can say whether it names a chain: its records are then not judged, but not foreign.
      const unsaid = chain.key === 'none' || chain.key === 'bad';
      if (!unsaid && !growth.isVerified(entry, chain)) continue;
      taken.add(entry);
      grown = true;
      take(unsaid ? { ...growth, unwrap: undefined } : growth, entry, instance);
    }
  }
}

function take(growth: Growth, { record, time }: TrustRecord, instance: Instance): void {
  if (record.kind === 'chain') {
    const chain = addChain(growth, record.body.id, instance);
    chain.name = record.body.name;
    chain.createdAt ??= time;
    chain.suite ??= suiteOf(record.body.suite);
  } else if (record.kind === 'rotate') {
    addChain(growth, record.body.new, instance).createdAt ??= time;
    if (instance.controls.has(record.body.old)) instance.controls.add(record.body.new);
  }
}

function addChain(growth: Growth, id: string, instance: Instance): TrustedChain {
  const known = growth.book.get(id);
  const chain = known ?? growth.book.add(id, instance.number);
  if (known !== undefined && known.key !== 'none') return chain;
  if (growth.withoutKeys) chain.key = 'public';
  else openKey(growth, chain);
  return chain;
}

/** The wrapped secret may stand in a record that is not verified yet: the chain's id says whether it is the right one. */
function openKey({ records, unwrap }: Growth, chain: TrustedChain): void {
  const given = unwrap?.(chain.id, Buffer.alloc(0));
  if (given !== undefined) openWith(chain, given);
  for (const { record } of records) {
    if (chain.key === 'ready' || record.kind !== 'chain' || record.body.id !== chain.id) continue;
    const secret =
      record.body.wrapped === '' ? undefined : unwrap?.(chain.id, Buffer.from(record.body.wrapped, 'base64'));
    if (secret !== undefined) openWith(chain, secret);
  }
}

function openWith(chain: TrustedChain, secret: Buffer): void {
  chain.open(secret);
  secret.fill(0);
}
