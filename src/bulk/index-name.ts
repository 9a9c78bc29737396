/**
 * Owns what a destination's name means: whether Elasticsearch would take it, and to whom it belongs.
 * Aliases and data streams are names like any other here; what exists is not known in this place.
 */
import { resolveDateMath } from './date-math.ts';
import { invalidIndexName } from './item-error.ts';
import type { ErrorCause } from './refusal.ts';

const nameBytesMax = 255;
const forbiddenCharacters = /[ "*,/<>?\\|]/;

export type ResolvedName = { dest: string } | { error: ErrorCause };

/** The destination that a shipper's index name stands for at `nowMs`: date math resolved, in UTC unless it names a zone. */
export function resolveName(index: string, nowMs: number): ResolvedName {
  const resolved = index.startsWith('<') && index.endsWith('>') ? resolveDateMath(index, nowMs) : { name: index };
  if ('problem' in resolved) return { error: invalidIndexName(index, resolved.problem) };
  const why = nameProblem(resolved.name);
  return why === undefined ? { dest: resolved.name } : { error: invalidIndexName(resolved.name, why) };
}

/** In Elasticsearch's words, or undefined if an index of that name could exist. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'must not be empty';
  if (forbiddenCharacters.test(name)) {
    return `must not contain the following characters [' ','"','*',',','/','<','>','?','\\','|']`;
  }
  if (name.includes('#')) return "must not contain '#'";
  if (name.includes(':')) return "must not contain ':'";
  if (/^[-_+]/.test(name)) return "must not start with '_', '-', or '+'";
  const bytes = Buffer.byteLength(name);
  if (bytes > nameBytesMax) return `index name is too long, (${bytes} > ${nameBytesMax})`;
  if (name === '.' || name === '..') return "must not be '.' or '..'";
  if (name !== name.toLowerCase()) return 'must be lowercase';
  return undefined;
}

/** Seals, checkpoints, control records, rejects: written by the proxy only. */
export function isReservedName(name: string): boolean {
  return name.startsWith('logseal-');
}

const backingIndex = /^(?:partial-|restored-|shrink-\w{4}-)*\.(?:ds|fs)-(.+)-\d{4}\.\d{2}\.\d{2}-\d{6}$/;

/** The data stream whose backing index or failure store this is. */
export function streamBehind(name: string): string | undefined {
  return backingIndex.exec(name)?.[1];
}
