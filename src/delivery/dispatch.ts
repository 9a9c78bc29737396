/**
 * One try for a set of items, from looking up to answered for: facts, lookups, sending, outcomes, rejects. Every reader of
 * the log (main, lanes, redeliver) sends through here, so the rules of FORMAT section 8 stand in one place. Keeps no item:
 * what is not settled goes back to the caller, which decides when it is tried again.
 */
import type { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { BulkAnswer, ItemResult } from '../upstream/item-result.ts';
import type { Adaptive } from './adaptive.ts';
import type { BatchOptions } from './batch.ts';
import { BatchEncoder, BodyBuffer } from './batch.ts';
import type { Destination, Destinations } from './destinations.ts';
import { isPassing } from './destinations.ts';
import type { Item } from './item.ts';
import type { Open, Refusal } from './outcomes.ts';
import { Outcomes } from './outcomes.ts';
import type { Places } from './places.ts';
import type { DeliveryHost, DeliveryUpstream, RejectReason } from './port.ts';
import { RejectStore } from './reject-store.ts';
import type { RejectRegister } from './rejects.ts';
import { findItems } from './unknown.ts';
import type { Watchers } from './watchers.ts';

export interface DispatchOptions {
  upstream: DeliveryUpstream;
  host: DeliveryHost;
  clock: Clock;
  destinations: Destinations;
  places: Places;
  register: RejectRegister;
  watchers: Watchers;
  adaptive: Adaptive;
  batch: BatchOptions;
}

export interface Outage {
  message: string;
  retryAfterMs: number;
  /** Not one byte was sent: it costs little to try again. */
  unreachable: boolean;
}

export interface Attempt {
  left: { item: Item; refusal: Refusal | undefined }[];
  /** The search engine as a whole took nothing. */
  outage: Outage | undefined;
  /** Settled because they stood there already. */
  found: number;
}

const cannotLook: Refusal = {
  kind: 'held',
  status: 0,
  type: 'held',
  reason: 'it may have been stored already, and its destination cannot be looked into',
};

const freeBodiesMax = 8;
/** Requests in a row that ask for ids after an answer that needed them: they make answers larger and slower to read. */
const namedRequests = 100;

export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #outcomes: Outcomes;
  readonly #rejects: RejectStore;
  readonly #free: { encoder: BatchEncoder; body: BodyBuffer }[] = [];
  /** Batches that were answered, for any destination, with at least one record stored. */
  answered = 0;
  batches = 0;
  outage: string | undefined;
  #namedLeft = 0;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#rejects = new RejectStore(options);
    this.#outcomes = new Outcomes(options, this.#rejects);
  }

  get delivered(): Readonly<Record<'data' | 'control', number>> {
    return this.#outcomes.delivered;
  }

  get rejected(): Readonly<Record<RejectReason, number>> {
    return this.#rejects.rejected;
  }

  /** Tries each item once. `ready` is awaited before anything is sent, given that; it makes the `sent` mark durable. */
  async attempt(items: readonly Item[], ready: (sent: readonly Item[]) => Promise<void>): Promise<Attempt> {
    const open: Open = new Map();
    for (const item of items) open.set(item, undefined);
    let outage: Outage | undefined;
    let found = 0;
    try {
      await this.#try(open, ready, (count) => {
        found += count;
      });
      this.outage = undefined;
    } catch (error) {
      if (!isPassing(error)) throw error;
      const status = error.details.status;
      if (status === 429 || status === 413 || error.code === 'UPSTREAM_UNKNOWN') this.#options.adaptive.overloaded();
      if (status === 400 || status === 413) return this.#isolate(open, error, ready);
      const { retryAfterMs } = error.details;
      outage = {
        message: error.message,
        retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : 0,
        unreachable: error.code === 'UPSTREAM_REFUSED' && status === undefined,
      };
      this.outage = error.message;
    }
    this.#options.watchers.flush();
    return { left: Array.from(open, ([item, refusal]) => ({ item, refusal })), outage, found };
  }

  /** One line of a request, or its size, made the whole of it be refused: halves are tried until only that one is left. */
  async #isolate(open: Open, error: LogsealError, ready: (sent: readonly Item[]) => Promise<void>): Promise<Attempt> {
    const items = [...open.keys()];
    const [only] = items;
    if (items.length === 1 && only !== undefined) {
      const { status, type } = error.details;
      const refusal = {
        status: Number(status),
        type: typeof type === 'string' ? type : 'unknown',
        reason: error.message,
      };
      return { left: [{ item: only, refusal: { kind: 'refused', ...refusal } }], outage: undefined, found: 0 };
    }
    const middle = items.length >> 1;
    const first = await this.attempt(items.slice(0, middle), ready);
    const second = await this.attempt(items.slice(middle), ready);
    const outage = first.outage ?? second.outage;
    return { left: [...first.left, ...second.left], outage, found: first.found + second.found };
  }

  /** Puts items into the rejects for a reason that no answer gave. Those left could not be stored there yet. */
  async reject(items: readonly Item[], reason: RejectReason, refusal: Refusal): Promise<Item[]> {
    const open = new Map(items.map((item) => [item, refusal]));
    try {
      await this.#rejects.reject(
        items.map((item) => ({ item, reason, cause: refusal })),
        open,
      );
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
    this.#options.watchers.flush();
    return [...open.keys()];
  }

  async #try(
    open: Open,
    ready: (sent: readonly Item[]) => Promise<void>,
    found: (count: number) => void,
  ): Promise<void> {
    const { register } = this.#options;
    const isNamed = (item: Item) => !register.empty && register.has(item.frame.chain, item.seq);
    const named = [...open.keys()].filter(isNamed);
    if (named.length > 0) await this.#rejects.store(named, open);
    const others = named.length === 0 ? [...open.keys()] : [...open.keys()].filter((item) => !isNamed(item));
    const rest = await this.#sendable(others, open);
    const unknown = rest.filter((item) => item.unknown);
    if (unknown.length > 0) found(await this.#lookUp(unknown, open));
    const sent = rest.filter((item) => open.has(item) && !item.unknown);
    if (sent.length === 0) return;
    await ready(sent);
    // Apart, so that an answer that says "a pipeline ran" says it about records for which none should have run.
    const piped = sent.filter(expectsPipeline);
    const plain = piped.length === 0 ? sent : sent.filter((item) => !expectsPipeline(item));
    for (const group of [plain, piped]) {
      if (group.length === 0) continue;
      await this.#bring(group, open);
    }
    for (const refusal of open.values()) {
      if (refusal?.kind !== 'busy') continue;
      this.#options.adaptive.overloaded();
      return;
    }
  }

  /**
   * Where results differ, their order alone says whose they are, unless ids were asked for. What else stands between proxy and
   * search engine is not trusted with that: such an answer counts as unknown, and what is not stored is sent again, with ids asked for.
   */
  async #bring(group: readonly Item[], open: Open): Promise<void> {
    const { answer, certain } = await this.#send(group);
    if (certain) {
      if (await this.#outcomes.settle(group, answer, open)) this.answered += 1;
      return;
    }
    await this.#lookUp(group, open);
    const rest = group.filter((item) => open.has(item) && !item.unknown);
    if (rest.length < group.length) this.answered += 1;
    if (rest.length === 0) return;
    const again = await this.#send(rest);
    if (await this.#outcomes.settle(rest, again.answer, open)) this.answered += 1;
  }

  /** Those whose destination is known and not held. */
  async #sendable(items: readonly Item[], open: Open): Promise<Item[]> {
    const { destinations } = this.#options;
    const stale = new Set<Destination>();
    let last: Destination | undefined;
    for (const { destination } of items) {
      if (destination !== last && destinations.needsFacts(destination)) stale.add(destination);
      last = destination;
    }
    if (stale.size > 0) await Promise.all(Array.from(stale, (destination) => destinations.prepare(destination)));
    return items.filter((item) => {
      const { held } = item.destination;
      if (held === undefined || !held.facts) return true;
      open.set(item, { kind: 'held', status: 0, type: 'held', reason: held.reason });
      return false;
    });
  }

  /** Returns how many stood there already. */
  async #lookUp(unknown: readonly Item[], open: Open): Promise<number> {
    const found = await findItems(unknown, this.#options.upstream, this.#options.places);
    const stored = [];
    for (const { item, ours, hidden } of found) {
      if (ours !== undefined) stored.push({ item, stored: ours });
      else if (hidden) open.set(item, cannotLook);
      else item.unknown = false;
    }
    await this.#outcomes.foundStored(stored, open);
    return stored.length;
  }

  /** `certain`: whose each result is does not hang on their order. */
  async #send(items: readonly Item[]): Promise<{ answer: BulkAnswer; certain: boolean }> {
    const { adaptive, clock, upstream, watchers } = this.#options;
    const slot = this.#free.pop() ?? { encoder: new BatchEncoder(this.#options.batch), body: new BodyBuffer() };
    slot.encoder.encode(items, slot.body);
    const named = this.#namedLeft > 0 || (watchers.any && items.some((item) => watchers.watches(item)));
    this.#namedLeft = Math.max(0, this.#namedLeft - 1);
    for (const item of items) item.unknown = true;
    const begin = clock.monotonic();
    this.batches += 1;
    let answer: BulkAnswer;
    try {
      answer = await upstream.send([slot.body.written()], { count: items.length, versions: named });
    } catch (error) {
      // The socket may still read the body: it is not lent again.
      if (isPassing(error) && error.code === 'UPSTREAM_REFUSED') for (const item of items) item.unknown = false;
      throw error;
    }
    adaptive.answered(clock.monotonic() - begin, slot.body.length);
    if (this.#free.length < freeBodiesMax) this.#free.push(slot);
    const alike = answer.items.every(isCreated);
    if (!alike) this.#namedLeft = namedRequests;
    return { answer, certain: named || alike };
  }
}

function isCreated({ status, failureStore }: ItemResult): boolean {
  return status === 201 && failureStore === undefined;
}

function expectsPipeline(item: Item): boolean {
  return item.destination.facts.raw === 'always' || item.meta.pipeline !== undefined;
}
