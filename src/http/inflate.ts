/**
 * Owns the inflating of request bodies: gzip, of several members too, and deflate. Costs at most the bound, whatever comes.
 * Must never return a part: a body that is cut off, or has something behind its end, is refused whole.
 */
import type { Gunzip, Inflate, InflateRaw } from 'node:zlib';
import { createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { illegalArgument, refusal } from '../bulk/refusal.ts';

export type Coding = 'identity' | 'gzip' | 'deflate';

/** The coding that the header names, in any case. Throws REQUEST_REFUSED for one that is not known. */
export function codingOf(header: string | undefined): Coding {
  const name = (header ?? '').trim().toLowerCase();
  if (name === '' || name === 'identity') return 'identity';
  if (name === 'gzip' || name === 'x-gzip') return 'gzip';
  if (name === 'deflate' || name === 'x-deflate') return 'deflate';
  throw illegalArgument(`Content-Encoding [${name.slice(0, 100)}] is not supported; use [gzip] or [deflate], or none`);
}

const chunkBytes = 256 * 1024;

/**
 * `grow` is asked before more bytes are held than the compressed ones. Throws REQUEST_REFUSED: 413 past `bytesMax`, 400 for
 * what is not a whole compressed body.
 */
export async function inflate(
  compressed: Buffer,
  coding: 'gzip' | 'deflate',
  bytesMax: number,
  grow: (bytes: number) => Promise<void>,
): Promise<Buffer> {
  const inflater = open(compressed, coding);
  // The last four bytes of a gzip are its length: a lie costs at most the bound, and the buffer grows where it was too short.
  const hint = coding === 'gzip' && compressed.length >= 18 ? compressed.readUInt32LE(compressed.length - 4) : 0;
  let target = Buffer.allocUnsafeSlow(Math.min(bytesMax, Math.max(hint, Math.min(compressed.length * 4, chunkBytes))));
  let length = 0;
  await grow(target.length);
  inflater.end(compressed);
  try {
    for await (const chunk of inflater as AsyncIterable<Buffer>) {
      if (length + chunk.length > bytesMax) throw tooLong(bytesMax);
      if (length + chunk.length > target.length) {
        const size = Math.min(bytesMax, Math.max(target.length * 2, length + chunk.length));
        await grow(size - target.length);
        const larger = Buffer.allocUnsafeSlow(size);
        target.copy(larger, 0, 0, length);
        target = larger;
      }
      chunk.copy(target, length);
      length += chunk.length;
    }
  } catch (error) {
    throw isZlibError(error) ? broken(coding) : error;
  } finally {
    inflater.destroy();
  }
  // The engine stops at the end of the last member; what it left unread is not compressed data.
  if (inflater.bytesWritten !== compressed.length) throw broken(coding);
  return target.subarray(0, length);
}

export function tooLong(bytesMax: number) {
  return refusal('content_too_long_exception', `request body is longer than [${bytesMax}] bytes`, { status: 413 });
}

function open(compressed: Buffer, coding: 'gzip' | 'deflate'): Gunzip | Inflate | InflateRaw {
  if (coding === 'gzip') return createGunzip({ chunkSize: chunkBytes });
  const header = compressed.length < 2 ? 0 : compressed.readUInt16BE(0);
  const zlib = ((header >> 8) & 0x0f) === 8 && header % 31 === 0;
  return zlib ? createInflate({ chunkSize: chunkBytes }) : createInflateRaw({ chunkSize: chunkBytes });
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}

function broken(coding: Coding) {
  return illegalArgument(`request body is not whole [${coding}] data; nothing of it was taken`);
}
