/**
 * A search engine in the test's own memory, over a real socket: what the proxy asks for at its start, bulks, lookups. It writes
 * down when each document came in and when its request was answered, so that it can begin with what it held at such a time.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { leanMapping } from '../../src/upstream/signature-mapping.ts';
import { fakeNode } from '../helpers/fake-node.ts';

export interface EngineDocument {
  index: string;
  id: string;
  /** As it was sent. */
  text: string;
  /** What `now` said when it came in, and when the answer went out. */
  cameAt: number;
  answeredAt: number;
}

export interface MemoryEngine {
  readonly url: string;
  readonly documents: readonly EngineDocument[];
  /** Documents created under an id that another one had: not stored. */
  readonly conflicts: readonly EngineDocument[];
  close(): Promise<void>;
}

/** `now`: a time of the caller's own kind. `indices` are there, and `held` is stored, from the beginning. */
export async function startMemoryEngine(
  now: () => number,
  indices: readonly string[],
  held: readonly EngineDocument[] = [],
): Promise<MemoryEngine> {
  const store = new Store(now, indices, held);
  const node = await fakeNode(async (request, response) => {
    const [path = '/', query = ''] = (request.url ?? '/').split('?');
    const { status, body, fresh = [] } = store.answer(request.method ?? 'GET', path, query, request.text);
    // Bodies are large: they are not kept twice.
    node.asked.length = 0;
    // Between the two a cut leaves a record of unknown outcome.
    if (fresh.length > 0) await pause(answerMs);
    for (const document of fresh) document.answeredAt = now();
    response.writeHead(status, {
      'x-elastic-product': 'Elasticsearch',
      'content-type': 'application/vnd.elasticsearch+json;compatible-with=9',
    });
    response.end(JSON.stringify(body));
  });
  return { url: node.url, documents: store.documents, conflicts: store.conflicts, close: () => node.close() };
}

const answerMs = 3;

interface Answer {
  status: number;
  body: unknown;
  /** What a bulk brought. */
  fresh?: EngineDocument[];
}

class Store {
  readonly documents: EngineDocument[] = [];
  readonly conflicts: EngineDocument[] = [];
  readonly #now: () => number;
  readonly #byId = new Map<string, EngineDocument>();
  readonly #indices: Set<string>;

  constructor(now: () => number, indices: readonly string[], held: readonly EngineDocument[]) {
    this.#now = now;
    this.#indices = new Set(indices);
    for (const document of held) this.#keep({ ...document });
  }

  answer(method: string, path: string, query: string, body: string): Answer {
    if (path.endsWith('/_bulk')) return this.#bulk(body, query.includes('filter_path'));
    if (path === '/_mget') return ok(this.#lookUp(body));
    if (path === '/')
      return ok({ cluster_name: 'memory', cluster_uuid: 'memorymemorymemorymem', version: { number: '9.5.3' } });
    if (path.startsWith('/_resolve/index/'))
      return ok(this.#resolve(decodeURIComponent(path.slice('/_resolve/index/'.length))));
    if (path.endsWith('/_count')) return ok({ count: 0 });
    if (path === '/_index_template') return ok({ index_templates: [] });
    if (path.endsWith('/_alias')) return ok({});
    if (path.endsWith('/_settings/index.creation_date')) return ok(this.#dates(path));
    if (method === 'PUT' && /^\/[^_/][^/]*$/.test(path)) this.#indices.add(decodeURIComponent(path.slice(1)));
    if (method === 'PUT' || path.endsWith('/_refresh')) return ok({ acknowledged: true });
    if (path.startsWith('/_security/')) return { status: 400, body: { error: `no handler found for uri [${path}]` } };
    const index = decodeURIComponent(path.slice(1));
    if (method === 'GET' && this.#indices.has(index)) {
      return ok({ [index]: { aliases: {}, mappings: leanMapping, settings: {} } });
    }
    return { status: 404, body: { error: { type: 'index_not_found_exception', reason: path }, status: 404 } };
  }

  #bulk(body: string, lean: boolean): Answer {
    const fresh: EngineDocument[] = [];
    const lines = body.split('\n');
    const items: unknown[] = [];
    let errors = false;
    for (let at = 0; at + 1 < lines.length; at += 2) {
      const action = JSON.parse(lines[at] ?? '') as { create: { _index: string; _id: string } };
      const { _index: index, _id: id } = action.create;
      const document = {
        index,
        id,
        text: lines[at + 1] ?? '',
        cameAt: this.#now(),
        answeredAt: Number.POSITIVE_INFINITY,
      };
      if (this.#byId.has(`${index} ${id}`)) {
        errors = true;
        this.conflicts.push(document);
        const error = { type: 'version_conflict_engine_exception', reason: `[${id}]: version conflict` };
        items.push({ create: { _index: index, _id: id, status: 409, error } });
        continue;
      }
      this.#keep(document);
      fresh.push(document);
      items.push({
        create: { _index: index, ...(lean ? {} : { _id: id, _version: 1 }), result: 'created', status: 201 },
      });
    }
    return { ...ok({ errors, items }), fresh };
  }

  #keep(document: EngineDocument): void {
    this.documents.push(document);
    this.#indices.add(document.index);
    this.#byId.set(`${document.index} ${document.id}`, document);
  }

  #lookUp(body: string): unknown {
    const { docs } = JSON.parse(body) as { docs: { _index: string; _id: string }[] };
    return {
      docs: docs.map(({ _index, _id }) => {
        if (!this.#indices.has(_index)) return { _index, _id, error: { type: 'index_not_found_exception' } };
        const document = this.#byId.get(`${_index} ${_id}`);
        if (document === undefined) return { _index, _id, found: false };
        const _source = JSON.parse(document.text) as object;
        return { _index, _id, found: true, _version: 1, _seq_no: 1, _primary_term: 1, _source };
      }),
    };
  }

  #resolve(names: string): unknown {
    const indices = names.split(',').filter((name) => this.#indices.has(name));
    return { indices: indices.map((name) => ({ name, attributes: ['open'] })), aliases: [], data_streams: [] };
  }

  #dates(path: string): unknown {
    const names = decodeURIComponent(path.split('/')[1] ?? '').split(',');
    const found = names.filter((name) => this.#indices.has(name));
    return Object.fromEntries(found.map((name) => [name, { settings: { 'index.creation_date': '0' } }]));
  }
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}
