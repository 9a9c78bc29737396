/**
 * A search engine asked directly, past any proxy: how a test prepares indices, and how somebody with rights there tampers.
 * Every answer that is no success is an error, so that no test passes because its preparation failed.
 */

/** What tests read of stored documents; a member is there if the document has it. */
export interface Hit {
  _index: string;
  _id: string;
  _source: {
    message: string;
    logseal: { chain: string; epoch: number; index: number; seq: number; time: number; dest: string; tag: string };
    reject: { status: number };
    chain?: { id: string; name: string };
    rotate?: object;
  };
}

export interface EngineClient {
  /** JSON in, JSON out. */
  ask<Answer = unknown>(method: string, path: string, body?: unknown): Promise<Answer>;
  /** The text of a document's `_source`, to the character. */
  source(index: string, id: string): Promise<string>;
  /** Writes a document's text as it is, over whatever is there. */
  put(index: string, id: string, source: string): Promise<void>;
  remove(index: string, id: string): Promise<void>;
  /** Every document that a query finds, as the engine's search gives it. */
  hits(index: string, query?: unknown): Promise<Hit[]>;
  /** Waits until every index answers. */
  settled(): Promise<void>;
}

const pageMax = 10_000;

export function engineClient(url: string): EngineClient {
  const raw = async (method: string, path: string, body: string | undefined): Promise<string> => {
    const answer = await fetch(url + path, {
      method,
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 1000)}`);
    return text;
  };
  const ask = async <Answer>(method: string, path: string, body?: unknown): Promise<Answer> =>
    JSON.parse(await raw(method, path, body === undefined ? undefined : JSON.stringify(body)));
  const at = (index: string, kind: string, id: string) =>
    `/${encodeURIComponent(index)}/${kind}/${encodeURIComponent(id)}`;
  return {
    ask,
    source: (index, id) => raw('GET', at(index, '_source', id), undefined),
    put: async (index, id, source) => void (await raw('PUT', `${at(index, '_doc', id)}?refresh=true`, source)),
    remove: async (index, id) => void (await raw('DELETE', `${at(index, '_doc', id)}?refresh=true`, undefined)),
    async hits(index, query = { match_all: {} }) {
      await ask('POST', `/${index}/_refresh`);
      const found = await ask<{ hits: { hits: Hit[] } }>('POST', `/${index}/_search`, { query, size: pageMax });
      return found.hits.hits;
    },
    settled: async () => void (await ask('GET', '/_cluster/health?wait_for_status=yellow&timeout=60s')),
  };
}
