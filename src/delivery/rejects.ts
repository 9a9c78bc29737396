/**
 * Which records the rejects index has, or must get: a seq that a reject record on disk names goes nowhere else, also after a
 * restart, until a retry record takes it back. Owns that register, and the order: control record durable, then document.
 * Must never hold more than the records between the oldest lane and the end of the log.
 */
import type { RejectDetail } from '../journal/reject-detail.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';
import type { RejectCause } from './batch.ts';
import type { Item } from './item.ts';
import { durably } from './places.ts';
import type { DeliveryHost, RejectReason } from './port.ts';

interface RejectRun {
  from: number;
  to: number;
  reason: string;
  /** Not needed once every reader is past this. */
  position: Position;
}

const detailsMax = 20_000;
const reasonCharactersMax = 1000;

export interface RefusedItem {
  item: Item;
  reason: RejectReason;
  cause: RejectCause;
}

export class RejectRegister {
  readonly #runs = new Map<string, RejectRun[]>();
  readonly #details = new Map<string, RejectDetail>();

  get empty(): boolean {
    return this.#runs.size === 0;
  }

  /** Names inclusive runs of a chain; `position` is that of the records, or later. */
  add(chain: string, seqs: readonly (readonly [number, number])[], reason: string, position: Position): void {
    const runs = this.#runs.get(chain) ?? [];
    this.#runs.set(chain, runs);
    for (const [from, to] of seqs) {
      const at = firstEndingAt(runs, from);
      const before = runs[at - 1];
      if (before !== undefined && before.to + 1 === from && before.reason === reason) {
        before.to = to;
        if (comparePositions(position, before.position) > 0) before.position = position;
      } else runs.splice(at, 0, { from, to, reason, position });
    }
  }

  addDetail(detail: RejectDetail): void {
    if (this.#details.size < detailsMax) this.#details.set(`${detail.chain}:${detail.seq}`, detail);
  }

  /** What a retry record takes back. */
  remove(chain: string, seqs: readonly (readonly [number, number])[]): void {
    let runs = this.#runs.get(chain) ?? [];
    for (const [from, to] of seqs) {
      runs = runs.flatMap((run) => {
        if (run.to < from || run.from > to) return [run];
        const left = run.from < from ? [{ ...run, to: from - 1 }] : [];
        const right = run.to > to ? [{ ...run, from: to + 1 }] : [];
        return [...left, ...right];
      });
    }
    if (runs.length === 0) this.#runs.delete(chain);
    else this.#runs.set(chain, runs);
  }

  has(chain: string, seq: number): boolean {
    return this.#find(chain, seq) !== undefined;
  }

  /** Why, as well as it is still known. */
  causeOf(chain: string, seq: number): RejectCause {
    const detail = this.#details.get(`${chain}:${seq}`);
    if (detail !== undefined) return detail;
    const reason = this.#find(chain, seq)?.reason ?? 'unknown';
    return { status: reason === 'conflict' ? 409 : 400, type: reason, reason: 'refused before a restart of the proxy' };
  }

  forgetDetail(chain: string, seq: number): void {
    this.#details.delete(`${chain}:${seq}`);
  }

  /** Forgets what lies before every reader. */
  prune(before: Position): void {
    for (const [chain, runs] of this.#runs) {
      const kept = runs.filter((run) => comparePositions(run.position, before) >= 0);
      if (kept.length === 0) this.#runs.delete(chain);
      else if (kept.length < runs.length) this.#runs.set(chain, kept);
    }
  }

  #find(chain: string, seq: number): RejectRun | undefined {
    const runs = this.#runs.get(chain);
    const run = runs?.[firstEndingAt(runs, seq)];
    return run !== undefined && run.from <= seq ? run : undefined;
  }
}

/** Index of the first run, of those in ascending order, that ends at `seq` or after it. */
function firstEndingAt(runs: readonly RejectRun[], seq: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((runs[middle] as RejectRun).to < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Writes the control records for refused items, one for each chain and reason, and enters them when they are durable. */
export async function recordRejects(
  refused: readonly RefusedItem[],
  host: DeliveryHost,
  register: RejectRegister,
): Promise<void> {
  const groups = new Map<string, RefusedItem[]>();
  for (const entry of refused) {
    const key = `${entry.item.frame.chain} ${entry.reason}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  for (const group of groups.values()) {
    group.sort((a, b) => a.item.seq - b.item.seq);
    const [first] = group;
    if (first === undefined) continue;
    const { chain } = first.item.frame;
    const seqs = runsOf(group.map((entry) => entry.item.seq));
    const details = group.map(({ item, cause }) => ({
      chain,
      seq: item.seq,
      status: cause.status,
      type: cause.type,
      reason: cause.reason.slice(0, reasonCharactersMax),
    }));
    await durably(host.control('reject', { chain, seqs, reason: first.reason }, details));
    for (const detail of details) register.addDetail(detail);
    for (const { item } of group) register.add(chain, [[item.seq, item.seq]], first.reason, item.frame.position);
  }
}

/** Inclusive runs of ascending numbers. */
export function runsOf(ascending: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const value of ascending) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] + 1 === value) last[1] = value;
    else if (last === undefined || last[1] !== value) runs.push([value, value]);
  }
  return runs;
}
