/**
 * Owns the short cut for what shippers do: thousands of action lines that are alike, or alike but for the id.
 * An identical line costs a compare of bytes; one that differs in a plain id, a compare and a string.
 * Must never answer for a line that the full reading could see differently.
 */
import type { Disposition } from './disposition.ts';
import type { Operation } from './operation.ts';

/** What is known of an action line besides its id. */
export interface KnownAction {
  operation: Operation;
  disposition: Disposition;
  /** Of the batch; -1 where the operation is not signed, or has no metadata. */
  dest: number;
  meta: number;
}

/** Longer ids are refused, by the full reading. */
const idBytesMax = 512;
const lineFeed = 0x0a;
const quote = 0x22;
const backslash = 0x5c;

export class ActionMemo {
  known: KnownAction | undefined;
  /** After `matchWithId`: where the id stands in the body. */
  idStart = 0;
  idEnd = 0;
  #line: Uint8Array = new Uint8Array(0);
  #prefixLength = 0;
  #suffix: Uint8Array = new Uint8Array(0);

  /** Remembers body[from, end): a whole line without its line feed. */
  remember(known: KnownAction, body: Buffer, from: number, end: number): void {
    this.known = known;
    this.#line = Uint8Array.prototype.slice.call(body, from, end);
    const { idStart, idEnd } = known.operation;
    // Offsets in the text are offsets in the line only while every character is one byte.
    const plain = idStart !== undefined && idEnd !== undefined && isAscii(this.#line);
    this.#prefixLength = plain ? idStart : 0;
    if (plain) this.#suffix = this.#line.subarray(idEnd);
  }

  /** Whether the line at `from` is the remembered one: returns the offset of its line feed, or -1. */
  match(body: Buffer, from: number): number {
    const line = this.#line;
    const end = from + line.length;
    if (line.length === 0 || end >= body.length || body[end] !== lineFeed) return -1;
    for (let i = line.length - 1; i >= 0; i--) if (body[from + i] !== line[i]) return -1;
    return end;
  }

  /** Whether body[from, end) is the remembered line with another plain id; then `idStart` and `idEnd` are set. */
  matchWithId(body: Buffer, from: number, end: number): boolean {
    const prefixLength = this.#prefixLength;
    const suffix = this.#suffix;
    const idStart = from + prefixLength;
    const idEnd = end - suffix.length;
    if (prefixLength === 0 || idEnd <= idStart || idEnd - idStart > idBytesMax) return false;
    for (let i = 0; i < prefixLength; i++) if (body[from + i] !== this.#line[i]) return false;
    for (let i = 0; i < suffix.length; i++) if (body[idEnd + i] !== suffix[i]) return false;
    for (let i = idStart; i < idEnd; i++) {
      const c = body[i] as number;
      if (c === quote || c === backslash || c < 0x20 || c > 0x7e) return false;
    }
    this.idStart = idStart;
    this.idEnd = idEnd;
    return true;
  }
}

function isAscii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte > 0x7f) return false;
  return true;
}
