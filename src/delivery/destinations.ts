/**
 * What is known about each destination: whether records may be sent there, whether they need `raw`, and in which indices
 * they stand. Facts are asked for before the first record is sent and again after a while or when an answer brings a new
 * index. Must never let anything be sent to a destination whose facts could not be had.
 */
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { messageOf } from './message-of.ts';
import type { Places } from './places.ts';
import type { DeliveryUpstream, DestinationFacts, HeldDestination } from './port.ts';

export interface Destination {
  readonly name: string;
  /** One of our own: its documents are never rejects. */
  readonly system: boolean;
  facts: DestinationFacts;
  /** Monotonic time of the facts; undefined before the first. */
  factsAtMs: number | undefined;
  /** Why it waits, and since when (wall clock). `facts`: nothing may be sent there until its facts are others. */
  held: { reason: string; sinceMs: number; facts: boolean } | undefined;
  /** True while a lane of its own brings its records; the main reader leaves them out. */
  inLane: boolean;
  /** Items of it that the main reader has taken and not yet settled or given to a lane. */
  inMain: number;
}

export interface DestinationsOptions {
  upstream: DeliveryUpstream;
  places: Places;
  clock: Clock;
  /** Facts older than this are asked for again, milliseconds. */
  factsAgeMsMax: number;
}

const unknownFacts: DestinationFacts = { writeIndex: undefined, raw: 'always', documents: 0, held: undefined };

export class Destinations {
  readonly #options: DestinationsOptions;
  readonly #known = new Map<string, Destination>();

  constructor(options: DestinationsOptions) {
    this.#options = options;
  }

  of(name: string): Destination {
    let destination = this.#known.get(name);
    if (destination === undefined) {
      destination = {
        name,
        system: name.startsWith('logseal-'),
        facts: unknownFacts,
        factsAtMs: undefined,
        held: undefined,
        inLane: false,
        inMain: 0,
      };
      this.#known.set(name, destination);
    }
    return destination;
  }

  needsFacts(destination: Destination): boolean {
    const { factsAtMs } = destination;
    return factsAtMs === undefined || this.#options.clock.monotonic() - factsAtMs > this.#options.factsAgeMsMax;
  }

  /**
   * Asks for the facts and sees to the mapping; afterwards the destination is ready or held, with the reason.
   * Fails only with what passes by itself.
   */
  async prepare(destination: Destination, fresh = false): Promise<void> {
    const { upstream, clock } = this.#options;
    const first = destination.factsAtMs === undefined;
    let facts: DestinationFacts;
    let reason: string | undefined;
    try {
      facts = await upstream.describe(destination.name, fresh || !first);
      reason = facts.held ?? (await upstream.ensureMapping(destination.name));
    } catch (error) {
      if (isPassing(error)) throw error;
      this.hold(destination, messageOf(error));
      return;
    }
    destination.facts = facts;
    destination.factsAtMs = clock.monotonic();
    if (first && facts.writeIndex !== undefined && reason === undefined) {
      this.#options.places.noteBefore(destination.name, facts.writeIndex, facts.documents);
    }
    if (reason === undefined) destination.held = undefined;
    else this.hold(destination, reason);
  }

  /** From here on documents for it hold their content, until the facts are asked for again. */
  requireRaw(destination: Destination): void {
    destination.facts = { ...destination.facts, raw: 'always' };
  }

  /** As `prepare`, for a destination that is held; what passes by itself leaves it held. */
  async refresh(destination: Destination): Promise<void> {
    try {
      await this.prepare(destination, true);
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }

  hold(destination: Destination, reason: string): void {
    destination.held = { reason, sinceMs: destination.held?.sinceMs ?? this.#options.clock.now(), facts: true };
    destination.factsAtMs ??= this.#options.clock.monotonic();
  }

  /** It refuses at the moment; sending is tried again all the same. */
  wait(destination: Destination, reason: string): void {
    const sinceMs = destination.held?.sinceMs ?? this.#options.clock.now();
    destination.held = { reason, sinceMs, facts: destination.held?.facts ?? false };
  }

  held(): HeldDestination[] {
    const list: HeldDestination[] = [];
    for (const { name, held } of this.#known.values()) {
      if (held !== undefined) list.push({ dest: name, reason: held.reason, sinceMs: held.sinceMs });
    }
    return list;
  }
}

/** True for what passes by itself: a search engine that is away, a log that is full. False for an answer that says no. */
export function isPassing(error: unknown): error is LogsealError {
  return error instanceof LogsealError && error.disposition === 'retry' && error.code !== 'UPSTREAM_DENIED';
}
