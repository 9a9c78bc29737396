/**
 * Owns what is said of a single operation that is refused while the others go on: Elasticsearch's own types, statuses and,
 * where it has the case, its own words. Must never hold more of a document than its length and an offset.
 */
import type { ScanCode } from '../lib/json-scan.ts';
import type { ErrorCause } from './refusal.ts';

export interface ItemError {
  status: number;
  error: ErrorCause;
  index: string;
  id: string | null;
}

export function itemError(index: string, id: string | undefined, status: number, error: ErrorCause): ItemError {
  return { status, error, index, id: id ?? null };
}

export function illegalItem(index: string, id: string | undefined, reason: string): ItemError {
  return itemError(index, id, 400, { type: 'illegal_argument_exception', reason });
}

export function invalidIndexName(index: string, why: string): ErrorCause {
  return {
    type: 'invalid_index_name_exception',
    reason: `Invalid index name [${index}], ${why}`,
    index_uuid: '_na_',
    index,
  };
}

/** `update` and `delete` of what is signed. */
export function changeRefused(index: string, id: string | undefined, action: string): ItemError {
  const reason = `[${action}] is refused: documents in [${index}] are signed and are never changed or deleted; only [index] and [create] are taken`;
  return illegalItem(index, id, reason);
}

export function reservedIndex(index: string, id: string | undefined): ItemError {
  const reason = `[${index}] is kept for the proxy itself: index names that begin with [logseal-] take no documents from elsewhere`;
  return itemError(index, id, 403, { type: 'security_exception', reason });
}

export function ownedId(index: string, id: string): ItemError {
  const reason = `id [${id}] has the form of the ids that this proxy generates; send another one, or none`;
  return illegalItem(index, id, reason);
}

export function tooLarge(index: string, id: string | undefined, bytes: number, bytesMax: number): ItemError {
  return illegalItem(index, id, `document of [${bytes}] bytes is larger than the limit of [${bytesMax}] bytes`);
}

export function forbidden(index: string, id: string | undefined, reason: string): ItemError {
  return itemError(index, id, 403, { type: 'security_exception', reason });
}

/** Where in its line the scan of a document stopped: `column` from 1; `atEnd` when there was nothing more to read. */
export interface ScanFailure {
  code: Exclude<ScanCode, 0>;
  column: number;
  atEnd: boolean;
  empty: boolean;
}

export function unreadableDocument(index: string, id: string | undefined, failure: ScanFailure): ItemError {
  return itemError(index, id, 400, parsingError(failure));
}

export function invalidUtf8(index: string, id: string | undefined): ItemError {
  return itemError(index, id, 400, failedToParse('x_content_parse_exception', '[1:1] Invalid UTF-8'));
}

function parsingError(failure: ScanFailure): ErrorCause {
  const at = `[1:${failure.column}]`;
  if (failure.empty) return parsing('[0:0] failed to parse, document is empty');
  if (failure.code === 1) return parsing('Malformed content, must start with an object');
  if (failure.code === 4) {
    return parsing(`${at} a top-level field [logseal] or beginning with [logseal.] is kept for the signature`);
  }
  if (failure.code === 3)
    return failedToParse('x_content_parse_exception', `${at} Document nesting depth exceeds the maximum allowed`);
  if (failure.atEnd) return failedToParse('x_content_e_o_f_exception', `${at} Unexpected end of file`);
  return failedToParse(
    'x_content_parse_exception',
    `${at} Unexpected character, the document is not JSON as RFC 8259 has it`,
  );
}

function parsing(reason: string): ErrorCause {
  return { type: 'document_parsing_exception', reason };
}

function failedToParse(type: string, reason: string): ErrorCause {
  return { ...parsing(`[1:2] failed to parse: ${reason}`), caused_by: { type, reason } };
}
