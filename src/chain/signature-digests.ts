/**
 * The member `digests` of a signature field: checksums by name, for people; they decide nothing (FORMAT section 2).
 * Owns their strict reading. Assumes nothing about the bytes; a reason never holds more of them than a name.
 */
import { skipBlanks } from '../lib/json-bytes.ts';
import { readText } from '../lib/json-text.ts';

export type ReadDigests =
  | { ok: true; digests: Readonly<Record<string, string>> /** Behind the brace. */; end: number }
  | { ok: false; reason: string };

/** The object at `start`. */
export function readDigests(bytes: Buffer, start: number): ReadDigests {
  const digests: Record<string, string> = {};
  if (bytes[start] !== 0x7b) return refuse('digests is no object');
  let at = skipBlanks(bytes, start + 1);
  for (let first = true; bytes[at] !== 0x7d; first = false) {
    if (!first) {
      if (bytes[at] !== 0x2c) return refuse('digests is no object');
      at = skipBlanks(bytes, at + 1);
    }
    const name = readText(bytes, at);
    at = name === undefined ? at : skipBlanks(bytes, name.end);
    const value = name === undefined || bytes[at] !== 0x3a ? undefined : readText(bytes, skipBlanks(bytes, at + 1));
    if (name === undefined || value === undefined || !/^[a-z0-9-]{1,32}$/.test(name.text)) {
      return refuse('digests is not names with values');
    }
    if (!/^(?:[0-9a-f]{2}){1,64}$/.test(value.text) || Object.hasOwn(digests, name.text)) {
      return refuse(`digests has ${name.text} twice or not in lower-case hexadecimal`);
    }
    digests[name.text] = value.text;
    at = skipBlanks(bytes, value.end);
  }
  return { ok: true, digests, end: at + 1 };
}

function refuse(reason: string): ReadDigests {
  return { ok: false, reason };
}
