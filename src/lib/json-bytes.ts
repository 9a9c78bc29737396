/**
 * Steps over JSON in bytes: blanks, strings, values, members of an object.
 *
 * Owns only the stepping. Every function takes an offset and returns the one after what it stepped over, or -1.
 * Must never read past the end or nest deeper than it is told.
 */

const depthMax = 512;

/** The first offset from `from` on where no JSON blank stands. */
export function skipBlanks(bytes: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at += 1;
  }
}

/** From an opening quote to after the closing one. Control characters and bad escapes are refused. */
export function skipString(bytes: Buffer, from: number): number {
  let at = from + 1;
  for (;;) {
    const byte = bytes[at];
    if (byte === undefined || byte < 0x20) return -1;
    if (byte === 0x22) return at + 1;
    if (byte !== 0x5c) {
      at += 1;
      continue;
    }
    const letter = bytes[at + 1];
    if (letter === 0x75) {
      for (let digit = at + 2; digit < at + 6; digit++) if (!isHex(bytes[digit])) return -1;
      at += 6;
    } else if (letter !== undefined && '"\\/bfnrt'.includes(String.fromCharCode(letter))) {
      at += 2;
    } else return -1;
  }
}

/** Any JSON value, nested up to `depth`. Numbers and words are stepped over loosely: they end at a structural byte. */
export function skipValue(bytes: Buffer, from: number, depth: number = depthMax): number {
  const first = bytes[from];
  if (first === 0x22) return skipString(bytes, from);
  if (first === 0x7b || first === 0x5b) return depth === 0 ? -1 : skipNested(bytes, from, depth);
  let at = from;
  while (isScalarByte(bytes[at])) at += 1;
  return at === from ? -1 : at;
}

/**
 * End of an object or array by counting its brackets, for text whose JSON is judged elsewhere: a byte costs a nanosecond.
 * -1 if it does not end.
 */
export function bracketEnd(bytes: Buffer, from: number): number {
  let depth = 0;
  for (let at = from; at < bytes.length; at++) {
    const kind = structure[bytes[at] ?? 0];
    if (kind === 0) continue;
    if (kind === 3) {
      at = plainStringEnd(bytes, at);
      if (at < 0) return -1;
    } else {
      depth += kind === 1 ? 1 : -1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

/** Offset of the quote that ends a string. */
function plainStringEnd(bytes: Buffer, from: number): number {
  for (let at = from + 1; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x22) return at;
    if (byte === 0x5c) at += 1;
  }
  return -1;
}

/** 1 opens, 2 closes, 3 is a quote. */
const structure = new Uint8Array(256);
structure[0x7b] = 1;
structure[0x5b] = 1;
structure[0x7d] = 2;
structure[0x5d] = 2;
structure[0x22] = 3;

/**
 * Offset of the value of the one top-level member `name`; -1 if there is none, -2 if the document is not one object or
 * has the member twice.
 */
export function findMember(bytes: Buffer, name: string): number {
  let at = skipBlanks(bytes, 0);
  if (bytes[at] !== 0x7b) return -2;
  let found = -1;
  at = skipBlanks(bytes, at + 1);
  if (bytes[at] === 0x7d) return skipBlanks(bytes, at + 1) === bytes.length ? -1 : -2;
  for (;;) {
    const nameEnd = bytes[at] === 0x22 ? skipString(bytes, at) : -1;
    if (nameEnd < 0) return -2;
    const colon = skipBlanks(bytes, nameEnd);
    if (bytes[colon] !== 0x3a) return -2;
    const value = skipBlanks(bytes, colon + 1);
    if (isName(bytes, at, nameEnd, name)) {
      if (found >= 0) return -2;
      found = value;
    }
    const end = skipValue(bytes, value);
    if (end < 0) return -2;
    at = skipBlanks(bytes, end);
    if (bytes[at] === 0x7d) return skipBlanks(bytes, at + 1) === bytes.length ? found : -2;
    if (bytes[at] !== 0x2c) return -2;
    at = skipBlanks(bytes, at + 1);
  }
}

function isName(bytes: Buffer, start: number, end: number, name: string): boolean {
  const inner = bytes.subarray(start + 1, end - 1);
  if (inner.indexOf(0x5c) < 0) return inner.length === name.length && inner.latin1Slice() === name;
  return JSON.parse(bytes.toString('utf8', start, end)) === name;
}

function skipNested(bytes: Buffer, from: number, depth: number): number {
  const object = bytes[from] === 0x7b;
  const close = object ? 0x7d : 0x5d;
  let at = skipBlanks(bytes, from + 1);
  if (bytes[at] === close) return at + 1;
  for (;;) {
    if (object) {
      const nameEnd = bytes[at] === 0x22 ? skipString(bytes, at) : -1;
      if (nameEnd < 0) return -1;
      const colon = skipBlanks(bytes, nameEnd);
      if (bytes[colon] !== 0x3a) return -1;
      at = skipBlanks(bytes, colon + 1);
    }
    const end = skipValue(bytes, at, depth - 1);
    if (end < 0) return -1;
    at = skipBlanks(bytes, end);
    if (bytes[at] === close) return at + 1;
    if (bytes[at] !== 0x2c) return -1;
    at = skipBlanks(bytes, at + 1);
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number | undefined): boolean {
  return isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

/** Letters, digits, sign and point: what numbers, true, false and null are made of. */
function isScalarByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (
    isDigit(byte) || byte === 0x2b || byte === 0x2d || byte === 0x2e || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a)
  );
}
