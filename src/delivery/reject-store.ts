/**
 * Brings refused records into the rejects index: control record durable, then the document under the generated id, then done.
 * A document that is there already with the same tag is done too. Errors of the rejects index are never rejects: the record
 * stays with the caller, which tries again.
 */
import type { BatchOptions } from './batch.ts';
import { encodeReject } from './batch.ts';
import type { Destinations } from './destinations.ts';
import type { Item } from './item.ts';
import { generatedIdOf, tagOf, viewOf } from './item.ts';
import type { Open } from './outcomes.ts';
import type { DeliveryHost, DeliveryUpstream, RejectReason } from './port.ts';
import type { RefusedItem, RejectRegister } from './rejects.ts';
import { recordRejects } from './rejects.ts';
import type { Watchers } from './watchers.ts';

const rejectsIndex = 'logseal-rejects';

export interface RejectStoreOptions {
  upstream: DeliveryUpstream;
  host: DeliveryHost;
  destinations: Destinations;
  register: RejectRegister;
  watchers: Watchers;
  batch: BatchOptions;
}

const batchBytesMax = 4 * 1024 * 1024;

export class RejectStore {
  readonly #options: RejectStoreOptions;
  /** Records that this process named in a reject record. */
  readonly rejected: Record<RejectReason, number> = {
    mapping: 0,
    conflict: 0,
    dropped: 0,
    'failure-store': 0,
    blocked: 0,
  };

  constructor(options: RejectStoreOptions) {
    this.#options = options;
  }

  /** For records that were just refused. */
  async reject(refused: readonly RefusedItem[], open: Open): Promise<void> {
    const { host, register, watchers } = this.#options;
    await recordRejects(refused, host, register);
    for (const { reason } of refused) this.rejected[reason] += 1;
    // What becomes of it is settled now; where its document stands is of no interest to the shipper.
    for (const { item, cause } of refused) {
      watchers.settle(item, {
        status: cause.status,
        index: item.destination.name,
        version: 0,
        seqNo: 0,
        primaryTerm: 0,
        error: { ...cause.detail, type: cause.type, reason: cause.reason },
      });
    }
    await this.store(
      refused.map((entry) => entry.item),
      open,
    );
  }

  /** For records that the register names. */
  async store(items: readonly Item[], open: Open): Promise<void> {
    const { destinations } = this.#options;
    const destination = destinations.of(rejectsIndex);
    const isHeld = destination.held?.facts === true;
    if (destinations.needsFacts(destination) || isHeld) await destinations.prepare(destination, isHeld);
    if (destination.held?.facts) {
      const reason = `${rejectsIndex}: ${destination.held.reason}`;
      for (const item of items) open.set(item, { kind: 'held', status: 0, type: 'held', reason });
      return;
    }
    let part: Item[] = [];
    let bytes = 0;
    for (const item of items) {
      part.push(item);
      bytes += 3 * item.bytes;
      if (bytes < batchBytesMax) continue;
      await this.#send(part, open);
      part = [];
      bytes = 0;
    }
    if (part.length > 0) await this.#send(part, open);
  }

  async #send(items: readonly Item[], open: Open): Promise<void> {
    const { register, upstream, batch } = this.#options;
    const body = items.map((item) => {
      const cause = register.causeOf(item.frame.chain, item.seq);
      return encodeReject(item, generatedIdOf(item), cause, batch);
    });
    const answer = await upstream.send(body, { count: items.length, versions: true });
    const taken: Item[] = [];
    items.forEach((item, i) => {
      const result = answer.items[i];
      // Of another one, or of none: tried again, and found there if it is.
      if (result === undefined || (result.id !== undefined && result.id !== generatedIdOf(item))) return;
      if (result.status < 300) this.#done(item, open);
      else if (result.status === 409) taken.push(item);
      else {
        const reason = `${rejectsIndex}: ${result.error?.reason ?? 'no reason given'}`;
        const kind = result.status === 429 ? 'busy' : 'refused';
        open.set(item, { kind, status: result.status, type: result.error?.type ?? 'unknown', reason });
      }
    });
    if (taken.length > 0) await this.#compare(taken, open);
  }

  async #compare(items: readonly Item[], open: Open): Promise<void> {
    const wanted = items.map((item) => ({
      dest: rejectsIndex,
      id: generatedIdOf(item),
      routing: undefined,
      timeMs: viewOf(item).timeMs,
    }));
    const found = await this.#options.upstream.find(wanted);
    items.forEach((item, i) => {
      if (found[i]?.some((record) => record.tag === tagOf(item))) this.#done(item, open);
      else {
        const reason = `${rejectsIndex}: another document has this record's id`;
        open.set(item, { kind: 'refused', status: 409, type: 'version_conflict_engine_exception', reason });
      }
    });
  }

  #done(item: Item, open: Open): void {
    if (!open.delete(item)) return;
    this.#options.register.forgetDetail(item.frame.chain, item.seq);
  }
}
