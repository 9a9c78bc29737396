/**
 * Owns the admin port, apart from shippers': who may ask there, how much he may send, and which route answers. Routes are given
 * to it. It must never tell a stranger more than that the proxy lives and is ready, and never show a secret.
 *
 * Without a token the port is for this machine only, and a browser on this machine must not be led here by a page from
 * elsewhere: the Host header must name this machine, and what acts needs a content type that no form can send.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isLoopback } from '../config/loopback.ts';
import type { TlsFiles } from '../config/tls-files.ts';
import { LogsealError } from '../errors.ts';
import type { DoorTls } from './door.ts';
import { createDoor, replaceFiles } from './door.ts';

export interface AdminRequest {
  readonly query: URLSearchParams;
  /** Of a POST: its JSON, parsed. */
  readonly body: unknown;
  /** He has the token, or none is needed. Only an open route is asked by others. */
  readonly trusted: boolean;
}

export interface AdminAnswer {
  readonly status: number;
  /** An object goes out as JSON. */
  readonly body: object | string;
  readonly contentType?: string;
}

export interface AdminRoute {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Answered without token. */
  readonly open?: boolean;
  /** A LogsealError thrown here is shown with code and sentence; anything else is an unexpected error. */
  answer(request: AdminRequest): AdminAnswer | Promise<AdminAnswer>;
}

export type AdminRefusal = 'host' | 'token';

export interface AdminOptions {
  host: string;
  port: number;
  routes: readonly AdminRoute[];
  /** Whoever has it may ask everything; without one anybody who reaches the port. */
  token: string | undefined;
  tls?: DoorTls | undefined;
  refused: (why: AdminRefusal, remoteAddress: string) => void;
  failed: (error: unknown) => void;
}

const bodyBytesMax = 1024 * 1024;
const connectionsMax = 256;

export class AdminServer {
  readonly #server: Server;
  readonly #options: AdminOptions;
  #tokenDigest: Buffer | undefined;

  private constructor(options: AdminOptions) {
    this.#options = options;
    this.token = options.token;
    const http = { maxHeaderSize: 8 * 1024, headersTimeout: 10_000, requestTimeout: 10_000 };
    this.#server = createDoor({ ...http, connectionsCheckingInterval: 5_000 }, options.tls);
    this.#server.maxConnections = connectionsMax;
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      request.on('error', () => undefined);
      response.on('error', () => undefined);
      this.#take(request, response).catch((error) => {
        const { status, body } = this.#failure(error);
        if (response.headersSent) response.destroy();
        else send(response, { status, body });
      });
    });
  }

  static async start(options: AdminOptions): Promise<AdminServer> {
    const admin = new AdminServer(options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    admin.#server.once('error', reject);
    admin.#server.listen(options.port, options.host, resolve);
    await promise;
    admin.#server.off('error', reject);
    return admin;
  }

  get address(): { host: string; port: number } {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /** Holds from the next request on. */
  set token(token: string | undefined) {
    this.#tokenDigest = token === undefined ? undefined : digest(token);
  }

  /** New connections get this certificate; open ones go on. Only where the port has had TLS from the start. */
  replaceTlsFiles(files: TlsFiles): void {
    replaceFiles(this.#server, files);
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const [path = '/', search = ''] = url.split('?', 2);
    const from = request.socket.remoteAddress ?? '';
    if (!this.#isNamedRightly(request.headers.host)) {
      this.#options.refused('host', from);
      return refuse(request, response, 403, 'the Host header names another machine than this one');
    }
    const trusted = this.#isTrusted(request.headers.authorization);
    const routes = this.#options.routes.filter((one) => one.path === path);
    const route = routes.find((one) => one.method === (method === 'HEAD' ? 'GET' : method));
    if (!trusted && route?.open !== true) {
      this.#options.refused('token', from);
      response.setHeader('www-authenticate', 'Bearer realm="logseal admin"');
      return refuse(request, response, 401, 'the token of admin.tokenFile is wanted: Authorization: Bearer …');
    }
    if (routes.length === 0) {
      const paths = [...new Set(this.#options.routes.map((one) => one.path))];
      return refuse(request, response, 404, `there are ${paths.join(', ')}`);
    }
    if (route === undefined) {
      const methods = routes.map((one) => one.method).join(', ');
      response.setHeader('allow', methods);
      return refuse(request, response, 405, `${path} takes ${methods}`);
    }
    let body: unknown;
    if (method === 'POST') {
      if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
        return refuse(request, response, 415, 'content-type must be application/json');
      }
      const text = await readText(request);
      if (text === undefined) return refuse(request, response, 413, `the body has more than ${bodyBytesMax} bytes`);
      try {
        body = JSON.parse(text);
      } catch {
        return refuse(request, response, 400, 'the body is not JSON');
      }
    } else request.resume();
    send(response, await route.answer({ query: new URLSearchParams(search), body, trusted }));
  }

  /** Only where no token guards: a name that an attacker's name server points to this machine must not do. */
  #isNamedRightly(host: string | undefined): boolean {
    if (this.#tokenDigest !== undefined) return true;
    const name = /^(\[[0-9a-f:.]+\]|[^:]+)(:\d+)?$/i.exec(host ?? '')?.[1];
    return name !== undefined && (isLoopback(name) || name.toLowerCase() === this.#options.host.toLowerCase());
  }

  #isTrusted(authorization: string | undefined): boolean {
    if (this.#tokenDigest === undefined) return true;
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    return token !== undefined && timingSafeEqual(digest(token), this.#tokenDigest);
  }

  #failure(error: unknown): AdminAnswer {
    if (error instanceof LogsealError && error.disposition !== 'stop') {
      const status = error.disposition === 'retry' ? 503 : 400;
      return { status, body: { error: error.message, code: error.code } };
    }
    this.#options.failed(error);
    return { status: 500, body: { error: 'unexpected error; the log of the proxy has more' } };
  }
}

/** Digests have one length, so that the comparison tells nothing about the token's. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Undefined when there is too much of it. */
async function readText(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bodyBytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, error: string): void {
  request.resume();
  // What is left of a body that nobody wants is not waited for.
  response.shouldKeepAlive = false;
  send(response, { status, body: { error } });
}

function send(response: ServerResponse, { status, body, contentType }: AdminAnswer): void {
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'content-type': contentType ?? 'application/json', 'cache-control': 'no-store' });
  response.end(text);
}
