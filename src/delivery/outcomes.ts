/**
 * What an answer means for each record: done, refused for a while, or a reject. An item counts as stored only when its index
 * is a known place of its destination and its bytes can come back as they were sent.
 */
import { LogsealError } from '../errors.ts';
import type { BulkAnswer, ItemResult } from '../upstream/item-result.ts';
import type { StoredRecord } from '../upstream/lookup.ts';
import { errorVerdict } from '../upstream/retry-table.ts';
import type { BatchOptions, RejectCause } from './batch.ts';
import { encodeRewrite, needsRaw } from './batch.ts';
import type { Destination, Destinations } from './destinations.ts';
import type { Item } from './item.ts';
import { idOf, viewOf } from './item.ts';
import type { Places } from './places.ts';
import type { DeliveryUpstream, RejectReason } from './port.ts';
import type { RejectStore } from './reject-store.ts';
import type { RefusedItem } from './rejects.ts';
import { findItems } from './unknown.ts';
import type { Watchers } from './watchers.ts';

export interface Refusal extends RejectCause {
  /** `busy`: the cluster has too much; `held`: the destination takes nothing; `refused`: this record was not taken. */
  kind: 'busy' | 'held' | 'refused';
}

export type Open = Map<Item, Refusal | undefined>;

export interface StoredItem {
  item: Item;
  stored: { index: string; version?: number; seqNo?: number; primaryTerm?: number };
  /** False: its bytes will not come back as they were sent. Undefined: decided by what was sent. */
  whole?: boolean;
  pipelineRan?: boolean;
}

export interface OutcomesOptions {
  upstream: DeliveryUpstream;
  destinations: Destinations;
  places: Places;
  watchers: Watchers;
  batch: BatchOptions;
}

interface Sorted {
  stored: StoredItem[];
  conflicts: { item: Item; result: ItemResult }[];
  refused: RefusedItem[];
  unmapped: Set<Destination>;
}

export class Outcomes {
  readonly #options: OutcomesOptions;
  readonly #rejects: RejectStore;
  readonly delivered = { data: 0, control: 0 };

  constructor(options: OutcomesOptions, rejects: RejectStore) {
    this.#options = options;
    this.#rejects = rejects;
  }

  /** Settles the items of one answer; true if any was stored. Those that remain in `open` are tried again. */
  async settle(items: readonly Item[], answer: BulkAnswer, open: Open): Promise<boolean> {
    const sorted = this.#sort(items, answer, open);
    await this.#stored(sorted.stored, open);
    if (sorted.conflicts.length > 0) await this.#conflicts(sorted, open);
    if (sorted.refused.length > 0) await this.#rejects.reject(sorted.refused, open);
    for (const destination of sorted.unmapped) await this.#options.destinations.prepare(destination, true);
    return sorted.stored.length > 0;
  }

  /** Items that a lookup found with their own tag. */
  async foundStored(found: readonly { item: Item; stored: StoredRecord }[], open: Open): Promise<void> {
    await this.#stored(await this.#checked(found), open);
  }

  /**
   * What a try of unknown answer stored may lack its content, because nobody heard that a pipeline ran. Facts that are asked
   * for now show such a pipeline.
   */
  async #checked(found: readonly { item: Item; stored: StoredRecord }[]): Promise<StoredItem[]> {
    const { batch, upstream, destinations } = this.#options;
    const members = new Set(found.map((entry) => entry.item.destination));
    await Promise.all(Array.from(members, (destination) => destinations.prepare(destination, true)));
    const doubtful = found.filter(({ item }) => needsRaw(item, viewOf(item).flags, batch));
    if (doubtful.length === 0) return found.map((entry) => ({ ...entry, whole: true }));
    const have = await upstream.haveRaw(
      doubtful.map(({ item, stored }) => ({ index: stored.index, id: idOf(item), routing: item.meta.routing })),
    );
    const lacking = new Set(doubtful.filter((_, i) => have[i] === false).map((entry) => entry.item));
    return found.map((entry) => ({ ...entry, whole: !lacking.has(entry.item) }));
  }

  #sort(items: readonly Item[], answer: BulkAnswer, open: Open): Sorted {
    const sorted: Sorted = { stored: [], conflicts: [], refused: [], unmapped: new Set() };
    const pipelineRan = answer.ingestTookMs !== undefined;
    if (answer.items.length !== items.length)
      throw notOurs(`${answer.items.length} results for ${items.length} records`);
    items.forEach((item, i) => {
      const result = answer.items[i] as ItemResult;
      const named = result.id !== undefined && result.status !== 200 && result.failureStore !== 'used';
      if (named && result.id !== idOf(item)) throw notOurs('results out of order');
    });
    items.forEach((item, i) => {
      this.#sortOne(item, answer.items[i] as ItemResult, pipelineRan, sorted, open);
    });
    return sorted;
  }

  #sortOne(item: Item, result: ItemResult, pipelineRan: boolean, sorted: Sorted, open: Open): void {
    const { status, error } = result;
    const { system } = item.destination;
    if (status < 300) {
      const lost = lostBy(result);
      if (lost === undefined) sorted.stored.push({ item, stored: result, pipelineRan });
      else if (system) open.set(item, { kind: 'refused', ...lost.cause });
      else sorted.refused.push({ item, ...lost });
      return;
    }
    if (status === 409) {
      sorted.conflicts.push({ item, result });
      return;
    }
    // Answers of the kind 5xx may come from the middle of the work.
    item.unknown = status >= 500;
    const cause = causeOf(result, 'no reason given');
    const verdict = error === undefined ? 'retry' : errorVerdict(error, status);
    if (verdict === 'mapping') sorted.unmapped.add(item.destination);
    if (verdict === 'reject' && !system) {
      sorted.refused.push({ item, reason: 'mapping', cause: { ...cause, detail: error?.detail } });
    } else open.set(item, { kind: status === 429 ? 'busy' : 'refused', ...cause });
  }

  async #stored(stored: readonly StoredItem[], open: Open): Promise<void> {
    const { places } = this.#options;
    let rewrite: StoredItem[] | undefined;
    let lastIndex: string | undefined;
    let lastDestination: Destination | undefined;
    for (const entry of stored) {
      const { destination } = entry.item;
      const { index } = entry.stored;
      if (index !== lastIndex || destination !== lastDestination) {
        if (!places.has(destination.name, index)) await this.#newPlace(destination, index);
        lastIndex = index;
        lastDestination = destination;
      }
      if (this.#lacksRaw(entry)) {
        rewrite ??= [];
        rewrite.push(entry);
      } else this.#done(entry, open);
    }
    if (rewrite !== undefined) await this.#rewrite(rewrite, open);
  }

  #lacksRaw({ item, whole, pipelineRan }: StoredItem): boolean {
    if (whole !== undefined) return !whole;
    return !item.raw && (pipelineRan === true || item.destination.facts.raw === 'always');
  }

  /** What is known about the destination may not hold for an index that came up since. */
  async #newPlace(destination: Destination, index: string): Promise<void> {
    await this.#options.places.record(destination.name, index);
    if (destination.facts.writeIndex !== index) await this.#options.destinations.prepare(destination, true);
  }

  /** Their bytes will not come back as they were sent: they are written again with the content in the field. */
  async #rewrite(entries: readonly StoredItem[], open: Open): Promise<void> {
    const { upstream, batch, destinations, places } = this.#options;
    const indices = new Map(entries.map(({ item, stored }) => [item, stored.index]));
    const found = await findItems(
      entries.map((entry) => entry.item),
      upstream,
      places,
      (item) => indices.get(item),
    );
    const known = found.flatMap(({ item, ours }) => (ours === undefined ? [] : [{ item, ours }]));
    if (known.length === 0) return;
    const body = known.map(({ item, ours }) => encodeRewrite(item, ours.index, ours.seqNo, ours.primaryTerm, batch));
    const answer = await upstream.send(body, { count: known.length, versions: true });
    known.forEach(({ item, ours }, i) => {
      destinations.requireRaw(item.destination);
      const result = answer.items[i];
      if (result === undefined || result.status >= 300 || (result.id ?? idOf(item)) !== idOf(item)) return;
      item.raw = true;
      this.#done({ item, stored: { ...ours, ...result, index: ours.index } }, open);
    });
  }

  async #conflicts(sorted: Sorted, open: Open): Promise<void> {
    const results = new Map(sorted.conflicts.map(({ item, result }) => [item, result]));
    const { upstream, places } = this.#options;
    const found = await findItems([...results.keys()], upstream, places, (item) => results.get(item)?.index);
    const ours: { item: Item; stored: StoredRecord }[] = [];
    for (const { item, ours: stored, other } of found) {
      const result = results.get(item) as ItemResult;
      const cause = causeOf(result, 'the id is taken by another document');
      if (stored !== undefined) ours.push({ item, stored });
      else if (other !== undefined && !item.destination.system) {
        sorted.refused.push({ item, reason: 'conflict', cause: { ...cause, detail: result.error?.detail } });
      } else open.set(item, { kind: 'refused', ...cause });
    }
    await this.foundStored(ours, open);
  }

  #done({ item, stored }: StoredItem, open: Open): void {
    if (!open.delete(item)) return;
    item.unknown = false;
    this.delivered[item.destination.system ? 'control' : 'data'] += 1;
    const { watchers } = this.#options;
    if (!watchers.any) return;
    watchers.settle(item, {
      status: 201,
      index: stored.index,
      version: stored.version ?? 1,
      seqNo: stored.seqNo ?? 0,
      primaryTerm: stored.primaryTerm ?? 1,
    });
  }
}

/** Taken, but not into its place. */
function lostBy(result: ItemResult): { reason: RejectReason; cause: RejectCause } | undefined {
  const { status } = result;
  if (result.failureStore === 'used') {
    return { reason: 'failure-store', cause: { status, type: 'failure_store', reason: `sent to ${result.index}` } };
  }
  if (result.result !== 'noop' && result.result !== 'dropped') return undefined;
  return { reason: 'dropped', cause: { status, type: 'dropped', reason: 'an ingest pipeline dropped it' } };
}

function causeOf(result: ItemResult, fallback: string): RejectCause {
  return {
    status: result.status,
    type: result.error?.type || 'unknown',
    reason: result.error?.reason || fallback,
  };
}

function notOurs(what: string): LogsealError {
  return new LogsealError('UPSTREAM_UNKNOWN', `the search engine answered a bulk request with ${what}`);
}
