/** Walks stored documents in the order of writing, a row at a time, whatever their number. */
import type { StoreDatabase, StoredIndex } from './database.ts';
import { asBuffer } from './database.ts';
import type { Candidate } from './query.ts';

export interface ScanOptions {
  readonly indices: readonly StoredIndex[];
  /** Sequence numbers, both exclusive. */
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly slice?: { readonly id: number; readonly max: number } | undefined;
}

export interface ScannedRow extends Candidate {
  readonly seqNo: number;
  readonly version: number;
  source(): Buffer;
}

export function* scan(
  database: StoreDatabase,
  { indices, after = -1, before, slice }: ScanOptions,
): Generator<ScannedRow> {
  if (indices.length === 0) return;
  const names = new Map(indices.map(({ number, name }) => [number, name]));
  const [only] = indices;
  // One index is walked by its own index, in order; several by the table itself, which is in order anyway.
  const where = indices.length === 1 ? 'index_number = :only AND' : '';
  const part = slice === undefined ? '' : 'AND seq_no % :slices = :slice';
  const statement = database.prepare(
    `SELECT seq_no, index_number, id, version, source FROM documents WHERE ${where} seq_no > :after AND seq_no < :before ${part} ORDER BY seq_no`,
  );
  const rows = statement.iterate({
    after,
    before: before ?? Number.MAX_SAFE_INTEGER,
    ...(indices.length === 1 && { only: only?.number ?? 0 }),
    ...(slice !== undefined && { slices: slice.max, slice: slice.id }),
  });
  for (const row of rows) {
    const index = names.get(Number(row.index_number));
    if (index === undefined) continue;
    const bytes = asBuffer(row.source as Uint8Array);
    let parsed: unknown;
    yield {
      index,
      id: String(row.id),
      seqNo: Number(row.seq_no),
      version: Number(row.version),
      source: () => bytes,
      document: () => {
        parsed ??= JSON.parse(bytes.toString());
        return parsed;
      },
    };
  }
}
