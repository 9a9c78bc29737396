/**
 * The bytes of signed records in a frame of the write-ahead log: what the sequencer writes and delivery reads.
 *
 *   0      1       2        18       22       26
 *   ┌──────┬───────┬────────┬────────┬────────┬──────────────┐
 *   │ kind │ suite │ chain  │ epoch  │ count  │ records …    │
 *   │ u8=1 │ u8    │ 16     │ u32    │ u32    │              │
 *   └──────┴───────┴────────┴────────┴────────┴──────────────┘
 *   record
 *   0       4       8      16      24     25      26     28    30     32        36    68    84    100
 *   ┌───────┬───────┬──────┬───────┬──────┬───────┬──────┬─────┬──────┬─────────┬─────┬─────┬─────┬──────┬────┬──────┬──────┬─────────┐
 *   │ total │ index │ seq  │ time  │ type │ flags │ dest │ id  │ meta │ content │ C   │ P   │ T   │ dest │ id │ meta │ salt │ content │
 *   │ u32   │ u32   │ u64  │ u64   │ u8   │ u8    │ len  │ len │ len  │ len u32 │ 32  │ 16  │ 16  │      │    │      │ 16   │         │
 *   └───────┴───────┴──────┴───────┴──────┴───────┴──────┴─────┴──────┴─────────┴─────┴─────┴─────┴──────┴────┴──────┴──────┴─────────┘
 *
 * The salt stands directly before the content, so that the commitment is hashed in place. Integers are big-endian.
 * The log's checksum covers the payload; a payload that does not fit its own lengths is therefore a broken invariant.
 */
import assert from 'node:assert/strict';
import { entryKinds } from './entry-kind.ts';

export const recordsHeaderBytes = 26;
export const recordFixedBytes = 100;
export const saltBytes = 16;

/** Bits of a record's flags byte. */
export const recordFlags = { idGiven: 1, lineFeed: 2, longNumberArray: 4, emptyObject: 8 } as const;

/** The part of a records payload that is the same for all its records. */
export interface RecordsHeader {
  suite: number;
  chain: Buffer;
  epoch: number;
  count: number;
}

export function writeRecordsHeader(payload: Buffer, header: RecordsHeader): void {
  payload[0] = entryKinds.records;
  payload[1] = header.suite;
  header.chain.copy(payload, 2);
  payload.writeUInt32BE(header.epoch, 18);
  payload.writeUInt32BE(header.count, 22);
}

/** `chain` is a view into the payload. */
export function readRecordsHeader(payload: Buffer): RecordsHeader {
  assert(payload.length >= recordsHeaderBytes && payload[0] === entryKinds.records, 'not a records entry');
  return {
    suite: payload.readUInt8(1),
    chain: payload.subarray(2, 18),
    epoch: payload.readUInt32BE(18),
    count: payload.readUInt32BE(22),
  };
}

/** Bytes that a record takes in a payload; lengths in bytes. */
export function recordBytes(dest: number, id: number, meta: number, content: number): number {
  return recordFixedBytes + dest + id + meta + saltBytes + content;
}

/** Reads one record in place; moved along a payload by `seek` and `next`, so that no object is made for a record. */
export class RecordView {
  payload: Buffer = Buffer.alloc(0);
  at = 0;

  seek(payload: Buffer, at: number): this {
    this.payload = payload;
    this.at = at;
    return this;
  }

  /** Offset of the record after this one. */
  get next(): number {
    return this.at + this.payload.readUInt32BE(this.at);
  }

  get index(): number {
    return this.payload.readUInt32BE(this.at + 4);
  }

  get seq(): number {
    return readSafe(this.payload, this.at + 8);
  }

  get timeMs(): number {
    return readSafe(this.payload, this.at + 16);
  }

  get type(): 0 | 1 {
    return this.payload[this.at + 24] === 1 ? 1 : 0;
  }

  get flags(): number {
    return this.payload.readUInt8(this.at + 25);
  }

  get destLength(): number {
    return this.payload.readUInt16BE(this.at + 26);
  }

  get idLength(): number {
    return this.payload.readUInt16BE(this.at + 28);
  }

  get metaLength(): number {
    return this.payload.readUInt16BE(this.at + 30);
  }

  get contentLength(): number {
    return this.payload.readUInt32BE(this.at + 32);
  }

  get hash(): Buffer {
    return this.#view(36, 32);
  }

  get prev(): Buffer {
    return this.#view(68, 16);
  }

  get tag(): Buffer {
    return this.#view(84, 16);
  }

  get destAt(): number {
    return this.at + recordFixedBytes;
  }

  get idAt(): number {
    return this.destAt + this.destLength;
  }

  get metaAt(): number {
    return this.idAt + this.idLength;
  }

  get saltAt(): number {
    return this.metaAt + this.metaLength;
  }

  get contentAt(): number {
    return this.saltAt + saltBytes;
  }

  get dest(): string {
    return this.payload.toString('utf8', this.destAt, this.idAt);
  }

  get id(): string {
    return this.payload.toString('utf8', this.idAt, this.metaAt);
  }

  /** JSON text of the carried metadata, or the empty string. */
  get meta(): string {
    return this.payload.toString('utf8', this.metaAt, this.saltAt);
  }

  get salt(): Buffer {
    return this.payload.subarray(this.saltAt, this.contentAt);
  }

  get content(): Buffer {
    return this.payload.subarray(this.contentAt, this.contentAt + this.contentLength);
  }

  #view(offset: number, length: number): Buffer {
    return this.payload.subarray(this.at + offset, this.at + offset + length);
  }
}

function readSafe(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4);
}
