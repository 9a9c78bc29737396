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
  /** The chain ended with this seal. */
  ended: boolean;
}

interface Snapshot {
  v: 1;
  /** base64 hashes of the log's compact range. */
  range: string;
  heads: Record<string, { epoch: number; nextSeq: number; mac: string; closedMs: number; ended: boolean }>;
}

export class LogHeads {
  /** By chain id, base64url. */
  readonly byChain: Map<string, SealedHead>;
  readonly range: CompactRange;

  constructor(byChain = new Map<string, SealedHead>(), range = new CompactRange(logSuite)) {
    this.byChain = byChain;
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
    this.byChain.set(seal.chain.toString('base64url'), {
      epoch: seal.epoch,
      nextSeq: seal.first + seal.count,
      mac: seal.mac,
      closedMs: seal.closed,
      ended: seal.reason === 'rotate',
    });
    this.range.appendEntry(text);
    return seal;
  }

  encode(): Buffer {
    const heads: Snapshot['heads'] = {};
    for (const [chain, head] of this.byChain) heads[chain] = { ...head, mac: head.mac.toString('base64') };
    const snapshot: Snapshot = { v: 1, range: this.range.encode().toString('base64'), heads };
    return Buffer.from(JSON.stringify(snapshot));
  }

  static decode(bytes: Buffer): LogHeads {
    const snapshot = JSON.parse(bytes.toString('utf8')) as Snapshot;
    const heads = new Map<string, SealedHead>();
    for (const [chain, head] of Object.entries(snapshot.heads)) {
      heads.set(chain, { ...head, mac: Buffer.from(head.mac, 'base64') });
    }
    return new LogHeads(heads, CompactRange.decode(logSuite, Buffer.from(snapshot.range, 'base64')));
  }
}
