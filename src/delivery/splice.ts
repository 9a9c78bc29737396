/**
 * Writes a record's document with its signature field into a bulk body, as bytes: the field goes in right after the `{`, the
 * rest is copied as it was received (FORMAT section 4). The hot path of delivery, so no object and no string a record.
 * Must never re-serialise content. Assumes that the target has room: see `documentBytesMax`.
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { DigestName } from '../config/config.ts';
import type { RecordView } from '../journal/records-entry.ts';
import { recordFlags } from '../journal/records-entry.ts';
import type { RecordsFrame } from './item.ts';

export interface SpliceOptions {
  /** Write the content's hash; without it a record is 37 bytes shorter. */
  hash: boolean;
  /** Checksums of the content to show beside it; they decide nothing. */
  digests?: readonly DigestName[];
}

const typeMember = Buffer.from(',"type":1');
const flagsMember = Buffer.from(',"flags":1');
const indexMember = Buffer.from('"index":');
const seqMember = Buffer.from(',"seq":');
const timeMember = Buffer.from(',"time":');
const destMember = Buffer.from(',"dest":"');
const idMember = Buffer.from(',"id":');
const hashMember = Buffer.from(',"hash":"');
const prevMember = Buffer.from(',"prev":"');
const tagMember = Buffer.from(',"tag":"');
const saltMember = Buffer.from(',"salt":"');
const rawMember = Buffer.from(',"raw":"');

const digestsMember = Buffer.from(',"digests":{');

const quote = 0x22;
const backslash = 0x5c;
const closeBrace = 0x7d;
const comma = 0x2c;
const blank = 0x20;

/** A bound on what one document takes. JSON text has no control characters but tab, CR and LF: escaping at most doubles it. */
export function documentBytesMax(destLength: number, idLength: number, contentLength: number, raw: boolean): number {
  return 768 + destLength + 6 * idLength + contentLength * (raw ? 3 : 1);
}

/** Both parts of a frame's signature fields that do not change within it. */
export interface FrameText {
  /** `{"logseal":{"v":1,"suite":1` */
  head: Buffer;
  /** `,"chain":"…","epoch":12,` */
  chain: Buffer;
}

export function frameText(frame: RecordsFrame): FrameText {
  return {
    head: Buffer.from(`{"logseal":{"v":1,"suite":${frame.header.suite}`),
    chain: Buffer.from(`,"chain":"${frame.chain}","epoch":${frame.header.epoch},`),
  };
}

/** Returns the offset after the document, which has no line end. */
export function spliceDocument(
  out: Buffer,
  start: number,
  text: FrameText,
  record: RecordView,
  raw: boolean,
  options: SpliceOptions,
): number {
  let at = writeSignature(out, start, text, record, raw, options);
  const { payload, contentAt, flags } = record;
  if ((flags & recordFlags.emptyObject) === 0) out[at++] = comma;
  const rest = at;
  const contentEnd = contentAt + record.contentLength;
  payload.copy(out, at, contentAt + 1, contentEnd);
  at += contentEnd - contentAt - 1;
  if ((flags & recordFlags.lineFeed) !== 0) blankLineFeeds(out, rest, at);
  return at;
}

/** Writes `{"logseal":{…}` without what follows it. */
export function writeSignature(
  out: Buffer,
  start: number,
  text: FrameText,
  record: RecordView,
  raw: boolean,
  options: SpliceOptions,
): number {
  const { payload, flags } = record;
  const recordAt = record.at;
  let at = put(out, start, text.head);
  if (record.type === 1) at = put(out, at, typeMember);
  const idGiven = (flags & recordFlags.idGiven) !== 0;
  if (idGiven) at = put(out, at, flagsMember);
  at = put(out, at, text.chain);
  at = putInteger(out, put(out, at, indexMember), record.index);
  at = putInteger(out, put(out, at, seqMember), record.seq);
  at = putInteger(out, put(out, at, timeMember), record.timeMs);
  at = put(out, at, destMember);
  at = putRange(out, at, payload, record.destAt, record.idAt);
  out[at++] = quote;
  if (idGiven) at = putText(out, put(out, at, idMember), JSON.stringify(record.id));
  if (options.hash) at = putBase64Url(out, put(out, at, hashMember), payload, recordAt + 36, 32);
  at = putBase64Url(out, put(out, at, prevMember), payload, recordAt + 68, 16);
  at = putBase64Url(out, put(out, at, tagMember), payload, recordAt + 84, 16);
  at = putBase64Url(out, put(out, at, saltMember), payload, record.saltAt, 16);
  if (raw) {
    at = putEscaped(out, put(out, at, rawMember), payload, record.contentAt, record.contentLength);
    out[at++] = quote;
  }
  const { digests = [] } = options;
  if (digests.length > 0) at = putDigests(out, put(out, at, digestsMember), record, digests);
  out[at++] = closeBrace;
  return at;
}

/** The rest of the member, from its first name to its brace. */
function putDigests(out: Buffer, start: number, record: RecordView, names: readonly DigestName[]): number {
  const { payload, contentAt, contentLength } = record;
  const content = payload.subarray(contentAt, contentAt + contentLength);
  const shown = names.map((name) => `"${name}":"${digestOf(name, content)}"`);
  const at = putText(out, start, shown.join());
  out[at] = closeBrace;
  return at + 1;
}

function digestOf(name: DigestName, content: Buffer): string {
  return name === 'crc32' ? crc32(content).toString(16).padStart(8, '0') : hash(name, content, 'hex');
}

/** Copies constant bytes; a loop is faster than a native call for so few. */
export function put(out: Buffer, at: number, bytes: Buffer): number {
  const { length } = bytes;
  for (let i = 0; i < length; i += 1) out[at + i] = bytes[i] as number;
  return at + length;
}

export function putRange(out: Buffer, at: number, from: Buffer, start: number, end: number): number {
  for (let i = start; i < end; i += 1) out[at++] = from[i] as number;
  return at;
}

export function putText(out: Buffer, at: number, text: string): number {
  return at + out.utf8Write(text, at);
}

const tenMillion = 10_000_000;

/** Decimal digits of a safe integer, in halves that stay in small-integer arithmetic. */
function putInteger(out: Buffer, at: number, value: number): number {
  if (value < tenMillion) return putDigits(out, at, value, digitCount(value));
  const high = Math.floor(value / tenMillion);
  const low = value - high * tenMillion;
  const middle = high < tenMillion ? putDigits(out, at, high, digitCount(high)) : putInteger(out, at, high);
  return putDigits(out, middle, low, 7);
}

function digitCount(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1000) return 3;
  if (value < 10_000) return 4;
  if (value < 100_000) return 5;
  return value < 1_000_000 ? 6 : 7;
}

function putDigits(out: Buffer, at: number, value: number, digits: number): number {
  let rest = value | 0;
  for (let i = at + digits - 1; i >= at; i -= 1) {
    const next = (rest / 10) | 0;
    out[i] = 0x30 + rest - next * 10;
    rest = next;
  }
  return at + digits;
}

/** Two characters for each 12 bits. */
const pairs = makePairs();

function makePairs(): Uint8Array {
  const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');
  const table = new Uint8Array(2 * 4096);
  for (let i = 0; i < 4096; i += 1) {
    table[2 * i] = alphabet[i >> 6] as number;
    table[2 * i + 1] = alphabet[i & 63] as number;
  }
  return table;
}

/** base64url without padding, and the closing quote. `length` is 16 or 32: one or two bytes remain. */
function putBase64Url(out: Buffer, start: number, from: Buffer, fromAt: number, length: number): number {
  let at = start;
  const whole = fromAt + length - (length % 3);
  let i = fromAt;
  for (; i < whole; i += 3) {
    const bits = ((from[i] as number) << 16) | ((from[i + 1] as number) << 8) | (from[i + 2] as number);
    at = putPair(out, at, bits >> 12);
    at = putPair(out, at, bits & 4095);
  }
  const last = from[i] as number;
  if (length % 3 === 1) {
    at = putPair(out, at, last << 4);
  } else {
    const bits = (last << 8) | (from[i + 1] as number);
    at = putPair(out, at, bits >> 4);
    out[at++] = pairs[2 * ((bits & 15) << 2) + 1] as number;
  }
  out[at++] = quote;
  return at;
}

function putPair(out: Buffer, at: number, twelveBits: number): number {
  out[at] = pairs[2 * twelveBits] as number;
  out[at + 1] = pairs[2 * twelveBits + 1] as number;
  return at + 2;
}

/** The content as the inside of a JSON string. The caller has made sure that it is valid JSON in valid UTF-8. */
function putEscaped(out: Buffer, start: number, from: Buffer, fromAt: number, length: number): number {
  let at = start;
  const end = fromAt + length;
  for (let i = fromAt; i < end; i += 1) {
    const byte = from[i] as number;
    if (byte === quote || byte === backslash) {
      out[at++] = backslash;
      out[at++] = byte;
    } else if (byte < blank) {
      out[at++] = backslash;
      out[at++] = byte === 0x0a ? 0x6e : byte === 0x0d ? 0x72 : 0x74;
    } else {
      out[at++] = byte;
    }
  }
  return at;
}

/** Line ends stand only between tokens of JSON, where a blank means the same. */
function blankLineFeeds(out: Buffer, start: number, end: number): void {
  for (let i = start; i < end; i += 1) {
    if (out[i] === 0x0a || out[i] === 0x0d) out[i] = blank;
  }
}

/** True where text can stand in a JSON string as it is. */
export function isPlain(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i += 1) {
    const byte = bytes[i] as number;
    if (byte < blank || byte === quote || byte === backslash) return false;
  }
  return true;
}
