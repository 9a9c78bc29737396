/**
 * Missing places of one chain, joined into runs, and runs that make up a whole index into one finding.
 *
 * Owns the joining. Assumes places come in ascending order of seq, with the times of the records around them.
 */
import type { Finding } from './finding.ts';

/** An index that a place record names and of which no document is left. */
export interface GonePlace {
  dest: string;
  index: string;
  /** Its records can have been signed between these times, ms since 1970. */
  from: number;
  to: number;
}

interface Run {
  from: number;
  to: number;
  epoch: number;
  lastEpoch: number;
  timeBefore: number;
  pending: boolean;
}

interface GoneRun {
  place: GonePlace;
  from: number;
  to: number;
  count: number;
  epoch: number;
  time: number;
}

export class MissingRuns {
  readonly #chain: string;
  readonly #gone: readonly GonePlace[];
  readonly #emit: (finding: Finding) => void;
  #run: Run | undefined;
  #goneRuns: Map<string, GoneRun> = new Map();

  constructor(chain: string, gone: readonly GonePlace[], emit: (finding: Finding) => void) {
    this.#chain = chain;
    this.#gone = gone;
    this.#emit = emit;
  }

  /** Places `from` to `to`; `timeBefore`: of the last record before them; `pending`: sealed too short a time ago to judge. */
  add(from: number, to: number, epoch: number, timeBefore: number, pending: boolean): void {
    const run = this.#run;
    if (run !== undefined && run.to + 1 === from && run.pending === pending) {
      run.to = to;
      run.lastEpoch = epoch;
      return;
    }
    this.flush(timeBefore);
    this.#run = { from, to, epoch, lastEpoch: epoch, timeBefore, pending };
  }

  /** The run, if there is one, has ended: a record of time `timeAfter` stands behind it. */
  flush(timeAfter: number): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    const fitting = this.#gone.filter(({ from, to }) => !run.pending && timeAfter >= from && run.timeBefore <= to);
    const place = fitting.find(({ to }) => timeAfter <= to) ?? fitting.at(-1);
    if (place !== undefined) this.#addGone(place, run);
    else this.#emit(this.#finding(run));
  }

  /** At the end of the chain: what is left, and one finding for each index that is gone. */
  finish(): void {
    this.flush(Number.POSITIVE_INFINITY);
    for (const { place, from, to, count, epoch, time } of this.#goneRuns.values()) {
      this.#emit({
        verdict: 'MISSING',
        chain: this.#chain,
        epoch,
        seq: from,
        ...(to === from ? {} : { to, count }),
        dest: place.dest,
        time,
        detail: `Index ${place.index} is gone: nothing of it is left, and ${count} records between seq ${from} and ${to} are missing.`,
      });
    }
  }

  #addGone(place: GonePlace, run: Run): void {
    const count = run.to - run.from + 1;
    const known = this.#goneRuns.get(place.index);
    if (known === undefined) {
      const { from, to, epoch, timeBefore: time } = run;
      this.#goneRuns.set(place.index, { place, from, to, count, epoch, time });
      return;
    }
    known.to = run.to;
    known.count += count;
  }

  #finding(run: Run): Finding {
    const count = run.to - run.from + 1;
    const epochs = run.lastEpoch === run.epoch ? `epoch ${run.epoch}` : `epochs ${run.epoch} to ${run.lastEpoch}`;
    const what = count === 1 ? `Record ${run.from}` : `${count} records, seq ${run.from} to ${run.to},`;
    return {
      verdict: run.pending ? 'PENDING' : 'MISSING',
      chain: this.#chain,
      epoch: run.epoch,
      seq: run.from,
      ...(count === 1 ? {} : { to: run.to, count }),
      ...(run.timeBefore > 0 ? { time: run.timeBefore } : {}),
      detail: run.pending
        ? `${what} of ${epochs} cannot be found yet; the seal is too young to call that missing.`
        : `${what} of ${epochs} should be there: the seal counts it, and it is nowhere.`,
    };
  }
}
