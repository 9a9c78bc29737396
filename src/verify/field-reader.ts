/**
 * Reads the signature field of one document straight from its bytes into a header, without an object a record.
 *
 * Owns the reading side of the field's spelling: any order of members, every value in its one spelling, nothing unknown.
 * Assumes `_source` is valid UTF-8. Reuses its buffers: what it holds is good until the next `read`.
 */
import { headerAt, writeSafeInteger } from '../chain/header.ts';
import { bytesAt, hasAt, quoteWithin, textBytes, writeGeneratedId } from './field-bytes.ts';
import {
  compareName,
  fieldNames,
  findMember,
  integerEnd,
  skipBlanks,
  skipString,
  skipValue,
  valueOfDigits,
} from './json-bytes.ts';

export type ReadOutcome = 'read' | 'no field' | 'malformed' | 'unsupported';

const magic = Buffer.from('LSP1');
const fieldStart = Buffer.from('{"logseal":{');
const text16Max = 65_535;
const u32Max = 0xffff_ffff;
const requiredMembers: readonly string[] = [
  'v',
  'suite',
  'chain',
  'epoch',
  'index',
  'seq',
  'time',
  'dest',
  'prev',
  'tag',
];

const requiredBits = fieldNames.reduce((bits, name, code) => (isRequired(name) ? bits | (1 << code) : bits), 0);
const longestName = fieldNames.reduce((most, name) => Math.max(most, name.length), 0);

export class FieldReader {
  /** Header bytes from `headerOffset`; the room before is for an HMAC pad, C is not filled in. */
  readonly scratch: Buffer = Buffer.alloc(136 + headerAt.dest + 2 * (2 + text16Max) + 32);
  readonly headerOffset = 136;
  headerEnd = 0;
  suite = 0;
  type = 0;
  flags = 0;
  epoch = 0;
  index = 0;
  seq = 0;
  time = 0;
  /** Byte range of dest in `scratch`, and whether the id was given by the shipper. */
  destStart = 0;
  destEnd = 0;
  idStart = 0;
  idEnd = 0;
  readonly tag: Buffer = Buffer.alloc(16);
  readonly salt: Buffer = Buffer.alloc(16);
  readonly hash: Buffer = Buffer.alloc(32);
  hasSalt = false;
  hasHash = false;
  /** Byte range of the JSON string `raw`, quotes included, in the source; -1 without it. */
  rawStart = -1;
  rawEnd = -1;
  /** The field stands right after the document's `{`, as the splice puts it. */
  spliced = false;
  /** Where the visible rest begins after the field and its comma. */
  restStart = 0;
  /** Why the last read was not `read`. Never holds a value of the document. */
  reason = '';

  /** A bit for each of `fieldNames`. */
  #seen = 0;
  #version = 0;
  #idText: Buffer | undefined;
  #destText: Buffer = Buffer.alloc(0);
  /** It stands in JSON as it is, without escapes. */
  #destPlain = false;

  constructor() {
    magic.copy(this.scratch, this.headerOffset);
  }

  read(source: Buffer): ReadOutcome {
    this.reason = '';
    let at: number;
    if (source.length > fieldStart.length && hasAt(source, 0, fieldStart)) {
      this.spliced = true;
      at = fieldStart.length;
    } else {
      this.spliced = false;
      at = findMember(source, 'logseal');
      if (at === -1) return 'no field';
      if (at < 0) return this.#malformed('the document is not one JSON object with one signature field');
      if (source[at] !== 0x7b) return this.#malformed('the signature field is not an object');
      at += 1;
    }
    const end = this.#readMembers(source, at);
    if (end < 0 && ((this.#seen & 1) === 0 || this.#version === 1)) return 'malformed';
    if (this.#version !== 1) return this.#other(`the signature field is of version ${this.#version}`);
    if (this.suite < 1 || this.suite > 4) return this.#other(`the signature field names suite ${this.suite}`);
    if (end < 0 || !this.#checkMembers()) return 'malformed';
    this.restStart = end;
    this.#finishHeader();
    return 'read';
  }

  /** Content when the field was spliced: byte range after `{`; undefined if no splice can have made this document. */
  contentRest(source: Buffer): { start: number; end: number } | undefined {
    if (!this.spliced) return undefined;
    const comma = source[this.restStart] === 0x2c;
    const start = comma ? this.restStart + 1 : this.restStart;
    const closes = source[skipBlanks(source, start)] === 0x7d;
    return comma === closes ? undefined : { start, end: source.length };
  }

  /** Whether a text is the id that the proxy generates for this chain and seq. */
  isGeneratedId(id: string): boolean {
    if (id.length !== 22) return false;
    if (this.flags === 0) return this.isHeaderId(id);
    writeGeneratedId(this.scratch, this.headerOffset, this.headerEnd);
    return id === this.scratch.latin1Slice(this.headerEnd, this.headerEnd + 22);
  }

  /** Whether a text is the id in the header. */
  isHeaderId(id: string): boolean {
    return id === this.scratch.utf8Slice(this.idStart, this.idEnd);
  }

  #readMembers(source: Buffer, from: number): number {
    this.#seen = 0;
    this.#version = 1;
    this.type = 0;
    this.flags = 0;
    this.hasSalt = false;
    this.hasHash = false;
    this.rawStart = -1;
    this.rawEnd = -1;
    this.#idText = undefined;
    let at = skipBlanks(source, from);
    if (source[at] === 0x7d) return at + 1;
    for (;;) {
      if (source[at] !== 0x22) return this.#fail('a member of the signature field has no name');
      const nameEnd = quoteWithin(source, at + 1, longestName);
      const code = nameEnd < 0 ? -1 : compareName(source, at + 1, nameEnd);
      if (code < 0) return this.#fail('the signature field has an unknown member');
      if ((this.#seen & (1 << code)) !== 0) return this.#fail('the signature field has a member twice');
      this.#seen |= 1 << code;
      at = skipBlanks(source, nameEnd + 1);
      if (source[at] !== 0x3a) return this.#fail('the signature field is not JSON');
      at = this.#readValue(source, code, skipBlanks(source, at + 1));
      if (at < 0) return this.#fail(`member ${fieldNames[code]} of the signature field is spelled wrongly`);
      at = skipBlanks(source, at);
      if (source[at] === 0x7d) return at + 1;
      if (source[at] !== 0x2c) return this.#fail('the signature field is not JSON');
      at = skipBlanks(source, at + 1);
    }
  }

  #readValue(source: Buffer, code: number, at: number): number {
    const first = source[at];
    if (first !== undefined && first >= 0x30 && first <= 0x39) return this.#readNumber(source, code, at);
    const base = this.headerOffset;
    switch (fieldNames[code]) {
      case 'chain':
        return bytesAt(source, at, 22, this.scratch, base + headerAt.chain);
      case 'prev':
        return bytesAt(source, at, 22, this.scratch, base + headerAt.prev);
      case 'tag':
        return bytesAt(source, at, 22, this.tag, 0);
      case 'salt':
        this.hasSalt = true;
        return bytesAt(source, at, 22, this.salt, 0);
      case 'hash':
        this.hasHash = true;
        return bytesAt(source, at, 43, this.hash, 0);
      default:
        return this.#readText(source, code, at);
    }
  }

  #readText(source: Buffer, code: number, at: number): number {
    const name = fieldNames[code];
    if (name === 'dest') {
      const end = at + 1 + this.#destText.length;
      if (this.#destPlain && source[at] === 0x22 && source[end] === 0x22 && hasAt(source, at + 1, this.#destText))
        return end + 1;
    }
    if (name === 'digests') return source[at] === 0x7b ? skipValue(source, at, 4) : -1;
    if (source[at] !== 0x22 || (name !== 'dest' && name !== 'id' && name !== 'raw')) return -1;
    const end = skipString(source, at);
    if (end < 0) return -1;
    if (name === 'raw') {
      this.rawStart = at;
      this.rawEnd = end;
      return end;
    }
    const text = textBytes(source, at, end);
    if (text === undefined || text.length === 0 || text.length > text16Max) return -1;
    if (name === 'dest') {
      this.#destText = Buffer.from(text);
      this.#destPlain = text.length === end - at - 2;
    } else this.#idText = text;
    return end;
  }

  #checkMembers(): boolean {
    if ((this.#seen & requiredBits) !== requiredBits) {
      const missing = fieldNames.filter((name, code) => isRequired(name) && (this.#seen & (1 << code)) === 0);
      this.reason = `the signature field lacks ${missing.join(', ')}`;
      return false;
    }
    const given = this.#idText !== undefined;
    if (this.flags > 1 || this.type > 1 || (this.flags === 1) !== given) {
      this.reason = 'type, flags and id of the signature field do not fit together';
      return false;
    }
    if (!this.hasSalt && !this.hasHash) this.reason = 'the signature field has neither salt nor hash';
    if (!this.hasSalt && this.rawStart >= 0) this.reason = 'the signature field has raw but no salt';
    return this.reason === '';
  }

  #finishHeader(): void {
    const { scratch, headerOffset: base } = this;
    scratch[base + headerAt.suite] = this.suite;
    scratch[base + headerAt.type] = this.type;
    scratch.writeUInt16BE(this.flags, base + headerAt.flags);
    scratch.writeUInt32BE(this.epoch, base + headerAt.epoch);
    scratch.writeUInt32BE(this.index, base + headerAt.index);
    writeSafeInteger(scratch, this.seq, base + headerAt.seq);
    writeSafeInteger(scratch, this.time, base + headerAt.time);
    let at = base + headerAt.dest;
    scratch.writeUInt16BE(this.#destText.length, at);
    this.destStart = at + 2;
    this.destEnd = this.destStart + this.#destText.copy(scratch, this.destStart);
    at = this.destEnd;
    this.idStart = at + 2;
    if (this.#idText === undefined) writeGeneratedId(scratch, base, this.idStart);
    else this.#idText.copy(scratch, this.idStart);
    const idLength = this.#idText?.length ?? 22;
    scratch.writeUInt16BE(idLength, at);
    this.idEnd = this.idStart + idLength;
    this.headerEnd = this.idEnd;
  }

  #readNumber(source: Buffer, code: number, at: number): number {
    const end = integerEnd(source, at);
    const value = end < 0 ? Number.POSITIVE_INFINITY : valueOfDigits(source, at, end);
    const wide = value <= Number.MAX_SAFE_INTEGER;
    const narrow = value <= u32Max;
    const name = fieldNames[code];
    if (name === 'seq' && wide) this.seq = value;
    else if (name === 'time' && wide) this.time = value;
    else if (name === 'epoch' && narrow) this.epoch = value;
    else if (name === 'index' && narrow) this.index = value;
    else if (name === 'suite' && narrow) this.suite = value;
    else if (name === 'v' && narrow) this.#version = value;
    else if (name === 'flags' && value <= 65_535) this.flags = value;
    else if (name === 'type' && value <= 255) this.type = value;
    else return -1;
    return end;
  }

  #fail(reason: string): -1 {
    this.reason = reason;
    return -1;
  }

  #malformed(reason: string): 'malformed' {
    this.reason = reason;
    return 'malformed';
  }

  #other(reason: string): 'unsupported' {
    this.reason = reason;
    return 'unsupported';
  }
}

function isRequired(name: string): boolean {
  return requiredMembers.includes(name);
}
