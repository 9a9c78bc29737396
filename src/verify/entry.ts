/**
 * One examined record as a row of fixed size, so that ten million of them need no object each.
 *
 * ```
 *   0 seq f64 · 8 time f64 · 16 epoch u32 · 20 index u32 · 24 marks u32 · 28 found index u32 · 32 dest u32
 *  36 id length u32 (0: the generated id) · 40 id offset f64 · 48 tag 16 · 64 prev 16 · 80 leaf 32 · 112 chain u32 · 116 free
 * ```
 *
 * Owns that layout. Numbers are little-endian: the rows never leave this process.
 */

export const entryBytes = 120;

export const entryAt = {
  seq: 0,
  time: 8,
  epoch: 16,
  index: 20,
  marks: 24,
  foundIndex: 28,
  dest: 32,
  idLength: 36,
  idOffset: 40,
  tag: 48,
  prev: 64,
  leaf: 80,
  chain: 112,
} as const;

/** What examination found out about a record, a bit each. */
export const mark = {
  /** Its tag verifies, or is taken as given: it holds the place that its header names. */
  holds: 1,
  /** A control record: not counted among the records of the summary. */
  control: 2,
  /** It lies where its dest says. */
  inPlace: 4,
  /** Its `_id` is the one in its header. */
  idMatches: 8,
  /** It lies in logseal-rejects. */
  inRejects: 16,
  /** A finding of its own was given already: it is not counted as good. */
  judged: 32,
  /** Salt and content are gone, and the operator ordered it. */
  erased: 64,
  /** C was recomputed from the content, not taken from `hash`. */
  recomputed: 128,
  /** No verdict on it is possible: its content cannot be checked without its seal. */
  changed: 256,
} as const;

/** Reads and writes the rows of one buffer. */
export class EntryTable {
  readonly bytes: Buffer;
  readonly #view: DataView;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return Math.floor(this.bytes.length / entryBytes);
  }

  number(row: number, field: 'seq' | 'time' | 'idOffset'): number {
    return this.#view.getFloat64(row * entryBytes + entryAt[field], true);
  }

  word(row: number, field: 'epoch' | 'index' | 'marks' | 'foundIndex' | 'dest' | 'idLength' | 'chain'): number {
    return this.#view.getUint32(row * entryBytes + entryAt[field], true);
  }

  setNumber(row: number, field: 'seq' | 'time' | 'idOffset', value: number): void {
    this.#view.setFloat64(row * entryBytes + entryAt[field], value, true);
  }

  setWord(
    row: number,
    field: 'epoch' | 'index' | 'marks' | 'foundIndex' | 'dest' | 'idLength' | 'chain',
    value: number,
  ): void {
    this.#view.setUint32(row * entryBytes + entryAt[field], value, true);
  }

  has(row: number, bit: number): boolean {
    return (this.word(row, 'marks') & bit) !== 0;
  }

  /** A view, not a copy. */
  tag(row: number): Buffer {
    return this.#part(row, entryAt.tag, 16);
  }

  prev(row: number): Buffer {
    return this.#part(row, entryAt.prev, 16);
  }

  leaf(row: number): Buffer {
    return this.#part(row, entryAt.leaf, 32);
  }

  /** Whether one row was signed as the successor of the other. */
  follows(row: number, before: number): boolean {
    const a = row * entryBytes + entryAt.prev;
    const b = before * entryBytes + entryAt.tag;
    return this.bytes.compare(this.bytes, b, b + 16, a, a + 16) === 0;
  }

  /** Whether two rows are the same record: same leaf, so same header and tag. */
  same(row: number, other: number): boolean {
    const a = row * entryBytes + entryAt.leaf;
    const b = other * entryBytes + entryAt.leaf;
    return this.bytes.compare(this.bytes, b, b + 32, a, a + 32) === 0;
  }

  #part(row: number, at: number, length: number): Buffer {
    const start = row * entryBytes + at;
    return this.bytes.subarray(start, start + length);
  }
}
