/** The embedded store's HTTP side: reads whole requests, bounded, hands them to the routes, writes Elasticsearch's headers. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { filterPath, prettyJson } from './answer-filter.ts';
import type { StoreDatabase } from './database.ts';
import type { StoreAnswer } from './routes.ts';
import { route } from './routes.ts';
import { StoreError } from './store-error.ts';

const BODY_BYTES_MAX = 256 * 1024 * 1024;
const inflate = promisify(gunzip);

/** Not listening yet. `failed` hears of faults that are not the client's. */
export function createStoreServer(database: StoreDatabase, failed: (error: unknown) => void): Server {
  const server = createServer({ keepAliveTimeout: 75_000, requestTimeout: 0 }, (request, response) => {
    // Once the server closes, a kept connection would hold it open.
    response.shouldKeepAlive &&= server.listening;
    answer(database, request, response, failed).catch((error: unknown) => {
      failed(error);
      response.destroy();
    });
  });
  return server;
}

async function answer(
  database: StoreDatabase,
  request: IncomingMessage,
  response: ServerResponse,
  failed: (error: unknown) => void,
): Promise<void> {
  const { pathname, search } = splitTarget(request.url ?? '/');
  const query = new URLSearchParams(search);
  const head = request.method === 'HEAD';
  let answered: StoreAnswer;
  try {
    const body = await readBody(request);
    const path = pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decode);
    answered = route(database, { method: head ? 'GET' : (request.method ?? 'GET'), path, query, body });
  } catch (error) {
    const refusal = error instanceof StoreError ? error : unavailable(error, failed);
    answered = { status: refusal.status, body: refusal.body() };
  }
  const { text, type } = render(answered, query, request.headers.accept);
  response.writeHead(answered.status, {
    'X-elastic-product': 'Elasticsearch',
    'content-type': type,
    'content-length': text.length,
    ...(typeof request.headers['x-opaque-id'] === 'string' && { 'x-opaque-id': request.headers['x-opaque-id'] }),
  });
  response.end(head ? undefined : text);
}

function render(
  { body }: StoreAnswer,
  query: URLSearchParams,
  accept: string | undefined,
): { text: Buffer; type: string } {
  if (typeof body === 'string') return { text: Buffer.from(body), type: 'text/plain; charset=UTF-8' };
  const compatible = /application\/vnd\.elasticsearch\+json; ?compatible-with=([89])/.exec(accept ?? '')?.[1];
  const type =
    compatible === undefined ? 'application/json' : `application/vnd.elasticsearch+json;compatible-with=${compatible}`;
  const wanted = query.get('filter_path');
  const pretty = query.has('pretty') && query.get('pretty') !== 'false';
  let text = Buffer.isBuffer(body) ? body : undefined;
  if (wanted)
    text = Buffer.from(JSON.stringify(filterPath(text === undefined ? body : JSON.parse(text.toString()), wanted)));
  text ??= Buffer.from(JSON.stringify(body));
  return { text: pretty ? Buffer.from(prettyJson(text.toString())) : text, type };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(chunk);
  }
  const [only] = chunks;
  const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  if (!/^(x-)?gzip$/i.test(request.headers['content-encoding'] ?? '')) return body;
  try {
    return await inflate(body, { maxOutputLength: BODY_BYTES_MAX });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new StoreError(400, 'parse_exception', 'the request body is not gzip');
  }
}

/** Full disk or a fault of ours: the transaction is rolled back, so nothing of the request holds and it may be sent again. */
function unavailable(error: unknown, failed: (error: unknown) => void): StoreError {
  failed(error);
  const reason = error instanceof Error ? error.message : 'unknown';
  return new StoreError(503, 'store_unavailable_exception', `the embedded store cannot do this now: ${reason}`);
}

function tooLarge(): StoreError {
  return new StoreError(413, 'content_too_long_exception', `the request body is larger than ${BODY_BYTES_MAX} bytes`);
}

function splitTarget(target: string): { pathname: string; search: string } {
  const mark = target.indexOf('?');
  return mark < 0
    ? { pathname: target, search: '' }
    : { pathname: target.slice(0, mark), search: target.slice(mark + 1) };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new StoreError(400, 'illegal_argument_exception', 'the path is not well escaped');
  }
}
