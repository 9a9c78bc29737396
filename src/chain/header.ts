/**
 * A record's header: the bytes that its tag and its leaf are over (FORMAT section 4).
 *
 *    0       4        5       6         8        24        28        32      40        48     80     96
 *    | LSP1  | suite  | type  | flags   | chain  | epoch   | index   | seq   | time_ms | C    | P    | LP(dest) | LP(id) |
 *      4       1        1       2         16       4         4         8       8         32     16     2 + n      2 + n
 *
 * Integers are big-endian, LP is a u16 byte length and UTF-8. seq and time are safe integers here: an honest chain never leaves them.
 */
import { isUtf8 } from 'node:buffer';
import { chainIdBytes } from './key-tree.ts';
import { hashBytes, tagBytes } from './suite.ts';

export interface RecordHeader {
  readonly suite: number;
  /** 0 data, 1 control. */
  readonly type: number;
  /** Bit 0: the shipper gave the id. */
  readonly flags: number;
  readonly chain: Buffer;
  readonly epoch: number;
  readonly index: number;
  readonly seq: number;
  /** The proxy's clock, milliseconds. */
  readonly timeMs: number;
  /** C, 32 bytes. */
  readonly contentHash: Buffer;
  /** P, 16 bytes. */
  readonly prev: Buffer;
  /** At most 65,535 bytes of UTF-8, like `id`. */
  readonly dest: string;
  readonly id: string;
}

/** Where the parts of fixed size stand. */
export const headerAt = {
  suite: 4,
  type: 5,
  flags: 6,
  chain: 8,
  epoch: 24,
  index: 28,
  seq: 32,
  time: 40,
  contentHash: 48,
  prev: 80,
  dest: 96,
} as const;

const magic = Buffer.from('LSP1');
const textBytesMax = 0xffff;

export function encodeHeader(header: RecordHeader): Buffer {
  const destLength = Buffer.byteLength(header.dest);
  const idLength = Buffer.byteLength(header.id);
  if (destLength > textBytesMax || idLength > textBytesMax)
    throw new RangeError('dest or id is longer than 65,535 bytes');
  const bytes = Buffer.allocUnsafe(headerAt.dest + 4 + destLength + idLength);
  writeHeaderStart(bytes, 0, header.suite, header.chain, header.epoch);
  bytes[headerAt.type] = header.type;
  bytes.writeUInt16BE(header.flags, headerAt.flags);
  bytes.writeUInt32BE(header.index, headerAt.index);
  writeSafeInteger(bytes, header.seq, headerAt.seq);
  writeSafeInteger(bytes, header.timeMs, headerAt.time);
  header.contentHash.copy(bytes, headerAt.contentHash, 0, hashBytes);
  header.prev.copy(bytes, headerAt.prev, 0, tagBytes);
  bytes.writeUInt16BE(destLength, headerAt.dest);
  bytes.utf8Write(header.dest, headerAt.dest + 2);
  bytes.writeUInt16BE(idLength, headerAt.dest + 2 + destLength);
  bytes.utf8Write(header.id, headerAt.dest + 4 + destLength);
  return bytes;
}

/** Writes what does not change while an epoch is open. */
export function writeHeaderStart(target: Buffer, at: number, suite: number, chain: Buffer, epoch: number): void {
  magic.copy(target, at);
  target[at + headerAt.suite] = suite;
  chain.copy(target, at + headerAt.chain, 0, chainIdBytes);
  target.writeUInt32BE(epoch, at + headerAt.epoch);
}

/** Writes a safe integer, not negative, as u64. */
export function writeSafeInteger(target: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  target.writeUInt32BE(high, at);
  target.writeUInt32BE(value - high * 0x1_0000_0000, at + 4);
}

/** Reads a u64, or undefined if it is above 2^53 - 1. */
export function readSafeInteger(bytes: Buffer, at: number): number | undefined {
  const value = bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Reads exactly one header, or undefined if the bytes are not one. */
export function decodeHeader(bytes: Buffer): RecordHeader | undefined {
  if (bytes.length < headerAt.dest + 4 || magic.compare(bytes, 0, magic.length) !== 0) return undefined;
  const idAt = headerAt.dest + 2 + bytes.readUInt16BE(headerAt.dest);
  if (idAt + 2 > bytes.length || idAt + 2 + bytes.readUInt16BE(idAt) !== bytes.length) return undefined;
  const seq = readSafeInteger(bytes, headerAt.seq);
  const timeMs = readSafeInteger(bytes, headerAt.time);
  if (seq === undefined || timeMs === undefined) return undefined;
  const dest = bytes.subarray(headerAt.dest + 2, idAt);
  const id = bytes.subarray(idAt + 2);
  if (!isUtf8(dest) || !isUtf8(id)) return undefined;
  return {
    suite: bytes.readUInt8(headerAt.suite),
    type: bytes.readUInt8(headerAt.type),
    flags: bytes.readUInt16BE(headerAt.flags),
    chain: bytes.subarray(headerAt.chain, headerAt.epoch),
    epoch: bytes.readUInt32BE(headerAt.epoch),
    index: bytes.readUInt32BE(headerAt.index),
    seq,
    timeMs,
    contentHash: bytes.subarray(headerAt.contentHash, headerAt.prev),
    prev: bytes.subarray(headerAt.prev, headerAt.dest),
    dest: dest.toString('utf8'),
    id: id.toString('utf8'),
  };
}
