/**
 * Sends a client's request on as it is, streamed both ways, with the client's own headers and credentials. Must never add the
 * proxy's credentials. Hop-by-hop headers are the caller's business.
 */
import type { Readable } from 'node:stream';
import { LogsealError } from '../errors.ts';
import type { Connection } from './connection.ts';

export interface PassthroughAnswer {
  status: number;
  /** Name, value, name, value, as they came. */
  headers: string[];
  /** Must be read or destroyed. */
  body: Readable;
}

export class PassthroughTarget {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * `path` with its query as the client wrote it; `headers` name, value, name, value. Without body another node is tried when
   * one cannot be reached. Throws UPSTREAM_REFUSED when nothing was sent, UPSTREAM_UNKNOWN otherwise.
   */
  async request(
    method: string,
    path: string,
    headers: readonly string[],
    body: Readable | undefined,
    signal?: AbortSignal,
  ): Promise<PassthroughAnswer> {
    for (let left = this.#connection.names.length; ; left -= 1) {
      const node = this.#connection.next();
      try {
        const answer = await node.pool.request({
          method,
          path: node.basePath + path,
          headers: [...headers],
          body: body ?? null,
          responseHeaders: 'raw',
          ...(signal === undefined ? {} : { signal }),
        });
        node.worked();
        return {
          status: answer.statusCode,
          headers: (answer.headers as unknown as (string | Buffer)[]).map((one) => one.toString('latin1' as never)),
          body: answer.body,
        };
      } catch (error) {
        if (signal?.aborted) throw error;
        const reason = codeOf(error);
        const refused = unreachableCodes.has(reason);
        if (refused) node.failed();
        if (refused && body === undefined && left > 1) continue;
        const what = refused ? 'cannot be reached' : 'broke off before its answer';
        throw new LogsealError(
          refused ? 'UPSTREAM_REFUSED' : 'UPSTREAM_UNKNOWN',
          `search engine ${node.name} ${what} (${reason})`,
          {
            node: node.name,
            reason,
            cause: error,
          },
        );
      }
    }
  }
}

/** Errors that undici gives only while connecting. */
const unreachableCodes = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error';
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined) return code;
  const [first] = error instanceof AggregateError ? error.errors : [];
  return first === undefined ? error.name : codeOf(first);
}
