/**
 * Reads the signature field of one document straight from its bytes into a header.
 *
 * Owns where in a document the field stands, and a way through the one spelling that the proxy writes, without an object a record:
 * canonical order, no blanks, no escapes outside raw. It never refuses: what is spelled otherwise goes to the reader of the chain
 * unit, which alone says what a field is. Reuses its buffers: what it holds is good until the next `read`.
 */
import { isUtf8 } from 'node:buffer';
import { headerAt, writeSafeInteger } from '../chain/header.ts';
import { readDigests } from '../chain/signature-digests.ts';
import { readSignatureField } from '../chain/signature-field.ts';
import type { SignatureField } from '../chain/signature-members.ts';
import { textBytesMax } from '../chain/signature-members.ts';
import { suites } from '../chain/suite.ts';
import { findMember, skipBlanks } from '../lib/json-bytes.ts';
import type { FieldPlace } from './content-reader.ts';
import { ContentReader } from './content-reader.ts';
import { after, afterBytes, afterDigits, afterText, spelled, valueOfDigits, writeGeneratedId } from './field-bytes.ts';

export type ReadOutcome = 'read' | 'no field' | 'malformed' | 'unsupported';

const base = 136;
const destAt = base + headerAt.dest + 2;
const u32Max = 0xffff_ffff;
/** A byte that stands in no text. */
const noUtf8 = 0xff;

export class FieldReader implements FieldPlace {
  /** Header bytes from `headerOffset`, a zero byte before them; C is not filled in. */
  readonly scratch: Buffer = Buffer.alloc(destAt + 2 + 2 * textBytesMax + 32);
  readonly headerOffset: number = base;
  headerEnd = 0;
  suite = 0;
  type = 0;
  flags = 0;
  epoch = 0;
  index = 0;
  seq = 0;
  time = 0;
  /** Byte ranges of dest and id in `scratch`. */
  readonly destStart: number = destAt;
  destEnd: number = destAt;
  idStart = 0;
  idEnd = 0;
  readonly tag: Buffer = Buffer.alloc(16);
  readonly salt: Buffer = Buffer.alloc(16);
  readonly hash: Buffer = Buffer.alloc(32);
  hasSalt = false;
  hasHash = false;
  hasRaw = false;
  digests: SignatureField['digests'];
  spliced = false;
  fieldEnd = 0;
  /** Why the last read was not `read`. Never holds a value of the document but a member's name or a small number. */
  reason = '';
  readonly content: ContentReader = new ContentReader();

  /** The 22 characters whose value is the header's chain. */
  readonly #chainText: Buffer = Buffer.alloc(22, noUtf8);
  #header: Buffer = this.scratch;
  #leafInput: Buffer = this.scratch;

  constructor() {
    this.scratch.write('LSP1', base);
  }

  read(source: Buffer): ReadOutcome {
    this.reason = '';
    if (!isUtf8(source)) return this.#refuse('malformed', 'not valid UTF-8');
    this.spliced = after(source, 0, spelled.opening) > 0;
    const end = this.spliced ? this.#readPlain(source) : -1;
    if (end < 0) return this.#readAny(source);
    this.fieldEnd = end;
    this.#finishHeader();
    return 'read';
  }

  /** The header, with what C is filled in. A view. */
  get header(): Buffer {
    return this.#header;
  }

  /** What the leaf is the hash of: a zero byte, the header with what C is filled in, T. A view. */
  leafInput(): Buffer {
    for (let n = 0; n < 16; n++) this.scratch[this.headerEnd + n] = this.tag[n] as number;
    return this.#leafInput;
  }

  /** Whether a text is the id that the proxy generates for this chain and seq. */
  isGeneratedId(id: string): boolean {
    if (id.length !== 22) return false;
    if (this.flags === 0) return this.isHeaderId(id);
    writeGeneratedId(this.scratch, base, this.headerEnd);
    return id === this.scratch.latin1Slice(this.headerEnd, this.headerEnd + 22);
  }

  /** Whether a text is the id in the header. */
  isHeaderId(id: string): boolean {
    return id === this.scratch.utf8Slice(this.idStart, this.idEnd);
  }

  /** Behind the field's brace; -1 if it is not in the proxy's own spelling, which says nothing about it. */
  #readPlain(source: Buffer): number {
    let at = after(source, 0, spelled.start);
    this.suite = (source[at] ?? 0) - 0x30;
    if (at < 0 || this.suite < 1 || this.suite > suites.length) return -1;
    at += 1;
    const type = after(source, at, spelled.type);
    this.type = type < 0 ? 0 : 1;
    if (type > 0) at = type;
    const flags = after(source, at, spelled.flags);
    this.flags = flags < 0 ? 0 : 1;
    if (flags > 0) at = flags;
    at = this.#plainNumbers(source, this.#plainChain(source, after(source, at, spelled.chain)));
    at = this.#plainDest(source, after(source, at, spelled.dest));
    if (this.flags === 1) {
      const id = after(source, at, spelled.id);
      at = afterText(source, id);
      if (at > 0) this.#setId(source, id, at - 1);
    }
    const hash = after(source, at, spelled.hash);
    this.hasHash = hash > 0;
    if (this.hasHash) at = afterBytes(source, hash, 32, this.hash, 0);
    at = afterBytes(source, after(source, at, spelled.prev), 16, this.scratch, base + headerAt.prev);
    at = afterBytes(source, after(source, at, spelled.tag), 16, this.tag, 0);
    at = this.#plainContent(source, at);
    if (at < 0 || source[at] !== 0x7d) return -1;
    const next = source[at + 1];
    return next === 0x2c || (next === 0x7d && at + 2 === source.length) ? at + 1 : -1;
  }

  /** Chain after chain is the same one. */
  #plainChain(source: Buffer, at: number): number {
    const known = after(source, at, this.#chainText);
    if (known > 0 && source[known] === 0x22) return known + 1;
    const end = afterBytes(source, at, 16, this.scratch, base + headerAt.chain);
    if (end > 0) source.copy(this.#chainText, 0, at, at + 22);
    else this.#chainText[0] = noUtf8;
    return end;
  }

  #plainNumbers(source: Buffer, from: number): number {
    let start = after(source, from, spelled.epoch);
    let end = afterDigits(source, start);
    this.epoch = valueOfDigits(source, start, end);
    start = after(source, end, spelled.index);
    end = afterDigits(source, start);
    this.index = valueOfDigits(source, start, end);
    start = after(source, end, spelled.seq);
    end = afterDigits(source, start);
    this.seq = valueOfDigits(source, start, end);
    start = after(source, end, spelled.time);
    end = afterDigits(source, start);
    this.time = valueOfDigits(source, start, end);
    return this.epoch > u32Max || this.index > u32Max ? -1 : end;
  }

  #plainDest(source: Buffer, at: number): number {
    const { scratch, destEnd } = this;
    const known = at + destEnd - destAt;
    let n = destAt;
    while (n < destEnd && source[at + n - destAt] === scratch[n]) n++;
    if (at > 0 && n === destEnd && source[known] === 0x22) return known + 1;
    const end = afterText(source, at);
    if (end > 0) this.#setDest(source, at, end - 1);
    return end;
  }

  /** Salt, raw and digests. */
  #plainContent(source: Buffer, from: number): number {
    let at = from;
    const salt = after(source, at, spelled.salt);
    this.hasSalt = salt > 0;
    if (this.hasSalt) at = afterBytes(source, salt, 16, this.salt, 0);
    else if (!this.hasHash) return -1;
    const raw = after(source, at, spelled.raw);
    this.hasRaw = raw > 0;
    if (this.hasRaw) at = this.hasSalt ? this.content.decodeRaw(source, raw) : -1;
    const digests = after(source, at, spelled.digests);
    this.digests = undefined;
    if (digests < 0) return at;
    const shown = readDigests(source, digests);
    if (!shown.ok) return -1;
    this.digests = shown.digests;
    return shown.end;
  }

  #readAny(source: Buffer): ReadOutcome {
    const at = this.spliced ? spelled.opening.length - 1 : findMember(source, 'logseal');
    if (at === -1) return 'no field';
    if (at < 0) return this.#refuse('malformed', 'the document is not one JSON object with one signature field');
    const read = readSignatureField(source, at);
    if (!read.ok) return this.#refuse(read.unsupported ? 'unsupported' : 'malformed', `the field ${read.reason}`);
    const next = skipBlanks(source, read.end);
    const closes = source[next] === 0x7d && skipBlanks(source, next + 1) === source.length;
    if (source[next] !== 0x2c && !closes)
      return this.#refuse('malformed', 'the document does not go on or end after the field');
    this.fieldEnd = read.end;
    this.#take(read.field);
    this.#finishHeader();
    return 'read';
  }

  #take({ chain, prev, tag, hash, salt, raw, digests, dest, id, ...field }: SignatureField): void {
    this.suite = field.suite;
    this.type = field.type;
    this.flags = field.flags;
    this.epoch = field.epoch;
    this.index = field.index;
    this.seq = field.seq;
    this.time = field.timeMs;
    this.#chainText[0] = noUtf8;
    chain.copy(this.scratch, base + headerAt.chain);
    prev.copy(this.scratch, base + headerAt.prev);
    tag.copy(this.tag);
    hash?.copy(this.hash);
    salt?.copy(this.salt);
    this.hasHash = hash !== undefined;
    this.hasSalt = salt !== undefined;
    this.hasRaw = raw !== undefined;
    if (raw !== undefined) this.content.takeRaw(raw);
    this.digests = digests;
    const destBytes = Buffer.from(dest);
    this.#setDest(destBytes, 0, destBytes.length);
    const idBytes = Buffer.from(id ?? '');
    this.#setId(idBytes, 0, idBytes.length);
  }

  #setDest(from: Buffer, start: number, end: number): void {
    this.scratch.writeUInt16BE(end - start, destAt - 2);
    this.destEnd = destAt + from.copy(this.scratch, destAt, start, end);
  }

  #setId(from: Buffer, start: number, end: number): void {
    this.idStart = this.destEnd + 2;
    this.idEnd = this.idStart + from.copy(this.scratch, this.idStart, start, end);
  }

  /** What stands before C in the header, and the id if it is a generated one. */
  #finishHeader(): void {
    const { scratch } = this;
    scratch[base + headerAt.suite] = this.suite;
    scratch[base + headerAt.type] = this.type;
    scratch[base + headerAt.flags + 1] = this.flags;
    scratch.writeUInt32BE(this.epoch, base + headerAt.epoch);
    scratch.writeUInt32BE(this.index, base + headerAt.index);
    writeSafeInteger(scratch, this.seq, base + headerAt.seq);
    writeSafeInteger(scratch, this.time, base + headerAt.time);
    if (this.flags === 0) {
      this.idStart = this.destEnd + 2;
      this.idEnd = this.idStart + 22;
      writeGeneratedId(scratch, base, this.idStart);
    }
    scratch.writeUInt16BE(this.idEnd - this.idStart, this.idStart - 2);
    if (this.headerEnd === this.idEnd) return;
    this.headerEnd = this.idEnd;
    this.#header = scratch.subarray(base, this.headerEnd);
    this.#leafInput = scratch.subarray(base - 1, this.headerEnd + 16);
  }

  #refuse(outcome: 'malformed' | 'unsupported', reason: string): ReadOutcome {
    this.reason = reason;
    return outcome;
  }
}
