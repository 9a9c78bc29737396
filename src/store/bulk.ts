/**
 * One bulk request: NDJSON in, one transaction, one item in the answer for each operation, in order. A refused item leaves
 * the others untouched; a request that cannot be read is refused whole before anything is written.
 */
import type { StoreDatabase } from './database.ts';
import { deleteDocument, writeDocument } from './document-operations.ts';
import { illegalArgument, StoreError } from './store-error.ts';

const actions = ['index', 'create', 'delete', 'update'] as const;
type Action = (typeof actions)[number];

interface Operation {
  readonly action: Action;
  readonly meta: Readonly<Record<string, unknown>>;
  /** The line as it stands between its line feeds. */
  readonly source: Buffer | undefined;
}

export function bulk(database: StoreDatabase, body: Buffer, defaultIndex: string | undefined): Record<string, unknown> {
  const began = performance.now();
  const operations = parseOperations(body);
  let errors = false;
  const items = database.transaction(() =>
    operations.map((operation) => {
      const index = text(operation.meta._index) ?? defaultIndex ?? '';
      try {
        return { [operation.action]: apply(database, operation, index) };
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        errors = true;
        const id = text(operation.meta._id) ?? null;
        return { [operation.action]: { _index: index, _id: id, status: error.status, error: error.itemError() } };
      }
    }),
  );
  return { errors, took: Math.round(performance.now() - began), items };
}

function apply(database: StoreDatabase, { action, meta, source }: Operation, index: string): Record<string, unknown> {
  if (index === '')
    throw new StoreError(400, 'action_request_validation_exception', 'Validation Failed: 1: index is missing;');
  const id = text(meta._id);
  const ifSeqNo = typeof meta.if_seq_no === 'number' ? meta.if_seq_no : undefined;
  if (action === 'update')
    throw new StoreError(501, 'not_implemented', 'the embedded store has no update: write the whole document');
  if (meta.require_alias === true || meta.require_data_stream === true) {
    throw new StoreError(
      404,
      'index_not_found_exception',
      `no such index [${index}] and the embedded store has neither aliases nor data streams`,
    );
  }
  if (action === 'delete') {
    if (id === undefined)
      throw new StoreError(400, 'action_request_validation_exception', 'Validation Failed: 1: id is missing;');
    const gone = deleteDocument(database, index, id, ifSeqNo);
    return result(
      index,
      id,
      gone ?? { version: 1, seqNo: 0 },
      gone === undefined ? 'not_found' : 'deleted',
      gone === undefined ? 404 : 200,
    );
  }
  const create = action === 'create' || meta.op_type === 'create';
  const written = writeDocument(database, {
    index,
    id,
    source: source ?? Buffer.alloc(0),
    routing: text(meta.routing),
    create,
    ifSeqNo,
  });
  return result(index, written.id, written, written.created ? 'created' : 'updated', written.created ? 201 : 200);
}

/** The members of an answer about one written document, in Elasticsearch's order. */
export function result(
  index: string,
  id: string,
  written: { version: number; seqNo: number },
  word: string,
  status?: number,
): Record<string, unknown> {
  return {
    _index: index,
    _id: id,
    _version: written.version,
    result: word,
    _shards: { total: 1, successful: 1, failed: 0 },
    _seq_no: written.seqNo,
    _primary_term: 1,
    ...(status !== undefined && { status }),
  };
}

function parseOperations(body: Buffer): Operation[] {
  if (body.length === 0) throw new StoreError(400, 'parse_exception', 'request body is required');
  if (body[body.length - 1] !== 0x0a) throw illegalArgument('The bulk request must be terminated by a newline [\\n]');
  const operations: Operation[] = [];
  let line = 0;
  let at = 0;
  const next = (): Buffer | undefined => {
    if (at >= body.length) return undefined;
    const end = body.indexOf(0x0a, at);
    const bytes = body.subarray(at, end);
    at = end + 1;
    line += 1;
    return bytes;
  };
  for (let bytes = next(); bytes !== undefined; bytes = next()) {
    const actionLine = bytes.toString().trim();
    if (actionLine === '') continue;
    const [action, meta] = parseAction(actionLine, line);
    if (action === 'delete') operations.push({ action, meta, source: undefined });
    else {
      const source = next();
      if (source !== undefined) operations.push({ action, meta, source });
    }
  }
  if (operations.length === 0)
    throw new StoreError(400, 'action_request_validation_exception', 'Validation Failed: 1: no requests added;');
  return operations;
}

function parseAction(lineText: string, line: number): [Action, Readonly<Record<string, unknown>>] {
  let value: unknown;
  try {
    value = JSON.parse(lineText);
  } catch {
    throw illegalArgument(`Malformed action/metadata line [${line}], expected START_OBJECT`);
  }
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  const [name, meta] = entries[0] ?? [];
  const action = actions.find((candidate) => candidate === name);
  if (entries.length !== 1 || action === undefined || typeof meta !== 'object' || meta === null) {
    throw illegalArgument(
      `Malformed action/metadata line [${line}], expected field [create], [delete], [index] or [update] but found [${name}]`,
    );
  }
  return [action, meta];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
