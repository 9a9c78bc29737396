/**
 * Owns a request that brings one document: `_doc`, `_create`. The same way as a bulk of one, with the answer of a single write.
 */

import type { Batch } from '../bulk/batch.ts';
import type { ResponseItem } from '../bulk/bulk-response.ts';
import { storedItem, waitingItem } from '../bulk/bulk-response.ts';
import { filterValue } from '../bulk/filter-path.ts';
import { isReservedName, resolveName, streamBehind } from '../bulk/index-name.ts';
import { forbidden } from '../bulk/item-error.ts';
import type { Operation } from '../bulk/operation.ts';
import { versionTypeOf } from '../bulk/operation.ts';
import { parseDocument } from '../bulk/parse-document.ts';
import type { ErrorCause } from '../bulk/refusal.ts';
import { illegalArgument, refusal } from '../bulk/refusal.ts';
import { answer } from './answer.ts';
import { declaredTooMuch, declaresTooMuch, expectedBytes, readBody } from './body.ts';
import { bodyRequired, hasBody } from './bulk-handler.ts';
import { errorBody } from './error-response.ts';
import type { Exchange } from './exchange.ts';
import type { IntakeContext } from './intake-context.ts';
import { rulesNow } from './intake-context.ts';
import { mediaTypes } from './media-type.ts';
import { chargeRate, ownAuthorized, unsignedReason } from './own-client.ts';
import type { WriteParameters } from './query-parameters.ts';
import { documentParameters, wholeNumber, writeParameters } from './query-parameters.ts';
import { waitForStore } from './store-wait.ts';

export interface DocumentTarget {
  index: string;
  id: string | undefined;
  endpoint: '_doc' | '_create';
}

/** Returns the status that was answered. */
export async function handleDocument(
  exchange: Exchange,
  target: DocumentTarget,
  context: IntakeContext,
): Promise<number> {
  const { request, gone } = exchange;
  const { bodyBytesMax } = context.limits;
  if (passes(target.index, context)) {
    const { client } = exchange.caller;
    if (client === undefined) return context.passthrough.stream(exchange);
    throw refusal('security_exception', unsignedReason(client, target.index), { status: 403 });
  }
  if (declaresTooMuch(request, bodyBytesMax)) throw declaredTooMuch(bodyBytesMax);
  if (request.headers['content-length'] === '0' || !hasBody(exchange)) throw bodyRequired();
  const { accept, 'content-type': contentType } = request.headers;
  const types = mediaTypes(contentType, accept, exchange.query.get('format'));
  const parameters = writeParameters(exchange, documentParameters, target.index);
  const operation = operationOf(exchange, target, parameters);
  const lease = await context.admission.enter(expectedBytes(request), gone, exchange.caller.source);
  try {
    const body = await readBody(exchange, lease, bodyBytesMax);
    if (body.length === 0) throw bodyRequired();
    context.counts.bodyBytes(body.length);
    return await take({ exchange, operation, parameters, type: types.answer, context }, body);
  } finally {
    lease.release();
  }
}

/** What is not signed is not read either. */
function passes(index: string, context: IntakeContext): boolean {
  const resolved = resolveName(index, context.clock.now());
  if ('error' in resolved) return false;
  const { dest } = resolved;
  return !isReservedName(dest) && streamBehind(dest) === undefined && !context.intake.isSigned(dest);
}

function operationOf(exchange: Exchange, target: DocumentTarget, parameters: WriteParameters): Operation {
  const { query } = exchange;
  const opType = query.get('op_type');
  const action = actionFor(target, opType);
  const versionType = query.get('version_type');
  return {
    ...parameters.defaults,
    action,
    id: target.id,
    version: wholeNumber(query, 'version'),
    versionType: versionType === undefined ? 'internal' : versionTypeOf(versionType),
    ifSeqNo: wholeNumber(query, 'if_seq_no'),
    ifPrimaryTerm: wholeNumber(query, 'if_primary_term'),
  };
}

function actionFor(target: DocumentTarget, opType: string | undefined): 'index' | 'create' {
  const given = opType?.toLowerCase();
  if (target.endpoint === '_create') {
    if (given !== undefined && given !== 'create') {
      throw illegalArgument(`opType must be 'create', found: [${opType}]`);
    }
    return 'create';
  }
  if (given === undefined) return target.id === undefined ? 'create' : 'index';
  if (given === 'create' || given === 'index') return given;
  throw illegalArgument(`opType must be 'create' or 'index', found: [${opType}]`);
}

interface DocumentWrite {
  exchange: Exchange;
  operation: Operation;
  parameters: WriteParameters;
  /** Content-Type of the answer. */
  type: string;
  context: IntakeContext;
}

async function take(write: DocumentWrite, body: Buffer, learnt = false): Promise<number> {
  const { exchange, operation, context } = write;
  const parsed = parseDocument(body, operation, rulesNow(context, exchange.caller));
  if ('forwarded' in parsed) {
    context.counts.operations(1, 1, []);
    return context.passthrough.stream(exchange, { body });
  }
  if ('error' in parsed) {
    return refused(write, parsed.error.status, parsed.error.error);
  }
  const { batch, dest } = parsed;
  const { client } = exchange.caller;
  const found =
    client === undefined
      ? await context.authorize(exchange.request.headers.authorization, batch.dests)
      : ownAuthorized(client, batch);
  if (found.kind === 'unauthorized') {
    answer(exchange, found.status, found.body, { headers: { ...found.headers } });
    return found.status;
  }
  const reason = found.kind === 'forbidden' ? found.reasons.get(dest) : undefined;
  if (reason !== undefined) return refused(write, 403, forbidden(dest, operation.id, reason).error);
  if (!learnt && (await context.learn(batch.dests))) return take(write, body, true);
  const { error, status, ...written } = await sign(write, batch, dest);
  context.counts.operations(1, 0, []);
  if (error !== undefined) return respondError(write, status, error as ErrorCause);
  context.counts.acknowledged(1);
  const path = `/${formEncoded(dest)}/_doc/${formEncoded(written._id ?? '')}`;
  const location = operation.routing === undefined ? path : `${path}?routing=${formEncoded(operation.routing)}`;
  return respond(write, status, written, { location });
}

async function sign(write: DocumentWrite, batch: Batch, dest: string): Promise<ResponseItem> {
  const { exchange, operation, parameters, context } = write;
  const wantsStore = parameters.wantsStore || operation.ifSeqNo !== undefined;
  const { caller } = exchange;
  if (caller.client !== undefined) chargeRate(caller.client, 1, batch.body.length, context.clock.monotonic());
  await context.intake.admit(batch, exchange.gone, caller);
  const { ids, outcomes } = await context.intake.append(batch, wantsStore ? 'store' : context.ack);
  const id = operation.id ?? ids.toString('latin1', 0, 22);
  if (outcomes === undefined) return waitingItem(dest, id);
  const [outcome] = await waitForStore(outcomes, [dest], parameters.timeoutMs, context.clock);
  if (parameters.refresh) await context.refresh(exchange, [dest]);
  return outcome === undefined ? waitingItem(dest, id) : storedItem(id, outcome);
}

function refused(write: DocumentWrite, status: number, error: ErrorCause): number {
  write.context.counts.operations(1, 0, [{ error }]);
  return respondError(write, status, error);
}

function respondError(write: DocumentWrite, status: number, error: ErrorCause): number {
  return respond(write, status, errorBody(status, error, write.exchange.id), {});
}

function respond(write: DocumentWrite, status: number, body: object, headers: Record<string, string>): number {
  const { filter } = write.parameters;
  const shown = filter === undefined ? body : ((filterValue(body, filter) ?? {}) as object);
  answer(write.exchange, status, shown, { type: write.type, headers });
  return status;
}

/** As Java's URLEncoder: a blank is a plus. */
function formEncoded(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll('%20', '+');
}
