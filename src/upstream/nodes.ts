/**
 * Owns the nodes of the search engine: whose turn it is, and which are out. A node that failed gets no requests while another one
 * is well, until a small question of its own, asked with growing pauses, finds it well again: no record is spent on finding out.
 */
import { Pool } from 'undici';
import { LogsealError } from '../errors.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import type { Connector, NodeTls } from './node-connector.ts';
import { nodeConnector } from './node-connector.ts';
import { RequestAttempt } from './request-attempt.ts';

export interface NodesOptions extends NodeTls {
  /** Each `http://host:9200`, `https://…` or `unix:/path/to.sock`. */
  addresses: readonly string[];
  connectTimeoutMs: number;
  /** Sockets to one node. */
  connectionsMax: number;
  /** The proxy's own, for the question. */
  authorization: () => string | undefined;
  clock: Clock;
}

export interface Node {
  /** Address without credentials. */
  readonly name: string;
  readonly pool: Pool;
  readonly basePath: string;
}

interface Known extends Node {
  failures: number;
  /** Set while the node is out: when it is asked again. */
  probe: { atMs: number; timer: Timer } | undefined;
}

const restMsMin = 500;
const restMsMax = 30_000;
const probeMsMax = 5_000;
const probeAnswerBytesMax = 1024 * 1024;

export class Nodes {
  readonly #nodes: Known[];
  readonly #options: NodesOptions;
  #connector: Connector;
  #turn = 0;
  #closed = false;

  /** Errors: CONFIG_INVALID for an address that is none. */
  constructor(options: NodesOptions) {
    this.#options = options;
    this.#connector = nodeConnector(options, options.connectTimeoutMs);
    const connector: Connector = (to, callback) => this.#connector(to, callback);
    this.#nodes = options.addresses.map((address) => ({
      ...openNode(address, options, connector),
      failures: 0,
      probe: undefined,
    }));
  }

  /** Sockets that are opened from now on believe and show this; open ones go on. */
  replaceTls(tls: NodeTls): void {
    this.#connector = nodeConnector(tls, this.#options.connectTimeoutMs);
  }

  get names(): string[] {
    return this.#nodes.map(({ name }) => name);
  }

  /** Names of those that are out while another one is well; where none is, all of them are asked. */
  get out(): string[] {
    const out = this.#nodes.filter(({ probe }) => probe !== undefined);
    return out.length === this.#nodes.length ? [] : out.map(({ name }) => name);
  }

  /** Those that are well, beginning one further each time; then those that are out, soonest asked again first. */
  inTurn(): Node[] {
    const start = this.#turn++ % this.#nodes.length;
    const turned = [...this.#nodes.slice(start), ...this.#nodes.slice(0, start)];
    const out = turned.filter(({ probe }) => probe !== undefined);
    if (out.length === 0) return turned;
    out.sort((a, b) => (a.probe?.atMs ?? 0) - (b.probe?.atMs ?? 0));
    return [...turned.filter(({ probe }) => probe === undefined), ...out];
  }

  /** Any answer means that it is there. */
  worked(node: Node): void {
    const known = node as Known;
    known.failures = 0;
    known.probe?.timer.cancel();
    known.probe = undefined;
  }

  failed(node: Node): void {
    if (this.#closed) return;
    const known = node as Known;
    const { clock } = this.#options;
    known.failures += 1;
    known.probe?.timer.cancel();
    const restMs = Math.min(restMsMax, restMsMin * 2 ** Math.min(known.failures - 1, 10));
    const timer = clock.after(restMs, () => void this.#ask(known));
    known.probe = { atMs: clock.monotonic() + restMs, timer };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { probe } of this.#nodes) probe?.timer.cancel();
    await Promise.all(this.#nodes.map(({ pool }) => pool.destroy()));
  }

  async #ask(node: Known): Promise<void> {
    const authorization = this.#options.authorization();
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const question = { method: 'GET' as const, path: `${node.basePath}/`, headers, body: null };
    try {
      const { status } = await new RequestAttempt(probeAnswerBytesMax).run(node.pool, question, probeMsMax);
      // A balancer answers for a node that is away.
      if (status === 502 || status === 503 || status === 504) this.failed(node);
      else this.worked(node);
    } catch {
      this.failed(node);
    }
  }
}

function openNode(address: string, options: NodesOptions, connector: Connector): Node {
  const common = {
    connections: options.connectionsMax,
    pipelining: 1,
    allowH2: false,
    // One clock decides: the attempt's own timer, which knows whether the request was begun.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  const { connectTimeoutMs } = options;
  if (address.startsWith('unix:')) {
    const socketPath = address.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    const pool = new Pool('http://localhost', { ...common, socketPath, connect: { timeout: connectTimeoutMs } });
    return { name: `unix:${socketPath}`, pool, basePath: '' };
  }
  const url = URL.parse(address);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    // The text itself may hold a password.
    throw new LogsealError('CONFIG_INVALID', 'a search engine address is neither an http(s) URL nor unix:/path');
  }
  const pool = new Pool(url.origin, { ...common, connect: connector });
  return { name: url.origin, pool, basePath: url.pathname.replace(/\/+$/, '') };
}
