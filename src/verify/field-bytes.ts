/**
 * The small steps of reading a signature field in the proxy's own spelling, and the generated id of a record.
 *
 * Owns no state. A step takes an offset and returns the one after what it read, or -1; from -1 every step goes to -1, so that
 * steps follow each other without a question between them.
 */
import { headerAt } from '../chain/header.ts';
import { textBytesMax } from '../chain/signature-members.ts';
import { decodeBase64UrlInto } from '../lib/base64url.ts';

/** The proxy's spelling, up to the value of each member: what delivery writes. */
export const spelled = {
  opening: Buffer.from('{"logseal":{'),
  start: Buffer.from('{"logseal":{"v":1,"suite":'),
  type: Buffer.from(',"type":1'),
  flags: Buffer.from(',"flags":1'),
  chain: Buffer.from(',"chain":"'),
  epoch: Buffer.from(',"epoch":'),
  index: Buffer.from(',"index":'),
  seq: Buffer.from(',"seq":'),
  time: Buffer.from(',"time":'),
  dest: Buffer.from(',"dest":"'),
  id: Buffer.from(',"id":"'),
  hash: Buffer.from(',"hash":"'),
  prev: Buffer.from(',"prev":"'),
  tag: Buffer.from(',"tag":"'),
  salt: Buffer.from(',"salt":"'),
  raw: Buffer.from(',"raw":'),
  digests: Buffer.from(',"digests":'),
};

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

/** Over these very bytes. */
export function after(source: Buffer, at: number, text: Buffer): number {
  for (let n = 0; n < text.length; n++) if (source[at + n] !== text[n]) return -1;
  return at + text.length;
}

/** Over the closing quote of a base64url value of so many bytes. */
export function afterBytes(source: Buffer, at: number, bytes: number, out: Buffer, outAt: number): number {
  const end = at + Math.ceil((bytes * 4) / 3);
  if (at < 0 || source[end] !== 0x22) return -1;
  return decodeBase64UrlInto(source, at, bytes, out, outAt) ? end + 1 : -1;
}

/** Over the digits of an integer that a double holds exactly: 15 at most. */
export function afterDigits(source: Buffer, at: number): number {
  let end = at;
  for (let c = source[end] ?? 0; c >= 0x30 && c <= 0x39; c = source[end] ?? 0) end++;
  return end === at || end - at > 15 || (source[at] === 0x30 && end > at + 1) ? -1 : end;
}

/** What the digits say. */
export function valueOfDigits(source: Buffer, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + ((source[at] ?? 0) - 0x30);
  return value;
}

/** Over the closing quote of a text without escapes. */
export function afterText(source: Buffer, at: number): number {
  for (let end = at; end - at <= textBytesMax; end++) {
    const c = source[end];
    if (c === 0x22) return end + 1;
    if (c === undefined || c < 0x20 || c === 0x5c) return -1;
  }
  return -1;
}
