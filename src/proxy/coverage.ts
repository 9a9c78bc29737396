/**
 * Which destinations can be signed: not those in time_series mode, whose ids are made from their dimensions. Asked at the
 * search engine before the first record of a destination is signed; whatever cannot be signed passes through and is named.
 * Must cost nothing for destinations that are known, and never hold a request for long: without an answer a destination
 * counts as one that can be signed, and delivery holds its records if it cannot.
 */
import type { Clock } from '../lib/clock.ts';
import type { EventLog } from '../log.ts';

export interface CoverageOptions {
  /** Fails while the search engine cannot be asked. */
  describe: (dest: string) => Promise<{ timeSeries: boolean }>;
  /** Shared with the sequencer and readyz. */
  notCovered: Set<string>;
  clock: Clock;
  log: Pick<EventLog, 'event'>;
}

const waitMsMax = 1_000;
const knownMs = 60_000;
/** After a question without answer nobody asks again for so long. */
const awayMs = 5_000;
const destinationsMax = 20_000;

export class Coverage {
  readonly #options: CoverageOptions;
  /** Monotonic time until which an answer holds. */
  readonly #known = new Map<string, number>();
  readonly #asking = new Map<string, Promise<void>>();
  #awayUntil = Number.NEGATIVE_INFINITY;

  constructor(options: CoverageOptions) {
    this.#options = options;
    this.#watch();
  }

  /** As `IntakeContext.learn`. */
  learn(dests: readonly string[]): Promise<boolean> | undefined {
    const now = this.#options.clock.monotonic();
    const unknown = dests.filter((dest) => (this.#known.get(dest) ?? 0) <= now);
    if (unknown.length === 0 || this.#awayUntil > now) return undefined;
    return this.#learn(unknown);
  }

  async #learn(dests: readonly string[]): Promise<boolean> {
    const { clock, notCovered } = this.#options;
    const late = Promise.withResolvers<void>();
    const timer = clock.after(waitMsMax, () => {
      this.#awayUntil = clock.monotonic() + awayMs;
      late.resolve();
    });
    await Promise.race([Promise.all(dests.map((dest) => this.#askOnce(dest))), late.promise]);
    timer.cancel();
    return dests.some((dest) => notCovered.has(dest));
  }

  #askOnce(dest: string): Promise<void> {
    let asking = this.#asking.get(dest);
    if (asking === undefined) {
      asking = this.#ask(dest).finally(() => this.#asking.delete(dest));
      this.#asking.set(dest, asking);
    }
    return asking;
  }

  async #ask(dest: string): Promise<void> {
    const { describe, notCovered, clock, log } = this.#options;
    try {
      const { timeSeries } = await describe(dest);
      this.#known.delete(dest);
      this.#known.set(dest, clock.monotonic() + knownMs);
      for (const oldest of this.#known.keys()) {
        if (this.#known.size <= destinationsMax) break;
        this.#known.delete(oldest);
      }
      if (!timeSeries) notCovered.delete(dest);
      else if (!notCovered.has(dest)) {
        notCovered.add(dest);
        log.event('destination-not-covered', { dest, reason: 'time_series mode' });
      }
    } catch {
      this.#awayUntil = clock.monotonic() + awayMs;
    }
  }

  /** Requests for what passes through ask nothing, so a destination that can be signed again is noticed here. */
  #watch(): void {
    const { clock, notCovered } = this.#options;
    clock.after(knownMs, () => {
      void Promise.all(Array.from(notCovered, (dest) => this.#askOnce(dest))).then(() => this.#watch());
    });
  }
}
