/**
 * The embedded store's file: indices and documents in SQLite, `_source` as the bytes that came in.
 *
 * Owns the tables and every statement that writes. Assumes one writing process a file (SQLite's own lock sees to it) and a disk
 * that honours fsync. Must never change a byte of a source, nor answer before a transaction is on disk.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StatementSync } from 'node:sqlite';
import { DatabaseSync } from 'node:sqlite';
import { LogsealError } from '../errors.ts';

export interface StoredIndex {
  readonly number: number;
  readonly name: string;
  readonly uuid: string;
}

export interface Stored {
  readonly id: string;
  readonly seqNo: number;
  readonly version: number;
  readonly source: Buffer;
  readonly routing: string | undefined;
}

export interface Written {
  readonly seqNo: number;
  readonly version: number;
  readonly created: boolean;
}

/** Raised with every change of the tables; a file of another format is refused, not guessed at. */
const formatVersion = 1;

const tables = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS indices (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS documents (
  seq_no INTEGER PRIMARY KEY, index_number INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, routing TEXT, source BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS documents_by_id ON documents (index_number, id);
CREATE INDEX IF NOT EXISTS documents_by_index ON documents (index_number);
`;

export class StoreDatabase {
  readonly #database: DatabaseSync;
  readonly #indices = new Map<string, StoredIndex>();
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  readonly #saveNext: StatementSync;
  /** 22 characters as Elasticsearch makes them; the store's identity. */
  readonly clusterUuid: string;
  #nextSeqNo: number;

  /** Makes the file and its directory if they are not there. Errors: DATA_DIR_INVALID. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#database = new DatabaseSync(path);
    // FULL in WAL mode is one fsync a transaction: what was answered survives power loss.
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;');
    this.#database.exec(`BEGIN IMMEDIATE; ${tables} COMMIT;`);
    const format = this.#meta('format', () => String(formatVersion));
    if (format !== String(formatVersion)) {
      this.#database.close();
      throw new LogsealError(
        'DATA_DIR_INVALID',
        `${path} has store format ${format}, this program reads ${formatVersion}`,
      );
    }
    this.clusterUuid = this.#meta('cluster_uuid', () => randomBytes(16).toString('base64url'));
    this.#nextSeqNo = Number(this.#meta('next_seq_no', () => '0'));
    this.#find = this.#database.prepare(
      'SELECT seq_no, version, routing, source FROM documents WHERE index_number = ? AND id = ?',
    );
    this.#insert = this.#database.prepare(
      'INSERT INTO documents (seq_no, index_number, id, version, routing, source) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#remove = this.#database.prepare('DELETE FROM documents WHERE seq_no = ?');
    this.#saveNext = this.#database.prepare("UPDATE meta SET value = ? WHERE name = 'next_seq_no'");
    for (const row of this.#database.prepare('SELECT number, name, uuid FROM indices').all()) {
      this.#indices.set(String(row.name), row as unknown as StoredIndex);
    }
  }

  /** Runs `work` in one transaction, on disk when this returns; nothing of it is kept if it throws. */
  transaction<T>(work: () => T): T {
    const names = [...this.#indices];
    const next = this.#nextSeqNo;
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      if (this.#nextSeqNo !== next) this.#saveNext.run(String(this.#nextSeqNo));
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      // A full disk has rolled it back already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      this.#indices.clear();
      for (const [name, index] of names) this.#indices.set(name, index);
      this.#nextSeqNo = next;
      throw error;
    }
  }

  indices(): StoredIndex[] {
    return [...this.#indices.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  index(name: string): StoredIndex | undefined {
    return this.#indices.get(name);
  }

  /** The index of that name, made if it is not there. Inside a transaction only. */
  makeIndex(name: string): StoredIndex {
    const found = this.#indices.get(name);
    if (found !== undefined) return found;
    const uuid = randomBytes(16).toString('base64url');
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO indices (name, uuid) VALUES (?, ?)')
      .run(name, uuid);
    const index = { number: Number(lastInsertRowid), name, uuid };
    this.#indices.set(name, index);
    return index;
  }

  /** Inside a transaction only. */
  dropIndex(index: StoredIndex): void {
    this.#database.prepare('DELETE FROM documents WHERE index_number = ?').run(index.number);
    this.#database.prepare('DELETE FROM indices WHERE number = ?').run(index.number);
    this.#indices.delete(index.name);
  }

  get(index: StoredIndex, id: string): Stored | undefined {
    const row = this.#find.get(index.number, id);
    if (row === undefined) return undefined;
    const { seq_no, version, routing, source } = row as {
      seq_no: number;
      version: number;
      routing: string | null;
      source: Uint8Array;
    };
    return { id, seqNo: seq_no, version, routing: routing ?? undefined, source: asBuffer(source) };
  }

  /** Writes over what is there. Inside a transaction only. */
  put(
    index: StoredIndex,
    id: string,
    source: Buffer,
    routing: string | undefined,
    before: Stored | undefined,
  ): Written {
    if (before !== undefined) this.#remove.run(before.seqNo);
    const seqNo = this.#nextSeqNo++;
    const version = (before?.version ?? 0) + 1;
    this.#insert.run(seqNo, index.number, id, version, routing ?? null, source);
    return { seqNo, version, created: before === undefined };
  }

  /** Inside a transaction only. */
  remove(before: Stored): Written {
    this.#remove.run(before.seqNo);
    return { seqNo: this.#nextSeqNo++, version: before.version + 1, created: false };
  }

  /** A statement that reads; the search builds its own. */
  prepare(sql: string): StatementSync {
    return this.#database.prepare(sql);
  }

  close(): void {
    this.#database.close();
  }

  #meta(name: string, make: () => string): string {
    this.#database.prepare('INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)').run(name, make());
    return String(this.#database.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.value);
  }
}

/** A view, no copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
