/** The HTTP side of the proxy on real sockets, with an intake that keeps what it is given and a search engine that echoes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { Pool } from 'undici';
import type { Batch } from '../../src/bulk/batch.ts';
import { descriptorWidth } from '../../src/bulk/batch.ts';
import type { Appended, Intake, Outcome } from '../../src/bulk/intake.ts';
import type { ClientBook } from '../../src/clients/client-book.ts';
import { Admission } from '../../src/http/admission.ts';
import { clientPatterns } from '../../src/http/client-patterns.ts';
import { Handshake } from '../../src/http/handshake.ts';
import type { Authorize, IntakeContext, IntakeLimits } from '../../src/http/intake-context.ts';
import { Passthrough } from '../../src/http/passthrough.ts';
import { createRequestHandler } from '../../src/http/request-handler.ts';
import type { HttpServerOptions } from '../../src/http/server.ts';
import { HttpServer } from '../../src/http/server.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { ObjectScanner } from '../../src/lib/json-scan.ts';
import { createMetrics } from '../../src/metrics.ts';

export interface KeptRecord {
  dest: string;
  id: string | undefined;
  meta: Record<string, unknown> | undefined;
  content: string;
  flags: number;
}

/** Records of a batch as plain objects. */
export function recordsOf(batch: Batch): KeptRecord[] {
  return Array.from({ length: batch.count }, (_, record) => {
    const [start, end, dest, id, meta, flags] = batch.descriptors.subarray(record * descriptorWidth);
    const text = batch.metas[meta as number];
    return {
      dest: batch.dests[dest as number] as string,
      id: batch.ids[id as number],
      meta: text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>),
      content: batch.body.toString('utf8', start, end),
      flags: flags as number,
    };
  });
}

/** Keeps everything; ids count up. */
export class KeepingIntake implements Intake {
  readonly records: KeptRecord[] = [];
  readonly acks: ('wal' | 'store')[] = [];
  /** Throw or wait here. */
  onAdmit: (bytes: number, signal: AbortSignal) => Promise<void> = async () => undefined;
  onAppend: () => Promise<void> = async () => undefined;
  outcome: (record: KeptRecord) => Outcome | Promise<Outcome> = (record) => ({
    status: 201,
    index: `.ds-${record.dest}-2026.11.23-000001`,
    version: 1,
    seqNo: 7,
    primaryTerm: 2,
  });
  readonly unsigned = new Set<string>();
  /** Records of each request with ack store that nobody waits for any more. */
  readonly forgotten: number[] = [];

  admit(batch: Batch, signal: AbortSignal): Promise<void> {
    return this.onAdmit(batch.body.length, signal);
  }

  async append(batch: Batch, ack: 'wal' | 'store'): Promise<Appended> {
    await this.onAppend();
    this.acks.push(ack);
    const records = recordsOf(batch);
    const ids = Buffer.alloc(batch.count * 22);
    records.forEach((record, i) => {
      if (record.id === undefined) ids.write(String(this.records.length + i).padStart(22, 'g'), i * 22, 'latin1');
    });
    this.records.push(...records);
    if (ack === 'wal') return { ids };
    const promise = Promise.all(records.map((record) => this.outcome(record)));
    return { ids, outcomes: { promise, forget: () => this.forgotten.push(batch.count) } };
  }

  ownsId(id: string): boolean {
    return /^g{10,}\d+$/.test(id);
  }

  isSigned(dest: string): boolean {
    return !dest.startsWith('.') && !this.unsigned.has(dest);
  }
}

export interface UpstreamRequest {
  method: string;
  url: string;
  rawHeaders: string[];
  headers: IncomingMessage['headers'];
  body: Buffer;
}

export interface IntakeServer {
  port: number;
  url: string;
  intake: KeepingIntake;
  /** What an earlier life of the proxy left behind. */
  remembered: { root: Buffer | undefined };
  /** Destinations that were refreshed. */
  refreshed: string[];
  admission: Admission;
  server: HttpServer;
  events: string[];
  /** What the search engine was asked. */
  asked: UpstreamRequest[];
  /** How it answers; the body of the request is read before. */
  upstream: {
    respond: (request: UpstreamRequest, response: ServerResponse) => void;
    port: number;
    stop(): Promise<void>;
  };
}

export interface IntakeServerOptions {
  clients?: ClientBook;
  /** The proxy's own credentials. */
  ownAuthorization?: string;
  limits?: Partial<IntakeLimits>;
  ack?: 'wal' | 'store';
  clock?: Clock;
  authorize?: Authorize;
  learn?: IntakeContext['learn'];
  hangUp?: string[];
  requestsMax?: number;
  memoryBytesMax?: number;
  holdMs?: number;
  depthMax?: number;
  server?: Partial<HttpServerOptions>;
  /** Called before the body of an upstream request is read: return true to take over. */
  raw?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export async function startIntakeServer(t: Test, options: IntakeServerOptions = {}): Promise<IntakeServer> {
  const asked: UpstreamRequest[] = [];
  const events: string[] = [];
  const engine = createServer((request, response) => {
    if (options.raw?.(request, response)) return;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', rawHeaders, headers } = request;
      const entry = { method, url, rawHeaders, headers, body: Buffer.concat(chunks) };
      asked.push(entry);
      started.upstream.respond(entry, response);
    });
  });
  await new Promise<void>((resolve) => engine.listen(0, '127.0.0.1', resolve));
  const enginePort = (engine.address() as AddressInfo).port;
  const pool = new Pool(`http://127.0.0.1:${enginePort}`, { connections: 16 });
  const noop = () => undefined;
  const target = {
    authorization: options.ownAuthorization,
    next: () => ({ name: 'engine', pool, basePath: '', failed: noop, worked: noop }),
  };
  const intake = new KeepingIntake();
  const passthrough = new Passthrough(target);
  const remembered: { root: Buffer | undefined } = { root: undefined };
  const handshake = new Handshake(passthrough, () => remembered.root);
  const clock = options.clock ?? systemClock;
  const requestsMax = options.requestsMax ?? 100;
  const bytesMax = options.memoryBytesMax ?? 64 * 1024 * 1024;
  const holdMs = options.holdMs ?? 30_000;
  const admission = new Admission({ requestsMax, bytesMax, holdMs, clock });
  const context: IntakeContext = {
    intake,
    learn: options.learn ?? (() => undefined),
    refresh: async (_exchange, dests) => {
      started.refreshed.push(...dests);
    },
    authorize: options.authorize ?? (async () => ({ kind: 'ok' })),
    passthrough,
    admission,
    limits: {
      bodyBytesMax: 1024 * 1024,
      documentBytesMax: 256 * 1024,
      itemsMax: 10_000,
      actionBytesMax: 16 * 1024,
      ...options.limits,
    },
    scanner: new ObjectScanner({ depthMax: options.depthMax ?? 100 }),
    ack: options.ack ?? 'wal',
    clock,
    counts: { bodyBytes: noop, operations: noop, acknowledged: noop },
  };
  const handler = createRequestHandler({
    clients: options.clients,
    context,
    handshake,
    passing: new Admission({ requestsMax, bytesMax, holdMs, clock }),
    hangUpInsteadOf429: clientPatterns(options.hangUp ?? []),
    log: { event: (name) => events.push(name) },
    metrics: createMetrics({ processMetrics: false }),
  });
  const server = await HttpServer.start({ host: '127.0.0.1', port: 0, handler, ...options.server });
  const { port } = server.address;
  const stopEngine = async () => {
    const closed = new Promise<void>((resolve) => engine.close(() => resolve()));
    engine.closeAllConnections();
    await closed;
  };
  const started: IntakeServer = {
    port,
    url: `http://127.0.0.1:${port}`,
    intake,
    remembered,
    refreshed: [],
    admission,
    server,
    events,
    asked,
    upstream: {
      port: enginePort,
      stop: stopEngine,
      respond: (request, response) => {
        response.setHeader('X-elastic-product', 'Elasticsearch');
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ method: request.method, url: request.url, body: request.body.toString() }));
      },
    },
  };
  t.teardown(async () => {
    await server.stop(0);
    await pool.destroy();
    if (engine.listening) await stopEngine();
  });
  return started;
}

/** Posts JSON lines (or a ready body) and returns status and parsed answer. */
export async function post(
  url: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<{ status: number; json: unknown; headers: Headers; text: string }> {
  const response = await fetch(url, {
    method,
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, json, headers: response.headers, text };
}
