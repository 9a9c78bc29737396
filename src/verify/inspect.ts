/**
 * One record in full: every field of its header, whether tag and content verify, its proof in its epoch and that of its seal in the log.
 *
 * Owns what is said of one record. Judges nothing beyond it: whether neighbours are missing is for a whole run to say.
 */
import { hash } from 'node:crypto';
import { headerAt } from '../chain/header.ts';
import { rootOf } from '../chain/merkle.ts';
import { inclusionProof, verifyInclusion } from '../chain/merkle-proof.ts';
import type { Suite } from '../chain/suite.ts';
import { logSuite, suiteOf } from '../chain/suite.ts';
import { LogsealError } from '../errors.ts';
import { FieldReader } from './field-reader.ts';
import type { VerifyOptions } from './options.ts';
import { sealMark } from './seal-table.ts';
import type { Source } from './source.ts';
import { SystemDocuments } from './system-documents.ts';
import type { SystemAnswer } from './system-phase.ts';
import { judgeSystem } from './system-phase.ts';
import { Tally } from './tally.ts';

export interface InspectedRecord {
  found: { _index: string; _id: string };
  chain: string;
  chainName: string;
  /** Instance that the chain belongs to; undefined if nobody trusts it. */
  origin: string | undefined;
  suite: string;
  kind: 'data' | 'control';
  epoch: number;
  index: number;
  seq: number;
  /** ms since 1970. */
  time: number;
  dest: string;
  id: string;
  idGiven: boolean;
  /** Base64url, like prev, tag, salt. */
  hash: string;
  hashStored: boolean;
  contentFrom: 'raw' | '_source' | 'erased';
  contentBytes: number;
  contentVerifies: boolean | undefined;
  prev: string;
  tag: string;
  salt: string | undefined;
  tagVerifies: boolean | undefined;
  /** Checksums that are shown beside it and decide nothing, in hexadecimal; absent where there are none. */
  digests?: Readonly<Record<string, string>>;
  leaf: string;
  epochProof: Proof;
  logProof: Proof & { entry?: number };
}

/** A Merkle proof, or why there is none. */
export type Proof =
  | { proven: true; size: number; root: string; path: string[] }
  | { proven: false; reason: string; size?: number };

/** `find`: reads at least the record's index; `all`: everything. Each is opened and closed here. */
export interface InspectSources {
  find: Source;
  all: Source;
}

interface Target {
  suite: Suite;
  record: Omit<InspectedRecord, 'epochProof' | 'logProof' | 'chainName' | 'origin' | 'tagVerifies'>;
  header: Buffer;
  tag: Buffer;
  leaf: Buffer;
}

/** Errors: USAGE if there is no such record, or it bears no readable signature field. */
export async function inspectRecord(
  sources: InspectSources,
  options: VerifyOptions,
  index: string,
  id: string,
): Promise<InspectedRecord> {
  const target = await findTarget(sources.find, index, id);
  const quiet = new Tally(() => {});
  const documents = new SystemDocuments(options.temporaryDirectory, quiet);
  const leaves: Buffer[] = [];
  try {
    await sources.all.open();
    for await (const batch of sources.all.system()) {
      for (const document of batch) {
        documents.add(document);
        collectLeaf(document.source, target.record, leaves);
      }
    }
    const system = judgeSystem(options, documents, [], quiet);
    try {
      for await (const batch of sources.all.records()) {
        for (const { source } of batch) collectLeaf(source, target.record, leaves);
      }
      return describe(target, system, documents, leaves);
    } finally {
      system.book.wipe();
    }
  } finally {
    await sources.all.close();
    documents.close();
  }
}

const field = new FieldReader();
const { content } = field;

async function findTarget(source: Source, index: string, id: string): Promise<Target> {
  await source.open();
  try {
    for (const pass of [source.records(), source.system()]) {
      for await (const batch of pass) {
        const document = batch.find((candidate) => candidate.index === index && candidate.id === id);
        if (document !== undefined) return readTarget(document.source, index, id);
      }
    }
  } finally {
    await source.close();
  }
  throw new LogsealError('USAGE', `${source.description} has no document ${id} in index ${index}`);
}

function readTarget(source: Buffer, index: string, id: string): Target {
  const outcome = field.read(source);
  const suite = suiteOf(field.suite);
  if (outcome !== 'read' || suite === undefined) {
    const why = outcome === 'no field' ? 'it bears no signature field' : field.reason;
    throw new LogsealError('USAGE', `document ${id} of index ${index} cannot be inspected: ${why}`);
  }
  const readable = content.read(source, field);
  const computed = readable ? hash(suite.algorithm, content.hashed(), 'buffer') : undefined;
  const { header, leaf } = headerAndLeaf(computed);
  const { scratch, headerOffset: at } = field;
  return {
    suite,
    header,
    tag: Buffer.from(field.tag),
    leaf,
    record: {
      found: { _index: index, _id: id },
      chain: scratch.toString('base64url', at + headerAt.chain, at + headerAt.chain + 16),
      suite: suite.name,
      kind: field.type === 1 ? 'control' : 'data',
      epoch: field.epoch,
      index: field.index,
      seq: field.seq,
      time: field.time,
      dest: scratch.toString('utf8', field.destStart, field.destEnd),
      id: scratch.toString('utf8', field.idStart, field.idEnd),
      idGiven: field.flags === 1,
      hash: header.toString('base64url', headerAt.contentHash, headerAt.contentHash + 32),
      hashStored: field.hasHash,
      contentFrom: !readable ? 'erased' : field.hasRaw ? 'raw' : '_source',
      contentBytes: content.content().length,
      contentVerifies: computed === undefined || !field.hasHash ? undefined : computed.equals(field.hash),
      prev: header.toString('base64url', headerAt.prev, headerAt.prev + 16),
      tag: field.tag.toString('base64url'),
      salt: field.hasSalt ? field.salt.toString('base64url') : undefined,
      ...(field.digests === undefined ? {} : { digests: field.digests }),
      leaf: leaf.toString('base64url'),
    },
  };
}

/** The header with the stored hash if there is one, else with the computed. */
function headerAndLeaf(computed: Buffer | undefined): { header: Buffer; leaf: Buffer } {
  const commitment = field.hasHash ? field.hash : (computed ?? Buffer.alloc(32));
  commitment.copy(field.scratch, field.headerOffset + headerAt.contentHash);
  const algorithm = (suiteOf(field.suite) ?? logSuite).algorithm;
  const leaf = hash(algorithm, field.leafInput(), 'buffer');
  return { header: Buffer.from(field.header), leaf };
}

/** Keeps the leaf of a record of the same epoch. */
function collectLeaf(source: Buffer, { chain, epoch, suite }: Target['record'], leaves: Buffer[]): void {
  if (field.read(source) !== 'read' || field.epoch !== epoch || suiteOf(field.suite)?.name !== suite) return;
  const { scratch, headerOffset: at } = field;
  if (scratch.toString('base64url', at + headerAt.chain, at + headerAt.chain + 16) !== chain) return;
  const readable = content.read(source, field);
  const algorithm = (suiteOf(field.suite) ?? logSuite).algorithm;
  leaves[field.index] = headerAndLeaf(readable ? hash(algorithm, content.hashed(), 'buffer') : undefined).leaf;
}

function describe(target: Target, system: SystemAnswer, documents: SystemDocuments, leaves: Buffer[]): InspectedRecord {
  const { record } = target;
  const chain = system.book.get(record.chain);
  const epochMac = chain?.epochMac(record.epoch);
  const seal = (system.seals.get(chain?.number ?? -1) ?? []).find(
    (row) => documents.seals.word(row, 'epoch') === record.epoch,
  );
  return {
    ...record,
    chainName: chain?.name ?? '',
    origin: chain === undefined ? undefined : system.instances[chain.instance]?.origin,
    tagVerifies: epochMac?.verifiesTag(target.header, target.tag),
    epochProof: proveInEpoch(target, documents, seal, leaves),
    logProof: proveInLog(system, documents, seal, chain?.instance ?? -1),
  };
}

function proveInEpoch(
  { suite, record, leaf }: Target,
  documents: SystemDocuments,
  seal: number | undefined,
  leaves: Buffer[],
): Proof {
  if (seal === undefined)
    return { proven: false, reason: `epoch ${record.epoch} has no seal yet, or none that verifies` };
  const size = documents.seals.word(seal, 'count');
  const there = leaves.slice(0, size).filter((candidate) => candidate !== undefined);
  if (there.length !== size) {
    return { proven: false, size, reason: `${size - there.length} of the ${size} records of its epoch are not there` };
  }
  const root = documents.seals.part(seal, 'root');
  const proof = record.index < size ? inclusionProof(suite, there, record.index) : [];
  const claim = { index: record.index, size, leaf, root, proof };
  if (record.index >= size || !verifyInclusion(suite, claim)) {
    return { proven: false, size, reason: 'it is not one of the records that the seal was made over' };
  }
  return { proven: true, size, root: root.toString('base64'), path: proof.map((node) => node.toString('base64')) };
}

function proveInLog(
  { logs }: SystemAnswer,
  documents: SystemDocuments,
  seal: number | undefined,
  instance: number,
): Proof & { entry?: number } {
  const log = logs[instance];
  if (seal === undefined || log === undefined) return { proven: false, reason: 'there is no seal to look for' };
  const entry = log.order.indexOf(seal);
  if (!documents.seals.has(seal, sealMark.proven) || log.newest === undefined) {
    return { proven: false, entry, reason: 'no valid checkpoint stands over its seal yet' };
  }
  const size = log.provenSize;
  const leaves = log.order.slice(0, size).map((row) => Buffer.from(documents.seals.part(row, 'leaf')));
  const proof = inclusionProof(logSuite, leaves, entry);
  const path = proof.map((node) => node.toString('base64'));
  return { proven: true, entry, size, root: rootOf(logSuite, leaves).toString('base64'), path };
}
