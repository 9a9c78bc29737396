/**
 * Owns the listening socket: time-outs, bounds of the request's head, malformed HTTP, and an end without a cut answer.
 * Assumes that the handler answers every exchange it is given, or destroys it.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import hyperid from 'hyperid';
import type { TlsFiles } from '../config/tls-files.ts';
import { answer, answerError, productHeader } from './answer.ts';
import { unknownCaller } from './caller.ts';
import type { DoorTls } from './door.ts';
import { createDoor, replaceFiles } from './door.ts';
import { errorBody } from './error-response.ts';
import type { Exchange } from './exchange.ts';
import { parseTarget } from './exchange.ts';
import { shapeFault } from './strict-request.ts';

export interface HttpServerOptions {
  host: string;
  /** 0 takes any free port. */
  port: number;
  handler: (exchange: Exchange) => Promise<void>;
  /** Plain HTTP where absent. */
  tls?: DoorTls | undefined;
  /** Bytes of request line and headers together. */
  headerBytesMax?: number;
  /** Header lines. */
  headersMax?: number;
  /** Bytes of path and query. */
  targetBytesMax?: number;
  /** An idle connection is kept so long: longer than shippers keep theirs, or one of them writes into a closing socket. */
  keepAliveMs?: number;
  headersTimeoutMs?: number;
  /** From the first byte of a request to the last of its body. */
  requestTimeoutMs?: number;
  /** Nothing comes of a request that has begun, or nothing is taken of an answer. */
  idleTimeoutMs?: number;
  /** What is left of a body whose request has its answer is thrown away for so long, then the connection is cut. */
  unreadMs?: number;
  /** Open sockets; more are closed at once. */
  connectionsMax?: number;
}

const headerBytesDefault = 16 * 1024;
const keepAliveMsDefault = 120_000;
const headersDefault = 128;
const targetBytesDefault = 8 * 1024;
const headersTimeoutMsDefault = 60_000;
const requestTimeoutMsDefault = 300_000;
const idleTimeoutMsDefault = 60_000;
const unreadMsDefault = 2_000;
/** How often connections are looked at for time-outs, at most and at least. */
const [checkMsMin, checkMsMax] = [20, 5_000];
/** An idle one costs some 20 KiB; the system's limit of open files must be above it. */
const connectionsDefault = 16_384;

export class HttpServer {
  readonly #server: Server;
  readonly #options: HttpServerOptions;
  readonly #nextId = hyperid({ fixedLength: true, urlSafe: true });
  /** Exchanges by socket, so that malformed bytes behind a good request do not end up in its answer. */
  readonly #open = new WeakMap<Duplex, number>();
  /** Sockets on which nobody knows any more where a request begins. */
  readonly #lost = new WeakSet<Duplex>();
  #stopping = false;

  private constructor(options: HttpServerOptions) {
    this.#options = options;
    const headersTimeout = options.headersTimeoutMs ?? headersTimeoutMsDefault;
    const requestTimeout = options.requestTimeoutMs ?? requestTimeoutMsDefault;
    const checkMs = Math.min(headersTimeout, requestTimeout) / 5;
    const http = {
      insecureHTTPParser: false,
      requireHostHeader: true,
      maxHeaderSize: options.headerBytesMax ?? headerBytesDefault,
      keepAliveTimeout: options.keepAliveMs ?? keepAliveMsDefault,
      headersTimeout,
      requestTimeout,
      connectionsCheckingInterval: Math.ceil(Math.min(checkMsMax, Math.max(checkMsMin, checkMs))),
      noDelay: true,
    };
    this.#server = createDoor(http, options.tls);
    this.#server.timeout = options.idleTimeoutMs ?? idleTimeoutMsDefault;
    // Node.js leaves out those past it, and with them maybe a length: one more than allowed is seen, and refused. Of trailers, which
    // nobody reads, the rest is left out.
    this.#server.maxHeadersCount = (options.headersMax ?? headersDefault) + 1;
    this.#server.maxConnections = options.connectionsMax ?? connectionsDefault;
    this.#server.on('request', (request, response) => this.#take(request, response, false));
    this.#server.on('checkContinue', (request, response) => this.#take(request, response, true));
    this.#server.on('checkExpectation', (request, response) => this.#take(request, response, true));
    this.#server.on('clientError', (error, socket) => this.#malformed(error, socket));
  }

  /** Resolves when the port is open. */
  static async start(options: HttpServerOptions): Promise<HttpServer> {
    const started = new HttpServer(options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    started.#server.once('error', reject);
    started.#server.listen(options.port, options.host, resolve);
    await promise;
    started.#server.off('error', reject);
    return started;
  }

  get address(): { host: string; port: number } {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /** New connections get this certificate; open ones go on. Only where the port has had TLS from the start. */
  replaceTlsFiles(files: TlsFiles): void {
    replaceFiles(this.#server, files);
  }

  /** Takes no new requests, waits for the answers under way, and after `graceMs` closes what is left. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs);
    await promise;
    clearTimeout(timer);
  }

  #take(request: IncomingMessage, response: ServerResponse, waits: boolean): void {
    const exchange = this.#exchange(request, response, waits);
    if (this.#stopping) response.shouldKeepAlive = false;
    const { socket } = request;
    // Behind a request that was refused for its shape nothing is one.
    if (this.#lost.has(socket)) return;
    const { targetBytesMax = targetBytesDefault, headersMax = headersDefault } = this.#options;
    const fault = shapeFault(request, { targetBytesMax, headersMax });
    if (fault !== undefined) {
      this.#lost.add(socket);
      answer(exchange, fault.status, errorBody(fault.status, { type: fault.type, reason: fault.reason }, exchange.id), {
        close: true,
      });
      return;
    }
    this.#watch(request, response);
    let parsed: Pick<Exchange, 'segments' | 'query'>;
    try {
      parsed = parseTarget(exchange.target);
    } catch (error) {
      answerError(exchange, error);
      return;
    }
    this.#options.handler({ ...exchange, ...parsed }).catch((error) => answerError(exchange, error));
  }

  #exchange(request: IncomingMessage, response: ServerResponse, waits: boolean): Exchange {
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    // What goes wrong on the socket is heard as the end of the request.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    let waiting = waits;
    // The parser stands still behind an offer of another protocol, also where nobody takes it up.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    // Answered before it was told to go on, a client may send its body or not: what comes next could be read both ways.
    const keeps = response.shouldKeepAlive;
    if (waits) response.shouldKeepAlive = false;
    return {
      request,
      response,
      id: this.#nextId(),
      method: request.method ?? 'GET',
      target: request.url ?? '/',
      segments: [],
      query: new Map(),
      gone: gone.signal,
      caller: unknownCaller(request),
      proceed() {
        if (!waiting) return;
        waiting = false;
        response.shouldKeepAlive = keeps;
        response.writeContinue();
      },
    };
  }

  /** Time-outs that node:http does not have: of the pauses in a request or its answer, and of a body that nobody reads. */
  #watch(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    this.#count(socket, 1);
    response.once('close', () => {
      this.#count(socket, -1);
      // Its answer may have promised to keep the connection before anybody wanted to stop.
      if (this.#stopping) setImmediate(() => this.#server.closeIdleConnections());
    });
    response.on('timeout', () => {
      // A whole request that waits for its turn, or for the search engine, is no idle one.
      if (!request.complete || response.headersSent) socket.destroy();
    });
    response.once('finish', () => {
      if (request.complete) return;
      const timer = setTimeout(() => socket.destroy(), this.#options.unreadMs ?? unreadMsDefault);
      request.once('close', () => clearTimeout(timer));
      request.once('end', () => clearTimeout(timer));
      socket.once('close', () => clearTimeout(timer));
    });
  }

  #count(socket: Socket, by: number): void {
    this.#open.set(socket, (this.#open.get(socket) ?? 0) + by);
  }

  /** Bytes that are no HTTP, headers that are too long, requests that take too long. */
  #malformed(error: Error & { code?: string }, socket: Duplex): void {
    // It has its answer, which ends the connection.
    if (this.#lost.has(socket)) return;
    if (!socket.writable || error.code === 'ECONNRESET' || (this.#open.get(socket) ?? 0) > 0) {
      socket.destroy();
      return;
    }
    const [status, reason] = malformation(error.code);
    const type = error.code === 'HPE_HEADER_OVERFLOW' ? 'too_long_http_header_exception' : 'illegal_argument_exception';
    const body = JSON.stringify(errorBody(status, { type, reason }, this.#nextId()));
    const head = [
      `HTTP/1.1 ${status} ${status === 408 ? 'Request Timeout' : 'Bad Request'}`,
      productHeader.join(': '),
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  }
}

function malformation(code: string | undefined): [status: number, reason: string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [400, 'HTTP header is too long'];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'request took too long to come'];
  return [400, 'invalid HTTP request'];
}
