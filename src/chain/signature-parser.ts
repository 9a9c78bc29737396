/**
 * The reading of a signature field, byte after byte: JSON.parse would take `1.0`, a member twice, and base64 with spare bits.
 * Owns the refusal's reason, which never holds a value of the document but a member's name or a small number.
 */
import { decodeBase64UrlInto } from '../lib/base64url.ts';
import { skipBlanks, skipValue } from '../lib/json-bytes.ts';
import { readContent, readText } from '../lib/json-text.ts';
import { saltBytes } from './content.ts';
import { duplicateName, isInteger, isObject } from './json-form.ts';
import { chainIdBytes } from './key-tree.ts';
import { readDigests } from './signature-digests.ts';
import type { MemberName, ParsedField, SignatureField } from './signature-members.ts';
import { byteLength, integerMax, memberNames, requiredMembers, textBytesMax } from './signature-members.ts';
import { hashBytes, suiteOf, tagBytes } from './suite.ts';

const memberPrefixes = memberNames.map((name) => Buffer.from(`"${name}":`));

type Values = { -readonly [K in keyof SignatureField]?: SignatureField[K] | undefined } & { v?: number };

/** Parses one field, once. */
export class FieldParser {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #values: Values = {};
  /** One allocation for all binary members. */
  readonly #binary = Buffer.allocUnsafeSlow(chainIdBytes + hashBytes + 2 * tagBytes + saltBytes);
  #binaryAt = 0;
  /** A bit for each member read. */
  #seen = 0;
  #at = 0;
  #reason = '';

  /** The field begins at `start`, after blanks; what follows it is not looked at. */
  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes;
    this.#start = start;
  }

  /** After a parse that was ok: behind the field's brace. */
  get end(): number {
    return this.#at;
  }

  parse(): ParsedField {
    const read = this.#members();
    // A later version may have members and spellings that this one cannot know, but it is one object with one v.
    const v = read ? this.#values.v : laterVersion(this.#bytes, this.#start);
    if (v !== undefined && v !== 1) return refuse(true, `v is ${v}`);
    return read ? this.#field() : refuse(false, this.#reason);
  }

  /** Reads all members into `#values`; false if something is wrong, with `#reason`. */
  #members(): boolean {
    const bytes = this.#bytes;
    this.#at = skipBlanks(bytes, this.#start);
    if (bytes[this.#at] !== 0x7b) return this.#wrong('is no object');
    this.#at = skipBlanks(bytes, this.#at + 1);
    let next = 0;
    if (bytes[this.#at] === 0x7d) return this.#wrong('is empty');
    for (;;) {
      const member = this.#name(next);
      if (member < 0) return false;
      next = member + 1;
      this.#at = skipBlanks(bytes, this.#at);
      if (!this.#value(memberNames[member] as MemberName)) return false;
      this.#at = skipBlanks(bytes, this.#at);
      const c = bytes[this.#at];
      if (c === 0x7d) break;
      if (c !== 0x2c) return this.#wrong(`has no comma or brace at byte ${this.#at}`);
      this.#at = skipBlanks(bytes, this.#at + 1);
    }
    this.#at++;
    return true;
  }

  /** The number of the member whose name stands here, with the position moved behind its colon; -1 if there is none to read. */
  #name(next: number): number {
    const count = memberNames.length;
    for (let tried = 0; tried < count; tried++) {
      const member = (next + tried) % count;
      if (startsWith(this.#bytes, this.#at, memberPrefixes[member] as Buffer)) {
        this.#at += (memberPrefixes[member] as Buffer).length;
        return this.#mark(member);
      }
    }
    const name = readText(this.#bytes, this.#at);
    if (name === undefined) return this.#wrongName(`has no name at byte ${this.#at}`);
    this.#at = skipBlanks(this.#bytes, name.end);
    if (this.#bytes[this.#at] !== 0x3a) return this.#wrongName(`has no colon at byte ${this.#at}`);
    this.#at++;
    const member = (memberNames as readonly string[]).indexOf(name.text);
    return member < 0 ? this.#wrongName(`has the unknown member ${JSON.stringify(name.text)}`) : this.#mark(member);
  }

  #mark(member: number): number {
    const bit = 1 << member;
    if ((this.#seen & bit) !== 0) return this.#wrongName(`has ${memberNames[member]} twice`);
    this.#seen |= bit;
    return member;
  }

  #value(name: MemberName): boolean {
    switch (name) {
      case 'v':
      case 'suite':
      case 'epoch':
      case 'index':
      case 'seq':
        return this.#integer(name, name);
      case 'time':
        return this.#integer(name, 'timeMs');
      case 'type':
      case 'flags':
        return this.#integer(name, name) && (this.#values[name] === 1 || this.#wrong(`${name} is written and not 1`));
      case 'dest':
      case 'id':
        return this.#text(name);
      case 'raw':
        return this.#raw();
      case 'digests':
        return this.#digests();
      default:
        return this.#base64(name);
    }
  }

  #integer(name: MemberName, key: 'v' | 'suite' | 'type' | 'flags' | 'epoch' | 'index' | 'seq' | 'timeMs'): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    let value = 0;
    let at = start;
    for (let c = bytes[at] ?? 0; c >= 0x30 && c <= 0x39 && at - start < 17; c = bytes[at] ?? 0) {
      value = value * 10 + (c - 0x30);
      at++;
    }
    if (at === start || (bytes[start] === 0x30 && at > start + 1)) return this.#wrong(`${name} is no plain integer`);
    if (value > (integerMax[name] ?? 0)) return this.#wrong(`${name} is out of range`);
    this.#values[key as 'seq'] = value;
    this.#at = at;
    return true;
  }

  #base64(name: 'chain' | 'hash' | 'prev' | 'tag' | 'salt'): boolean {
    const length = byteLength[name] as number;
    const target = this.#binary;
    const targetAt = this.#binaryAt;
    const bytes = this.#bytes;
    const end = this.#at + 1 + Math.ceil((length * 4) / 3);
    if (bytes[this.#at] !== 0x22 || bytes[end] !== 0x22)
      return this.#wrong(`${name} is not ${length} bytes of base64url`);
    if (!decodeBase64UrlInto(bytes, this.#at + 1, length, target, targetAt))
      return this.#wrong(`${name} is not base64url, or has spare bits`);
    const at = targetAt + length;
    this.#binaryAt = at;
    this.#values[name] = target.subarray(targetAt, at);
    this.#at = end + 1;
    return true;
  }

  #text(name: 'dest' | 'id'): boolean {
    const read = readText(this.#bytes, this.#at);
    if (read === undefined) return this.#wrong(`${name} is no string`);
    if (Buffer.byteLength(read.text) > textBytesMax) return this.#wrong(`${name} is longer than ${textBytesMax} bytes`);
    this.#values[name] = read.text;
    this.#at = read.end;
    return true;
  }

  #raw(): boolean {
    const read = readContent(this.#bytes, this.#at);
    if (read === undefined) return this.#wrong('raw is no string');
    this.#values.raw = read.content;
    this.#at = read.end;
    return true;
  }

  #digests(): boolean {
    const read = readDigests(this.#bytes, this.#at);
    if (!read.ok) return this.#wrong(read.reason);
    this.#values.digests = read.digests;
    this.#at = read.end;
    return true;
  }

  #field(): ParsedField {
    const values = this.#values;
    for (const name of requiredMembers) {
      if ((this.#seen & (1 << memberNames.indexOf(name))) === 0) return refuse(false, `lacks ${name}`);
    }
    if ((values.flags === 1) !== (values.id !== undefined))
      return refuse(false, 'has id without flags 1, or flags 1 without id');
    if (values.salt === undefined && (values.raw !== undefined || values.hash === undefined)) {
      return refuse(false, 'lacks salt and is not erased');
    }
    const suite = values.suite as number;
    if (suiteOf(suite) === undefined) return refuse(true, `suite is ${suite}`);
    const { v: _, type = 0, flags = 0, ...rest } = values;
    return { ok: true, field: { ...rest, type, flags } as SignatureField };
  }

  #wrong(reason: string): false {
    this.#reason = reason;
    return false;
  }

  #wrongName(reason: string): -1 {
    this.#reason = reason;
    return -1;
  }
}

function laterVersion(bytes: Buffer, start: number): number | undefined {
  const from = skipBlanks(bytes, start);
  const end = skipValue(bytes, from);
  if (end < 0) return undefined;
  try {
    const text = bytes.toString('utf8', from, end);
    const value: unknown = JSON.parse(text);
    if (!isObject(value) || !isInteger(value.v, integerMax.v as number) || duplicateName(text) !== undefined)
      return undefined;
    return value.v;
  } catch {
    return undefined;
  }
}

function refuse(unsupported: boolean, reason: string): ParsedField {
  return { ok: false, unsupported, reason };
}

function startsWith(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}
