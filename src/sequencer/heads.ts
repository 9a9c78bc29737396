/**
 * Where each chain and the log of seals stand, rebuilt from the seals alone, so that segments of records can go.
 * Kept as a snapshot beside the seal log; the seals after the snapshot are read again at start.
 */
import { CompactRange } from '../chain/merkle.ts';
import type { Seal } from '../chain/seal.ts';
import { decodeSeal } from '../chain/seal.ts';
import { logSuite } from '../chain/suite.ts';
import { LogsealError } from '../errors.ts';

/** What the newest seal of a chain says about where it continues. */
export interface SealedHead {
  /** Epoch that the seal closed. */
  epoch: number;
  /** Seq of the first record after it. */
  nextSeq: number;
  /** The seal's mac, 32 bytes; its first 16 are P of the next epoch's first record. */
  mac: Buffer;
  closedMs: number;
}

interface Snapshot {
  v: 1;
  /** base64 hashes of the log's compact range. */
  range: string;
  heads: Record<string, { epoch: number; nextSeq: number; mac: string; closedMs: number }>;
  /** Ids of chains that have ended, one after the other without anything between: they become many over the years. */
  ended?: string;
}

const idCharacters = 22;

export class LogHeads {
  /** Of chains that go on, by chain id, base64url. */
  readonly byChain: Map<string, SealedHead>;
  /** Ids of the chains that have ended. */
  readonly ended: Set<string>;
  readonly range: CompactRange;

  constructor(byChain = new Map<string, SealedHead>(), ended = new Set<string>(), range = new CompactRange(logSuite)) {
    this.byChain = byChain;
    this.ended = ended;
    this.range = range;
  }

  /** Takes the next seal of the log. */
  add(text: Buffer): Seal {
    const decoded = decodeSeal(text);
    if (!decoded.ok) {
      throw new LogsealError(
        'DATA_DIR_INVALID',
        `entry ${this.range.size} of the seal log is no seal: ${decoded.reason}`,
      );
    }
    const seal = decoded.seal;
    const id = seal.chain.toString('base64url');
    const { epoch, mac, closed: closedMs } = seal;
    if (seal.reason !== 'rotate') this.byChain.set(id, { epoch, nextSeq: seal.first + seal.count, mac, closedMs });
    else {
      this.byChain.delete(id);
      this.ended.add(id);
    }
    this.range.appendEntry(text);
    return seal;
  }

  encode(): Buffer {
    const heads: Snapshot['heads'] = {};
    for (const [chain, head] of this.byChain) heads[chain] = { ...head, mac: head.mac.toString('base64') };
    const range = this.range.encode().toString('base64');
    const snapshot: Snapshot = { v: 1, range, heads, ended: [...this.ended].join('') };
    return Buffer.from(JSON.stringify(snapshot));
  }

  static decode(bytes: Buffer): LogHeads {
    const snapshot = JSON.parse(bytes.toString('utf8')) as Snapshot;
    const heads = new Map<string, SealedHead>();
    for (const [chain, head] of Object.entries(snapshot.heads)) {
      heads.set(chain, { ...head, mac: Buffer.from(head.mac, 'base64') });
    }
    const { ended = '' } = snapshot;
    const ids = Array.from({ length: ended.length / idCharacters }, (_, n) =>
      ended.slice(n * idCharacters, (n + 1) * idCharacters),
    );
    return new LogHeads(heads, new Set(ids), CompactRange.decode(logSuite, Buffer.from(snapshot.range, 'base64')));
  }
}
