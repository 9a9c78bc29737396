/**
 * Owns the requests that shippers make before they ship. They are passed on like any other, but while the search engine is away
 * the last good answer stands in, and a shipper that asks where the nodes are is told: here.
 * Must never invent what the search engine has not said.
 */
import type { AnswerOptions } from './answer.ts';
import { answer } from './answer.ts';
import type { Exchange } from './exchange.ts';
import type { BufferedAnswer, Changed, Passthrough } from './passthrough.ts';

const savedPaths = ['', '_license', '_xpack', '_cluster/health', '_cat/health'];
const savedMax = 32;

/** Whether the request is one that a shipper's start depends on. */
export function isHandshake(exchange: Exchange): boolean {
  const { method, segments } = exchange;
  return (method === 'GET' || method === 'HEAD') && savedPaths.includes(segments.join('/'));
}

/** `GET /_nodes`, `/_nodes/http`, `/_nodes/_all/http`, … but not `/_nodes/stats`. */
export function isNodeList(exchange: Exchange): boolean {
  const { method, segments } = exchange;
  const others = ['stats', 'hot_threads', 'usage', 'reload_secure_settings', '_repositories_metering', 'shutdown'];
  return method === 'GET' && segments[0] === '_nodes' && !segments.some((segment) => others.includes(segment));
}

interface Saved {
  type: string | undefined;
  body: Buffer;
}

export class Handshake {
  readonly #passthrough: Passthrough;
  readonly #root: () => Buffer | undefined;
  readonly #saved = new Map<string, Saved>();

  /** `root`: the search engine's answer to `GET /`, from an earlier life of the proxy if need be. */
  constructor(passthrough: Passthrough, root: () => Buffer | undefined) {
    this.#passthrough = passthrough;
    this.#root = root;
  }

  /** `changed`: what is asked in place of the client's own request. */
  async answer(exchange: Exchange, changed?: Changed): Promise<number> {
    const path = `/${exchange.segments.join('/')}`;
    // What the proxy was answered is for its own clients alone.
    const key = changed?.own === true ? `own ${path}` : path;
    let found: BufferedAnswer;
    try {
      found = await this.#passthrough.ask(exchange, changed);
    } catch (error) {
      const saved = this.#saved.get(key) ?? this.#rememberedRoot(path);
      if (saved === undefined || exchange.gone.aborted) throw error;
      const body = path === '/_cluster/health' ? unreachableHealth(saved.body) : saved.body;
      answer(exchange, 200, body, typeOption(saved.type));
      return 200;
    }
    const type = headerOf(found, 'content-type');
    // Only the plain form is kept: what a filter or a format left over is no answer for the next one.
    const plain = exchange.method === 'GET' && exchange.query.size === 0 && type?.startsWith('application/json');
    const text = path === '/_cat/health' && exchange.query.size === 0;
    if (found.status === 200 && (plain || text) && this.#saved.size < savedMax) {
      this.#saved.set(key, { type, body: found.body });
    }
    return relay(exchange, found);
  }

  #rememberedRoot(path: string): Saved | undefined {
    const body = path === '/' ? this.#root() : undefined;
    return body === undefined ? undefined : { type: 'application/json', body };
  }

  /** Lists one node, with the address at which the client reached the proxy. */
  async answerNodes(exchange: Exchange, changed?: Changed): Promise<number> {
    const found = await this.#passthrough.ask(exchange, changed);
    const address = ownAddress(exchange);
    const rewritten = found.status === 200 ? rewriteNodes(found.body, address) : undefined;
    return relay(exchange, rewritten === undefined ? found : { ...found, body: rewritten });
  }
}

function relay(exchange: Exchange, found: BufferedAnswer): number {
  const headers: Record<string, string> = {};
  for (const name of ['www-authenticate', 'warning', 'allow']) {
    const value = headerOf(found, name);
    if (value !== undefined) headers[name] = value;
  }
  // The length of an answer to HEAD is that of the body it does not have.
  answer(exchange, found.status, found.body, { headers, ...typeOption(headerOf(found, 'content-type')) });
  return found.status;
}

function typeOption(type: string | undefined): AnswerOptions {
  return type === undefined ? {} : { type };
}

function headerOf(found: BufferedAnswer, name: string): string | undefined {
  const at = found.headers.findIndex((part, i) => i % 2 === 0 && part.toLowerCase() === name);
  return at < 0 ? undefined : found.headers[at + 1];
}

/** The saved health, with the colour that fits a cluster nobody can reach. */
function unreachableHealth(saved: Buffer): Buffer {
  const health = parseObject(saved);
  return health === undefined ? saved : Buffer.from(JSON.stringify({ ...health, status: 'red' }));
}

function ownAddress(exchange: Exchange): string {
  const { headers, socket } = exchange.request;
  const host = headers.host ?? '';
  if (/:\d+$/.test(host)) return host;
  return host === '' ? `${socket.localAddress}:${socket.localPort}` : `${host}:${socket.localPort}`;
}

const dataRoles = ['data', 'ingest'];

/** Undefined if nothing in it tells an address. */
function rewriteNodes(body: Buffer, address: string): Buffer | undefined {
  const parsed = parseObject(body);
  const nodes = Object.entries((parsed?.nodes ?? {}) as Record<string, Record<string, unknown>>);
  const chosen = nodes.find(([, node]) => hasRole(node, 'data')) ?? nodes[0];
  if (parsed === undefined || chosen === undefined) return undefined;
  const [id, node] = chosen;
  if (node.http === undefined) return undefined;
  const http = { ...(node.http as object), bound_address: [address], publish_address: address };
  const roles = Array.isArray(node.roles) ? { roles: [...new Set([...node.roles, ...dataRoles])].sort() } : {};
  const counts = parsed._nodes === undefined ? {} : { _nodes: { total: 1, successful: 1, failed: 0 } };
  return Buffer.from(JSON.stringify({ ...parsed, ...counts, nodes: { [id]: { ...node, ...roles, http } } }));
}

function hasRole(node: Record<string, unknown>, role: string): boolean {
  return Array.isArray(node.roles) && node.roles.some((name) => String(name).startsWith(role));
}

function parseObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
