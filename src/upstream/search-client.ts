/**
 * The only place that knows @elastic/elasticsearch: what verification and the template commands read and write with. It gets
 * options, never our undici pools: the client brings an undici of its own.
 */
import { readFileSync } from 'node:fs';
import type { ClientOptions } from '@elastic/elasticsearch';
import { Client, errors } from '@elastic/elasticsearch';
import { LogsealError } from '../errors.ts';
import type { JsonAnswer } from './connection.ts';

export interface SearchClientOptions {
  nodes: readonly string[];
  /** PEM text. */
  ca?: string | undefined;
  caFile?: string | undefined;
  apiKey?: string | undefined;
  username?: string | undefined;
  password?: string | undefined;
  requestTimeoutMs: number;
}

export class SearchClient {
  /** Typed requests. Its errors are its own. */
  readonly client: Client;

  constructor(options: SearchClientOptions) {
    this.client = new Client(clientOptions(options));
  }

  /** Any answer, whatever its status, parsed. Throws UPSTREAM_UNKNOWN without one. */
  async ask(method: string, path: string, body?: unknown): Promise<JsonAnswer> {
    const answer = await this.bytes(method, path, body);
    let parsed: unknown;
    try {
      parsed = JSON.parse(answer.body.toString());
    } catch {
      parsed = undefined;
    }
    return { status: answer.status, body: parsed, headers: answer.headers };
  }

  /** As `ask`, with the answer's bytes as they came: what is signed is bytes. */
  async bytes(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Buffer; headers: JsonAnswer['headers'] }> {
    const [pathname = path, query = ''] = path.split('?', 2);
    try {
      const answer = await this.client.transport.request(
        {
          method,
          path: pathname,
          querystring: query,
          ...(body === undefined ? {} : { body: body as Record<string, unknown> }),
        },
        { asStream: true, meta: true, ignore: everyErrorStatus },
      );
      const chunks: Buffer[] = [];
      for await (const chunk of answer.body as unknown as AsyncIterable<Buffer>) chunks.push(chunk);
      return {
        status: answer.statusCode ?? 0,
        body: Buffer.concat(chunks),
        headers: answer.headers as JsonAnswer['headers'],
      };
    } catch (error) {
      throw searchError(error, `${method} ${pathname}`);
    }
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What went wrong, without credentials and bodies. */
function searchError(error: unknown, what: string): LogsealError {
  if (error instanceof LogsealError) return error;
  if (error instanceof errors.ResponseError) {
    const status = error.statusCode ?? 0;
    const type = String((error.body as { error?: { type?: unknown } } | undefined)?.error?.type ?? '');
    return new LogsealError('UPSTREAM_DENIED', `${what}: the search engine answered ${status} ${type}`.trim(), {
      status,
      type,
    });
  }
  const reason = error instanceof Error ? error.name : 'error';
  const sentence =
    error instanceof errors.ProductNotSupportedError ? 'this is not Elasticsearch' : `no answer (${reason})`;
  return new LogsealError('UPSTREAM_UNKNOWN', `${what}: ${sentence}`, { reason, cause: error });
}

const everyErrorStatus = Array.from({ length: 200 }, (_, at) => 400 + at);

function clientOptions(options: SearchClientOptions): ClientOptions {
  const ca = options.ca ?? (options.caFile === undefined ? undefined : readFileSync(options.caFile, 'utf8'));
  const { apiKey, username, password = '' } = options;
  const encoded = apiKey?.includes(':') ? Buffer.from(apiKey).toString('base64') : apiKey;
  return {
    nodes: options.nodes.map((node) => node.replace(/\/+$/, '')),
    requestTimeout: options.requestTimeoutMs,
    maxRetries: 2,
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(encoded === undefined ? {} : { auth: { apiKey: encoded.trim() } }),
    ...(encoded !== undefined || username === undefined ? {} : { auth: { username, password } }),
  };
}
