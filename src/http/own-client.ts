/**
 * What a client of the proxy's own may do. Its records are written with the proxy's credentials, so its entry is all that stands
 * between it and the proxy's rights: whatever the entry does not name is refused, and nothing of its request but records and an
 * Accept header ever reaches the search engine.
 */
import type { Batch } from '../bulk/batch.ts';
import { refusal } from '../bulk/refusal.ts';
import type { Client } from '../clients/client.ts';
import { LogsealError } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import type { Authorized } from './intake-context.ts';
import type { Changed } from './passthrough.ts';
import type { Route } from './router.ts';

/** By destination. Throws REQUEST_REFUSED (403) for a pipeline that the entry does not name. */
export function ownAuthorized(client: Client, batch: Batch): Authorized {
  for (const meta of batch.metas) {
    const { pipeline } = JSON.parse(meta) as { pipeline?: unknown };
    if (pipeline === undefined || (typeof pipeline === 'string' && client.mayName(pipeline))) continue;
    throw forbidden(`pipeline [${String(pipeline)}] is not allowed for user [${client.name}]`);
  }
  const denied = batch.dests.filter((dest) => !client.mayWrite(dest));
  if (denied.length === 0) return { kind: 'ok' };
  return { kind: 'forbidden', reasons: new Map(denied.map((dest) => [dest, indexReason(client, dest)])) };
}

/** Elasticsearch's own words. */
function indexReason({ name }: Client, dest: string): string {
  return `action [indices:data/write/bulk[s]] is unauthorized for user [${name}] on indices [${dest}]`;
}

/** What would be passed on is not: those are the proxy's rights. */
export function unsignedReason({ name }: Client, dest: string): string {
  return `[${dest}] is not signed, and user [${name}] of the proxy may only write what is`;
}

/** A client that owes: refused whole, before its body is read or signed. Throws CLIENT_LIMITED. */
export function refuseOwing({ name, rate }: Client, nowMs: number): void {
  const retryAfterMs = rate.waitMs(nowMs);
  if (retryAfterMs === 0) return;
  throw new LogsealError('CLIENT_LIMITED', `user [${name}] sends more than its rate allows`, { retryAfterMs });
}

/** Charges a request that will be signed. Throws CLIENT_LIMITED while the client owes. */
export function chargeRate(client: Client, records: number, bytes: number, nowMs: number): void {
  refuseOwing(client, nowMs);
  client.rate.take(records, bytes, nowMs);
}

const nodeLists = ['_nodes/http', '_nodes/_all/http'];
/** What may be asked beside: how the answer looks, never what it holds or how long it may take. */
const shaping = new Set(['filter_path', 'format', 'h', 'human', 'pretty', 'v']);

/** The question that is asked with the proxy's credentials in place of the client's. Throws REQUEST_REFUSED (403) for others. */
export function ownQuestion(exchange: Exchange, found: Route, { name }: Client): Changed {
  const path = exchange.segments.join('/');
  const open = found.kind === 'handshake' || (found.kind === 'nodes' && nodeLists.includes(path));
  if (!open) {
    const { method, target } = exchange;
    throw forbidden(`[${method} ${target.split('?', 1)[0]}] is unauthorized for user [${name}] of the proxy`);
  }
  const query = [...exchange.query].filter(([key]) => shaping.has(key)).map((pair) => pair.map(encodeURIComponent));
  return {
    target: `/${path}${query.length === 0 ? '' : `?${query.map((pair) => pair.join('=')).join('&')}`}`,
    own: true,
  };
}

function forbidden(reason: string): LogsealError {
  return refusal('security_exception', reason, { status: 403 });
}
