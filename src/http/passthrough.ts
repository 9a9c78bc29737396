/**
 * Owns what is passed on to the search engine as it came: streamed both ways, with the client's own credentials. With the proxy's
 * only where `own` says so, and then nothing else of the client's headers goes along. Must never send a request a second time once a byte of its body may have left.
 */
import { pipeline } from 'node:stream/promises';
import type { Dispatcher } from 'undici';
import { LogsealError } from '../errors.ts';
import { opaqueId, productHeader } from './answer.ts';
import type { Exchange } from './exchange.ts';
import { endToEnd } from './hop-headers.ts';

/** One node of the search engine, and where to say how it went. */
export interface UpstreamNode {
  name: string;
  pool: Dispatcher;
  /** Stands before every path. */
  basePath: string;
  failed(): void;
  worked(): void;
}

/** Chooses the node whose turn it is. */
export interface UpstreamTarget {
  /** The proxy's own credentials; undefined where it has none. */
  readonly authorization?: string | undefined;
  next(): UpstreamNode;
}

export interface BufferedAnswer {
  status: number;
  /** Flat, as received. */
  headers: string[];
  body: Buffer;
}

/** What is sent in place of the client's own target, headers or body. */
export interface Changed {
  /** Asked by the proxy itself, with its credentials: of the client only method, Accept and its name for the request. */
  own?: boolean;
  target?: string;
  /** In place of the client's body; inflated. */
  body?: Buffer;
  /** Lower-case names that are left out, and what is put in. */
  dropped?: readonly string[];
  added?: readonly string[];
}

/** Of an answer that is kept whole. */
const answerBytesMax = 64 * 1024 * 1024;
/** A request without a body is tried on so many nodes. */
const triesMax = 3;
const answerDropped = new Set(['x-elastic-product', 'x-opaque-id']);

export class Passthrough {
  readonly #target: UpstreamTarget;

  constructor(target: UpstreamTarget) {
    this.#target = target;
  }

  /** Passes the request on and its answer back. Throws UPSTREAM_REFUSED or CLIENT_GONE if there is no answer. */
  async stream(exchange: Exchange, changed: Changed = {}): Promise<number> {
    const { response } = exchange;
    const answer = await this.#send(exchange, changed);
    const headers = endToEnd(rawHeaders(answer), answerDropped);
    headers.push(...productHeader, 'X-Opaque-Id', opaqueId(exchange));
    if (response.destroyed) {
      answer.body.destroy();
      throw new LogsealError('CLIENT_GONE', 'the client left before its answer came');
    }
    response.writeHead(answer.statusCode, headers);
    try {
      await pipeline(answer.body, response);
    } catch {
      // The head of the answer is out: a broken connection is the only honest end.
      response.destroy();
    }
    return answer.statusCode;
  }

  /** Passes the request on and returns the whole answer, at most 64 MiB of it. */
  async ask(exchange: Exchange, changed: Changed = {}): Promise<BufferedAnswer> {
    const answer = await this.#send(exchange, { ...changed, dropped: ['accept-encoding', ...(changed.dropped ?? [])] });
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > answerBytesMax) throw new Error('answer too long');
        chunks.push(chunk);
      }
    } catch (cause) {
      answer.body.destroy();
      throw new LogsealError('UPSTREAM_UNKNOWN', 'the answer of the search engine broke off', { cause });
    }
    return { status: answer.statusCode, headers: rawHeaders(answer), body: Buffer.concat(chunks) };
  }

  async #send(exchange: Exchange, changed: Changed): Promise<Dispatcher.ResponseData> {
    const { request } = exchange;
    const streamed = changed.body === undefined && changed.own !== true && hasBody(exchange);
    if (streamed) exchange.proceed();
    let failure: unknown;
    for (let attempt = 0; attempt < triesMax; attempt++) {
      const node = this.#target.next();
      try {
        const answer = await node.pool.request({
          method: exchange.method as Dispatcher.HttpMethod,
          path: node.basePath + (changed.target ?? exchange.target),
          headers: changed.own ? ownHeaders(exchange, this.#target.authorization) : requestHeaders(exchange, changed),
          body: streamed ? request : (changed.body ?? null),
          signal: exchange.gone,
          responseHeaders: 'raw',
          headersTimeout: 0,
          bodyTimeout: 0,
        });
        node.worked();
        return answer;
      } catch (error) {
        if (exchange.gone.aborted) throw new LogsealError('CLIENT_GONE', 'the client left before its answer came');
        node.failed();
        failure = error;
        if (!neverSent(error) || streamed) break;
      }
    }
    const code = neverSent(failure) ? 'UPSTREAM_REFUSED' : 'UPSTREAM_UNKNOWN';
    throw new LogsealError(code, 'the search engine gave no answer', { cause: failure });
  }
}

function hasBody(exchange: Exchange): boolean {
  const { headers } = exchange.request;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** A chosen few: others can mean an act in somebody's name (`es-security-runas-user`). */
function ownHeaders(exchange: Exchange, authorization: string | undefined): string[] {
  const { accept } = exchange.request.headers;
  const headers = ['x-opaque-id', opaqueId(exchange)];
  if (accept !== undefined) headers.push('accept', accept);
  if (authorization !== undefined) headers.push('authorization', authorization);
  return headers;
}

function requestHeaders(exchange: Exchange, changed: Changed): string[] {
  const dropped = new Set(['host', ...(changed.dropped ?? [])]);
  if (changed.body !== undefined) for (const name of ['content-length', 'content-encoding']) dropped.add(name);
  const headers = endToEnd(exchange.request.rawHeaders, dropped);
  if (changed.body !== undefined) headers.push('content-length', String(changed.body.length));
  headers.push(...(changed.added ?? []));
  return headers;
}

/** undici gives a flat list of names and values when asked for raw headers; its types know only the object. */
function rawHeaders(answer: Dispatcher.ResponseData): string[] {
  const headers: unknown = answer.headers;
  if (!Array.isArray(headers)) return Object.entries(answer.headers).flatMap(([name, value]) => [name, String(value)]);
  return headers.map((part: unknown) => (Buffer.isBuffer(part) ? part.toString('latin1') : String(part)));
}

const beforeSending = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function neverSent(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return 'notSent' in error || ('code' in error && beforeSending.has(String(error.code)));
}
