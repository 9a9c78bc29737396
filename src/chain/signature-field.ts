/**
 * The signature field: the object that a signed document carries under the name `logseal` (FORMAT section 4).
 * Owns its encoding, and its strict reading from the bytes of `_source`. Reading allows any order of members and JSON blanks between
 * tokens; it must never accept a number, hash or tag in a second spelling, nor a member that it does not know.
 * The one definition of what a field is: a faster reader may only take less and leave the rest to this one.
 */
import { skipBlanks } from '../lib/json-bytes.ts';
import type { ParsedField, SignatureField } from './signature-members.ts';
import { FieldParser } from './signature-parser.ts';

const opening = Buffer.from('{"logseal":');

/** The field's text, without blanks, members in the order of the format. */
export function encodeSignatureField(field: SignatureField): string {
  let text = `{"v":1,"suite":${field.suite}`;
  if (field.type !== 0) text += `,"type":${field.type}`;
  if (field.flags !== 0) text += `,"flags":${field.flags}`;
  text += `,"chain":"${field.chain.toString('base64url')}","epoch":${field.epoch},"index":${field.index}`;
  text += `,"seq":${field.seq},"time":${field.timeMs},"dest":${JSON.stringify(field.dest)}`;
  if (field.id !== undefined) text += `,"id":${JSON.stringify(field.id)}`;
  if (field.hash !== undefined) text += `,"hash":"${field.hash.toString('base64url')}"`;
  text += `,"prev":"${field.prev.toString('base64url')}","tag":"${field.tag.toString('base64url')}"`;
  if (field.salt !== undefined) text += `,"salt":"${field.salt.toString('base64url')}"`;
  // Content is valid UTF-8, so it becomes a string and comes back without loss; its own escapes are plain characters here.
  if (field.raw !== undefined) text += `,"raw":${JSON.stringify(field.raw.toString('utf8'))}`;
  if (field.digests !== undefined) text += `,"digests":${JSON.stringify(field.digests)}`;
  return `${text}}`;
}

/** `{"logseal":` field `,` and the rest of the document; no comma where only blanks stand before its brace. */
export function spliceSignatureField(content: Buffer, field: Buffer): Buffer {
  const empty = content[skipBlanks(content, 1)] === 0x7d;
  return Buffer.concat([opening, field, Buffer.from(empty ? '' : ','), content.subarray(1)]);
}

/** Reads a field that is all of the bytes, but for blanks. */
export function parseSignatureField(bytes: Buffer): ParsedField {
  const { end, ...parsed } = readSignatureField(bytes, 0);
  if (!parsed.ok || skipBlanks(bytes, end) === bytes.length) return parsed;
  return { ok: false, unsupported: false, reason: 'has more after its brace' };
}

/** Reads the value of the member `logseal` where it stands in `_source`; `end` is behind its brace if it is ok. */
export function readSignatureField(source: Buffer, start: number): ParsedField & { end: number } {
  const parser = new FieldParser(source, start);
  const parsed = parser.parse();
  return { ...parsed, end: parser.end };
}
