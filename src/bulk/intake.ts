/**
 * The seam between what reads requests and what signs them: the HTTP handlers know the sequencer only by this.
 */
import type { Batch } from './batch.ts';

/** What became of one record in the search engine. Its status is 201, or that of its error. */
export interface Outcome {
  status: number;
  index: string;
  version: number;
  seqNo: number;
  primaryTerm: number;
  error?: { type: string; reason: string; [member: string]: unknown };
  failureStore?: string;
}

export interface Appended {
  /** 22 ASCII bytes for each record of the batch: its generated id; zeros where the shipper gave one. */
  ids: Buffer;
  /** With ack `store`: resolves when the search engine has answered for every record, in batch order. */
  outcomes?: Outcomes;
}

export interface Outcomes {
  promise: Promise<Outcome[]>;
  /** Nobody waits any more: what is kept for it is let go. Has to be called, whatever came of it; more often does no harm. */
  forget(): void;
}

/** On whose account records come in. */
export interface Source {
  /** Takes turns with the others. */
  readonly source: string;
  /** Where set, the chain of all its records, whatever their destination. */
  readonly client?: { readonly chain: string | undefined } | undefined;
}

export interface Intake {
  /**
   * Holds while the log is full or behind. Throws LogsealError LOG_FULL when that takes too long, REQUEST_REFUSED (413)
   * for more than the log ever takes: nothing is signed.
   * Keeps the room for the batch until its `append`, which has to follow.
   */
  admit(batch: Batch, signal: AbortSignal, source: Source): Promise<void>;
  /** Resolves when every record is durable. The body must not be touched before that. */
  append(batch: Batch, ack: 'wal' | 'store'): Promise<Appended>;
  /** Whether a shipper's id has the form of a generated id of one of this instance's chains. */
  ownsId(id: string): boolean;
  /** False for what passes through unsigned: dot indices, time series. */
  isSigned(dest: string): boolean;
}
