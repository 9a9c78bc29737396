/**
 * Requests of every kind through the real HTTP door. Each ends in a decision of ours or goes to the search engine as it came; none
 * that went there may write where signed documents are. Two oracles: a model of the routes that write, and (`npm run test:fuzz`) a
 * real Elasticsearch that is asked the same, and whose signed indices must be what they were.
 */
import { Agent, request as httpRequest } from 'node:http';
import t from 'tap';
import { startElasticsearch } from '../helpers/elasticsearch.ts';
import type { IntakeServer } from '../helpers/intake-server.ts';
import { startIntakeServer } from '../helpers/intake-server.ts';
import { bytesOf, fuzz, isLong } from './fuzz-target.ts';
import { requests } from './router-inputs.ts';
import type { PlainRequest } from './writing-model.ts';
import { plainName, signedWrite } from './writing-model.ts';

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
t.teardown(() => agent.destroy());

/** What a client may hear: nothing else, and never that the search engine is away when it is there. */
const statuses = new Set([200, 201, 400, 403, 404, 405, 406, 413, 415]);

interface Answer {
  status: number;
  product: string | undefined;
  text: string;
}

function send(port: number, { method, target, type, body }: PlainRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const bytes = bytesOf(body);
    const headers: Record<string, string> = { 'content-length': String(bytes.length) };
    if (type !== '') headers['content-type'] = type;
    const outgoing = httpRequest({ agent, host: '127.0.0.1', port, method, path: target, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const product = response.headers['x-elastic-product'];
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, product: product?.toString(), text });
      });
    });
    outgoing.on('error', (error: Error & { code?: string }) => {
      // Whoever cannot read a request line does not know that its answer may have no body.
      if (method === 'HEAD' && error.code?.startsWith('HPE_')) resolve({ status: 400, product: undefined, text: '' });
      else reject(error);
    });
    outgoing.end(bytes);
  });
}

/** What the proxy passed on of this request; [] if it decided itself. */
async function passedOf(server: IntakeServer, request: PlainRequest): Promise<PlainRequest[]> {
  server.asked.length = 0;
  server.intake.records.length = 0;
  const { status, product, text } = await send(server.port, request);
  if (!statuses.has(status)) throw new Error(`status ${status}: ${text.slice(0, 300)}`);
  if (status !== 400 && product !== 'Elasticsearch') throw new Error(`status ${status} without product header`);
  return server.asked.map(({ method, url, headers, body }) => ({
    method,
    target: url,
    type: headers['content-type'] ?? '',
    body: body.toString('latin1'),
  }));
}

async function startDoor(t: Tap): Promise<IntakeServer> {
  const server = await startIntakeServer(t);
  server.intake.isSigned = (dest) => !dest.startsWith('.') && !dest.startsWith(plainName);
  return server;
}
type Tap = Parameters<typeof startIntakeServer>[0];

t.test('no request that the model knows to write reaches the search engine', async (t) => {
  const server = await startDoor(t);
  await fuzz(t, {
    name: 'router',
    inputs: requests,
    runs: 1200,
    check: async (request) => {
      for (const passed of await passedOf(server, request)) {
        const what = signedWrite(passed);
        if (what !== undefined && !allowed(passed, server)) return `passed, though it is ${what}`;
      }
      return undefined;
    },
  });
});

/** A bulk is read by the proxy: what it passes on of it is what is not signed. */
function allowed({ body }: PlainRequest, server: IntakeServer): boolean {
  return server.intake.records.length > 0 || !/signed/.test(body);
}

/** It may be left without an index, so it has an engine of its own: for the long form. */
async function againstElasticsearch(t: Tap): Promise<void> {
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  const port = Number(new URL(engine.url).port);
  const server = await startDoor(t);
  const indices = new SignedIndices(port);
  await indices.fill();
  const write = { method: 'POST', target: '/_all/_bulk', type: 'application/json', body: bulkIntoSigned };
  await send(port, write);
  t.match(await indices.changed(), /signed/, 'a write past the proxy is seen');
  t.equal(await indices.changed(), undefined);
  await fuzz(t, {
    name: 'router',
    inputs: requests,
    runs: 200,
    check: async (request) => {
      const passed = await passedOf(server, request);
      const writing = passed.filter(({ method }) => !['GET', 'HEAD', 'OPTIONS'].includes(method));
      if (writing.length === 0) return undefined;
      const answers: Answer[] = [];
      for (const one of writing) answers.push(await send(port, one));
      if (answers.every(({ status }) => status >= 400)) return undefined;
      const changed = await indices.changed();
      return changed && `${changed}: ${JSON.stringify(writing)} ${answers[0]?.text.slice(0, 300)}`;
    },
  });
}

if (isLong) t.test('what reaches a real Elasticsearch leaves signed indices as they were', againstElasticsearch);

const bulkIntoSigned = '{"index":{"_index":"signed","_id":"1"}}\n{"a":2}\n';

interface IndexState {
  index: string;
  uuid: string;
  status: string;
  'docs.count': string | null;
  'indexing.index_total': string | null;
  'indexing.delete_total': string | null;
}

const signedNames = ['signed', 'signed-two', 'logseal-seals'];

/** The indices of the engine whose documents nobody but the proxy may write. */
class SignedIndices {
  readonly #port: number;
  #before = '';

  constructor(port: number) {
    this.#port = port;
  }

  /** Throws away what is there, and writes two documents into each. */
  async fill(): Promise<void> {
    await this.#ask('PUT', '/_cluster/settings', {
      persistent: { 'action.destructive_requires_name': false, 'cluster.max_shards_per_node': 5000 },
    });
    const all = await this.#states();
    for (const { index } of all) await this.#ask('DELETE', `/${encodeURIComponent(index)}`);
    for (const name of [...signedNames, plainName]) {
      for (const id of ['1', '2']) await this.#ask('PUT', `/${name}/_doc/${id}?refresh=true`, { a: 1 });
    }
    // Elasticsearch copies what is blocked for writing only.
    await this.#ask('PUT', `/${plainName}/_settings`, { 'index.blocks.write': true });
    this.#before = seenOf(await this.#states());
  }

  /** A sentence if documents of signed indices were written; then all begin anew. */
  async changed(): Promise<string | undefined> {
    const now = await this.#states();
    const before = this.#before;
    const seen = seenOf(now);
    const strangers = now.filter(({ index }) => !isPlain(index) && !signedNames.includes(index));
    const filled = strangers.find(
      (state) => Number(state['docs.count']) > 0 || Number(state['indexing.index_total']) > 0,
    );
    if (seen === before && strangers.length === 0) return undefined;
    const closed = now.some(({ status }) => status !== 'open');
    await this.fill();
    if (filled !== undefined) return `documents in ${filled.index}`;
    // Closing keeps the documents, and hides their numbers.
    return seen === before || closed ? undefined : `was ${before}, is ${seen}`;
  }

  async #states(): Promise<IndexState[]> {
    const columns = 'index,uuid,status,docs.count,indexing.index_total,indexing.delete_total';
    const path = `/_cat/indices?format=json&expand_wildcards=all&h=${columns}`;
    return JSON.parse(await this.#ask('GET', path)) as IndexState[];
  }

  async #ask(method: string, target: string, body?: unknown): Promise<string> {
    const text = body === undefined ? '' : JSON.stringify(body);
    return (await send(this.#port, { method, target, type: 'application/json', body: text })).text;
  }
}

function isPlain(index: string): boolean {
  return index.startsWith(plainName) || index.startsWith('.');
}

function seenOf(states: readonly IndexState[]): string {
  const signed = states.filter(({ index }) => signedNames.includes(index));
  return JSON.stringify(signed.sort((a, b) => (a.index < b.index ? -1 : 1)));
}
