/**
 * Owns which of our handlers a request is for, by method and path as Elasticsearch routes them.
 */
import { LogsealError } from '../errors.ts';
import type { DocumentTarget } from './document-handler.ts';
import type { Exchange } from './exchange.ts';
import { isHandshake, isNodeList } from './handshake.ts';

export type Route =
  | { kind: 'bulk'; index: string | undefined }
  | { kind: 'document'; target: DocumentTarget }
  | { kind: 'handshake' }
  | { kind: 'nodes' }
  | { kind: 'other' };

/** Throws REQUEST_REFUSED (405, with Allow) for a method that an intake path does not have. */
export function route(exchange: Exchange): Route {
  const { method, segments } = exchange;
  const [first = '', second, third] = segments;
  const { length } = segments;
  if (first === '_bulk' && length === 1) return bulk(exchange, undefined);
  const writes = method === 'POST' || method === 'PUT';
  // To Elasticsearch `/_all/_bulk` and `/_search/_bulk` are bulks too: each operation brings its own index.
  if (second === '_bulk' && length === 2 && (writes || !first.startsWith('_'))) return bulk(exchange, first);
  if (writes && !first.startsWith('_') && (second === '_doc' || second === '_create')) {
    if (length === 3) return { kind: 'document', target: { index: first, id: third, endpoint: second } };
    if (length === 2 && second === '_doc') {
      if (method === 'PUT') throw wrongMethod(exchange, ['POST']);
      return { kind: 'document', target: { index: first, id: undefined, endpoint: second } };
    }
  }
  if (isHandshake(exchange)) return { kind: 'handshake' };
  return isNodeList(exchange) ? { kind: 'nodes' } : { kind: 'other' };
}

function bulk(exchange: Exchange, index: string | undefined): Route {
  const { method } = exchange;
  if (method === 'POST' || method === 'PUT') return { kind: 'bulk', index };
  if (method === 'OPTIONS') return { kind: 'other' };
  throw wrongMethod(exchange, ['POST', 'PUT']);
}

/** The error is a string here, as Elasticsearch has it. */
function wrongMethod(exchange: Exchange, allowed: readonly string[]): LogsealError {
  const path = exchange.target.split('?', 1)[0];
  const reason = `Incorrect HTTP method for uri [${path}] and method [${exchange.method}], allowed: [${allowed.join(', ')}]`;
  return new LogsealError('REQUEST_REFUSED', reason, { status: 405, allow: allowed.join(',') });
}
