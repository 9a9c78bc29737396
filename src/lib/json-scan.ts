/**
 * Owns the question whether some bytes are one acceptable JSON document, and where its content begins and ends.
 * Assumes that the caller has checked the whole body for UTF-8 (`buffer.isUtf8`): bytes from 0x80 up are taken as they are,
 * and only inside strings. Must never allocate, copy or change a byte: it runs once for each record the proxy accepts.
 *
 * The grammar is RFC 8259, strictly. Duplicate names, lone surrogate escapes and numbers beyond a double are RFC 8259 too.
 */

/** 0 ok · 1 not an object · 2 malformed · 3 too deep · 4 a top-level name that is, or begins like, the signature field's */
export type ScanCode = 0 | 1 | 2 | 3 | 4;

/** An array that holds so many numbers may be mapped as a vector by Elasticsearch and then vanish from `_source`. */
const longArrayNumbers = 128;

/** What may follow. The order matters: from `name` on a name is expected, below it a value. */
const expectValue = 0;
const expectValueOrEnd = 1;
const expectName = 2;
const expectNameOrEnd = 3;
const expectCommaOrEnd = 4;

const frameObject = 1;
const frameArray = 0;

/** 1: a character that may follow a backslash; `u` is looked at by itself. */
const escapes = new Uint8Array(256);
for (const c of '"\\/bfnrt') escapes[c.charCodeAt(0)] = 1;

/** The value of a hexadecimal digit, 0xff for any other byte. */
const hexDigits = new Uint8Array(256).fill(0xff);
for (const [value, c] of [...'0123456789abcdef'].entries()) {
  hexDigits[c.charCodeAt(0)] = value;
  hexDigits[c.toUpperCase().charCodeAt(0)] = value;
}

const reserved = Buffer.from('logseal');

const noWords = new Int32Array(0);
/** Bytes of a string that are looked at one by one before words; a multiple of four. */
const shortBytes = 12;
/** Larger memory is not held on to for the sake of speed. */
const wordedBytesMax = 16 * 1024 * 1024;

/** Scans one document at a time; the fields describe the last scan and are valid only if it returned 0 (`errorOffset`: only if not). */
export class ObjectScanner {
  /** Offset of the `{`. */
  contentStart = 0;
  /** One past the matching `}`. */
  contentEnd = 0;
  /** A line feed or carriage return between the braces: the document cannot be sent in a bulk body as it is. */
  lineFeed = false;
  /** Some array holds, together with all that is nested in it, 128 numbers or more. Errs towards true. */
  longNumberArray = false;
  /** Only blanks between the braces. */
  emptyObject = false;
  /** Offset of the byte that decided the refusal. */
  errorOffset = 0;

  readonly #depthMax: number;
  readonly #frames: Uint8Array;
  /** The memory of the body that was scanned last. */
  #words: Int32Array = noWords;
  #failure: ScanCode = 0;

  /** `depthMax`: objects and arrays open at once, the document itself counted. */
  constructor(options: { depthMax: number }) {
    this.#depthMax = options.depthMax;
    this.#frames = new Uint8Array(options.depthMax + 1);
  }

  /** Scans bytes[start, end): one object, blanks (space, tab, CR, LF) around it allowed, nothing else. */
  scan(bytes: Buffer, start: number, end: number): ScanCode {
    let i = start;
    while (i < end && isBlank(bytes[i] as number)) i++;
    if (i >= end || bytes[i] !== 0x7b) return this.#refuse(1, i);
    this.contentStart = i;
    this.lineFeed = false;
    this.longNumberArray = false;
    this.emptyObject = false;
    this.#failure = 0;
    i = this.#walk(bytes, i + 1, end);
    if (this.#failure !== 0) return this.#failure;
    this.contentEnd = i;
    while (i < end && isBlank(bytes[i] as number)) i++;
    return i === end ? 0 : this.#refuse(2, i);
  }

  #refuse(code: ScanCode, offset: number): ScanCode {
    this.errorOffset = offset;
    this.#failure = code;
    return code;
  }

  /** From behind the document's `{` to one past its `}`. A refusal is left in `#failure`. */
  #walk(bytes: Buffer, from: number, end: number): number {
    const frames = this.#frames;
    const words = this.#wordsOf(bytes);
    const depthMax = this.#depthMax;
    let depth = 1;
    let expect = expectNameOrEnd;
    let numbers = 0;
    let arrays = 0;
    let i = from;
    frames[1] = frameObject;
    if (depthMax < 1) return this.#refuse(3, i);
    while (i < end) {
      const c = bytes[i] as number;
      if (c === 0x20 || c === 0x09) {
        i++;
      } else if (c === 0x0a || c === 0x0d) {
        this.lineFeed = true;
        i++;
      } else if (c === 0x22) {
        const stop = skipString(bytes, words, i + 1, end);
        if (stop < 0) return this.#refuse(2, ~stop);
        if (expect >= expectName) {
          if (expect === expectCommaOrEnd) return this.#refuse(2, i);
          if (depth === 1 && isReserved(bytes, i + 1, stop - 1)) return this.#refuse(4, i);
          i = stop;
          while (i < end && bytes[i] !== 0x3a && this.#blank(bytes[i] as number)) i++;
          if (i >= end || bytes[i] !== 0x3a) return this.#refuse(2, i);
          i++;
          expect = expectValue;
        } else {
          i = stop;
          expect = expectCommaOrEnd;
        }
      } else if (c === 0x2c) {
        if (expect !== expectCommaOrEnd) return this.#refuse(2, i);
        expect = frames[depth] === frameObject ? expectName : expectValue;
        i++;
      } else if (c === 0x7d || c === 0x5d) {
        const object = c === 0x7d;
        if (expect !== expectCommaOrEnd && expect !== (object ? expectNameOrEnd : expectValueOrEnd)) {
          return this.#refuse(2, i);
        }
        if (frames[depth] !== (object ? frameObject : frameArray)) return this.#refuse(2, i);
        if (!object && --arrays === 0 && numbers >= longArrayNumbers) this.longNumberArray = true;
        i++;
        if (--depth === 0) {
          this.emptyObject = expect === expectNameOrEnd;
          return i;
        }
        expect = expectCommaOrEnd;
      } else if (expect > expectValueOrEnd) {
        return this.#refuse(2, i);
      } else if (c === 0x7b || c === 0x5b) {
        if (++depth > depthMax) return this.#refuse(3, i);
        if (c === 0x7b) {
          frames[depth] = frameObject;
          expect = expectNameOrEnd;
        } else {
          frames[depth] = frameArray;
          expect = expectValueOrEnd;
          if (arrays++ === 0) numbers = 0;
        }
        i++;
      } else {
        const stop = c >= 0x61 ? skipWord(bytes, i, end) : skipNumber(bytes, i, end);
        if (stop < 0) return this.#refuse(2, ~stop);
        if (c < 0x61) numbers++;
        i = stop;
        expect = expectCommaOrEnd;
      }
    }
    return this.#refuse(2, end);
  }

  /** Made once for a body, not for each record. */
  #wordsOf(bytes: Buffer): Int32Array {
    const memory = bytes.buffer;
    if (this.#words.buffer !== memory) {
      const count = memory.byteLength <= wordedBytesMax ? memory.byteLength >>> 2 : 0;
      this.#words = count === 0 ? noWords : new Int32Array(memory, 0, count);
    }
    return this.#words;
  }

  #blank(c: number): boolean {
    if (c === 0x0a || c === 0x0d) this.lineFeed = true;
    return isBlank(c);
  }
}

function isBlank(c: number): boolean {
  return c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
}

/** Whether one of four bytes is a quote, a backslash or a control character; bytes above 0x7F are none. */
function hasSpecial(word: number): boolean {
  const quotes = word ^ 0x22222222;
  const backslashes = word ^ 0x5c5c5c5c;
  const found =
    ((word - 0x20202020) & ~word) | ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes);
  return (found & 0x80808080) !== 0;
}

/**
 * `from` stands behind the opening quote. Returns one past the closing quote, or the complement of the offset of what is wrong.
 * `words` is the memory of `bytes` by four bytes, or empty: what lies between two of them is looked at byte by byte.
 */
function skipString(bytes: Buffer, words: Int32Array, from: number, end: number): number {
  const origin = bytes.byteOffset;
  let i = from;
  for (;;) {
    let c = 0;
    const boundary = Math.min(end, i + shortBytes + (-(origin + i) & 3));
    // Three comparisons are faster here than one look into a table, and than words for a short string.
    while (i < boundary) {
      c = bytes[i] as number;
      if (c === 0x22 || c === 0x5c || c < 0x20) break;
      i++;
    }
    if (i === boundary) {
      let word = (origin + i) >>> 2;
      const last = Math.min(words.length, (origin + end) >>> 2);
      while (word < last && !hasSpecial(words[word] as number)) word++;
      i = Math.max(i, word * 4 - origin);
      while (i < end) {
        c = bytes[i] as number;
        if (c === 0x22 || c === 0x5c || c < 0x20) break;
        i++;
      }
    }
    if (i >= end) return ~end;
    if (c === 0x22) return i + 1;
    if (c !== 0x5c || i + 1 >= end) return ~i;
    const follower = bytes[i + 1] as number;
    if (escapes[follower] === 1) {
      i += 2;
    } else if (follower === 0x75 && hexValue(bytes, i + 2, end) >= 0) {
      i += 6;
    } else {
      return ~i;
    }
  }
}

/** The value of four hexadecimal digits, or -1. */
function hexValue(bytes: Buffer, at: number, end: number): number {
  if (at + 4 > end) return -1;
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const digit = hexDigits[bytes[i] as number] as number;
    if (digit === 0xff) return -1;
    value = value * 16 + digit;
  }
  return value;
}

function skipNumber(bytes: Buffer, from: number, end: number): number {
  let i = from;
  if (bytes[i] === 0x2d) i++;
  if (i < end && bytes[i] === 0x30) {
    i++;
  } else {
    const digits = i;
    i = skipDigits(bytes, i, end);
    if (i === digits) return ~i;
  }
  if (i < end && bytes[i] === 0x2e) {
    const digits = i + 1;
    i = skipDigits(bytes, digits, end);
    if (i === digits) return ~i;
  }
  if (i < end && ((bytes[i] as number) | 0x20) === 0x65) {
    i++;
    if (i < end && (bytes[i] === 0x2b || bytes[i] === 0x2d)) i++;
    const digits = i;
    i = skipDigits(bytes, i, end);
    if (i === digits) return ~i;
  }
  return i;
}

function skipDigits(bytes: Buffer, from: number, end: number): number {
  let i = from;
  while (i < end && (bytes[i] as number) >= 0x30 && (bytes[i] as number) <= 0x39) i++;
  return i;
}

const words = [Buffer.from('true'), Buffer.from('false'), Buffer.from('null')];

function skipWord(bytes: Buffer, from: number, end: number): number {
  for (const word of words) {
    if (bytes[from] !== word[0] || from + word.length > end) continue;
    let n = 1;
    while (n < word.length && bytes[from + n] === word[n]) n++;
    return n === word.length ? from + n : ~from;
  }
  return ~from;
}

/** Whether the name in bytes[from, to), a valid JSON string without its quotes, is `logseal` or begins with `logseal.` once unescaped. */
function isReserved(bytes: Buffer, from: number, to: number): boolean {
  const first = bytes[from];
  if (first !== 0x6c && first !== 0x5c) return false;
  let i = from;
  for (let n = 0; n <= reserved.length; n++) {
    if (i >= to) return n === reserved.length;
    let c = bytes[i] as number;
    if (c !== 0x5c) {
      i++;
    } else if (bytes[i + 1] === 0x75) {
      c = hexValue(bytes, i + 2, to);
      i += 6;
    } else {
      // None of the short escapes stands for a character of `logseal.`.
      return false;
    }
    if (c !== (n < reserved.length ? reserved[n] : 0x2e)) return false;
  }
  return true;
}
