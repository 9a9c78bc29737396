/**
 * Events about what has changed since somebody last looked: told once for each change, however long it lasts. Looks only, several
 * times a second; never called once a record.
 */
import type { DeliveryStats, RejectReason } from '../delivery/port.ts';
import { rejectReasons } from '../delivery/port.ts';
import type { Clock } from '../lib/clock.ts';
import type { EventLog } from '../log.ts';

export interface StateWatchOptions {
  freeBytes: () => number;
  /** The active chains, the control chain too. */
  chains: () => readonly { id22: string; name: string }[];
  chainsMax: number;
  clock: Clock;
  log: Pick<EventLog, 'event'>;
}

const jumpMs = 60_000;
/** Rejects are told together: a mapping that does not fit can refuse thousands a second. */
const rejectsEveryMs = 10_000;

export class StateWatch {
  readonly #options: StateWatchOptions;
  #full = false;
  #exhausted = false;
  #chains: Map<string, string>;
  #drift: number;
  #rejected: Partial<Record<RejectReason, number>> = {};
  #rejectsToldAt = Number.NEGATIVE_INFINITY;
  #published: number | undefined;

  constructor(options: StateWatchOptions) {
    this.#options = options;
    this.#chains = this.#active();
    this.#drift = options.clock.now() - options.clock.monotonic();
  }

  look(stats: Pick<DeliveryStats, 'rejected' | 'published'>): void {
    this.#lookAtLog();
    this.#lookAtChains();
    this.#lookAtClock();
    this.#lookAtRejects(stats.rejected);
    if (stats.published !== undefined && stats.published !== this.#published) {
      this.#published = stats.published;
      this.#options.log.event('checkpoint-published', { anchor: 'search-engine', entry: stats.published });
    }
  }

  #lookAtLog(): void {
    const full = this.#options.freeBytes() === 0;
    if (full !== this.#full) this.#options.log.event(full ? 'log-full' : 'log-has-room');
    this.#full = full;
  }

  #lookAtChains(): void {
    const { log, chainsMax } = this.#options;
    const active = this.#active();
    for (const [name, chain] of active) {
      const before = this.#chains.get(name);
      if (before === undefined) log.event('chain-created', { name, chain });
      else if (before !== chain) log.event('chain-rotated', { name, chain, before });
    }
    this.#chains = active;
    const exhausted = active.size >= chainsMax;
    if (exhausted && !this.#exhausted) log.event('chains-exhausted', { chains: active.size });
    this.#exhausted = exhausted;
  }

  #lookAtClock(): void {
    const { clock, log } = this.#options;
    const drift = clock.now() - clock.monotonic();
    const jumpedMs = Math.round(drift - this.#drift);
    if (Math.abs(jumpedMs) < jumpMs) return;
    this.#drift = drift;
    log.event('clock-jumped', { jumpedMs });
  }

  #lookAtRejects(rejected: Record<RejectReason, number>): void {
    const { clock, log } = this.#options;
    if (clock.monotonic() - this.#rejectsToldAt < rejectsEveryMs) return;
    const more = rejectReasons.map((reason) => [reason, rejected[reason] - (this.#rejected[reason] ?? 0)] as const);
    const told = more.filter(([, count]) => count > 0);
    if (told.length === 0) return;
    this.#rejected = { ...rejected };
    this.#rejectsToldAt = clock.monotonic();
    log.event('records-rejected', { records: Object.fromEntries(told) });
  }

  #active(): Map<string, string> {
    return new Map(this.#options.chains().map(({ name, id22 }) => [name, id22]));
  }
}
