/**
 * Owns the sockets to the search engine: one undici pool a node, taken in turn, a sick node left out for a while.
 * Assumes that every node answers for the same cluster. Never logs or reports credentials, never sends a request twice once a
 * byte of it may have left: only a request that certainly was not begun goes on to the next node.
 */

import type { Dispatcher } from 'undici';
import { Pool } from 'undici';
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Answer } from './request-attempt.ts';
import { RequestAttempt } from './request-attempt.ts';

export interface ConnectionOptions {
  /** `http://host:9200`, `https://…` or `unix:/path/to.sock`; at least one. User and password in a URL count as `username`, `password`. */
  nodes: readonly string[];
  /** PEM text of the authorities that may sign the nodes' certificates; the system's where absent. */
  ca?: string | undefined;
  /** The encoded API key as Elasticsearch shows it, or `id:key`. Wins over `username`. */
  apiKey?: string | undefined;
  username?: string | undefined;
  password?: string | undefined;
  /** From asking to the last byte of the answer, milliseconds. */
  requestTimeoutMs: number;
  /** Sockets to one node. Default 32. */
  connectionsMax?: number | undefined;
  /** Bytes of one answer that are kept. Default 128 MiB. */
  answerBytesMax?: number | undefined;
  clock: Clock;
}

export interface Request {
  method: string;
  /** Path and query, already escaped. */
  path: string;
  headers?: Record<string, string>;
  body?: Buffer | undefined;
  /** Sent in place of the proxy's own credentials; null: none at all. */
  authorization?: string | null | undefined;
  requestTimeoutMs?: number | undefined;
}

interface UpstreamNode {
  name: string;
  pool: Pool;
  basePath: string;
  failures: number;
  /** Monotonic time before which others are preferred. */
  restUntil: number;
}

const restMsMin = 500;
const restMsMax = 30_000;

export class Connection {
  readonly #nodes: UpstreamNode[];
  readonly #options: ConnectionOptions;
  readonly #authorization: string | undefined;
  #turn = 0;

  constructor(options: ConnectionOptions) {
    if (options.nodes.length === 0) throw new LogsealError('CONFIG_INVALID', 'no search engine address is given');
    this.#options = options;
    this.#nodes = options.nodes.map((node) => openNode(node, options));
    this.#authorization = authorizationOf(options);
  }

  /** The proxy's own Authorization header; undefined where it has no credentials. Never for a log. */
  get authorization(): string | undefined {
    return this.#authorization;
  }

  /** Addresses without credentials, for logs. */
  get names(): string[] {
    return this.#nodes.map((node) => node.name);
  }

  /**
   * Sends one request and reads the whole answer, whatever its status. Throws UPSTREAM_REFUSED when nothing of it was sent to
   * anybody, UPSTREAM_UNKNOWN when it may have been carried out.
   */
  async request(request: Request): Promise<Answer> {
    let refused: unknown;
    for (const node of this.#inTurn()) {
      const attempt = new RequestAttempt(this.#options.answerBytesMax ?? 128 * 1024 * 1024);
      try {
        const timeoutMs = request.requestTimeoutMs ?? this.#options.requestTimeoutMs;
        const answer = await attempt.run(node.pool, this.#dispatchOptions(node, request), timeoutMs);
        node.failures = 0;
        node.restUntil = 0;
        return answer;
      } catch (error) {
        this.#rest(node);
        if (attempt.began) throw this.#failure('UPSTREAM_UNKNOWN', node.name, 'gave no whole answer', error);
        refused = this.#failure('UPSTREAM_REFUSED', node.name, 'cannot be reached', error);
      }
    }
    throw refused;
  }

  /** As `request`, with JSON both ways. A body that is no JSON comes back as undefined. */
  async ask(method: string, path: string, body?: unknown, authorization?: string | null): Promise<JsonAnswer> {
    const answer = await this.request({
      method,
      path,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
      authorization,
    });
    let parsed: unknown;
    try {
      parsed = JSON.parse(answer.body.toString());
    } catch {
      parsed = undefined;
    }
    return { status: answer.status, body: parsed, headers: answer.headers };
  }

  /** The pool and path prefix of the node whose turn it is, for requests that are streamed through. */
  next(): { name: string; pool: Dispatcher; basePath: string; failed: () => void; worked: () => void } {
    const node = this.#inTurn()[0] as UpstreamNode;
    return {
      name: node.name,
      pool: node.pool,
      basePath: node.basePath,
      failed: () => this.#rest(node),
      worked: () => {
        node.failures = 0;
        node.restUntil = 0;
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.pool.destroy()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #dispatchOptions(node: UpstreamNode, request: Request): Dispatcher.DispatchOptions {
    const headers: Record<string, string> = { ...request.headers };
    const authorization = request.authorization === undefined ? this.#authorization : request.authorization;
    if (authorization) headers.authorization = authorization;
    return {
      method: request.method,
      path: node.basePath + request.path,
      headers,
      body: request.body ?? null,
    };
  }

  /** Healthy nodes first, beginning one further each time; resting ones after them, soonest back first. */
  #inTurn(): UpstreamNode[] {
    const now = this.#options.clock.monotonic();
    const start = this.#turn++ % this.#nodes.length;
    const turned = [...this.#nodes.slice(start), ...this.#nodes.slice(0, start)];
    const resting = turned.filter((node) => node.restUntil > now).sort((a, b) => a.restUntil - b.restUntil);
    return [...turned.filter((node) => node.restUntil <= now), ...resting];
  }

  #rest(node: UpstreamNode): void {
    node.failures += 1;
    const restMs = Math.min(restMsMax, restMsMin * 2 ** Math.min(node.failures - 1, 10));
    node.restUntil = this.#options.clock.monotonic() + restMs;
  }

  #failure(code: 'UPSTREAM_REFUSED' | 'UPSTREAM_UNKNOWN', node: string, what: string, cause: unknown): LogsealError {
    const reason = cause instanceof Error ? (cause as NodeJS.ErrnoException).code || cause.name : 'error';
    return new LogsealError(code, `search engine ${node} ${what} (${reason})`, { node, reason, cause });
  }
}

export interface JsonAnswer {
  status: number;
  body: unknown;
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

function openNode(address: string, options: ConnectionOptions): UpstreamNode {
  const common = {
    connections: options.connectionsMax ?? 32,
    pipelining: 1,
    allowH2: false,
    // One clock decides: the attempt's own timer, which knows whether the request was begun.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  const connectTimeoutMs = Math.min(options.requestTimeoutMs, 10_000);
  if (address.startsWith('unix:')) {
    const socketPath = address.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    const pool = new Pool('http://localhost', { ...common, socketPath, connect: { timeout: connectTimeoutMs } });
    return { name: `unix:${socketPath}`, pool, basePath: '', failures: 0, restUntil: 0 };
  }
  const url = URL.parse(address);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    // The text itself may hold a password.
    throw new LogsealError('CONFIG_INVALID', 'a search engine address is neither an http(s) URL nor unix:/path');
  }
  const connect = { timeout: connectTimeoutMs, ...(options.ca === undefined ? {} : { ca: options.ca }) };
  const pool = new Pool(url.origin, { ...common, connect });
  return { name: url.origin, pool, basePath: url.pathname.replace(/\/+$/, ''), failures: 0, restUntil: 0 };
}

function authorizationOf(options: ConnectionOptions): string | undefined {
  if (options.apiKey !== undefined) {
    const key = options.apiKey.trim();
    return `ApiKey ${key.includes(':') ? Buffer.from(key).toString('base64') : key}`;
  }
  if (options.username !== undefined) return basic(options.username, options.password ?? '');
  for (const node of options.nodes) {
    const url = URL.parse(node);
    if (url?.username) return basic(decodeURIComponent(url.username), decodeURIComponent(url.password));
  }
  return undefined;
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
