/**
 * Puts the signature field into a document and takes it out again, as bytes (FORMAT section 4).
 * Content without `raw` is what is left after cutting, so nothing here may parse and write anew. On the verifier's hot path.
 * Looks at structure only (strings, depth, top-level names): bytes that are no JSON give content whose hash fails, never an error.
 */
import { readText, skipBlanks, skipString } from './json-bytes.ts';

export interface SignatureCut {
  /** The bytes of the member's value, for `parseSignatureField`: a view. */
  readonly field: Buffer;
  /** The document without the member: what was received, if `_source` was kept byte for byte. */
  readonly content: Buffer;
  /** There is another member of this name at the top; the first one was cut. */
  readonly twice: boolean;
}

const fieldName = 'logseal';
const opening = Buffer.from('{"logseal":');

/** `{"logseal":` field `,` and the rest of the document; no comma where only blanks stand before its brace. */
export function spliceSignatureField(content: Buffer, field: Buffer): Buffer {
  const empty = content[skipBlanks(content, 1)] === 0x7d;
  return Buffer.concat([opening, field, empty ? Buffer.alloc(0) : Buffer.from(','), content.subarray(1)]);
}

/**
 * Cuts the member `logseal` out of a `_source`, wherever it stands at the top and however its name is spelled.
 * Undefined if there is none.
 */
export function cutSignatureField(source: Buffer): SignatureCut | undefined {
  const first = startsWithOpening(source) ? openingMember(source) : firstMember(source);
  if (first === undefined) return undefined;
  const field = source.subarray(first.valueStart, first.valueEnd);
  const twice = source[first.next] === 0x2c && findMember(source, first.next + 1) !== undefined;
  return { field, content: without(source, first), twice };
}

interface Member {
  /** Of the name's quote. */
  start: number;
  valueStart: number;
  valueEnd: number;
  /** Of the comma or brace that follows. */
  next: number;
}

function startsWithOpening(source: Buffer): boolean {
  for (let i = 0; i < opening.length; i++) if (source[i] !== opening[i]) return false;
  return true;
}

function openingMember(source: Buffer): Member {
  return memberAt(source, 1, opening.length);
}

function firstMember(source: Buffer): Member | undefined {
  const brace = skipBlanks(source, 0);
  return source[brace] === 0x7b ? findMember(source, brace + 1) : undefined;
}

function memberAt(source: Buffer, start: number, afterColon: number): Member {
  const valueStart = skipBlanks(source, afterColon);
  const next = skipValue(source, valueStart);
  let valueEnd = next;
  while (valueEnd > valueStart && isBlank(source[valueEnd - 1] as number)) valueEnd--;
  return { start, valueStart, valueEnd, next };
}

/** The first top-level member of the name, from `from`, where a name or the brace is expected. */
function findMember(source: Buffer, from: number): Member | undefined {
  let at = from;
  while (at < source.length) {
    at = skipBlanks(source, at);
    if (source[at] !== 0x22) return undefined;
    const start = at;
    at = skipString(source, at);
    if (at < 0) return undefined;
    const named = isFieldName(source, start, at);
    at = skipBlanks(source, at);
    if (source[at] !== 0x3a) return undefined;
    if (named) return memberAt(source, start, at + 1);
    at = skipValue(source, at + 1);
    if (source[at] !== 0x2c) return undefined;
    at++;
  }
  return undefined;
}

/** Whether the string in source[start, end), quotes included, is `logseal`, escaped or not. */
function isFieldName(source: Buffer, start: number, end: number): boolean {
  const first = source[start + 1];
  if (first !== 0x6c && first !== 0x5c) return false;
  return readText(source.subarray(start, end), 0)?.text === fieldName;
}

/** The offset of the comma or brace that ends the value at `from`, at its own depth; the end of the bytes if it does not end. */
function skipValue(source: Buffer, from: number): number {
  const { length } = source;
  let depth = 0;
  let i = from;
  while (i < length) {
    const c = source[i] as number;
    if (c === 0x22) {
      i = skipString(source, i);
      if (i < 0) return length;
      continue;
    }
    if (c === 0x7b || c === 0x5b) {
      depth++;
    } else if (c === 0x7d || c === 0x5d) {
      if (depth === 0) return i;
      depth--;
    } else if (c === 0x2c && depth === 0) {
      return i;
    }
    i++;
  }
  return length;
}

/** The source without the member and one comma: the one behind it, else the one before it. */
function without(source: Buffer, member: Member): Buffer {
  let from = member.start;
  let to = member.valueEnd;
  if (source[member.next] === 0x2c) {
    // A comma before the brace was made by no splice: it stays, and the content's hash fails.
    if (source[skipBlanks(source, member.next + 1)] !== 0x7d) to = member.next + 1;
  } else {
    let before = from - 1;
    while (before > 0 && isBlank(source[before] as number)) before--;
    if (source[before] === 0x2c) from = before;
  }
  const content = Buffer.allocUnsafeSlow(source.length - (to - from));
  source.copy(content, 0, 0, from);
  source.copy(content, from, to);
  return content;
}

function isBlank(c: number): boolean {
  return c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
}
