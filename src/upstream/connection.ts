/**
 * Owns what is asked of the search engine, and what is known when there is no answer. Which node is asked is for `Nodes`.
 * Assumes that every node answers for the same cluster. Never logs or reports credentials, never sends a request twice once a
 * byte of it may have left: only a request that certainly was not begun goes on to the next node.
 */

import type { Dispatcher } from 'undici';
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { NodeTls } from './node-connector.ts';
import type { Node } from './nodes.ts';
import { Nodes } from './nodes.ts';
import type { Answer } from './request-attempt.ts';
import { RequestAttempt } from './request-attempt.ts';

/** The encoded API key as Elasticsearch shows it, or `id:key`; wins over user name and password. */
export interface Credentials {
  apiKey?: string | undefined;
  username?: string | undefined;
  password?: string | undefined;
}

export interface ConnectionOptions extends Credentials, NodeTls {
  /** `http://host:9200`, `https://…` or `unix:/path/to.sock`; at least one. User and password in a URL count as `username`, `password`. */
  nodes: readonly string[];
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

export class Connection {
  readonly #nodes: Nodes;
  readonly #options: ConnectionOptions;
  #authorization: string | undefined;

  constructor(options: ConnectionOptions) {
    if (options.nodes.length === 0) throw new LogsealError('CONFIG_INVALID', 'no search engine address is given');
    this.#options = options;
    this.#nodes = new Nodes({
      ...options,
      addresses: options.nodes,
      connectTimeoutMs: Math.min(options.requestTimeoutMs, 10_000),
      connectionsMax: options.connectionsMax ?? 32,
      authorization: () => this.#authorization,
    });
    this.#authorization = authorizationOf(options);
  }

  /** The proxy's own Authorization header; undefined where it has no credentials. Never for a log. */
  get authorization(): string | undefined {
    return this.#authorization;
  }

  /**
   * Another key or password of the proxy itself, from the next request on; other certificates, from the next socket on. Open
   * sockets go on.
   */
  replaceCredentials(credentials: Credentials & NodeTls): void {
    this.#nodes.replaceTls(credentials);
    this.#authorization = authorizationOf({ ...credentials, nodes: this.#options.nodes });
  }

  /** Addresses without credentials, for logs. */
  get names(): string[] {
    return this.#nodes.names;
  }

  /** Addresses of nodes that get no requests while another one is well. */
  get out(): string[] {
    return this.#nodes.out;
  }

  /**
   * Sends one request and reads the whole answer, whatever its status. Throws UPSTREAM_REFUSED when nothing of it was sent to
   * anybody, UPSTREAM_UNKNOWN when it may have been carried out.
   */
  async request(request: Request): Promise<Answer> {
    let refused: unknown;
    for (const node of this.#nodes.inTurn()) {
      const attempt = new RequestAttempt(this.#options.answerBytesMax ?? 128 * 1024 * 1024);
      try {
        const timeoutMs = request.requestTimeoutMs ?? this.#options.requestTimeoutMs;
        const answer = await attempt.run(node.pool, this.#dispatchOptions(node, request), timeoutMs);
        this.#nodes.worked(node);
        return answer;
      } catch (error) {
        this.#nodes.failed(node);
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
    const [node] = this.#nodes.inTurn() as [Node];
    return {
      name: node.name,
      pool: node.pool,
      basePath: node.basePath,
      failed: () => this.#nodes.failed(node),
      worked: () => this.#nodes.worked(node),
    };
  }

  async close(): Promise<void> {
    await this.#nodes.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #dispatchOptions(node: Node, request: Request): Dispatcher.DispatchOptions {
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

function authorizationOf(options: Credentials & Pick<ConnectionOptions, 'nodes'>): string | undefined {
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
