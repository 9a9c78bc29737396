/**
 * The reading of a signature field, byte after byte: JSON.parse would take `1.0`, a member twice, and base64 with spare bits.
 * Owns the refusal's reason, which never holds a value of the document but a member's name or a small number.
 */
import { saltBytes } from './content.ts';
import { readContent, readText, skipBlanks } from './json-bytes.ts';
import { duplicateName, isInteger, isObject } from './json-form.ts';
import { chainIdBytes } from './key-tree.ts';
import type { MemberName, ParsedField, SignatureField } from './signature-members.ts';
import { byteLength, integerMax, memberNames, requiredMembers, textBytesMax } from './signature-members.ts';
import { hashBytes, suiteOf, tagBytes } from './suite.ts';

const memberPrefixes = memberNames.map((name) => Buffer.from(`"${name}":`));

/** The value of a base64url character, 0xff for any other byte. */
const sextets = new Uint8Array(256).fill(0xff);
for (const [value, c] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries()) {
  sextets[c.charCodeAt(0)] = value;
}

type Values = { -readonly [K in keyof SignatureField]?: SignatureField[K] | undefined } & { v?: number };

/** Parses one field, once. */
export class FieldParser {
  readonly #bytes: Buffer;
  readonly #values: Values = {};
  /** One allocation for all binary members. */
  readonly #binary = Buffer.allocUnsafeSlow(chainIdBytes + hashBytes + 2 * tagBytes + saltBytes);
  #binaryAt = 0;
  /** A bit for each member read. */
  #seen = 0;
  #at = 0;
  #reason = '';

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  parse(): ParsedField {
    const read = this.#members();
    // A later version may have members and spellings that this one cannot know, but it is one object with one v.
    const v = read ? this.#values.v : laterVersion(this.#bytes);
    if (v !== undefined && v !== 1) return refuse(true, `v is ${v}`);
    return read ? this.#field() : refuse(false, this.#reason);
  }

  /** Reads all members into `#values`; false if something is wrong, with `#reason`. */
  #members(): boolean {
    const bytes = this.#bytes;
    this.#at = skipBlanks(bytes, 0);
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
    return skipBlanks(bytes, this.#at + 1) === bytes.length || this.#wrong('has more after its brace');
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
    let bits = 0;
    let held = 0;
    let at = targetAt;
    if (bytes[this.#at] !== 0x22 || bytes[end] !== 0x22)
      return this.#wrong(`${name} is not ${length} bytes of base64url`);
    for (let i = this.#at + 1; i < end; i++) {
      const sextet = sextets[bytes[i] as number] as number;
      if (sextet === 0xff) return this.#wrong(`${name} is not base64url`);
      bits = ((bits << 6) | sextet) & 0xffff;
      held += 6;
      if (held >= 8) {
        held -= 8;
        target[at++] = bits >> held;
      }
    }
    if ((bits & ((1 << held) - 1)) !== 0) return this.#wrong(`${name} has spare bits`);
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
    const bytes = this.#bytes;
    const digests: Record<string, string> = {};
    if (bytes[this.#at] !== 0x7b) return this.#wrong('digests is no object');
    let at = skipBlanks(bytes, this.#at + 1);
    for (let first = true; bytes[at] !== 0x7d; first = false) {
      if (!first) {
        if (bytes[at] !== 0x2c) return this.#wrong('digests is no object');
        at = skipBlanks(bytes, at + 1);
      }
      const name = readText(bytes, at);
      at = name === undefined ? at : skipBlanks(bytes, name.end);
      const value = name === undefined || bytes[at] !== 0x3a ? undefined : readText(bytes, skipBlanks(bytes, at + 1));
      if (name === undefined || value === undefined || !/^[a-z0-9-]{1,32}$/.test(name.text)) {
        return this.#wrong('digests is not names with values');
      }
      if (!/^(?:[0-9a-f]{2}){1,64}$/.test(value.text) || Object.hasOwn(digests, name.text)) {
        return this.#wrong(`digests has ${name.text} twice or not in lower-case hexadecimal`);
      }
      digests[name.text] = value.text;
      at = skipBlanks(bytes, value.end);
    }
    this.#values.digests = digests;
    this.#at = at + 1;
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

function laterVersion(bytes: Buffer): number | undefined {
  try {
    const text = bytes.toString('utf8');
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
