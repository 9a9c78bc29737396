/**
 * Owns what is done with one request: route it, fence it, count it, and turn whatever goes wrong into an answer.
 */

import { refusal } from '../bulk/refusal.ts';
import type { ClientBook } from '../clients/client-book.ts';
import { LogsealError } from '../errors.ts';
import type { EventLog } from '../log.ts';
import type { Metrics, RequestKind } from '../metrics.ts';
import type { Admission } from './admission.ts';
import { answerError } from './answer.ts';
import { declaredTooMuch, declaresTooMuch, expectedBytes, readBody } from './body.ts';
import { handleBulk, hasBody } from './bulk-handler.ts';
import { identifyCaller } from './caller.ts';
import type { ClientPatterns } from './client-patterns.ts';
import { handleDocument } from './document-handler.ts';
import type { Exchange } from './exchange.ts';
import { bodyRefusal, guard } from './guard.ts';
import type { Handshake } from './handshake.ts';
import type { IntakeContext } from './intake-context.ts';
import { ownQuestion, refuseOwing } from './own-client.ts';
import type { Route } from './router.ts';
import { route } from './router.ts';

export interface RequestHandlerOptions {
  /** The proxy's own clients; without them everybody's credentials are passed on. */
  clients: ClientBook | undefined;
  context: IntakeContext;
  handshake: Handshake;
  /** Bounds what is passed through, apart from intake: a held bulk must not keep a health check waiting. */
  passing: Admission;
  /** Clients that lose what is answered 429: their connection is closed instead. */
  hangUpInsteadOf429: ClientPatterns;
  log: Pick<EventLog, 'event'>;
  metrics: Pick<Metrics, 'requests' | 'requestSeconds' | 'requestsRefused'>;
}

export type RequestHandler = (exchange: Exchange) => Promise<void>;

export function createRequestHandler(options: RequestHandlerOptions): RequestHandler {
  return async (exchange) => {
    const { clock } = options.context;
    const start = clock.monotonic();
    let kind: RequestKind = 'refused';
    let status = 0;
    try {
      exchange.caller = await identifyCaller(exchange.request, options.clients);
      const found = route(exchange);
      kind = found.kind === 'bulk' || found.kind === 'document' ? found.kind : 'passthrough';
      status = await handle(exchange, found, options);
    } catch (error) {
      const hangUpOn429 = options.hangUpInsteadOf429.match(exchange.request);
      status = answerError(exchange, error, { intake: kind === 'bulk' || kind === 'document', hangUpOn429 });
      report(exchange, error, status, options);
    }
    options.metrics.requests.inc({ kind, status: status === 0 ? 'none' : `${Math.trunc(status / 100)}xx` });
    options.metrics.requestSeconds.observe({ kind }, (clock.monotonic() - start) / 1000);
  };
}

async function handle(exchange: Exchange, found: Route, options: RequestHandlerOptions): Promise<number> {
  const { context, handshake } = options;
  const { client } = exchange.caller;
  if (client !== undefined && (found.kind === 'bulk' || found.kind === 'document')) {
    refuseOwing(client, context.clock.monotonic());
  }
  const own =
    client === undefined || found.kind === 'bulk' || found.kind === 'document'
      ? undefined
      : ownQuestion(exchange, found, client);
  switch (found.kind) {
    case 'bulk':
      return handleBulk(exchange, found.index, context);
    case 'document':
      return handleDocument(exchange, found.target, context);
    case 'handshake':
      return handshake.answer(exchange, own);
    case 'nodes':
      return handshake.answerNodes(exchange, own);
    case 'other':
      return pass(exchange, options);
  }
}

async function pass(exchange: Exchange, options: RequestHandlerOptions): Promise<number> {
  const { context, passing } = options;
  const rules = { isSigned: (dest: string) => context.intake.isSigned(dest), nowMs: context.clock.now() };
  const decision = guard(exchange, rules);
  if (decision.kind === 'refused') throw forbidden(decision.reason);
  const lease = await passing.enter(
    decision.kind === 'body' ? expectedBytes(exchange.request) : 0,
    exchange.gone,
    exchange.caller.source,
  );
  try {
    if (decision.kind === 'pass' || !hasBody(exchange)) return await context.passthrough.stream(exchange);
    const { bodyBytesMax } = context.limits;
    if (declaresTooMuch(exchange.request, bodyBytesMax)) throw declaredTooMuch(bodyBytesMax);
    const body = await readBody(exchange, lease, bodyBytesMax);
    const reason = body.length === 0 ? undefined : bodyRefusal(exchange, parseBody(body), rules);
    if (reason !== undefined) throw forbidden(reason);
    return await context.passthrough.stream(exchange, { body });
  } finally {
    lease.release();
  }
}

function forbidden(reason: string): LogsealError {
  return refusal('security_exception', reason, { status: 403 });
}

/**
 * Throws REQUEST_REFUSED for what the proxy cannot read, because Elasticsearch may: YAML, CBOR, UTF-16, comments, text behind the
 * closing brace.
 */
function parseBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw refusal(
      'parse_exception',
      'the body has to be JSON in UTF-8, one object and nothing else: the proxy looks into it',
    );
  }
}

function report(exchange: Exchange, error: unknown, status: number, options: RequestHandlerOptions): void {
  const { log, metrics } = options;
  const { id: request, method, target, caller } = exchange;
  const client = caller.client && { client: caller.client.name };
  const fields = { request, method, path: target.split('?', 1)[0], status, ...client };
  metrics.requestsRefused.inc({ reason: error instanceof LogsealError ? error.code : 'other' });
  if (error instanceof LogsealError && error.code === 'CLIENT_GONE') return;
  if (error instanceof LogsealError && error.disposition !== 'stop') log.event('request-refused', { ...fields, error });
  else log.event('request-failed', { ...fields, error });
}
