/**
 * Where findings go: acknowledged or not, counted, passed on, and kept in a small number for the report.
 *
 * Owns the counts of a run. Findings that come before the acknowledge records are known wait until `release`. Must stay
 * small however many findings there are: past a bound for each verdict, chain and index they are counted, not passed on.
 */
import type { Finding, PlainVerdict, Verdict } from './finding.ts';
import { isPlainVerdict } from './finding.ts';

const singlyMax = 10_000;
const examplesMax = 5;
const groupsMax = 1_000;
const heldMax = 100_000;

/** An operator's statement that findings of one verdict between two seqs are known and explained. */
export interface Acknowledgement {
  chain: string;
  from: number;
  to: number;
  verdict: PlainVerdict;
}

export type QuietVerdict = 'OK' | 'RETIRED-OK' | 'ERASED-OK' | 'REJECTED-OK' | 'PENDING' | 'UNANCHORED' | 'WEAK';

/** All findings of one verdict in one chain and index. */
export interface FindingGroup {
  verdict: Verdict;
  chain: string | undefined;
  place: string | undefined;
  count: number;
  firstSeq: number | undefined;
  lastSeq: number | undefined;
  since: number | undefined;
  examples: Finding[];
}

export class Tally {
  readonly counts: Map<Verdict, number> = new Map();
  /** Data records that carry a readable signature field, copies not counted. */
  records = 0;
  readonly groups: Map<string, FindingGroup> = new Map();
  readonly #emit: (finding: Finding) => void;
  #acknowledged: Map<string, Acknowledgement[]> | undefined;
  #held: Finding[] = [];
  #unpassed: Map<string, Finding> = new Map();

  constructor(emit: (finding: Finding) => void) {
    this.#emit = emit;
  }

  /** Counts what needs no finding of its own: good records, young ones, and statements about the run as a whole. */
  good(verdict: QuietVerdict, count: number): void {
    if (count > 0) this.#count(verdict, count);
  }

  find(finding: Finding): void {
    if (this.#acknowledged === undefined && this.#held.length < heldMax) {
      this.#held.push(finding);
      return;
    }
    for (const part of this.#split(finding)) this.#pass(part);
  }

  /** From here on the acknowledgements are known; what waited is judged with them. */
  release(acknowledgements: readonly Acknowledgement[]): void {
    this.#acknowledged = new Map();
    for (const known of acknowledgements) {
      const key = `${known.verdict} ${known.chain}`;
      this.#acknowledged.set(key, [...(this.#acknowledged.get(key) ?? []), known]);
    }
    const held = this.#held;
    this.#held = [];
    for (const finding of held) this.find(finding);
  }

  /** Whether an operator has explained this verdict at this place. */
  isAcknowledged(verdict: PlainVerdict, chain: string, seq: number): boolean {
    return (this.#acknowledged?.get(`${verdict} ${chain}`) ?? []).some(({ from, to }) => from <= seq && seq <= to);
  }

  /** Passes on what was only counted, one finding for each verdict, chain and index. */
  finish(): void {
    for (const finding of this.#unpassed.values()) this.#emit(finding);
    this.#unpassed = new Map();
  }

  /** Cuts a run where acknowledged and other seqs meet. */
  *#split(finding: Finding): Generator<Finding> {
    const { verdict, chain, seq } = finding;
    const known = chain === undefined || seq === undefined ? undefined : this.#acknowledged?.get(`${verdict} ${chain}`);
    if (known === undefined || seq === undefined || !isPlainVerdict(verdict)) {
      yield finding;
      return;
    }
    const last = finding.to ?? seq;
    let from = seq;
    for (const range of known.toSorted((a, b) => a.from - b.from)) {
      if (range.to < from || range.from > last) continue;
      if (range.from > from) yield section(finding, from, range.from - 1);
      const start = Math.max(from, range.from);
      const end = Math.min(last, range.to);
      const told = section(finding, start, end);
      yield { ...told, verdict: `ACKNOWLEDGED(${verdict})`, detail: `${told.detail} An operator has acknowledged it.` };
      from = end + 1;
    }
    if (from <= last) yield section(finding, from, last);
  }

  #pass(finding: Finding): void {
    this.#count(finding.verdict, finding.count ?? 1);
    const place = finding.found?._index;
    const key = `${finding.verdict} ${finding.chain ?? ''} ${place ?? ''}`;
    const group = this.#group(key, finding, place);
    group.count += finding.count ?? 1;
    if (finding.seq !== undefined) {
      group.firstSeq = Math.min(group.firstSeq ?? finding.seq, finding.seq);
      group.lastSeq = Math.max(group.lastSeq ?? finding.seq, finding.to ?? finding.seq);
    }
    if (finding.time !== undefined) group.since = Math.min(group.since ?? finding.time, finding.time);
    if (group.examples.length < examplesMax) group.examples.push(finding);
    if (group.count - (finding.count ?? 1) < singlyMax) this.#emit(finding);
    else this.#keepBack(key, finding);
  }

  #group(key: string, finding: Finding, place: string | undefined): FindingGroup {
    const existing =
      this.groups.get(key) ?? (this.groups.size >= groupsMax ? this.groups.get(finding.verdict) : undefined);
    if (existing !== undefined) return existing;
    const full = this.groups.size >= groupsMax;
    const group: FindingGroup = {
      verdict: finding.verdict,
      chain: full ? undefined : finding.chain,
      place: full ? undefined : place,
      count: 0,
      firstSeq: undefined,
      lastSeq: undefined,
      since: undefined,
      examples: [],
    };
    this.groups.set(full ? finding.verdict : key, group);
    return group;
  }

  #keepBack(key: string, finding: Finding): void {
    const slot = this.#unpassed.has(key) || this.#unpassed.size < groupsMax ? key : finding.verdict;
    const rest = this.#unpassed.get(slot);
    const count = (rest?.count ?? 0) + (finding.count ?? 1);
    this.#unpassed.set(slot, {
      verdict: finding.verdict,
      ...(finding.chain === undefined ? {} : { chain: finding.chain }),
      count,
      detail: `${count} more of this kind${finding.found === undefined ? '' : ` in ${finding.found._index}`} that are counted but not listed one by one.`,
    });
  }

  #count(verdict: Verdict, count: number): void {
    this.counts.set(verdict, (this.counts.get(verdict) ?? 0) + count);
  }
}

function section(finding: Finding, from: number, to: number): Finding {
  if (finding.seq === from && (finding.to ?? from) === to) return finding;
  const { epoch, index, to: _to, count: _count, ...rest } = finding;
  const place =
    from === finding.seq
      ? { ...(epoch === undefined ? {} : { epoch }), ...(index === undefined ? {} : { index }) }
      : {};
  return from === to ? { ...rest, ...place, seq: from } : { ...rest, ...place, seq: from, to, count: to - from + 1 };
}
