/**
 * Brings the signed content of a document back: from `raw`, or from the text of `_source` with the signature field cut out.
 *
 * Owns one buffer that grows to the largest document: "LSP1/content" ‖ 00 ‖ salt ‖ content, so that C is one hash over a view.
 * Assumes `_source` is taken to the byte. Its views are good until the next `read`.
 */
import { contentPrefix, saltBytes } from '../chain/content.ts';
import type { FieldReader } from './field-reader.ts';
import { skipBlanks } from './json-bytes.ts';

const contentAt = contentPrefix.length + saltBytes;

export class ContentReader {
  #buffer: Buffer = Buffer.alloc(4096);
  #end = contentAt;

  /** False if there is no content to commit to: no salt, or `raw` is no well-formed text. */
  read(source: Buffer, field: FieldReader): boolean {
    this.#end = contentAt;
    if (!field.hasSalt) return false;
    return field.rawStart >= 0 ? this.#fromRaw(source, field) : this.#fromSource(source, field);
  }

  /** What C is the hash of. */
  hashed(): Buffer {
    return this.#buffer.subarray(0, this.#end);
  }

  /** The content alone; empty after a `read` that was false. */
  content(): Buffer {
    return this.#buffer.subarray(contentAt, this.#end);
  }

  /** Whether anything but the signature field is left in the document. */
  visibleRest(source: Buffer, field: FieldReader): boolean {
    return !field.spliced || source[skipBlanks(source, field.restStart)] !== 0x7d;
  }

  #fromRaw(source: Buffer, field: FieldReader): boolean {
    const { rawStart: start, rawEnd: end } = field;
    this.#room(end - start, field);
    if (!source.subarray(start, end).includes(0x5c)) {
      this.#end = contentAt + source.copy(this.#buffer, contentAt, start + 1, end - 1);
      return true;
    }
    const text: unknown = JSON.parse(source.utf8Slice(start, end));
    if (typeof text !== 'string' || !text.isWellFormed()) return false;
    this.#end = contentAt + this.#buffer.utf8Write(text, contentAt);
    return true;
  }

  /** The reverse of the splice. A document that no splice can have made is taken as it is: its C is then another. */
  #fromSource(source: Buffer, field: FieldReader): boolean {
    const rest = field.contentRest(source) ?? { start: 0, end: source.length };
    this.#room(rest.end - rest.start + 1, field);
    this.#buffer[contentAt] = 0x7b;
    this.#end = contentAt + 1 + source.copy(this.#buffer, contentAt + 1, rest.start, rest.end);
    return true;
  }

  #room(bytes: number, field: FieldReader): void {
    if (contentAt + bytes > this.#buffer.length) this.#buffer = Buffer.alloc(2 * (contentAt + bytes));
    contentPrefix.copy(this.#buffer, 0);
    field.salt.copy(this.#buffer, contentPrefix.length);
  }
}
