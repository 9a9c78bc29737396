/**
 * Owns the listening socket: time-outs, header bounds, malformed HTTP, and an end without a cut answer.
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

export interface HttpServerOptions {
  host: string;
  /** 0 takes any free port. */
  port: number;
  handler: (exchange: Exchange) => Promise<void>;
  /** Plain HTTP where absent. */
  tls?: DoorTls | undefined;
  /** Bytes of request line and headers together. */
  headerBytesMax?: number;
  /** An idle connection is kept so long: longer than shippers keep theirs, or one of them writes into a closing socket. */
  keepAliveMs?: number;
  headersTimeoutMs?: number;
  /** From the first byte of a request to the last of its body. */
  requestTimeoutMs?: number;
  /** How often connections are looked at for these two. */
  checkMs?: number;
  /** Open sockets; more are closed at once. */
  connectionsMax?: number;
}

const headerBytesDefault = 16 * 1024;
const keepAliveMsDefault = 120_000;
const headersTimeoutMsDefault = 60_000;
const requestTimeoutMsDefault = 300_000;
const checkMsDefault = 5_000;
/** An idle one costs some 20 KiB; the system's limit of open files must be above it. */
const connectionsDefault = 16_384;

export class HttpServer {
  readonly #server: Server;
  readonly #options: HttpServerOptions;
  readonly #nextId = hyperid({ fixedLength: true, urlSafe: true });
  /** Exchanges by socket, so that malformed bytes behind a good request do not end up in its answer. */
  readonly #open = new WeakMap<Duplex, number>();
  #stopping = false;

  private constructor(options: HttpServerOptions) {
    this.#options = options;
    const http = {
      maxHeaderSize: options.headerBytesMax ?? headerBytesDefault,
      keepAliveTimeout: options.keepAliveMs ?? keepAliveMsDefault,
      headersTimeout: options.headersTimeoutMs ?? headersTimeoutMsDefault,
      requestTimeout: options.requestTimeoutMs ?? requestTimeoutMsDefault,
      connectionsCheckingInterval: options.checkMs ?? checkMsDefault,
      noDelay: true,
    };
    this.#server = createDoor(http, options.tls);
    this.#server.maxConnections = options.connectionsMax ?? connectionsDefault;
    this.#server.on('request', (request, response) => this.#take(request, response, false));
    this.#server.on('checkContinue', (request, response) => this.#take(request, response, true));
    this.#server.on('checkExpectation', (request, response) => {
      answer(this.#exchange(request, response, false), 417, undefined, { close: true });
    });
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
    this.#count(socket, 1);
    response.once('close', () => this.#count(socket, -1));
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
        response.writeContinue();
      },
    };
  }

  #count(socket: Socket, by: number): void {
    this.#open.set(socket, (this.#open.get(socket) ?? 0) + by);
  }

  /** Bytes that are no HTTP, headers that are too long, requests that take too long. */
  #malformed(error: Error & { code?: string }, socket: Duplex): void {
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
