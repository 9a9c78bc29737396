/**
 * JSON objects with a checksum of their own, for small files that a flipped bit would leave readable and wrong. Assumes that nobody
 * edits them by hand. Must never give out a value whose checksum is there and does not fit.
 */
import { hash } from 'node:crypto';

export type CheckedJson =
  | { ok: true; value: Record<string, unknown>; checked: boolean }
  | { ok: false; reason: string };

/** The object with `sha256` as its last member: of its JSON without blanks and without that member, hexadecimal. */
export function withChecksum<T extends object>(value: T): T & { sha256: string } {
  return { ...value, sha256: digestOf(value) };
}

/** The object without its checksum. `checked` is false where the text has none: a caller may know files from before there was one. */
export function readChecked(text: string): CheckedJson {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { ok: false, reason: 'is not JSON' };
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return { ok: false, reason: 'is no object' };
  const { sha256, ...value } = parsed as Record<string, unknown>;
  // A destination can have that name: then it is a list.
  if (typeof sha256 !== 'string') return { ok: true, value: parsed as Record<string, unknown>, checked: false };
  if (sha256 !== digestOf(value)) return { ok: false, reason: 'is damaged: its checksum is wrong' };
  return { ok: true, value, checked: true };
}

function digestOf(value: object): string {
  return hash('sha256', JSON.stringify(value), 'hex');
}
