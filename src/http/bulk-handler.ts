/**
 * Owns a bulk request from its first byte to its answer: read, parse, authorise, admit, sign, answer.
 * Must never sign a part of a request that is refused as a whole, and never answer before what it says is true.
 */

import { descriptor, descriptorWidth } from '../bulk/batch.ts';
import type { AnswerParts } from '../bulk/bulk-response.ts';
import { bulkResponse, bulkResponseObject } from '../bulk/bulk-response.ts';
import { denyDestinations } from '../bulk/deny-destinations.ts';
import type { Appended, Outcome } from '../bulk/intake.ts';
import type { ParsedBulk } from '../bulk/parse-bulk.ts';
import { parseBulk } from '../bulk/parse-bulk.ts';
import { refusal } from '../bulk/refusal.ts';
import { LogsealError } from '../errors.ts';
import type { Lease } from './admission.ts';
import { answer, isPretty } from './answer.ts';
import { declaredTooMuch, declaresTooMuch, expectedBytes, readBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import type { IntakeContext } from './intake-context.ts';
import { rulesNow } from './intake-context.ts';
import type { MediaTypes } from './media-type.ts';
import { mediaTypes } from './media-type.ts';
import { chargeRate, ownAuthorized } from './own-client.ts';
import type { BufferedAnswer } from './passthrough.ts';
import type { WriteParameters } from './query-parameters.ts';
import { bulkParameters, writeParameters } from './query-parameters.ts';
import { waitForStore } from './store-wait.ts';

/** `index`: of the path, if it names one. Returns the status that was answered. */
export async function handleBulk(
  exchange: Exchange,
  index: string | undefined,
  context: IntakeContext,
): Promise<number> {
  const { request, gone } = exchange;
  const { bodyBytesMax } = context.limits;
  if (declaresTooMuch(request, bodyBytesMax)) throw declaredTooMuch(bodyBytesMax);
  if (request.headers['content-length'] === '0' || !hasBody(exchange)) throw bodyRequired();
  const { accept, 'content-type': contentType } = request.headers;
  const types = mediaTypes(contentType, accept, exchange.query.get('format'));
  const parameters = writeParameters(exchange, bulkParameters, index);
  const lease = await context.admission.enter(expectedBytes(request), gone, exchange.caller.source);
  try {
    return await takeBulk(exchange, parameters, types, lease, context);
  } finally {
    lease.release();
  }
}

export function hasBody(exchange: Exchange): boolean {
  const { headers } = exchange.request;
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

export function bodyRequired(): LogsealError {
  return refusal('parse_exception', 'request body is required');
}

async function takeBulk(
  exchange: Exchange,
  parameters: WriteParameters,
  types: MediaTypes,
  lease: Lease,
  context: IntakeContext,
): Promise<number> {
  const body = await readBody(exchange, lease, context.limits.bodyBytesMax);
  const startMs = context.clock.monotonic();
  if (body.length === 0) throw bodyRequired();
  context.counts.bodyBytes(body.length);
  const read = () =>
    parseBulk(body, { ...parameters.defaults, lenient: types.version === 8 }, rulesNow(context, exchange.caller));
  let parsed = await authorised(exchange, read(), context);
  // Only for a client that may write: others make nobody ask.
  if (parsed !== undefined && (await learns(parsed, context))) parsed = await authorised(exchange, read(), context);
  if (parsed === undefined) return exchange.response.statusCode;
  if (parsed.forwarded.length === parsed.count) {
    context.counts.operations(parsed.count, parsed.count, []);
    return context.passthrough.stream(exchange, { body });
  }
  // Elasticsearch hears its own part first: if it refuses that as a whole, nothing is signed.
  const forwarded = parsed.forwarded.length === 0 ? undefined : await forward(exchange, parsed, types, context);
  if (forwarded !== undefined && 'refused' in forwarded) return relay(exchange, forwarded.refused);
  const signed = await sign(exchange, parsed, parameters, context);
  const tookMs = Math.round(context.clock.monotonic() - startMs);
  const parts: AnswerParts = { tookMs, ...signed, forwarded: forwarded?.items, filter: parameters.filter };
  context.counts.operations(parsed.count, parsed.forwarded.length, parsed.errors.values());
  context.counts.acknowledged(taken(parsed.batch.count, signed.outcomes));
  const pretty = isPretty(exchange);
  answer(exchange, 200, pretty ? (bulkResponseObject(parsed, parts) as object) : bulkResponse(parsed, parts), {
    type: types.answer,
  });
  // Every record of it stands in the log by now, and the answer holds copies.
  lease.giveBack(body);
  return 200;
}

function learns({ batch }: ParsedBulk, context: IntakeContext): Promise<boolean> | undefined | false {
  return batch.count > 0 && context.learn(batch.dests);
}

/** The request without what the client may not write; undefined when it has been answered. */
async function authorised(
  exchange: Exchange,
  read: ParsedBulk,
  context: IntakeContext,
): Promise<ParsedBulk | undefined> {
  if (read.batch.count === 0) return read;
  const { client } = exchange.caller;
  const found =
    client === undefined
      ? await context.authorize(exchange.request.headers.authorization, read.batch.dests)
      : ownAuthorized(client, read.batch);
  if (found.kind === 'unauthorized') {
    answer(exchange, found.status, found.body, { headers: { ...found.headers } });
    return undefined;
  }
  return found.kind === 'forbidden' ? denyDestinations(read, found.reasons) : read;
}

async function sign(
  exchange: Exchange,
  parsed: ParsedBulk,
  parameters: WriteParameters,
  context: IntakeContext,
): Promise<{ ids: Buffer; outcomes: Outcome[] | undefined }> {
  const { batch } = parsed;
  if (batch.count === 0) return { ids: Buffer.alloc(0), outcomes: undefined };
  const ack = parameters.wantsStore || parsed.wantsStore ? 'store' : context.ack;
  const { caller } = exchange;
  if (caller.client !== undefined) chargeRate(caller.client, batch.count, batch.body.length, context.clock.monotonic());
  await context.intake.admit(batch, exchange.gone, caller);
  const appended: Appended = await context.intake.append(batch, ack);
  if (appended.outcomes === undefined) return { ids: appended.ids, outcomes: undefined };
  const dests = Array.from({ length: batch.count }, (_, record) => {
    return batch.dests[batch.descriptors[record * descriptorWidth + descriptor.dest] as number] as string;
  });
  const outcomes = await waitForStore(appended.outcomes, dests, parameters.timeoutMs, context.clock);
  if (parameters.refresh) await context.refresh(exchange, batch.dests);
  return { ids: appended.ids, outcomes };
}

/** Without outcomes all of them are on disk and will be delivered. */
function taken(count: number, outcomes: readonly Outcome[] | undefined): number {
  return outcomes === undefined ? count : outcomes.filter((outcome) => outcome.status < 300).length;
}

type Forwarded = { items: Map<number, unknown> } | { refused: BufferedAnswer };

/** Sends the operations that are not signed as a bulk of their own, with the client's credentials. */
async function forward(
  exchange: Exchange,
  parsed: ParsedBulk,
  types: MediaTypes,
  context: IntakeContext,
): Promise<Forwarded> {
  const body = Buffer.concat(parsed.forwarded.map(({ start, end }) => parsed.batch.body.subarray(start, end)));
  const accept = types.version === undefined ? 'application/json' : types.answer;
  const found = await context.passthrough.ask(exchange, {
    target: withoutShape(exchange.target),
    body,
    dropped: ['accept'],
    added: ['accept', accept],
  });
  if (found.status !== 200) return { refused: found };
  const { items } = JSON.parse(found.body.toString()) as { items?: unknown[] };
  if (items?.length !== parsed.forwarded.length) {
    throw new LogsealError(
      'UPSTREAM_UNKNOWN',
      'the search engine answered a bulk request with another number of items',
    );
  }
  return { items: new Map(parsed.forwarded.map(({ operation }, i) => [operation, items[i]])) };
}

/** The target without the parameters that only shape the answer, which is put together here. */
function withoutShape(target: string): string {
  const mark = target.indexOf('?');
  if (mark < 0) return target;
  const kept = target
    .slice(mark + 1)
    .split('&')
    .filter((pair) => !/^(filter_path|format|human|pretty)(=|$)/.test(pair));
  return `${target.slice(0, mark)}${kept.length === 0 ? '' : `?${kept.join('&')}`}`;
}

function relay(exchange: Exchange, refused: BufferedAnswer): number {
  const at = refused.headers.findIndex((part, i) => i % 2 === 0 && part.toLowerCase() === 'content-type');
  answer(exchange, refused.status, refused.body, { type: refused.headers[at + 1] ?? 'application/json' });
  return refused.status;
}
