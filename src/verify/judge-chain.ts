/**
 * Judges one chain from its first seal to its open end, partition by partition.
 *
 * Owns the walk: which epochs follow, which seals are missing, what is open. Holds the rows of one partition at a time.
 */
import type { JudgeContext, JudgedChain } from './judge-context.ts';
import { findingAt } from './judge-context.ts';
import { holdPlaces, judgeSealedEpoch } from './judge-epoch.ts';
import { conclude } from './judge-place.ts';
import type { LoadedPart } from './loaded-part.ts';
import { loadPart, takeBefore } from './loaded-part.ts';
import { MissingRuns } from './missing-runs.ts';
import { sealMark } from './seal-table.ts';

/** An epoch closes 10 s after its first record. */
const epochMs = 10_000;
const noLink = Buffer.alloc(16);

/** Walks the whole chain and reports what it finds. */
export function judgeChain(context: JudgeContext, chain: JudgedChain): void {
  new ChainWalk(context, chain).walk();
}

class ChainWalk {
  readonly #context: JudgeContext;
  readonly #chain: JudgedChain;
  readonly #missing: MissingRuns;
  #nextSeq = 0;
  #nextEpoch = 0;
  #link: Buffer | undefined = noLink;
  #lastTime = 0;
  #rotated = false;
  /** Epochs at the end that have no seal though others were sealed after them. */
  #overdue: { from: number; to: number; time: number } | undefined;

  constructor(context: JudgeContext, chain: JudgedChain) {
    this.#context = context;
    this.#chain = chain;
    this.#missing = new MissingRuns(chain.id, context.gonePlaces(chain.id), (finding) => context.tally.find(finding));
  }

  walk(): void {
    const { plan, partitions } = this.#context;
    const seals = plan.seals(this.#chain.number);
    for (const { number, fromSeal, toSeal } of plan.parts(this.#chain.number)) {
      const part = loadPart(this.#context.spill.take(number));
      for (let position = fromSeal; position < toSeal; position++) {
        const seal = seals[position] ?? 0;
        if (position === 0) this.#unsealed(part, seal);
        this.#sealed(part, seal);
        const next = seals[position + 1];
        if (next !== undefined) this.#unsealed(part, next);
      }
    }
    for (const number of plan.tailParts(this.#chain.number, partitions))
      this.#tail(loadPart(this.#context.spill.take(number)));
    if (this.#overdue !== undefined) this.#missingSeals(this.#overdue.from, this.#overdue.to, this.#overdue.time);
    this.#missing.finish();
  }

  #sealed(part: LoadedPart, seal: number): void {
    const { seals } = this.#context;
    const epoch = seals.word(seal, 'epoch');
    const first = seals.number(seal, 'first');
    const count = seals.word(seal, 'count');
    const closed = seals.number(seal, 'closed');
    const provenSeal = seals.has(seal, sealMark.proven);
    if (this.#chain.withKey || provenSeal || !this.#context.forked(this.#chain.instance))
      this.#checkSeal(seal, epoch, first);
    const rows = takeBefore(part, epoch + 1);
    const judge = {
      context: this.#context,
      chain: this.#chain,
      table: part.table,
      missing: (from: number, to: number): void => this.#miss(part, from, to, epoch, closed),
      held: (row: number): void => this.#seen(part, row),
    };
    const sealed = { seal, epoch, first, count, linkBefore: this.#link, provenSeal, young: this.#isYoung(closed) };
    this.#checkTimes(part, judgeSealedEpoch(judge, sealed, rows));
    this.#nextSeq = first + count;
    this.#nextEpoch = epoch + 1;
    this.#link = Buffer.from(seals.part(seal, 'mac'));
    this.#lastTime = Math.max(this.#lastTime, closed);
    this.#rotated ||= seals.has(seal, sealMark.rotate);
  }

  #checkSeal(seal: number, epoch: number, first: number): void {
    const { seals, tally } = this.#context;
    const base = { chain: this.#chain.id, epoch, seq: first, time: seals.number(seal, 'closed') };
    if (this.#rotated) {
      const detail = `A seal of epoch ${epoch} after the chain was rotated: a rotated chain has ended.`;
      tally.find({ verdict: 'EQUIVOCATION', ...base, detail });
    }
    if (epoch === this.#nextEpoch && first !== this.#nextSeq) {
      const detail = `The seal of epoch ${epoch} begins at seq ${first}; the seal before it ends at ${this.#nextSeq}.`;
      tally.find({ verdict: 'EQUIVOCATION', ...base, detail });
    }
    if (seals.has(seal, sealMark.recovery)) {
      const detail = `Epoch ${epoch} was closed by recovery: the proxy had not stopped cleanly.`;
      tally.find({ verdict: 'UNCLEAN', ...base, detail });
    }
  }

  /** Records within one epoch that lie further apart than an epoch lasts: the clock was set. */
  #checkTimes(part: LoadedPart, rows: readonly number[]): void {
    for (let at = 1; at < rows.length; at++) {
      const row = rows[at] ?? 0;
      const before = part.table.number(rows[at - 1] ?? 0, 'time');
      const time = part.table.number(row, 'time');
      if (time - before <= 60_000 + epochMs && before - time <= 60_000) continue;
      const detail = `The clock jumped ${Math.round((time - before) / 1000)} s between this record and the one before it.`;
      this.#context.tally.find(findingAt(this.#context, this.#chain, part.table, row, 'CLOCK', detail));
    }
  }

  /** Epochs whose seals are missing although a later one is there. Their places end where that one begins. */
  #unsealed(part: LoadedPart, next: number): void {
    const { seals } = this.#context;
    const epoch = seals.word(next, 'epoch');
    const rows = takeBefore(part, epoch);
    if (epoch <= this.#nextEpoch) return;
    const first = seals.number(next, 'first');
    this.#missingSeals(this.#nextEpoch, epoch - 1, seals.number(next, 'opened'));
    this.#judgeUnsealed(part, rows, first, seals.number(next, 'closed'));
    this.#nextSeq = first;
    this.#nextEpoch = epoch;
    this.#link = undefined;
  }

  #missingSeals(from: number, to: number, time: number): void {
    const { namedSeals, gapsJudged, tally } = this.#context;
    if (!gapsJudged) return;
    let start = from;
    const report = (end: number): void => {
      if (start > end) return;
      const count = end - start + 1;
      const what = count === 1 ? `The seal of epoch ${start} is` : `The seals of epochs ${start} to ${end} are`;
      const detail = `${what} missing, and what came after is sealed.`;
      tally.find({
        verdict: 'MISSING-SEAL',
        chain: this.#chain.id,
        epoch: start,
        ...(count > 1 ? { count } : {}),
        time,
        detail,
      });
    };
    for (let epoch = from; epoch <= to && to - from < 1_000_000; epoch++) {
      if (!namedSeals.has(`${this.#chain.number} ${epoch}`)) continue;
      report(epoch - 1);
      start = epoch + 1;
    }
    report(to);
  }

  /** Records without a seal whose places are nevertheless known to have been given out, up to `end`. */
  #judgeUnsealed(part: LoadedPart, rows: readonly number[], end: number, closed: number): void {
    let expected = this.#nextSeq;
    for (const row of this.#holdByEpoch(part, rows)) {
      const seq = part.table.number(row, 'seq');
      if (seq > expected) this.#miss(part, expected, seq - 1, part.table.word(row, 'epoch'), closed);
      this.#seen(part, row);
      expected = Math.max(expected, seq + 1);
      conclude(this.#context, this.#chain, part.table, row, this.#chain.withKey ? 'good' : 'unproven');
    }
    if (expected < end) this.#miss(part, expected, end - 1, this.#nextEpoch, closed);
  }

  #holdByEpoch(part: LoadedPart, rows: readonly number[]): number[] {
    const judge = { context: this.#context, chain: this.#chain, table: part.table, missing: () => {}, held: () => {} };
    const held: number[] = [];
    let at = 0;
    while (at < rows.length) {
      const epoch = part.table.word(rows[at] ?? 0, 'epoch');
      let end = at;
      while (end < rows.length && part.table.word(rows[end] ?? 0, 'epoch') === epoch) end += 1;
      held.push(...holdPlaces(judge, rows.slice(at, end)).rows);
      at = end;
    }
    return held;
  }

  /** Epochs after the last seal: open, or without a seal that should be there. */
  #tail(part: LoadedPart): void {
    const { table } = part;
    while (part.at < part.holders.length) {
      const epoch = table.word(part.holders[part.at] ?? 0, 'epoch');
      const rows = takeBefore(part, epoch + 1);
      const opened = rows.reduce((least, row) => Math.min(least, table.number(row, 'time')), Number.POSITIVE_INFINITY);
      this.#tailEpoch(part, epoch, rows, opened);
    }
  }

  #tailEpoch(part: LoadedPart, epoch: number, rows: readonly number[], opened: number): void {
    const context = this.#context;
    const due = opened + epochMs + context.graceMs;
    const [first] = rows;
    if (this.#rotated && first !== undefined) {
      const detail = 'A record after the seal that ended the chain: a rotated chain has ended.';
      context.tally.find(findingAt(context, this.#chain, part.table, first, 'EQUIVOCATION', detail));
    }
    if (context.newestClosed(this.#chain.instance) > due) {
      this.#overdue ??= { from: this.#nextEpoch, to: epoch, time: opened };
      this.#overdue.to = epoch;
      this.#nextEpoch = epoch + 1;
      const last = rows.reduce((most, row) => Math.max(most, part.table.number(row, 'seq')), this.#nextSeq - 1);
      this.#judgeUnsealed(part, rows, last + 1, 0);
      this.#nextSeq = last + 1;
      return;
    }
    if (context.now > due) context.stopped(this.#chain.instance, opened);
    for (const row of this.#holdByEpoch(part, rows)) conclude(context, this.#chain, part.table, row, 'pending');
  }

  /** Places that nobody holds: named by a damaged document, retired, too young, or missing. */
  #miss(part: LoadedPart, from: number, to: number, epoch: number, closed: number): void {
    const context = this.#context;
    if (!context.gapsJudged) return;
    const pending = this.#isYoung(closed);
    if (part.named.isEmpty && !context.facts.concerns(this.#chain.id)) {
      this.#missing.add(from, to, epoch, this.#lastTime, pending);
      return;
    }
    for (let seq = from; seq <= to; seq++) {
      if (part.named.has(seq)) continue;
      if (context.facts.isGone(this.#chain.id, seq)) context.tally.good('RETIRED-OK', 1);
      else {
        const young = pending && !context.tally.isAcknowledged('MISSING', this.#chain.id, seq);
        this.#missing.add(seq, seq, epoch, this.#lastTime, young);
      }
    }
  }

  /** Within the grace after a seal; a seal of the future gets none. An export does not grow, so waiting would not help it. */
  #isYoung(closed: number): boolean {
    const { live, now, graceMs } = this.#context;
    return live && closed <= now && now - closed < graceMs;
  }

  #seen(part: LoadedPart, row: number): void {
    const time = part.table.number(row, 'time');
    this.#missing.flush(time);
    this.#lastTime = time;
  }
}
