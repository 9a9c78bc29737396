/**
 * What delivery asks of the search engine and of the process around it, as small functions on plain values: a test gives a
 * store with faults, the proxy gives src/upstream and a message port. Nothing here is shared memory with the sequencer.
 */
import type { Outcome } from '../bulk/intake.ts';
import type { RejectDetail } from '../journal/reject-detail.ts';
import type { EventName } from '../log.ts';
import type { BulkQuery } from '../upstream/bulk-client.ts';
import type { BulkAnswer } from '../upstream/item-result.ts';
import type { StoredRecord, WantedRecord } from '../upstream/lookup.ts';
import type { Position } from '../wal/position.ts';

/** When the signature field of a destination must hold the content itself. */
export type RawNeed = 'never-needed' | 'if-long-arrays' | 'always';

export interface DestinationFacts {
  /** The concrete index that takes new documents, where it exists. */
  writeIndex: string | undefined;
  raw: RawNeed;
  /** Documents in the write index that are there already. */
  documents: number;
  /** Why nothing may be sent there: `_source` disabled, a user's own field `logseal`, time series. */
  held: string | undefined;
}

/** Every function may fail with UPSTREAM_REFUSED (nothing happened) or UPSTREAM_UNKNOWN. */
export interface DeliveryUpstream {
  send(body: readonly Buffer[], query: BulkQuery): Promise<BulkAnswer>;
  /** `fresh`: not from a cache. */
  describe(dest: string, fresh: boolean): Promise<DestinationFacts>;
  /**
   * Realtime, in every concrete index that can hold it: all documents under that id, one list for each wanted record, in
   * order. Fails with UPSTREAM_DENIED where an index cannot be looked into at the moment (closed, say).
   */
  find(wanted: readonly WantedRecord[]): Promise<StoredRecord[][]>;
  /** For stored records of ours: whether the signature field holds the content. */
  haveRaw(stored: readonly { index: string; id: string; routing: string | undefined }[]): Promise<boolean[]>;
  /** One member of documents of one of our own indices, as text; undefined where there is none. */
  texts(index: string, member: 'seal' | 'checkpoint', ids: readonly string[]): Promise<(string | undefined)[]>;
  /** Sees to the signature field's mapping. Returns why it cannot be, where it cannot. */
  ensureMapping(dest: string): Promise<string | undefined>;
  /** Documents without signature field in a concrete index. */
  countUnsigned(index: string): Promise<number>;
}

export const rejectReasons = ['mapping', 'conflict', 'dropped', 'failure-store', 'blocked'] as const;
export type RejectReason = (typeof rejectReasons)[number];

export interface PlaceBody {
  dest: string;
  index: string;
  documents: number;
}

export interface RejectBody {
  chain: string;
  /** Inclusive runs. */
  seqs: [number, number][];
  reason: RejectReason;
}

export interface RetryBody {
  chain: string;
  /** Inclusive runs. */
  seqs: [number, number][];
}

/** The process around delivery; may be on the other side of a message port. */
export interface DeliveryHost {
  /** Resolves when the control record, and before it the details, are durable in the log. */
  control(kind: 'place', body: PlaceBody): Promise<void>;
  control(kind: 'reject', body: RejectBody, details: RejectDetail[]): Promise<void>;
  control(kind: 'retry', body: RetryBody): Promise<void>;
  settled(outcomes: SettledRecord[]): void;
  /** Nothing of the log before this position is needed for delivery any more. */
  trim(before: Position): void;
  event(level: 'info' | 'warn' | 'error', name: EventName, fields: Record<string, unknown>): void;
}

export interface SettledRecord {
  /** base64url, 22 characters. */
  chain: string;
  seq: number;
  outcome: Outcome;
}

/** A destination that is waiting, for readyz and the log. */
export interface HeldDestination {
  dest: string;
  reason: string;
  /** Wall clock, milliseconds. */
  sinceMs: number;
}

export interface DeliveryStats {
  /** Everything before it is answered for, but for the lanes. */
  main: Position;
  /** Everything that is durable in the log is answered for, and its seals are published. */
  idle: boolean;
  lanes: number;
  parked: number;
  held: HeldDestination[];
  /** Time of the oldest record that is not answered for; undefined when there is none. Wall clock, milliseconds. */
  oldestMs: number | undefined;
  /** What the thread found in the log when it looked through it; undefined before that. */
  backlog: Backlog | undefined;
  /** Records of frames that the main reader has taken since, and those of them that it still holds. */
  routed: number;
  pending: number;
  /** Records that lanes still have to bring: as near as can be told without reading the log for it, 0 without lanes. */
  inLanes: number;
  /** Everything before it was answered for, in lanes too. */
  needed: Position;
  inFlightBytes: number;
  delivered: Record<'data' | 'control', number>;
  /** Named by a reject record. */
  rejected: Record<RejectReason, number>;
  batches: number;
  concurrency: number;
  /** Why the search engine as a whole takes nothing at the moment. */
  unreachable: string | undefined;
  /** The newest seal entry that is published by this process, and when that was. Wall clock, milliseconds. */
  published: number | undefined;
  publishedMs: number | undefined;
}

/** What waits in the log at a start. */
export interface Backlog {
  /** Records between the main reader's place and the end that the log had. */
  records: number;
  /** Records of lanes before the main reader's place. */
  inLanes: number;
  /** Time of the oldest of them, wall clock. */
  oldestMs: number | undefined;
}
