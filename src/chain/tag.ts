/**
 * C, T and leaf of each record that the proxy accepts: its hottest path, five hashes a record.
 * Holds K_e only as HMAC pads in its own buffers, which `wipe` overwrites. Assumes safe integers and a buffer with 13 bytes before
 * the salt, and that nobody else uses that buffer meanwhile. Must not allocate a buffer a record beyond the view of its content.
 *
 *   inner   | ipad | header … | T |      one buffer: M's inner hash is over pad and header, the leaf over 00, header and T,
 *   outer   | opad | inner hash |        the 00 being the pad's last byte for a moment
 */
import { hash } from 'node:crypto';
import { contentPrefix } from './content.ts';
import { EpochMac } from './epoch-mac.ts';
import { headerAt, writeHeaderStart, writeSafeInteger } from './header.ts';
import type { Suite } from './suite.ts';
import { fillPad, hashBytes, tagBytes } from './suite.ts';

export interface TagFields {
  type: 0 | 1;
  /** Bit 0: the shipper gave the id. */
  flags: 0 | 1;
  index: number;
  seq: number;
  timeMs: number;
  /** UTF-8. Keep it one buffer for one destination: it is copied only when it is another. */
  dest: Buffer;
  /** Where the id stands, as UTF-8. */
  id: Buffer;
  idAt: number;
  idLength: number;
}

/** Tags the records of one open epoch of one chain, in their order. */
export class Tagger {
  readonly #algorithm: string;
  readonly #block: number;
  readonly #seals: EpochMac;
  readonly #outer: Buffer;
  readonly #saved = Buffer.alloc(contentPrefix.length);
  #inner: Buffer;
  #dest: Buffer | undefined;
  /** Bytes of the header; the views below are for this length. */
  #headerLength = 0;
  #innerView: Buffer;
  #leafView: Buffer;

  /** `macKey`: K_e, which the caller overwrites afterwards. `prev`: P of the epoch's first record, 16 bytes. */
  constructor(suite: Suite, chain: Buffer, epoch: number, macKey: Buffer, prev: Buffer) {
    this.#algorithm = suite.algorithm;
    this.#block = suite.blockBytes;
    this.#seals = new EpochMac(suite, macKey);
    this.#inner = Buffer.alloc(suite.blockBytes + 1024);
    this.#outer = Buffer.alloc(suite.blockBytes + hashBytes);
    fillPad(this.#inner, macKey, suite.blockBytes, 0x36);
    fillPad(this.#outer, macKey, suite.blockBytes, 0x5c);
    writeHeaderStart(this.#inner, suite.blockBytes, suite.id, chain, epoch);
    prev.copy(this.#inner, suite.blockBytes + headerAt.prev, 0, tagBytes);
    this.#innerView = this.#inner;
    this.#leafView = this.#inner;
  }

  /** A copy of the tag given last, or of P before the first. */
  get prev(): Buffer {
    const at = this.#block + headerAt.prev;
    return Buffer.from(this.#inner.subarray(at, at + tagBytes));
  }

  /**
   * Tags one record. buffer[saltAt, saltAt + 16) is the salt, directly followed by the content up to contentEnd. The 13 bytes before
   * saltAt are overwritten and restored. Writes C (32), P (16), T (16) at `out` of `buffer`, and the leaf (32) at leaves[leafAt].
   */
  tag(
    buffer: Buffer,
    saltAt: number,
    contentEnd: number,
    out: number,
    r: TagFields,
    leaves: Buffer,
    leafAt: number,
  ): void {
    const block = this.#block;
    if (r.dest !== this.#dest) this.#writeDest(r.dest);
    const idAt = block + headerAt.dest + 2 + r.dest.length;
    const headerLength = headerAt.dest + 4 + r.dest.length + r.idLength;
    if (headerLength !== this.#headerLength) this.#resize(headerLength);
    const inner = this.#inner;
    inner[block + headerAt.type] = r.type;
    inner[block + headerAt.flags + 1] = r.flags;
    inner.writeUInt32BE(r.index, block + headerAt.index);
    writeSafeInteger(inner, r.seq, block + headerAt.seq);
    writeSafeInteger(inner, r.timeMs, block + headerAt.time);
    inner.writeUInt16BE(r.idLength, idAt);
    for (let i = 0; i < r.idLength; i++) inner[idAt + 2 + i] = r.id[r.idAt + i] as number;

    inner.latin1Write(this.#contentHash(buffer, saltAt, contentEnd), block + headerAt.contentHash, hashBytes);
    inner.copy(buffer, out, block + headerAt.contentHash, block + headerAt.dest);

    this.#outer.latin1Write(hash(this.#algorithm, this.#innerView, 'latin1'), block, hashBytes);
    const tag = hash(this.#algorithm, this.#outer, 'latin1');
    inner.latin1Write(tag, block + headerLength, tagBytes);
    buffer.latin1Write(tag, out + hashBytes + tagBytes, tagBytes);

    const padEnd = inner[block - 1] as number;
    inner[block - 1] = 0;
    leaves.latin1Write(hash(this.#algorithm, this.#leafView, 'latin1'), leafAt, hashBytes);
    inner[block - 1] = padEnd;
    inner.latin1Write(tag, block + headerAt.prev, tagBytes);
  }

  /** The mac of this epoch's seal over the lines before its mac line: 32 bytes. */
  sealMac(lines: Buffer): Buffer {
    return this.#seals.sealMac(lines);
  }

  /** Destroys the key. */
  wipe(): void {
    this.#seals.wipe();
    this.#inner.fill(0);
    this.#outer.fill(0);
  }

  #contentHash(buffer: Buffer, saltAt: number, contentEnd: number): string {
    const start = saltAt - contentPrefix.length;
    const saved = this.#saved;
    for (let i = 0; i < saved.length; i++) {
      saved[i] = buffer[start + i] as number;
      buffer[start + i] = contentPrefix[i] as number;
    }
    const result = hash(this.#algorithm, buffer.subarray(start, contentEnd), 'latin1');
    for (let i = 0; i < saved.length; i++) buffer[start + i] = saved[i] as number;
    return result;
  }

  #writeDest(dest: Buffer): void {
    this.#reserve(headerAt.dest + 4 + dest.length);
    this.#inner.writeUInt16BE(dest.length, this.#block + headerAt.dest);
    dest.copy(this.#inner, this.#block + headerAt.dest + 2);
    this.#dest = dest;
  }

  #resize(headerLength: number): void {
    this.#reserve(headerLength);
    const end = this.#block + headerLength;
    this.#headerLength = headerLength;
    this.#innerView = this.#inner.subarray(0, end);
    this.#leafView = this.#inner.subarray(this.#block - 1, end + tagBytes);
  }

  #reserve(headerLength: number): void {
    const needed = this.#block + headerLength + tagBytes;
    if (needed <= this.#inner.length) return;
    const grown = Buffer.alloc(needed * 2);
    this.#inner.copy(grown);
    this.#inner.fill(0);
    this.#inner = grown;
    this.#headerLength = 0;
  }
}
