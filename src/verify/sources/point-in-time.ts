/**
 * Points in time of a search engine: opens, pages through, and closes them. Elasticsearch and OpenSearch spell them differently.
 *
 * Owns the requests. Pages run in `_shard_doc` order, the engine's own, and are never sorted or filtered by what stands in the documents:
 * an index or mapping that hides something from a search hides nothing here.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { ErrorCode } from '../../errors.ts';
import { LogsealError } from '../../errors.ts';
import { denied, objectAt, textAt } from '../../upstream/ask.ts';
import type { Connection } from '../../upstream/connection.ts';
import type { SearchPage } from './search-page.ts';
import { SearchPageReader } from './search-page.ts';

export interface PointInTime {
  id: string;
  shards: number;
}

const keepAlive = '15m';
const pageBytesWanted = 2 * 1024 * 1024;
const pageDocumentsMax = 10_000;
const pageDocumentsFirst = 500;
const attemptsMax = 6;
/** What a page that failed may be asked for again after. */
const passingCodes: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_REFUSED', 'UPSTREAM_UNKNOWN']);

export class PointsInTime {
  readonly #connection: Connection;
  #openSearch: boolean;
  readonly #open: Set<string> = new Set();

  constructor(connection: Connection, openSearch: boolean) {
    this.#connection = connection;
    this.#openSearch = openSearch;
  }

  /** Over all open indices, hidden ones included, of an index expression. Throws UPSTREAM_*. */
  async open(expression: string): Promise<PointInTime> {
    const query = `keep_alive=${keepAlive}&expand_wildcards=open,hidden`;
    const path = (openSearch: boolean) =>
      `/${encodeURI(expression)}/${openSearch ? '_search/point_in_time' : '_pit'}?${query}`;
    let answer = await this.#connection.ask('POST', path(this.#openSearch));
    if (!this.#openSearch && [400, 404, 405].includes(answer.status)) {
      // An OpenSearch that says it is something else; its own spelling settles it.
      const other = await this.#connection.ask('POST', path(true));
      if (other.status < 300) {
        this.#openSearch = true;
        answer = other;
      }
    }
    const id = textAt(answer.body, this.#openSearch ? 'pit_id' : 'id');
    if (answer.status >= 300 || id === undefined) throw denied(answer, `a point in time of ${expression}`);
    this.#open.add(id);
    const shards = objectAt(answer.body, '_shards');
    if (shards?.failed !== undefined && shards.failed !== 0) {
      throw new LogsealError('UPSTREAM_DENIED', `a point in time of ${expression}: ${shards.failed} shards failed`);
    }
    return { id, shards: typeof shards?.total === 'number' ? shards.total : 1 };
  }

  /** All documents, in `slices` readers at once; a page is good until the next one is asked for. */
  async *pages(point: PointInTime, slicesMax: number): AsyncGenerator<SearchPage> {
    // OpenSearch slices by shard for nothing, but inside a shard by reading all ids.
    const slices = Math.max(1, this.#openSearch ? Math.min(slicesMax, point.shards) : slicesMax);
    const readers = Array.from({ length: slices }, (_, at) => new Slice(this.#connection, point.id, at, slices));
    const pending = new Map<Slice, Promise<{ reader: Slice; page: SearchPage | undefined }>>();
    const ask = (reader: Slice) => {
      const answer = reader.next().then((page) => ({ reader, page }));
      answer.catch(() => {});
      pending.set(reader, answer);
    };
    for (const reader of readers) ask(reader);
    try {
      while (pending.size > 0) {
        const { reader, page } = await Promise.race(pending.values());
        pending.delete(reader);
        if (page === undefined) continue;
        ask(reader);
        yield page;
      }
    } finally {
      await Promise.allSettled(pending.values());
    }
  }

  /** Frees them; an engine that does not answer frees them by itself later. */
  async close(): Promise<void> {
    for (const id of this.#open) {
      const [path, body] = this.#openSearch ? ['/_search/point_in_time', { pit_id: [id] }] : ['/_pit', { id }];
      await this.#connection.ask('DELETE', path as string, body).catch(() => {});
    }
    this.#open.clear();
  }
}

/** One slice of a point in time, a page at a time. */
class Slice {
  readonly #connection: Connection;
  readonly #reader: SearchPageReader = new SearchPageReader();
  readonly #slice: string;
  #pit: string;
  #after: string | undefined;
  #size = pageDocumentsFirst;
  #ended = false;

  constructor(connection: Connection, pit: string, id: number, max: number) {
    this.#connection = connection;
    this.#pit = pit;
    this.#slice = max === 1 ? '' : `"slice":{"id":${id},"max":${max}},`;
  }

  async next(): Promise<SearchPage | undefined> {
    if (this.#ended) return undefined;
    const body = await this.#ask();
    const page = this.#reader.read(body);
    this.#pit = page.pit ?? this.#pit;
    if (page.documents.length === 0 || page.after === undefined) {
      this.#ended = true;
      return undefined;
    }
    this.#after = page.after;
    const bytesEach = body.length / page.documents.length;
    this.#size = Math.max(1, Math.min(pageDocumentsMax, 4 * this.#size, Math.floor(pageBytesWanted / bytesEach)));
    return page;
  }

  /** The same page again after an answer that failed or was too much for the engine: reading changes nothing. */
  async #ask(): Promise<Buffer> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#connection.request({
          method: 'POST',
          path: '/_search',
          headers: { 'content-type': 'application/json' },
          body: Buffer.from(this.#body()),
        });
        if (answer.status === 200) return answer.body;
        const parsed = { status: answer.status, headers: {}, body: parseJson(answer.body) };
        throw denied(parsed, 'a page of documents');
      } catch (error) {
        const passing = error instanceof LogsealError && passingCodes.has(error.code);
        if (!passing || attempt >= attemptsMax) throw error;
        this.#size = Math.max(1, Math.floor(this.#size / 4));
        await wait(100 * 2 ** attempt);
      }
    }
  }

  #body(): string {
    const after = this.#after === undefined ? '' : `"search_after":${this.#after},`;
    const pit = JSON.stringify({ id: this.#pit, keep_alive: keepAlive });
    return `{"size":${this.#size},${this.#slice}${after}"pit":${pit},"sort":["_shard_doc"],"track_total_hits":false}`;
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
