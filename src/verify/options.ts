/**
 * What a run of verification is given, and what it gives back. All of it comes from the verifier's side, never from the data.
 */
import type { KeyObject } from 'node:crypto';
import type { TrustFile } from '../chain/trust-file.ts';
import type { Anchor } from './anchors.ts';
import type { Finding, Verdict } from './finding.ts';
import type { PlacePattern } from './places.ts';
import type { Source, ViewJudge } from './source.ts';
import type { FindingGroup } from './tally.ts';
import type { Unwrap } from './trust.ts';

/** A choice of records. With any of it gaps are not judged. */
export interface Selection {
  index?: string;
  /** 22 characters. */
  chain?: string;
  /** Signed at or after, ms since 1970. */
  from?: number;
  /** Signed before. */
  to?: number;
}

export interface Progress {
  phase: 'seals' | 'records' | 'chains';
  /** Documents read so far, or chains judged. */
  done: number;
  /** Known only for chains. */
  total?: number;
}

export interface VerifyOptions {
  source: Source;
  /** Wall clock of the verifier, ms since 1970. */
  now: number;
  /** How long after its seal a record may still be on its way; live sources only. */
  graceMs: number;
  trust: readonly TrustFile[];
  /** Opens chain secrets; undefined: without keys, tags are taken as given. */
  unwrap: Unwrap | undefined;
  operatorKeys: readonly KeyObject[];
  selection: Selection;
  /** The verifier's memory, asked for once the source is open; undefined: neither read nor written. */
  stateFile: (source: Source) => string | undefined;
  /** Sentences that belong under "not covered" from the start. */
  remarks: readonly string[];
  anchors: readonly Anchor[];
  placePatterns: readonly PlacePattern[];
  pipelinePaths: readonly string[];
  view: ViewJudge | undefined;
  /** The key is the development key that lies beside the proxy's data: WEAK. */
  developmentKey: boolean;
  /** For rows of records that do not fit into memory; emptied by itself. */
  temporaryDirectory: string;
  onFinding: (finding: Finding) => void;
  onProgress: (progress: Progress) => void;
}

export interface Summary {
  verdict: Verdict;
  exit: 0 | 1 | 2;
  /** Data records that carry a readable signature field. */
  records: number;
  chains: number;
  epochs: number;
  counts: Partial<Record<Verdict, number>>;
  /** Sentences: what this run says nothing about. */
  notCovered: string[];
  seconds: number;
  /** What was checked, for the report. */
  checked: {
    source: string;
    origins: string[];
    withKey: boolean;
    seals: number;
    documents: number;
    /** Newest seal: an export is judged as of then. */
    asOf: number | undefined;
    since: number | undefined;
    anchored: string[];
    pinned: string[];
  };
  groups: FindingGroup[];
}
