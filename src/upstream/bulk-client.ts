/**
 * Sends one bulk request and says what is known when it does not come back well. Never retries: whether a batch may be sent
 * again is the caller's question, and only an UPSTREAM_REFUSED answers it with yes.
 */
import { LogsealError } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { BulkAnswer } from './item-result.ts';
import { parseBulkAnswer } from './item-result.ts';
import type { Answer } from './request-attempt.ts';

export interface BulkQuery {
  /** Items in the body: an answer with another number is UPSTREAM_UNKNOWN. */
  count: number;
  /** Ask for `_id _version _seq_no _primary_term` of each item too. */
  versions?: boolean;
  refresh?: 'true' | 'wait_for' | undefined;
  /** Elasticsearch's own wait for shards, e.g. `30s`. */
  timeout?: string | undefined;
  waitForActiveShards?: string | undefined;
  /** Ask for the name of the pipelines that ran. */
  listExecutedPipelines?: boolean | undefined;
  requestTimeoutMs?: number | undefined;
}

const lean = 'errors,ingest_took,items.*.status,items.*._index,items.*.result,items.*.failure_store,items.*.error';
const full = `${lean},items.*._id,items.*._version,items.*._seq_no,items.*._primary_term`;

export class BulkClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * `body` is NDJSON with its last line feed. Returns one result for each item, in order.
   * UPSTREAM_REFUSED: certainly nothing was applied; `details.status`, `details.retryAfterMs` where the engine said so.
   * UPSTREAM_UNKNOWN: some of it may have been applied.
   */
  async send(body: readonly Buffer[], query: BulkQuery): Promise<BulkAnswer> {
    const [only] = body;
    const answer = await this.#connection.request({
      method: 'POST',
      path: bulkPath(query),
      headers: { 'content-type': 'application/x-ndjson' },
      body: body.length === 1 && only !== undefined ? only : Buffer.concat(body),
      requestTimeoutMs: query.requestTimeoutMs,
    });
    if (answer.status !== 200) throw wholeRequestError(answer);
    const parsed = parseBulkAnswer(answer.body);
    if (parsed === undefined) throw unknown(answer, 'an answer that is no bulk answer');
    if (parsed.items.length !== query.count) {
      throw unknown(answer, `${parsed.items.length} results for ${query.count} records`);
    }
    return parsed;
  }
}

function bulkPath(query: BulkQuery): string {
  let path = `/_bulk?filter_path=${query.versions ? full : lean}`;
  if (query.listExecutedPipelines) path += ',items.*.executed_pipelines&list_executed_pipelines=true';
  if (query.refresh !== undefined) path += `&refresh=${query.refresh}`;
  if (query.timeout !== undefined) path += `&timeout=${encodeURIComponent(query.timeout)}`;
  if (query.waitForActiveShards !== undefined) {
    path += `&wait_for_active_shards=${encodeURIComponent(query.waitForActiveShards)}`;
  }
  return path;
}

/**
 * A whole request that was turned away. 401, 403, 413 and 429 are given before anything of it is carried out; so is a 503 that
 * Elasticsearch itself words (no master, cluster block). Any other answer may come from the middle of the work, or from a
 * balancer that lost its node.
 */
function wholeRequestError(answer: Answer): LogsealError {
  const error = errorOf(answer.body);
  const { status } = answer;
  const before = [401, 403, 404, 405, 406, 413, 429].includes(status) || (status === 503 && error.type !== undefined);
  if (!before) return unknown(answer, `status ${status}${error.type === undefined ? '' : ` (${error.type})`}`);
  const what = error.type === undefined ? `status ${status}` : `status ${status}, ${error.type}`;
  return new LogsealError('UPSTREAM_REFUSED', `the search engine refused a whole bulk request: ${what}`, {
    status,
    type: error.type,
    reason: error.reason,
    retryAfterMs: retryAfterMs(answer),
  });
}

function unknown(answer: Answer, what: string): LogsealError {
  return new LogsealError('UPSTREAM_UNKNOWN', `the search engine answered a bulk request with ${what}`, {
    status: answer.status,
  });
}

function errorOf(body: Buffer): { type?: string; reason?: string } {
  if (body.length > 1024 * 1024) return {};
  try {
    const error = (JSON.parse(body.toString()) as { error?: { type?: unknown; reason?: unknown } }).error;
    if (typeof error?.type !== 'string') return {};
    return { type: error.type, ...(typeof error.reason === 'string' ? { reason: error.reason.slice(0, 1000) } : {}) };
  } catch {
    return {};
  }
}

function retryAfterMs(answer: Answer): number | undefined {
  const value = answer.headers['retry-after'];
  if (typeof value !== 'string' || !/^\d{1,6}$/.test(value)) return undefined;
  return Number(value) * 1000;
}
