/**
 * What verification reads from: documents as they lie in a search engine, an embedded store or an export.
 *
 * Owns the shape that every source has. Assumes that `source` bytes are the text of `_source` as stored, never
 * re-serialised. A source never judges what it reads, and never changes anything at the place it reads from.
 */

/** One stored document. `source` may be a view into a larger buffer and is good only until the next batch is asked for. */
export interface SourceDocument {
  index: string;
  id: string;
  source: Buffer;
  routing?: string;
}

/** What is known of an index besides its documents. An export may know only the name and the mappings. */
export interface IndexDescription {
  name: string;
  mappings: unknown;
  sourceMode: 'stored' | 'synthetic' | 'unknown';
  dataStream?: string;
  filteredAliases: string[];
}

export interface Source {
  readonly kind: 'search' | 'store' | 'ndjson';
  /** Whether what is read is still being written to: then the tail may be young, and silence is STALE. */
  readonly live: boolean;
  readonly description: string;
  /** What stays the same when the same place is read again, known after `open`; the verifier's memory goes by it. */
  readonly identity?: string;
  /** What could not be done, a sentence each; known after `open`. */
  readonly remarks?: readonly string[];
  open(): Promise<void>;
  indices(): Promise<IndexDescription[]>;
  /** The documents of logseal-checkpoints, logseal-seals and logseal-control: in that order when live, else in any. */
  system(): AsyncIterable<SourceDocument[]>;
  /** The documents of logseal-rejects, then all others that are selected. */
  records(): AsyncIterable<SourceDocument[]>;
  close(): Promise<void>;
}

/** The indices that belong to Logseal itself. */
export const systemIndices = {
  checkpoints: 'logseal-checkpoints',
  seals: 'logseal-seals',
  control: 'logseal-control',
  rejects: 'logseal-rejects',
} as const;

/** A signed record as somebody who searches sees it, for the comparison with what was signed. */
export interface SeenRecord {
  index: string;
  /** The bytes of `_source`, signature field included. */
  source: Buffer;
  /** Behind the signature field where a splice put it, so that the visible fields follow; undefined where it stands elsewhere. */
  fieldEnd: number | undefined;
  /** The signed content: the value of `raw`. */
  signed: Buffer;
  /** Dotted paths that a pipeline may add or change, by a policy record; a path covers its subtree. */
  pipelinePaths: readonly string[];
}

/** `drift` says what differs; `uncompared` names fields whose type has no rule of comparison. */
export interface ViewOutcome {
  drift?: string;
  uncompared?: readonly string[];
}

/** Compares what people see with what was signed. One for a run; it may keep what it needs until `finish`. */
export interface ViewJudge {
  /** An index that will be read: before the first record. */
  describe(index: IndexDescription): void;
  /** A record with `raw` whose content verifies, outside the rejects. Runs once a record. */
  compare(record: SeenRecord): ViewOutcome | undefined;
  /** A record without `raw` whose content verifies: what is seen is what was signed; only its paths are of interest. */
  signed(index: string, content: Buffer): void;
  /** After the last record: indices whose mapping or aliases show something else than what was signed, a sentence each. */
  finish(): { index: string; detail: string }[];
}
