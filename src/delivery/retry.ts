/**
 * Sends rejected records again while the proxy runs, after somebody has mended what refused them. Order: a retry record durable, then
 * the record looked for and sent like all others, its signature as it was. What is refused again ends in the rejects again, and a
 * reject record says so.
 */
import { generatedId } from '../chain/record-id.ts';
import type { RejectDetail } from '../journal/reject-detail.ts';
import type { Clock } from '../lib/clock.ts';
import type { JsonObject } from '../upstream/ask.ts';
import type { Position } from '../wal/position.ts';
import { describeRefusal } from './describe-refusal.ts';
import type { Destinations } from './destinations.ts';
import type { DispatchOptions } from './dispatch.ts';
import { Dispatch } from './dispatch.ts';
import type { Item } from './item.ts';
import { recordsFrame } from './item.ts';
import { ItemReader } from './item-reader.ts';
import { durably } from './places.ts';
import type { DeliveryHost } from './port.ts';
import { recordOfReject } from './rejected-record.ts';
import { runsOf } from './rejects.ts';
import { Backoff, pause } from './retry-policy.ts';

export interface RetryRequest {
  /** 22 characters. */
  chain: string;
  /** Ascending, each once. */
  seqs: readonly number[];
}

/** `waiting`: not taken for a reason that may pass; its document stays in the rejects, and it can be retried again. */
export interface RetriedRecord {
  seq: number;
  outcome: 'delivered' | 'rejected' | 'waiting' | 'unusable';
  /** A sentence, where it was not delivered. */
  reason?: string;
}

export type RetryOptions = DispatchOptions & {
  /** `_source` of documents of the rejects index, in real time, by id. */
  rejected(ids: readonly string[]): Promise<(JsonObject | undefined)[]>;
  /** End of the log: what is rejected again must be remembered until every reader is past its reject record. */
  durable(): Position;
  destinations: Destinations;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
};

const triesMax = 5;

export class Retries {
  readonly #options: RetryOptions;
  readonly #dispatch: Dispatch;
  readonly #reasons = new Map<string, string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: RetryOptions) {
    this.#options = options;
    this.#dispatch = new Dispatch({ ...options, host: this.#listening(options.host) });
  }

  get delivered(): number {
    return this.#dispatch.delivered.data;
  }

  /** One request after the other. Errors: UPSTREAM_* where the rejects index cannot be read, LOG_FULL. */
  retry(request: RetryRequest): Promise<RetriedRecord[]> {
    const turn = this.#turn.then(() => this.#retry(request));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #retry({ chain, seqs }: RetryRequest): Promise<RetriedRecord[]> {
    const { rejected, register, host, destinations, durable } = this.#options;
    const id = Buffer.from(chain, 'base64url');
    const sources = await rejected(seqs.map((seq) => generatedId(id, seq)));
    const results: RetriedRecord[] = [];
    const items: Item[] = [];
    const reader = new ItemReader(destinations);
    for (const [at, seq] of seqs.entries()) {
      const source = sources[at];
      const record = source === undefined ? { fault: 'it is not in the rejects' } : recordOfReject(source, chain, seq);
      if ('fault' in record) results.push({ seq, outcome: 'unusable', reason: record.fault });
      else reader.read(recordsFrame(record.payload, durable(), durable()), true, () => true, items);
    }
    if (items.length === 0) return results;
    const runs = runsOf(items.map((item) => item.seq));
    await durably(host.control('retry', { chain, seqs: runs }));
    register.remove(chain, runs);
    const left = await this.#send(items);
    for (const { seq } of items) results.push(this.#outcomeOf(chain, seq, left));
    this.#reasons.clear();
    return results.sort((a, b) => a.seq - b.seq);
  }

  /** Tries each record until it is stored or rejected, a few times. Returns why the others are left. */
  async #send(items: readonly Item[]): Promise<Map<number, string>> {
    const { clock, random, signal } = this.#options;
    const backoff = new Backoff({ minMs: 200, maxMs: 5_000, random });
    let open = items;
    for (let tries = 1; ; tries += 1) {
      const { left, outage } = await this.#dispatch.attempt(open, async () => undefined);
      open = left.map(({ item }) => item);
      if (open.length === 0 || tries >= triesMax || signal.aborted) {
        return new Map(
          left.map(({ item, refusal }) => [
            item.seq,
            outage?.message ?? (refusal === undefined ? 'no answer' : describeRefusal(refusal)),
          ]),
        );
      }
      await pause(clock, backoff.next(outage?.retryAfterMs), signal);
    }
  }

  #outcomeOf(chain: string, seq: number, left: ReadonlyMap<number, string>): RetriedRecord {
    const waiting = left.get(seq);
    const again = this.#reasons.get(`${chain}:${seq}`);
    if (again !== undefined) return { seq, outcome: 'rejected', reason: again };
    return waiting === undefined ? { seq, outcome: 'delivered' } : { seq, outcome: 'waiting', reason: waiting };
  }

  /** The host, with an ear for what is rejected again. */
  #listening(host: DeliveryHost): DeliveryHost {
    const passOn = host.control.bind(host) as (kind: string, body: object, details: RejectDetail[]) => Promise<void>;
    return {
      control: (kind: string, body: object, details: RejectDetail[] = []) => {
        for (const { chain, seq, type, reason } of details) this.#reasons.set(`${chain}:${seq}`, `${type}: ${reason}`);
        return passOn(kind, body, details);
      },
      settled: (outcomes) => host.settled(outcomes),
      trim: (before) => host.trim(before),
      event: (level, name, fields) => host.event(level, name, fields),
    };
  }
}
