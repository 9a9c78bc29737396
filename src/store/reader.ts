/**
 * Reads the store's file beside the running store, for verification: one snapshot from open to close, memory of one batch.
 * Never writes. Where SQLite could not even make its side files (a read-only copy), the file is read as unchanging.
 */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { LogsealError } from '../errors.ts';
import { asBuffer } from './database.ts';

export interface ReadDocument {
  readonly index: string;
  readonly id: string;
  /** The bytes that were stored; a view that stays good. */
  readonly source: Buffer;
  readonly routing?: string;
}

const BATCH_RECORDS_MAX = 1000;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

export class StoreReader {
  readonly #database: DatabaseSync;
  readonly clusterUuid: string;

  /** Errors: DATA_DIR_INVALID if there is no store or it cannot be read. */
  static open(path: string): StoreReader {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      throw new LogsealError('DATA_DIR_INVALID', `${path}: there is no embedded store`, { path });
    }
    try {
      return new StoreReader(new DatabaseSync(path, { readOnly: true }));
    } catch (cause) {
      const url = pathToFileURL(path);
      url.searchParams.set('immutable', '1');
      try {
        return new StoreReader(new DatabaseSync(url, { readOnly: true }));
      } catch {
        throw new LogsealError('DATA_DIR_INVALID', `${path} cannot be read as an embedded store`, { path, cause });
      }
    }
  }

  private constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec('PRAGMA busy_timeout = 5000; BEGIN');
    // The first read takes the snapshot.
    const row = database.prepare("SELECT value FROM meta WHERE name = 'cluster_uuid'").get();
    this.clusterUuid = String(row?.value);
  }

  /** By name, with the number of documents. */
  indices(): { name: string; documents: number }[] {
    const rows = this.#database
      .prepare(
        'SELECT name, (SELECT count(*) FROM documents WHERE index_number = number) AS documents FROM indices ORDER BY name',
      )
      .all();
    return rows.map((row) => ({ name: String(row.name), documents: Number(row.documents) }));
  }

  /** In the order of writing: of one index, or of all. An index that is not there has none. */
  *documents(index?: string): Generator<ReadDocument[]> {
    const where = index === undefined ? '' : 'WHERE index_number = (SELECT number FROM indices WHERE name = :name)';
    const names = new Map(
      this.#database
        .prepare('SELECT number, name FROM indices')
        .all()
        .map((row) => [Number(row.number), String(row.name)]),
    );
    const statement = this.#database.prepare(
      `SELECT index_number, id, routing, source FROM documents ${where} ORDER BY seq_no`,
    );
    let batch: ReadDocument[] = [];
    let bytes = 0;
    for (const row of statement.iterate(index === undefined ? {} : { name: index })) {
      const source = asBuffer(row.source as Uint8Array);
      const routing = row.routing === null ? {} : { routing: String(row.routing) };
      batch.push({ index: names.get(Number(row.index_number)) ?? '', id: String(row.id), source, ...routing });
      bytes += source.length;
      if (batch.length < BATCH_RECORDS_MAX && bytes < BATCH_BYTES_MAX) continue;
      yield batch;
      [batch, bytes] = [[], 0];
    }
    if (batch.length > 0) yield batch;
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
