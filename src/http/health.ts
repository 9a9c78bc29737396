/**
 * Owns the admin port: whether the process lives, whether records can be accepted, and the metrics. Apart from shippers' port.
 * Must never show a secret, a document or a destination's contents.
 */
import type { Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Readiness {
  /** Records can be accepted. */
  ready: boolean;
  /** Sentences: what is not as it should be, whether or not records are accepted. */
  reasons: readonly string[];
  /** Destinations that cannot be signed. */
  notCovered: readonly string[];
}

export interface AdminOptions {
  host: string;
  port: number;
  readiness: () => Readiness;
  metrics: { readonly contentType: string; text(): Promise<string> };
}

export class AdminServer {
  readonly #server: Server;

  private constructor(options: AdminOptions) {
    this.#server = createServer({ maxHeaderSize: 8 * 1024, requestTimeout: 10_000 }, (request, response) => {
      request.resume();
      response.on('error', () => undefined);
      this.#answer(request.method ?? 'GET', request.url ?? '/', response, options).catch(() => response.destroy());
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

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  async #answer(method: string, url: string, response: ServerResponse, options: AdminOptions): Promise<void> {
    const path = url.split('?', 1)[0];
    if (method !== 'GET' && method !== 'HEAD') return json(response, 405, { error: 'only GET is answered here' });
    if (path === '/livez') return json(response, 200, { live: true });
    if (path === '/readyz') {
      const readiness = options.readiness();
      return json(response, readiness.ready ? 200 : 503, readiness);
    }
    if (path === '/metrics') {
      const text = await options.metrics.text();
      response.writeHead(200, { 'content-type': options.metrics.contentType }).end(text);
      return;
    }
    json(response, 404, { error: 'there are /livez, /readyz and /metrics' });
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}
