/** Owns the reading of a request that brings one document: the same rules as in a bulk, for a batch of one. */
import { isUtf8 } from 'node:buffer';
import type { Batch } from './batch.ts';
import { scanFlag } from './batch.ts';
import { BatchBuilder } from './batch-builder.ts';
import { carriedMetadata } from './carried-metadata.ts';
import { dispositionOf } from './disposition.ts';
import type { IntakeRules } from './intake-rules.ts';
import type { ItemError } from './item-error.ts';
import { invalidUtf8, tooLarge, unreadableDocument } from './item-error.ts';
import type { Operation } from './operation.ts';
import { validationFailure } from './refusal.ts';
import { problemsOf } from './validation.ts';

export type ParsedDocument = { batch: Batch; dest: string } | { error: ItemError } | { forwarded: true };

/** Throws REQUEST_REFUSED for an operation that Elasticsearch does not take. The body holds the document alone, line feeds allowed. */
export function parseDocument(body: Buffer, operation: Operation, rules: IntakeRules): ParsedDocument {
  const problems = problemsOf(operation);
  if (problems.length > 0) throw validationFailure(problems);
  const disposition = dispositionOf(operation, rules);
  if (disposition.kind === 'refused') return { error: disposition.error };
  if (disposition.kind === 'forwarded') return { forwarded: true };
  const { dest } = disposition;
  const { scanner, documentBytesMax } = rules;
  const { id } = operation;
  if (body.length > documentBytesMax) return { error: tooLarge(dest, id, body.length, documentBytesMax) };
  if (!isUtf8(body)) return { error: invalidUtf8(dest, id) };
  const code = scanner.scan(body, 0, body.length);
  if (code !== 0) {
    const { errorOffset } = scanner;
    const atEnd = errorOffset >= body.length;
    return { error: unreadableDocument(dest, id, { code, column: errorOffset + 1, atEnd, empty: false }) };
  }
  const builder = new BatchBuilder(body, 1);
  const flags =
    (scanner.lineFeed ? scanFlag.lineFeed : 0) |
    (scanner.longNumberArray ? scanFlag.longNumberArray : 0) |
    (scanner.emptyObject ? scanFlag.emptyObject : 0);
  const meta = builder.metaIndex(carriedMetadata(operation));
  builder.add(scanner.contentStart, scanner.contentEnd, builder.destIndex(dest), id, meta, flags);
  return { batch: builder.build(), dest };
}
