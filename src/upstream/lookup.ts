/**
 * Finds out whether a record whose answer was lost is stored: realtime, by id, in every concrete index that can have taken it.
 * Must never say "not there" of an index that could not be read: that is how twins are made.
 */
import { LogsealError } from '../errors.ts';
import type { Asker, JsonObject } from './ask.ts';
import { askFor, integerAt, isObject, objectAt, objectsAt, textAt } from './ask.ts';
import type { Topology } from './topology.ts';
import { resolveTopology, writeIndicesSince } from './topology.ts';

export interface WantedRecord {
  dest: string;
  id: string;
  routing: string | undefined;
  /** Acceptance of the record, wall clock of the proxy, milliseconds: older backing indices cannot hold it. */
  timeMs: number;
  /** The only index to look in, where it is known. */
  index?: string | undefined;
  /** Indices that were seen behind dest before and may have left it (alias switch). */
  formerIndices?: readonly string[] | undefined;
}

export interface StoredRecord {
  index: string;
  /** Tag of the stored signature field, base64url; undefined where the document has none. */
  tag: string | undefined;
  chain: string | undefined;
  seq: number | undefined;
  version: number;
  seqNo: number;
  primaryTerm: number;
}

export interface LookupOptions {
  asker: Asker;
  /** The embedded store: a destination is an index, and `_mget` takes `_index` and `_id` alone. */
  embedded: boolean;
  /** Allowed difference between the proxy's clock and the cluster's. Default 1 h. */
  clockSlackMs?: number;
  /** Documents asked for at once. Default 1,000. */
  documentsMax?: number;
}

export class Lookup {
  readonly #options: LookupOptions;

  constructor(options: LookupOptions) {
    this.#options = options;
  }

  /**
   * All documents under each id, one list for each wanted record, in order; empty: certainly not stored at this moment.
   * Throws UPSTREAM_DENIED when an index that can hold one cannot be read (closed, say): `details.dest` names the
   * destination. UPSTREAM_REFUSED, UPSTREAM_UNKNOWN as for every question.
   */
  async find(wanted: readonly WantedRecord[]): Promise<StoredRecord[][]> {
    const found: StoredRecord[][] = wanted.map(() => []);
    const places = await this.#places(wanted);
    const { documentsMax = 1000 } = this.#options;
    for (let at = 0; at < places.length; at += documentsMax) {
      await this.#get(places.slice(at, at + documentsMax), wanted, found);
    }
    return found;
  }

  async #places(wanted: readonly WantedRecord[]): Promise<Place[]> {
    const topologies = new Map<string, Topology>();
    const places: Place[] = [];
    for (const [at, record] of wanted.entries()) {
      const { dest, routing } = record;
      if (record.index !== undefined || this.#options.embedded) {
        places.push({ at, index: record.index ?? dest, routing });
        continue;
      }
      let topology = topologies.get(dest);
      if (topology === undefined) {
        topology = await resolveTopology(this.#options.asker, dest);
        topologies.set(dest, topology);
      }
      const since = writeIndicesSince(topology, record.timeMs, this.#options.clockSlackMs ?? 3_600_000);
      const routings = new Map(since.map(({ name, aliasRouting }) => [name, routing ?? aliasRouting]));
      for (const index of record.formerIndices ?? []) if (!routings.has(index)) routings.set(index, routing);
      for (const [index, indexRouting] of routings) places.push({ at, index, routing: indexRouting });
    }
    return places;
  }

  async #get(places: readonly Place[], wanted: readonly WantedRecord[], found: StoredRecord[][]): Promise<void> {
    const { asker, embedded } = this.#options;
    const docs = places.map(({ at, index, routing }) => {
      const doc = { _index: index, _id: wanted[at]?.id };
      return routing === undefined || embedded ? doc : { ...doc, routing };
    });
    const path = embedded ? '/_mget' : '/_mget?realtime=true&_source_includes=logseal.tag,logseal.chain,logseal.seq';
    const answers = objectsAt(await askFor(asker, 'POST', path, { docs }), 'docs');
    if (answers.length !== places.length) {
      throw new LogsealError(
        'UPSTREAM_REFUSED',
        `a lookup of ${places.length} documents brought ${answers.length} answers`,
      );
    }
    for (const [n, answer] of answers.entries()) {
      const { at, index } = places[n] as Place;
      if (textAt(answer, '_id') !== wanted[at]?.id) {
        throw new LogsealError('UPSTREAM_REFUSED', 'a lookup brought its answers out of order');
      }
      const record = storedRecord(answer, index, wanted[at]?.dest ?? '');
      if (record !== undefined) found[at]?.push(record);
    }
  }
}

interface Place {
  /** Which of the wanted. */
  at: number;
  index: string;
  routing: string | undefined;
}

function storedRecord(answer: JsonObject, asked: string, dest: string): StoredRecord | undefined {
  const error = objectAt(answer, 'error');
  if (error !== undefined) {
    const type = textAt(error, 'type') ?? '';
    if (type === 'index_not_found_exception') return undefined;
    throw new LogsealError('UPSTREAM_DENIED', `index ${asked} behind ${dest} cannot be read (${type})`, {
      dest,
      index: asked,
      type,
    });
  }
  if (answer.found !== true) return undefined;
  const field = fieldOf(answer._source);
  return {
    index: textAt(answer, '_index') ?? asked,
    tag: textAt(field, 'tag'),
    chain: textAt(field, 'chain'),
    seq: integerAt(field, 'seq'),
    version: integerAt(answer, '_version') ?? 0,
    seqNo: integerAt(answer, '_seq_no') ?? 0,
    primaryTerm: integerAt(answer, '_primary_term') ?? 0,
  };
}

/** Synthetic source under `subobjects: false` gives dotted names. */
function fieldOf(source: unknown): JsonObject | undefined {
  const field = objectAt(source, 'logseal');
  if (field !== undefined || !isObject(source)) return field;
  return { tag: source['logseal.tag'], chain: source['logseal.chain'], seq: source['logseal.seq'] };
}
