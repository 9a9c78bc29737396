/**
 * Owns how an answer of our own is written: product header, request id, media type, length. Nothing else writes one.
 */
import { errorAnswer } from './error-response.ts';
import type { Exchange } from './exchange.ts';
import { answerType } from './media-type.ts';

/** Name and value as Elasticsearch 9 spells them. Clients refuse to work without it, or with two. */
export const productHeader = ['X-elastic-product', 'Elasticsearch'] as const;

export interface AnswerOptions {
  /** Content-Type; JSON by default. */
  type?: string;
  headers?: Record<string, string>;
  /** Ends the connection after the answer. */
  close?: boolean;
}

/** Writes the whole answer. A body that is an object is written as JSON, pretty if the client asked for that. */
export function answer(
  exchange: Exchange,
  status: number,
  body: Buffer | object | undefined,
  options: AnswerOptions = {},
): void {
  const { response } = exchange;
  if (response.headersSent || response.destroyed) return;
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body === undefined ? '' : toText(exchange, body));
  const headers: string[] = [...productHeader, 'X-Opaque-Id', opaqueId(exchange)];
  for (const [name, value] of Object.entries(options.headers ?? {})) headers.push(name, value);
  if (bytes.length > 0) {
    headers.push(
      'content-type',
      options.type ?? answerType(exchange.request.headers.accept, exchange.query.get('format')),
    );
  }
  headers.push('content-length', String(bytes.length));
  if (options.close) headers.push('connection', 'close');
  response.writeHead(status, headers);
  response.end(exchange.method === 'HEAD' ? undefined : bytes);
}

/**
 * Answers an error, or hangs up. `intake`: the request brought records. `hangUpOn429`: this client is known to lose what is
 * answered 429. Returns the status, 0 for none.
 */
export function answerError(
  exchange: Exchange,
  error: unknown,
  options: { intake?: boolean; hangUpOn429?: boolean } = {},
): number {
  const found = errorAnswer(error, exchange.id, options.intake);
  if (found.kind === 'hang-up' || (options.hangUpOn429 && found.status === 429) || exchange.response.headersSent) {
    exchange.response.destroy();
    return 0;
  }
  const { status, body, headers, close, type } = found;
  const ends = close || (status === 413 && !exchange.request.complete);
  answer(exchange, status, body, { headers, close: ends, ...(type !== undefined && { type }) });
  return status;
}

/** What the client calls its request, else our id for it. */
export function opaqueId(exchange: Exchange): string {
  const given = exchange.request.headers['x-opaque-id'];
  return typeof given === 'string' && given !== '' ? given : exchange.id;
}

export function isPretty(exchange: Exchange): boolean {
  const value = exchange.query.get('pretty');
  return value === '' || value === 'true';
}

function toText(exchange: Exchange, body: object): string {
  return isPretty(exchange) ? `${prettyJson(body)}\n` : JSON.stringify(body);
}

/** As Elasticsearch writes it: two blanks, and a blank on both sides of a colon. */
export function prettyJson(value: unknown, indent = ''): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[ ]';
    return `[\n${value.map((element) => `${inner}${prettyJson(element, inner)}`).join(',\n')}\n${indent}]`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  if (members.length === 0) return '{ }';
  const lines = members.map(([name, member]) => `${inner}${JSON.stringify(name)} : ${prettyJson(member, inner)}`);
  return `{\n${lines.join(',\n')}\n${indent}}`;
}
