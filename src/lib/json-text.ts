/**
 * Reads JSON strings out of bytes, strictly, without making the whole document a string.
 * Assumes nothing about the bytes: what is read is valid UTF-8, and an escaped lone surrogate, which has no UTF-8, is refused.
 */
import { isUtf8 } from 'node:buffer';

const quote = 0x22;
const backslash = 0x5c;

/** The string at `at`, and the offset behind its closing quote; undefined if no valid string stands there. */
export function readText(bytes: Buffer, at: number): { text: string; end: number } | undefined {
  if (bytes[at] !== quote) return undefined;
  for (let i = at + 1; i < bytes.length; i++) {
    const c = bytes[i] as number;
    if (c === quote) return { text: bytes.latin1Slice(at + 1, i), end: i + 1 };
    if (c < 0x20 || c === backslash || c > 0x7e) break;
  }
  const read = readContent(bytes, at);
  return read === undefined ? undefined : { text: read.content.utf8Slice(), end: read.end };
}

/** The same, the string's value as UTF-8. */
export function readContent(bytes: Buffer, at: number): { content: Buffer; end: number } | undefined {
  const stop = bytes[at] === quote ? closingQuote(bytes, at + 1) : -1;
  if (stop < 0) return undefined;
  const target = { bytes: Buffer.allocUnsafeSlow(stop - at), end: 0 };
  const end = decodeText(bytes, at, target);
  if (end < 0) return undefined;
  const content = target.bytes.subarray(0, target.end);
  return isUtf8(content) ? { content, end } : undefined;
}

/** Where text is written to: `end` is where it goes on. */
export interface TextTarget {
  readonly bytes: Buffer;
  end: number;
}

/**
 * Appends the value of the string at `at` to the target, which has room for what is left of `bytes`. Returns the offset behind its
 * closing quote, or -1. The value is UTF-8 if `bytes` are.
 */
export function decodeText(bytes: Buffer, at: number, target: TextTarget): number {
  if (bytes[at] !== quote) return -1;
  const out = target.bytes;
  const { length } = bytes;
  let to = target.end;
  let i = at + 1;
  while (i < length) {
    const c = bytes[i] as number;
    if (c === quote) {
      target.end = to;
      return i + 1;
    }
    if (c < 0x20) return -1;
    if (c !== backslash) {
      out[to++] = c;
      i++;
      continue;
    }
    const value = shortEscapes[bytes[i + 1] ?? 0] as number;
    if (value !== 0) {
      out[to++] = value;
      i += 2;
      continue;
    }
    const point = bytes[i + 1] === 0x75 ? escapedPoint(bytes, i, length) : -1;
    if (point < 0) return -1;
    to = writePoint(out, to, point);
    i += point > 0xffff ? 12 : 6;
  }
  return -1;
}

/** The offset of the quote that ends a string, from inside it; -1 if it does not end. */
function closingQuote(bytes: Buffer, from: number): number {
  for (let i = from; i < bytes.length; i++) {
    if (bytes[i] === quote) return i;
    if (bytes[i] === backslash) i++;
  }
  return -1;
}

/** The character that a backslash and this byte stand for, 0 if none. */
const shortEscapes = new Uint8Array(256);
for (const [name, value] of Object.entries({ '"': 0x22, '\\': 0x5c, '/': 0x2f, b: 8, f: 12, n: 10, r: 13, t: 9 })) {
  shortEscapes[name.charCodeAt(0)] = value;
}

/** The code point of the `\uXXXX`, or of the pair of them, at `at`; -1 if it is none. */
function escapedPoint(bytes: Buffer, at: number, end: number): number {
  const high = hexValue(bytes, at + 2, end);
  if (high < 0xd800 || high > 0xdfff) return high;
  if (high > 0xdbff || bytes[at + 6] !== backslash || bytes[at + 7] !== 0x75) return -1;
  const low = hexValue(bytes, at + 8, end);
  return low < 0xdc00 || low > 0xdfff ? -1 : 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

function hexValue(bytes: Buffer, at: number, end: number): number {
  if (at + 4 > end) return -1;
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const c = bytes[i] as number;
    const letter = (c | 0x20) - 0x61;
    if (c >= 0x30 && c <= 0x39) value = value * 16 + c - 0x30;
    else if (letter >= 0 && letter < 6) value = value * 16 + letter + 10;
    else return -1;
  }
  return value;
}

/** Writes a code point as UTF-8: never longer than its escape. */
function writePoint(target: Buffer, at: number, point: number): number {
  let to = at;
  if (point < 0x80) {
    target[to++] = point;
  } else if (point < 0x800) {
    target[to++] = 0xc0 | (point >> 6);
    target[to++] = 0x80 | (point & 0x3f);
  } else if (point < 0x10000) {
    target[to++] = 0xe0 | (point >> 12);
    target[to++] = 0x80 | ((point >> 6) & 0x3f);
    target[to++] = 0x80 | (point & 0x3f);
  } else {
    target[to++] = 0xf0 | (point >> 18);
    target[to++] = 0x80 | ((point >> 12) & 0x3f);
    target[to++] = 0x80 | ((point >> 6) & 0x3f);
    target[to++] = 0x80 | (point & 0x3f);
  }
  return to;
}
