/**
 * Frames: opaque payloads in a file, each with its length and checksums, bound to the place where they stand.
 * Assumes that a group of frames is written only after every group before it is durable; that is what lets a reader tell a
 * torn tail (nobody was promised anything) from damage (somebody was). Must never look into a payload.
 *
 *   0        4        8        12       16
 *   ┌────────┬────────┬────────┬────────┬───────────────┬──────┐
 *   │ length │ group  │ body   │ head   │ payload       │ 0…   │   all u32 big-endian; frames begin at multiples of 8
 *   │        │ start  │ CRC-32 │ CRC-32 │ length bytes  │ 0–7  │
 *   └────────┴────────┴────────┴────────┴───────────────┴──────┘
 *   body CRC  over payload and padding
 *   head CRC  over file id (8) ‖ file number u64 ‖ offset of this frame u32 ‖ length ‖ group start ‖ body CRC
 *
 * A frame that was moved, belongs to another file, or is left over from an earlier use of the disk fails its head CRC.
 * `group start` is the offset of the first frame of the group: everything before it was durable when this frame was written.
 * Length 0 is a mark: it carries nothing, and proves that all before it was durable.
 */

import { crc32 } from 'node:zlib';

export const frameHeaderBytes = 16;
/** Also the bound on what a reader allocates for one frame. */
export const payloadBytesMax = 512 * 1024 * 1024;

/** Which file a frame belongs to. `id` is 8 bytes. */
export interface FramePlace {
  id: Buffer;
  number: number;
}

export interface FrameHeader {
  length: number;
  group: number;
  bodyCrc: number;
}

/** Bytes that a payload takes on disk. */
export function frameBytes(length: number): number {
  return frameHeaderBytes + paddedLength(length);
}

function paddedLength(length: number): number {
  return Math.ceil(length / 8) * 8;
}

const zeros = Buffer.alloc(8);

/** The zero bytes that follow a payload; shared, not to be written to. */
export function paddingOf(length: number): Buffer {
  return zeros.subarray(0, paddedLength(length) - length);
}

/** The checksum of a payload, given whole or in parts, and its padding: can be taken before the frame's place is known. */
export function bodyCrcOf(...payload: readonly Buffer[]): number {
  let crc = 0;
  let length = 0;
  for (const part of payload) {
    crc = crc32(part, crc);
    length += part.length;
  }
  const padding = paddingOf(length);
  return padding.length === 0 ? crc : crc32(padding, crc);
}

/** Writes the 16 bytes of a header into `target` at `at`. */
export function encodeFrameHeader(target: Buffer, at: number, place: FramePlace, offset: number, h: FrameHeader): void {
  target.writeUInt32BE(h.length, at);
  target.writeUInt32BE(h.group, at + 4);
  target.writeUInt32BE(h.bodyCrc, at + 8);
  target.writeUInt32BE(headCrc(place, offset, h), at + 12);
}

/** The header at `at` (16 bytes must be there), or undefined if it is none of this file and offset. */
export function decodeFrameHeader(
  source: Buffer,
  at: number,
  place: FramePlace,
  offset: number,
): FrameHeader | undefined {
  const length = source.readUInt32BE(at);
  const group = source.readUInt32BE(at + 4);
  // Cheap refusals first: a scan for later frames asks this of every eighth byte.
  if (length > payloadBytesMax || group > offset || group === 0) return undefined;
  const header = { length, group, bodyCrc: source.readUInt32BE(at + 8) };
  return source.readUInt32BE(at + 12) === headCrc(place, offset, header) ? header : undefined;
}

/** The frame without payload that says: all before it was durable. */
export function encodeMark(place: FramePlace, offset: number): Buffer {
  const bytes = Buffer.alloc(frameHeaderBytes);
  encodeFrameHeader(bytes, 0, place, offset, { length: 0, group: offset, bodyCrc: 0 });
  return bytes;
}

const scratch = Buffer.alloc(32);

function headCrc(place: FramePlace, offset: number, h: FrameHeader): number {
  place.id.copy(scratch, 0);
  scratch.writeUInt32BE(Math.floor(place.number / 0x1_0000_0000), 8);
  scratch.writeUInt32BE(place.number % 0x1_0000_0000, 12);
  scratch.writeUInt32BE(offset, 16);
  scratch.writeUInt32BE(h.length, 20);
  scratch.writeUInt32BE(h.group, 24);
  scratch.writeUInt32BE(h.bodyCrc, 28);
  return crc32(scratch);
}
