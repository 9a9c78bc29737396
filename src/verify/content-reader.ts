/**
 * Brings the signed content of a document back: from `raw`, or from the text of `_source` with the signature field cut out.
 *
 * Owns one buffer that grows to the largest document: "LSP1/content" ‖ 00 ‖ salt ‖ content, so that C is one hash over a view.
 * Assumes `_source` is taken to the byte. Its views are good until the next document.
 */
import { contentPrefix, saltBytes } from '../chain/content.ts';
import { skipBlanks } from '../lib/json-bytes.ts';
import type { TextTarget } from '../lib/json-text.ts';
import { decodeText } from '../lib/json-text.ts';

const contentAt = contentPrefix.length + saltBytes;

/** What the reader of the signature field knows of the document. */
export interface FieldPlace {
  readonly hasSalt: boolean;
  readonly salt: Buffer;
  /** `raw` was given to this reader before. */
  readonly hasRaw: boolean;
  /** The field stands right after the document's `{`, as the splice puts it. */
  readonly spliced: boolean;
  /** Behind the field's brace. */
  readonly fieldEnd: number;
}

export class ContentReader implements TextTarget {
  bytes: Buffer = prefixed(4096);
  end = contentAt;
  #hashed: Buffer = this.bytes;

  /** Takes the value of the string at `at`, which is `raw`. Returns the offset behind it, or -1. */
  decodeRaw(source: Buffer, at: number): number {
    this.#room(source.length - at);
    this.end = contentAt;
    return decodeText(source, at, this);
  }

  takeRaw(raw: Buffer): void {
    this.#room(raw.length);
    this.end = contentAt + raw.copy(this.bytes, contentAt);
  }

  /** False if there is no content to commit to, for want of a salt. */
  read(source: Buffer, field: FieldPlace): boolean {
    if (!field.hasSalt) {
      this.end = contentAt;
      return false;
    }
    if (!field.hasRaw) this.#takeSource(source, field);
    const { salt } = field;
    for (let n = 0; n < saltBytes; n++) this.bytes[contentPrefix.length + n] = salt[n] as number;
    return true;
  }

  /** What C is the hash of. */
  hashed(): Buffer {
    if (this.#hashed.length !== this.end || this.#hashed.buffer !== this.bytes.buffer)
      this.#hashed = this.bytes.subarray(0, this.end);
    return this.#hashed;
  }

  /** The content alone; empty after a `read` that was false. */
  content(): Buffer {
    return this.bytes.subarray(contentAt, this.end);
  }

  /** Whether anything but the signature field is left in the document. */
  visibleRest(source: Buffer, field: FieldPlace): boolean {
    return !field.spliced || source[skipBlanks(source, field.fieldEnd)] !== 0x7d;
  }

  /** The reverse of the splice. A document that no splice can have made is taken as it is: its C is then another. */
  #takeSource(source: Buffer, field: FieldPlace): void {
    const start = restStart(source, field);
    this.#room(source.length - start + 1);
    this.bytes[contentAt] = 0x7b;
    this.end = contentAt + 1 + source.copy(this.bytes, contentAt + 1, start);
  }

  #room(bytes: number): void {
    if (contentAt + bytes > this.bytes.length) this.bytes = prefixed(2 * (contentAt + bytes));
  }
}

/** Where the content goes on after its `{`; 0 if no splice can have made this document. */
function restStart(source: Buffer, { spliced, fieldEnd }: FieldPlace): number {
  const comma = source[fieldEnd] === 0x2c;
  const start = comma ? fieldEnd + 1 : fieldEnd;
  const closes = source[skipBlanks(source, start)] === 0x7d;
  return spliced && comma !== closes ? start : 0;
}

function prefixed(length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  contentPrefix.copy(bytes, 0);
  return bytes;
}
