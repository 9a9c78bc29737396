/** Writing and deleting one document with Elasticsearch's rules: taken ids, sequence numbers, what a source may be. */

import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import type { StoreDatabase, Stored, StoredIndex, Written } from './database.ts';
import { checkIndexName, StoreError } from './store-error.ts';

export interface WriteRequest {
  readonly index: string;
  readonly id: string | undefined;
  readonly source: Buffer;
  readonly routing?: string | undefined;
  /** `create` refuses an id that is taken. */
  readonly create: boolean;
  readonly ifSeqNo?: number | undefined;
}

export interface WriteResult extends Written {
  readonly index: string;
  readonly id: string;
}

/** Inside a transaction only. Errors: StoreError as one bulk item would carry it. */
export function writeDocument(database: StoreDatabase, request: WriteRequest): WriteResult {
  const id = request.id ?? randomBytes(15).toString('base64url');
  if (Buffer.byteLength(id) > 512)
    throw new StoreError(
      400,
      'illegal_argument_exception',
      `id is too long, must be no longer than 512 bytes but was: ${Buffer.byteLength(id)}`,
    );
  checkSource(request.source, id);
  const existing = database.index(request.index);
  if (existing === undefined) checkIndexName(request.index);
  const index = existing ?? database.makeIndex(request.index);
  const before = request.id === undefined ? undefined : database.get(index, id);
  if (before !== undefined && request.create)
    throw conflict(index, `[${id}]: version conflict, document already exists (current version [${before.version}])`);
  if (request.ifSeqNo !== undefined) checkSeqNo(index, id, before, request.ifSeqNo);
  return { index: index.name, id, ...database.put(index, id, request.source, request.routing, before) };
}

/** Inside a transaction only. undefined: it was not there. */
export function deleteDocument(
  database: StoreDatabase,
  indexName: string,
  id: string,
  ifSeqNo?: number,
): Written | undefined {
  const index = database.index(indexName);
  const before = index === undefined ? undefined : database.get(index, id);
  if (index === undefined || before === undefined) return undefined;
  if (ifSeqNo !== undefined) checkSeqNo(index, id, before, ifSeqNo);
  return database.remove(before);
}

function checkSeqNo(index: StoredIndex, id: string, before: Stored | undefined, wanted: number): void {
  if (before?.seqNo === wanted) return;
  const current =
    before === undefined
      ? 'no document was found'
      : `current document has seqNo [${before.seqNo}] and primary term [1]`;
  throw conflict(index, `[${id}]: version conflict, required seqNo [${wanted}], primary term [1]. ${current}`);
}

function conflict(index: StoredIndex, reason: string): StoreError {
  return new StoreError(409, 'version_conflict_engine_exception', reason, {
    index_uuid: index.uuid,
    shard: '0',
    index: index.name,
  });
}

/** One JSON object in valid UTF-8. */
function checkSource(source: Buffer, id: string): void {
  try {
    if (!isUtf8(source)) throw new SyntaxError('invalid UTF-8');
    const value: unknown = JSON.parse(source.toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new StoreError(
    400,
    'document_parsing_exception',
    `[1:1] failed to parse: document [${id}] is not one JSON object`,
  );
}
