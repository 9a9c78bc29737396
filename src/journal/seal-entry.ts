/**
 * A seal in a frame of the write-ahead log, with the checkpoint over the instance's log up to and with it.
 * It stands here, and not only in the seal log, because its place among the records decides when it may be published.
 *
 *   kind u8=2 ‖ entry u64 ‖ seal length u32 ‖ seal ‖ checkpoint length u32 ‖ checkpoint
 */
import assert from 'node:assert/strict';
import { entryKinds } from './entry-kind.ts';

export interface SealEntry {
  /** Index in the instance's log, from 0. */
  entry: number;
  /** The whole seal text, with its last line feed. */
  seal: Buffer;
  /** The signed note over the log of size `entry + 1`. */
  checkpoint: Buffer;
}

export function encodeSealEntry(seal: SealEntry): Buffer {
  const head = Buffer.alloc(13);
  head[0] = entryKinds.seal;
  head.writeBigUInt64BE(BigInt(seal.entry), 1);
  head.writeUInt32BE(seal.seal.length, 9);
  const middle = Buffer.alloc(4);
  middle.writeUInt32BE(seal.checkpoint.length);
  return Buffer.concat([head, seal.seal, middle, seal.checkpoint]);
}

/** `seal` and `checkpoint` are views into the payload. */
export function decodeSealEntry(payload: Buffer): SealEntry {
  assert(payload[0] === entryKinds.seal && payload.length >= 17, 'not a seal entry');
  const sealEnd = 13 + payload.readUInt32BE(9);
  assert(sealEnd + 4 <= payload.length, 'seal entry is cut off');
  const checkpointEnd = sealEnd + 4 + payload.readUInt32BE(sealEnd);
  assert.equal(checkpointEnd, payload.length, 'seal entry has another length than it says');
  return {
    entry: Number(payload.readBigUInt64BE(1)),
    seal: payload.subarray(13, sealEnd),
    checkpoint: payload.subarray(sealEnd + 4, checkpointEnd),
  };
}
