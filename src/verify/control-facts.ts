/**
 * What the control records of trusted chains say: rejects, retries, places, and the acts of operators.
 *
 * Owns what is made of them. Assumes every record given to it verifies; an operator's act counts only with a signature under a key that
 * the verifier brought. Without any such key signed acts are taken as they are, and counted as not covered: a missing key is not tampering.
 */
import type { KeyObject } from 'node:crypto';
import type { ControlRecord } from '../chain/control-record.ts';
import { needsOperator, operatorKeyId, verifyOperator } from '../chain/control-record.ts';
import { subtreesOf } from '../chain/merkle.ts';
import type { RetiredSubtree } from './epoch-root.ts';
import type { Finding, PlainVerdict } from './finding.ts';
import { isPlainVerdict } from './finding.ts';
import type { Places } from './places.ts';
import { SeqSet } from './seq-set.ts';
import type { Acknowledgement } from './tally.ts';

/** A verified control record and where it stands. */
export interface ControlFact {
  record: ControlRecord;
  origin: string;
  /** The control chain it stands in, 22 characters. */
  chain: string;
  epoch: number;
  seq: number;
  time: number;
  found: { _index: string; _id: string };
}

/** A retire record, for the judging of its age. */
export interface Retirement {
  chain: string;
  seqs: readonly (readonly [number, number])[];
  leaves: Readonly<Record<string, readonly string[]>>;
  time: number;
  /** Smallest age that the policy of that time allows, ms; 0 without one. */
  ageMin: number;
  fact: ControlFact;
}

export interface FactRules {
  places: Places;
  operatorKeys: readonly KeyObject[];
  /** Paths that the verifier's configuration leaves to pipelines. */
  pipelinePaths: readonly string[];
  find: (finding: Finding) => void;
}

interface Policy {
  time: number;
  class: string;
  age: number;
  paths: readonly string[];
  keys: readonly string[];
}

export class ControlFacts {
  readonly acknowledgements: Acknowledgement[] = [];
  readonly retirements: Retirement[] = [];
  readonly placeTimes: { origin: string; dest: string; index: string; time: number }[] = [];
  /** When a reject or retry record first named a record of a chain, ms since 1970. */
  readonly firstNamed: Map<string, number> = new Map();
  /** Operators' acts whose signature could not be checked, for want of any operator key. */
  uncheckedActs = 0;
  /** Rejected records that an operator has said are never to go where they belonged. */
  readonly discards: { chain: string; seqs: readonly (readonly [number, number])[]; reason: string }[] = [];
  readonly #rules: FactRules;
  readonly #sets: Map<string, SeqSet> = new Map();
  readonly #policies: Policy[] = [];
  #acts: ControlFact[] = [];

  constructor(rules: FactRules) {
    this.#rules = rules;
  }

  add(fact: ControlFact): void {
    const { record } = fact;
    if (needsOperator(record.kind, record.body)) {
      this.#acts.push(fact);
      return;
    }
    if (record.kind === 'reject' || record.kind === 'retry') {
      const before = this.firstNamed.get(record.body.chain) ?? fact.time;
      this.firstNamed.set(record.body.chain, Math.min(before, fact.time));
    }
    if (record.kind === 'reject') this.#addSeqs('reject', record.body);
    else if (record.kind === 'retry') this.#addSeqs('retry', record.body);
    else if (record.kind === 'place') {
      const { dest, index, documents } = record.body;
      this.#rules.places.give(dest, index, documents);
      this.placeTimes.push({ origin: fact.origin, dest, index, time: fact.time });
    }
  }

  /** All control records are there: judges the operators' acts in the order of signing, and applies those that hold. */
  settle(): void {
    const serials = new Map<string, number>();
    for (const act of this.#acts.sort((a, b) => a.time - b.time || a.seq - b.seq)) {
      const { operator } = act.record;
      const refusal = this.#refusal(act, serials);
      if (refusal !== undefined) {
        this.#find(act, 'UNAUTHORISED', refusal);
        continue;
      }
      if (operator !== undefined) serials.set(`${act.origin} ${operator.key}`, operator.serial);
      this.#apply(act);
    }
    this.#acts = [];
  }

  isRejected(chain: string, seq: number): boolean {
    return this.#has('reject', chain, seq);
  }

  isRetried(chain: string, seq: number): boolean {
    return this.#has('retry', chain, seq);
  }

  isErased(chain: string, seq: number): boolean {
    return this.#has('erase', chain, seq);
  }

  /** Retired, or discarded by an operator: its absence is in order. */
  isGone(chain: string, seq: number): boolean {
    return this.#has('gone', chain, seq);
  }

  /** Whether there is anything that could excuse a missing record of this chain. */
  concerns(chain: string): boolean {
    return this.#sets.has(`gone ${chain}`);
  }

  /** Subtrees of an epoch whose leaves were retired, left to right; undefined if there are none. */
  retiredLeaves(chain: string, epoch: number, first: number, count: number): RetiredSubtree[] | undefined {
    const subtrees: RetiredSubtree[] = [];
    for (const retirement of this.retirements) {
      const roots = retirement.chain === chain ? retirement.leaves[epoch] : undefined;
      if (roots === undefined) continue;
      const ranges = clip(retirement.seqs, first, count);
      for (const [at, { start, size }] of subtreesOf(ranges, count).entries()) {
        subtrees.push({ start, size, root: Buffer.from(roots[at] ?? '', 'base64') });
      }
    }
    const usable = subtrees.length > 0 && subtrees.every(({ root }) => root.length === 32);
    return usable ? subtrees.sort((a, b) => a.start - b.start) : undefined;
  }

  /** Paths that a pipeline may change in records of this time: what the configuration allows, narrowed by the policy that held. */
  pipelinePaths(_chain: string, time: number): readonly string[] {
    const current = this.#currentPolicies(time);
    if (current.length === 0) return this.#rules.pipelinePaths;
    const allowed = new Set(current.flatMap(({ paths }) => paths));
    return this.#rules.pipelinePaths.flatMap((path) => [...allowed].flatMap((other) => narrower(path, other)));
  }

  #refusal(act: ControlFact, serials: ReadonlyMap<string, number>): string | undefined {
    const { record, origin } = act;
    const { operator } = record;
    if (operator === undefined) return `An act that only an operator may order (${record.kind}) bears no signature.`;
    const last = serials.get(`${origin} ${operator.key}`);
    if (last !== undefined && operator.serial <= last) {
      return `The operator's signature of this ${record.kind} has serial ${operator.serial}; the key had reached ${last}.`;
    }
    const { operatorKeys } = this.#rules;
    if (operatorKeys.length === 0) {
      this.uncheckedActs += 1;
      return undefined;
    }
    const key = operatorKeys.find((known) => operatorKeyId(known) === operator.key);
    if (key === undefined) return `Ordered by the operator key ${operator.key}, which this verifier does not know.`;
    const listed = this.#currentPolicies(act.time);
    if (listed.length > 0 && !listed.some(({ keys }) => keys.includes(operator.key))) {
      return `Ordered by the operator key ${operator.key}, which the policy of that time does not name.`;
    }
    if (verifyOperator(key, origin, record)) return undefined;
    return `The operator's signature of this ${record.kind} does not verify.`;
  }

  #apply(act: ControlFact): void {
    const { record, time } = act;
    if (record.kind === 'erase') this.#set('erase', record.body.chain).add(record.body.seq, record.body.seq);
    else if (record.kind === 'discard') {
      this.#addSeqs('gone', record.body);
      this.discards.push(record.body);
    } else if (record.kind === 'policy') this.#policies.push({ time, ...record.body });
    else if (record.kind === 'acknowledge') {
      const { chain, from, to, verdict } = record.body;
      if (isPlainVerdict(verdict)) this.acknowledgements.push({ chain, from, to, verdict });
    } else if (record.kind === 'retire') {
      const { chain, seqs, leaves } = record.body;
      this.#addSeqs('gone', record.body);
      const ages = this.#currentPolicies(time).map(({ age }) => age);
      this.retirements.push({ chain, seqs, leaves, time, ageMin: ages.length > 0 ? Math.min(...ages) : 0, fact: act });
    }
  }

  /** The newest policy of each class at a time. */
  #currentPolicies(time: number): Policy[] {
    const newest = new Map<string, Policy>();
    for (const policy of this.#policies) if (policy.time <= time) newest.set(policy.class, policy);
    return [...newest.values()];
  }

  #find({ chain, epoch, seq, time, found, record }: ControlFact, verdict: PlainVerdict, detail: string): void {
    this.#rules.find({
      verdict,
      chain,
      epoch,
      seq,
      time,
      found,
      dest: 'logseal-control',
      detail: `${record.kind}: ${detail}`,
    });
  }

  #addSeqs(name: string, body: { chain: string; seqs: readonly (readonly [number, number])[] }): void {
    const set = this.#set(name, body.chain);
    for (const [from, to] of body.seqs) set.add(from, to);
  }

  #set(name: string, chain: string): SeqSet {
    const key = `${name} ${chain}`;
    const set = this.#sets.get(key) ?? new SeqSet();
    this.#sets.set(key, set);
    return set;
  }

  #has(name: string, chain: string, seq: number): boolean {
    return this.#sets.size > 0 && this.#sets.get(`${name} ${chain}`)?.has(seq) === true;
  }
}

/** Ranges of seqs as ranges of indices in one epoch, ascending. */
function clip(seqs: readonly (readonly [number, number])[], first: number, count: number): [number, number][] {
  const ranges: [number, number][] = [];
  for (const [from, to] of seqs.toSorted((a, b) => a[0] - b[0])) {
    const start = Math.max(from - first, (ranges.at(-1)?.[1] ?? -1) + 1);
    const end = Math.min(to - first, count - 1);
    if (start <= end && end >= 0) ranges.push([Math.max(0, start), end]);
  }
  return ranges;
}

/** The narrower of two paths, if one covers the other. */
function narrower(a: string, b: string): string[] {
  if (a === b || a.startsWith(`${b}.`)) return [a];
  return b.startsWith(`${a}.`) ? [b] : [];
}
