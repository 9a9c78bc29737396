/**
 * The small steps of reading a signature field: fixed-length values, texts, and the generated id of a record.
 *
 * Owns no state. Every function that reads takes an offset and returns the one after what it read, or -1.
 */
import { headerAt } from '../chain/header.ts';
import { decodeBase64UrlInto } from './json-bytes.ts';

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');

/** base64url(chain[0..8] ‖ seq u64) without padding, 22 bytes, from a header at `base`. */
export function writeGeneratedId(scratch: Buffer, base: number, out: number): void {
  let bits = 0;
  let held = 0;
  let at = out;
  for (let n = 0; n < 16; n++) {
    const from = n < 8 ? base + headerAt.chain + n : base + headerAt.seq + n - 8;
    bits = ((bits << 8) | (scratch[from] ?? 0)) & 0x3fff;
    held += 8;
    while (held >= 6) {
      held -= 6;
      scratch[at++] = alphabet[(bits >>> held) & 63] ?? 0;
    }
  }
  scratch[at] = alphabet[(bits << (6 - held)) & 63] ?? 0;
}

export function bytesAt(source: Buffer, at: number, length: number, out: Buffer, outAt: number): number {
  const end = at + 1 + length;
  if (source[at] !== 0x22 || source[end] !== 0x22) return -1;
  return decodeBase64UrlInto(source, at + 1, length, out, outAt) ? end + 1 : -1;
}

/** The UTF-8 bytes of a JSON string; a view where it holds no escape. */
export function textBytes(source: Buffer, at: number, end: number): Buffer | undefined {
  const inner = source.subarray(at + 1, end - 1);
  if (inner.indexOf(0x5c) < 0) return inner;
  const text: unknown = JSON.parse(source.toString('utf8', at, end));
  return typeof text === 'string' && text.isWellFormed() ? Buffer.from(text) : undefined;
}

/** Offset of the quote that ends a short name, or -1. */
export function quoteWithin(source: Buffer, start: number, length: number): number {
  for (let at = start; at <= start + length; at++) if (source[at] === 0x22) return at;
  return -1;
}

export function hasAt(source: Buffer, at: number, text: Buffer): boolean {
  for (let n = 0; n < text.length; n++) if (source[at + n] !== text[n]) return false;
  return true;
}
