/**
 * Files of frames: their first 64 bytes, how one is made, and how frames are read back in bounded pieces.
 * Assumes that a file got its final name only after its header was durable, so a file whose header is not right is damaged,
 * never merely new. Must never hold more than `chunkBytes` and one frame.
 *
 *   0         8         12        16        24        32         40         48     60     64
 *   ┌─────────┬─────────┬─────────┬─────────┬─────────┬──────────┬──────────┬──────┬──────┐
 *   │ magic   │ version │ 64      │ number  │ id      │ end of   │ created  │ key  │ CRC  │   big-endian
 *   │         │ u32     │ u32     │ u64     │ random  │ previous │ ms u64   │ id,0 │ -32  │
 *   └─────────┴─────────┴─────────┴─────────┴─────────┴──────────┴──────────┴──────┴──────┘
 * All files of one directory have the same id. `end of previous` is where the frames of the file before it end (0: none).
 * Version 1 has payloads in clear and no key id; version 2 has encrypted payloads, and 8 bytes that tell under which key.
 */

import { crc32 } from 'node:zlib';
import type { BufferPool } from './buffer-pool.ts';
import type { DiskFile } from './file-system.ts';
import type { FramePlace } from './frame.ts';
import { decodeFrameHeader, frameBytes, frameHeaderBytes } from './frame.ts';

export const fileHeaderBytes = 64;
const chunkBytes = 4 * 1024 * 1024;
const clearVersion = 1;
const encryptedVersion = 2;
const keyIdBytes = 8;

export interface FrameFileHeader extends FramePlace {
  previousEnd: number;
  createdMs: number;
  /** 8 bytes that name the key under which the payloads are encrypted; none where they stand in clear. */
  keyId?: Buffer;
}

export function encodeFileHeader(magic: Buffer, header: FrameFileHeader): Buffer {
  const bytes = Buffer.alloc(fileHeaderBytes);
  magic.copy(bytes, 0, 0, 8);
  bytes.writeUInt32BE(header.keyId === undefined ? clearVersion : encryptedVersion, 8);
  bytes.writeUInt32BE(fileHeaderBytes, 12);
  bytes.writeBigUInt64BE(BigInt(header.number), 16);
  header.id.copy(bytes, 24, 0, 8);
  bytes.writeBigUInt64BE(BigInt(header.previousEnd), 32);
  bytes.writeBigUInt64BE(BigInt(header.createdMs), 40);
  header.keyId?.copy(bytes, 48, 0, keyIdBytes);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

/** Whether files of a kind may be encrypted. */
type Encryption = 'never' | 'allowed';

/** What is wrong with a header, or the header. `number` is what the file's name says. */
export function decodeFileHeader(
  magic: Buffer,
  bytes: Buffer,
  number: number,
  encryption: Encryption = 'never',
): FrameFileHeader | string {
  if (bytes.length < fileHeaderBytes) return 'is shorter than its header';
  if (bytes.readUInt32BE(60) !== crc32(bytes.subarray(0, 60))) return 'has a header that fails its checksum';
  if (!bytes.subarray(0, 8).equals(magic.subarray(0, 8))) return 'is a file of another kind';
  const version = bytes.readUInt32BE(8);
  const encrypted = version === encryptedVersion && encryption === 'allowed';
  if (!encrypted && version !== clearVersion) return `has format version ${version}, not ${clearVersion}`;
  const zerosFrom = encrypted ? 48 + keyIdBytes : 48;
  if (bytes.readUInt32BE(12) !== fileHeaderBytes || bytes.subarray(zerosFrom, 60).some((byte) => byte !== 0)) {
    return 'has a header of another shape';
  }
  if (bytes.readBigUInt64BE(16) !== BigInt(number)) return 'has another number in its header than in its name';
  return {
    number,
    id: Buffer.from(bytes.subarray(24, 32)),
    previousEnd: Number(bytes.readBigUInt64BE(32)),
    createdMs: Number(bytes.readBigUInt64BE(40)),
    ...(encrypted && { keyId: Buffer.from(bytes.subarray(48, 48 + keyIdBytes)) }),
  };
}

export async function readFileHeader(
  file: DiskFile,
  magic: Buffer,
  number: number,
  encryption: Encryption = 'never',
): Promise<FrameFileHeader | string> {
  const bytes = Buffer.alloc(fileHeaderBytes);
  const filled = await file.read(bytes, 0);
  return decodeFileHeader(magic, bytes.subarray(0, filled), number, encryption);
}

interface StoredFrame {
  offset: number;
  /** Where the next frame begins. */
  next: number;
  /** A view into `FrameRun.bytes`. */
  payload: Buffer;
}

/** Whole frames that follow one another, marks included. */
export interface FrameRun {
  frames: StoredFrame[];
  /** The frames as they stand on disk. */
  bytes: Buffer;
  /** One past the last of them. */
  next: number;
  /** Why it ends there: the bound, the size of a piece, or bytes that are no frame. */
  stop: 'bound' | 'piece' | 'damage';
}

/** Reads whole frames from `offset`, about `chunkBytes` of them (or one larger frame), none that passes `bound`; into memory of `pool`, given one. */
export async function readFrames(
  file: DiskFile,
  place: FramePlace,
  offset: number,
  bound: number,
  pool?: BufferPool,
): Promise<FrameRun> {
  let bytes = await readPiece(file, offset, Math.min(bound - offset, chunkBytes), pool);
  if (bytes.length >= frameHeaderBytes) {
    const first = decodeFrameHeader(bytes, 0, place, offset);
    const needed = first === undefined ? 0 : frameBytes(first.length);
    if (needed > bytes.length && needed <= bound - offset) bytes = await readPiece(file, offset, needed, pool);
  }
  const frames: StoredFrame[] = [];
  let at = 0;
  let stop: FrameRun['stop'] = 'bound';
  while (offset + at < bound) {
    if (bytes.length - at < frameHeaderBytes) {
      // Cut off by the piece, or by the end of the file: the next call, with nothing before it, will tell.
      stop = at > 0 ? 'piece' : 'damage';
      break;
    }
    const header = decodeFrameHeader(bytes, at, place, offset + at);
    const size = header === undefined ? 0 : frameBytes(header.length);
    if (header === undefined || offset + at + size > bound) {
      stop = 'damage';
      break;
    }
    if (at + size > bytes.length) {
      stop = at > 0 ? 'piece' : 'damage';
      break;
    }
    const body = at + frameHeaderBytes;
    if (crc32(bytes.subarray(body, at + size)) !== header.bodyCrc) {
      stop = 'damage';
      break;
    }
    const payload = bytes.subarray(body, body + header.length);
    frames.push({ offset: offset + at, next: offset + at + size, payload });
    at += size;
  }
  return { frames, bytes: bytes.subarray(0, at), next: offset + at, stop };
}

async function readPiece(file: DiskFile, offset: number, length: number, pool?: BufferPool): Promise<Buffer> {
  const size = Math.max(0, length);
  const target = pool === undefined ? Buffer.allocUnsafeSlow(size) : pool.lend(size);
  return target.subarray(0, await file.read(target, offset));
}

/**
 * The offset of a frame after `damage` that was written when everything up to and with `damage` was durable, or undefined.
 * Such a frame turns a torn tail into damage. A later frame of the same group proves nothing: the pages of one write reach
 * the disk in any order.
 */
export async function findProofOfDamage(
  file: DiskFile,
  place: FramePlace,
  damage: number,
  bound: number,
): Promise<number | undefined> {
  for (let at = damage + 8; at < bound; at += chunkBytes) {
    const bytes = await readPiece(file, at, Math.min(bound - at, chunkBytes + frameHeaderBytes));
    for (let index = 0; index + frameHeaderBytes <= bytes.length && index < chunkBytes; index += 8) {
      // The group start is what has to lie beyond the damage; ask that before paying for a checksum.
      if (bytes.readUInt32BE(index + 4) <= damage) continue;
      if (decodeFrameHeader(bytes, index, place, at + index) !== undefined) return at + index;
    }
  }
  return undefined;
}
