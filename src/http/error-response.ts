/**
 * The one place that turns errors into what a client of Elasticsearch expects to read.
 * Must never let a secret, a document or a stack through; must never answer 4xx but 429 for a trouble that passes.
 */
import type { ErrorCause } from '../bulk/refusal.ts';
import { LogsealError } from '../errors.ts';

export type ErrorAnswer =
  | {
      kind: 'answer';
      status: number;
      headers: Record<string, string>;
      body: object | undefined;
      close: boolean;
      type?: string;
    }
  /** No answer at all: the shipper sends again on a new connection. */
  | { kind: 'hang-up' };

const awayReason = 'the search engine cannot be reached at the moment';
/** How long a shipper is asked to wait before it sends again, seconds. */
const retryAfterSeconds = 1;

/**
 * `intake`: of a request that brings records. Shippers send again what is answered 429, and some drop what is answered 503.
 */
export function errorAnswer(error: unknown, requestId: string, intake = false): ErrorAnswer {
  if (!(error instanceof LogsealError))
    return failure(500, 'internal_server_error', 'unexpected error in the proxy', requestId);
  switch (error.code) {
    case 'REQUEST_REFUSED':
      return refused(error, requestId);
    case 'LOG_FULL':
    case 'INTAKE_BUSY':
    case 'CLIENT_LIMITED':
    case 'STOPPING':
      return busy(error, requestId);
    case 'UPSTREAM_REFUSED':
    case 'UPSTREAM_UNKNOWN':
      if (intake) return busy(error, requestId);
      return failure(503, 'no_node_available_exception', awayReason, requestId);
    case 'CLIENT_GONE':
    case 'WAL_FAILED':
      return { kind: 'hang-up' };
    default:
      return failure(500, 'internal_server_error', 'the proxy cannot do this', requestId);
  }
}

/** `{"error":{"root_cause":[…],"type","reason",…},"status"}` */
export function errorBody(status: number, cause: ErrorCause, requestId?: string): object {
  const { caused_by, ...root } = cause;
  const more = {
    ...(caused_by !== undefined && { caused_by }),
    ...(requestId !== undefined && { request_id: requestId }),
  };
  return { error: { root_cause: [root], ...root, ...more }, status };
}

function refused(error: LogsealError, requestId: string): ErrorAnswer {
  const { type, causedBy } = error.details as { type?: string; causedBy?: ErrorCause };
  const { allow, close, bare } = error.details as { allow?: string; close?: boolean; bare?: boolean };
  const status = Number(error.details.status ?? 400);
  const { challenges } = error.details as { challenges?: readonly string[] };
  const headers: Record<string, string> = allow === undefined ? {} : { allow };
  if (challenges !== undefined) headers['www-authenticate'] = challenges.join(', ');
  const header = challenges === undefined ? {} : { header: { 'WWW-Authenticate': challenges } };
  // 405 and 406 of Elasticsearch have a string where all others have an object.
  const body = bare
    ? undefined
    : type === undefined
      ? { error: error.message, status }
      : errorBody(
          status,
          { type, reason: error.message, ...(causedBy && { caused_by: causedBy }), ...header },
          requestId,
        );
  // Headers that disagree choose no type for the answer.
  const plain = type === 'media_type_header_exception' ? { type: 'application/json' } : {};
  return { kind: 'answer', status, headers, body, close: close === true, ...plain };
}

function busy(error: LogsealError, requestId: string): ErrorAnswer {
  const reason = error.code.startsWith('UPSTREAM') ? awayReason : error.message;
  const cause = { type: 'es_rejected_execution_exception', reason };
  return {
    kind: 'answer',
    status: 429,
    headers: { 'retry-after': retryAfter(error) },
    body: errorBody(429, cause, requestId),
    close: error.code === 'STOPPING',
  };
}

function retryAfter({ details: { retryAfterMs } }: LogsealError): string {
  const ms = typeof retryAfterMs === 'number' ? retryAfterMs : retryAfterSeconds * 1000;
  return String(Math.max(1, Math.ceil(ms / 1000)));
}

function failure(status: number, type: string, reason: string, requestId: string): ErrorAnswer {
  return { kind: 'answer', status, headers: {}, body: errorBody(status, { type, reason }, requestId), close: false };
}
