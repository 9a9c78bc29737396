/** The search engine as delivery asks it: src/upstream, and two questions about documents of our own. */
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { systemClock } from '../lib/clock.ts';
import type { UpstreamOutcome } from '../metrics.ts';
import type { JsonObject } from '../upstream/ask.ts';
import { askFor, objectAt, objectsAt, textAt } from '../upstream/ask.ts';
import type { BulkQuery } from '../upstream/bulk-client.ts';
import type { BulkAnswer } from '../upstream/item-result.ts';
import type { StoredRecord, WantedRecord } from '../upstream/lookup.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { DeliveryUpstream, DestinationFacts } from './port.ts';

export interface BulkTiming {
  outcome: UpstreamOutcome;
  ms: number;
}

interface Place {
  index: string;
  id: string;
  routing?: string | undefined;
}

const documentsMax = 500;
/** Between two looks, a tenth of a second apart. */
const timingsMax = 10_000;

export class SearchEngine implements DeliveryUpstream {
  readonly #upstream: Upstream;
  readonly #embedded: boolean;
  readonly #clock: Pick<Clock, 'monotonic'>;

  /** What each bulk request since the last look took. */
  #timings: BulkTiming[] = [];

  constructor(upstream: Upstream, embedded: boolean, clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#upstream = upstream;
    this.#embedded = embedded;
    this.#clock = clock;
  }

  async send(body: readonly Buffer[], query: BulkQuery): Promise<BulkAnswer> {
    const begin = this.#clock.monotonic();
    let outcome: BulkTiming['outcome'] = 'unknown';
    try {
      const answer = await this.#upstream.send(body, query);
      outcome = 'answered';
      return answer;
    } catch (error) {
      if (error instanceof LogsealError && error.code === 'UPSTREAM_REFUSED') outcome = 'refused';
      throw error;
    } finally {
      if (this.#timings.length < timingsMax) this.#timings.push({ outcome, ms: this.#clock.monotonic() - begin });
    }
  }

  /** Those that nobody has taken yet, once. */
  takeTimings(): BulkTiming[] {
    const timings = this.#timings;
    this.#timings = [];
    return timings;
  }

  async describe(dest: string, fresh: boolean): Promise<DestinationFacts> {
    const { writeIndex, raw, documents, held } = await this.#upstream.describe(dest, fresh);
    return { writeIndex, raw, documents, held };
  }

  find(wanted: readonly WantedRecord[]): Promise<StoredRecord[][]> {
    return this.#upstream.find(wanted);
  }

  ensureMapping(dest: string): Promise<string | undefined> {
    return this.#upstream.ensureMapping(dest);
  }

  countUnsigned(index: string): Promise<number> {
    return this.#upstream.countUnsigned(index);
  }

  async haveRaw(stored: readonly { index: string; id: string; routing: string | undefined }[]): Promise<boolean[]> {
    const sources = await this.#sources(stored, 'logseal.raw');
    return sources.map((source) => {
      const field = objectAt(source, 'logseal');
      return textAt(field, 'raw') !== undefined || textAt(source, 'logseal.raw') !== undefined;
    });
  }

  async texts(index: string, member: 'seal' | 'checkpoint', ids: readonly string[]): Promise<(string | undefined)[]> {
    const sources = await this.#sources(
      ids.map((id) => ({ index, id })),
      member,
    );
    return sources.map((source) => textAt(source, member));
  }

  rejected(ids: readonly string[]): Promise<(JsonObject | undefined)[]> {
    return this.#sources(
      ids.map((id) => ({ index: 'logseal-rejects', id })),
      'logseal',
    );
  }

  /** In real time; undefined where there is no such document. */
  async #sources(places: readonly Place[], members: string): Promise<(JsonObject | undefined)[]> {
    const found: (JsonObject | undefined)[] = [];
    const path = this.#embedded ? '/_mget' : `/_mget?realtime=true&_source_includes=${members}`;
    for (let start = 0; start < places.length; start += documentsMax) {
      const docs = places.slice(start, start + documentsMax).map(({ index, id, routing }) => {
        const doc = { _index: index, _id: id };
        return routing === undefined || this.#embedded ? doc : { ...doc, routing };
      });
      const answers = objectsAt(await askFor(this.#upstream.connection, 'POST', path, { docs }), 'docs');
      for (const [i] of docs.entries()) found.push(objectAt(answers[i], '_source'));
    }
    return found;
  }
}
