/**
 * A live cluster as a source: Elasticsearch 9, OpenSearch 3, or the embedded store behind its proxy.
 *
 * Owns the order in which it is looked at: refresh and point in time of checkpoints, seals, control, rejects and then all others, so that
 * whatever a checkpoint covers is in the points in time after it. Reads every open index, hidden ones included. Writes nothing; a
 * refresh only shows what is there already.
 */
import { LogsealError } from '../../errors.ts';
import type { JsonObject } from '../../upstream/ask.ts';
import { askFor, askOptional, denied, objectAt, textAt } from '../../upstream/ask.ts';
import type { ConnectionOptions } from '../../upstream/connection.ts';
import { Connection } from '../../upstream/connection.ts';
import { askIdentity } from '../../upstream/identity.ts';
import type { IndexDescription, Source, SourceDocument } from '../source.ts';
import { systemIndices } from '../source.ts';
import { describeIndices } from './index-descriptions.ts';
import type { PointInTime } from './point-in-time.ts';
import { PointsInTime } from './point-in-time.ts';
import type { SourceSelection } from './selected-indices.ts';
import { indexSelector, systemNames } from './selected-indices.ts';

const answerBytesMax = 512 * 1024 * 1024;
const slicesAtOnce = 4;
const openOnly = 'expand_wildcards=open,hidden';

export class SearchSource implements Source {
  readonly kind = 'search';
  readonly live = true;
  readonly description: string;
  /** What this run could not do, a sentence each. */
  readonly remarks: string[] = [];
  readonly #connection: Connection;
  readonly #selection: SourceSelection;
  readonly #isSelected: (index: string, dataStream?: string) => boolean;
  #points: PointsInTime | undefined;
  #clusterUuid: string | undefined;
  #indices: IndexDescription[] = [];
  #slices = slicesAtOnce;
  /** undefined where the index is not there. */
  readonly #system: Map<string, PointInTime | undefined> = new Map();
  #rest: PointInTime | undefined;

  constructor(options: ConnectionOptions, selection: SourceSelection = {}) {
    this.#connection = new Connection({ answerBytesMax, ...options });
    this.#selection = selection;
    this.#isSelected = indexSelector(selection);
    this.description = this.#connection.names.join(', ');
  }

  get identity(): string {
    return this.#clusterUuid ?? this.description;
  }

  /** Errors: UPSTREAM_*. */
  async open(): Promise<void> {
    const { clusterUuid, distribution } = await askIdentity(this.#connection);
    this.#clusterUuid = clusterUuid;
    const embedded =
      textAt(objectAt(await askFor(this.#connection, 'GET', '/'), 'version'), 'build_type') === 'embedded';
    if (embedded) this.#slices = 1;
    this.#points = new PointsInTime(this.#connection, distribution === 'opensearch');
    const { checkpoints, seals, control, rejects } = systemIndices;
    for (const name of [checkpoints, seals, control, rejects]) this.#system.set(name, await this.#look(name));
    this.#rest = await this.#look(this.#expression());
    this.#indices = await this.#describe();
    await this.#noteClosed();
  }

  async indices(): Promise<IndexDescription[]> {
    return this.#indices;
  }

  async *system(): AsyncIterable<SourceDocument[]> {
    for (const name of systemNames) yield* this.#documents(this.#system.get(name), 1);
  }

  async *records(): AsyncIterable<SourceDocument[]> {
    const { rejects } = systemIndices;
    if (this.#isSelected(rejects)) yield* this.#documents(this.#system.get(rejects), this.#slices);
    for await (const batch of this.#documents(this.#rest, this.#slices)) {
      // A name that was chosen outright may be one of those that are read by themselves.
      const wanted = batch.filter(({ index }) => index !== rejects && !systemNames.has(index));
      if (wanted.length > 0) yield wanted;
    }
  }

  async close(): Promise<void> {
    await this.#points?.close();
    await this.#connection.close();
  }

  async *#documents(point: PointInTime | undefined, slices: number): AsyncIterable<SourceDocument[]> {
    if (point === undefined || this.#points === undefined) return;
    for await (const { documents } of this.#points.pages(point, slices)) yield documents;
  }

  /**
   * Everything that is chosen, but for what has a point in time of its own. OpenSearch answers 404 for the whole expression if an
   * excluded index is not there.
   */
  #expression(): string {
    const chosen = this.#selection.index ?? '*';
    const own = [...this.#system].filter(([, point]) => point !== undefined).map(([name]) => `-${name}`);
    return chosen.includes('*') ? [chosen, ...own].join(',') : chosen;
  }

  /** A point in time right after a refresh; undefined if there is no such index. */
  async #look(expression: string): Promise<PointInTime | undefined> {
    const refreshed = await this.#connection.ask('POST', `/${encodeURI(expression)}/_refresh?${openOnly}`);
    const { status } = refreshed;
    // A pattern always finds something, if only nothing: a 404 to it must never pass for an empty cluster.
    if (status === 404 && !expression.includes('*')) return undefined;
    if (status === 401 || status === 403) {
      const remark = 'this user may not refresh, so the newest records may not be visible yet';
      if (!this.remarks.includes(remark)) this.remarks.push(remark);
    } else if (status >= 300) throw denied(refreshed, `refreshing ${expression}`);
    else if (Number(objectAt(refreshed.body, '_shards')?.failed ?? 0) > 0) {
      throw new LogsealError('UPSTREAM_DENIED', `refreshing ${expression}: a shard failed`);
    }
    return this.#points?.open(expression);
  }

  async #describe(): Promise<IndexDescription[]> {
    const indices = await askFor(this.#connection, 'GET', `/*?${openOnly}&flat_settings=true`);
    const aliases: JsonObject = (await askOptional(this.#connection, 'GET', '/_alias')) ?? {};
    this.#noteTimeSeries(indices);
    return describeIndices(indices, aliases);
  }

  /** Their ids are made from their dimensions, so nothing signed can stand in them. */
  #noteTimeSeries(indices: JsonObject): void {
    const isTimeSeries = (entry: unknown) => textAt(objectAt(entry, 'settings'), 'index.mode') === 'time_series';
    const names = Object.keys(indices).filter((name) => isTimeSeries(indices[name]));
    if (names.length === 0) return;
    const more = names.length > 5 ? ', …' : '';
    this.remarks.push(
      `${names.length} indices in time_series mode cannot be signed: ${names.slice(0, 5).join(', ')}${more}`,
    );
  }

  /** A closed index cannot be read, and its records would be missing without a word. */
  async #noteClosed(): Promise<void> {
    const answer = await this.#connection.ask('GET', '/_cat/indices?format=json&h=index,status&expand_wildcards=all');
    if (!Array.isArray(answer.body)) return;
    const closed = answer.body.filter((row) => textAt(row, 'status') === 'close').map((row) => textAt(row, 'index'));
    if (closed.length > 0) {
      const names = closed.slice(0, 5).join(', ');
      this.remarks.push(`${closed.length} closed indices were not read: ${names}${closed.length > 5 ? ', …' : ''}`);
    }
  }
}
