/**
 * Reads JSON strings out of bytes, strictly, without making the whole document a string.
 * Assumes nothing about the bytes: what is read is valid UTF-8, and an escaped lone surrogate, which has no UTF-8, is refused.
 */
import { isUtf8 } from 'node:buffer';

const quote = 0x22;
const backslash = 0x5c;

/** The first offset from `at` on where no JSON blank stands. */
export function skipBlanks(bytes: Buffer, at: number): number {
  let i = at;
  for (let c = bytes[i]; c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09; c = bytes[i]) i++;
  return i;
}

/** One past the closing quote of the string whose opening quote stands at `at`, escapes unchecked; -1 if it does not end. */
export function skipString(bytes: Buffer, at: number): number {
  const { length } = bytes;
  let i = at + 1;
  while (i < length) {
    const c = bytes[i] as number;
    if (c === quote) return i + 1;
    i += c === backslash ? 2 : 1;
  }
  return -1;
}

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
  if (bytes[at] !== quote) return undefined;
  const stop = skipString(bytes, at);
  if (stop < 0) return undefined;
  const end = stop - 1;
  const content = Buffer.allocUnsafeSlow(end - at - 1);
  let to = 0;
  for (let i = at + 1; i < end; ) {
    const c = bytes[i] as number;
    if (c < 0x20) return undefined;
    if (c !== backslash) {
      content[to++] = c;
      i++;
      continue;
    }
    const follower = bytes[i + 1] as number;
    if (follower === 0x75) {
      const point = escapedPoint(bytes, i, end);
      if (point < 0) return undefined;
      to = writePoint(content, to, point);
      i += point > 0xffff ? 12 : 6;
    } else {
      const value = shortEscapes[follower] as number;
      if (value === 0) return undefined;
      content[to++] = value;
      i += 2;
    }
  }
  const used = content.subarray(0, to);
  return isUtf8(used) ? { content: used, end: stop } : undefined;
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
