/** `_source` as asked for: all of it to the byte, none, or some members. */

import { matchesGlob } from '../lib/glob.ts';
import { isObject } from './query.ts';

export interface SourceFilter {
  /** Empty: all that is not excluded. */
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
}

/** `undefined`: as stored, to the byte; `false`: not at all. Reads the body's `_source` and the query parameters. */
export function sourceFilter(body: unknown, query?: URLSearchParams): SourceFilter | false | undefined {
  const parameter = query?.get('_source') ?? undefined;
  const wanted = body ?? (parameter === 'true' ? true : parameter === 'false' ? false : parameter?.split(','));
  const includes = list(query?.get('_source_includes') ?? query?.get('_source_include'));
  const excludes = list(query?.get('_source_excludes') ?? query?.get('_source_exclude'));
  if (wanted === false) return false;
  if (typeof wanted === 'string') includes.push(wanted);
  else if (Array.isArray(wanted)) includes.push(...wanted.map(String));
  else if (isObject(wanted)) {
    includes.push(...strings(wanted.includes ?? wanted.include));
    excludes.push(...strings(wanted.excludes ?? wanted.exclude));
  }
  return includes.length + excludes.length === 0 ? undefined : { includes, excludes };
}

/** The stored bytes, or a new text with the chosen members only. */
export function filterSource(source: Buffer, filter: SourceFilter | undefined): Buffer {
  if (filter === undefined) return source;
  return Buffer.from(JSON.stringify(prune(JSON.parse(source.toString()), '', filter) ?? {}));
}

function prune(node: unknown, path: string, filter: SourceFilter): unknown {
  if (Array.isArray(node)) {
    const kept = node.map((element) => prune(element, path, filter)).filter((element) => element !== undefined);
    return kept.length > 0 || chosen(path, filter) ? kept : undefined;
  }
  if (!isObject(node)) return path === '' || chosen(path, filter) ? node : undefined;
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(node)) {
    const pruned = prune(value, path === '' ? name : `${path}.${name}`, filter);
    if (pruned !== undefined) kept[name] = pruned;
  }
  return path === '' || Object.keys(kept).length > 0 || chosen(path, filter) ? kept : undefined;
}

function chosen(path: string, { includes, excludes }: SourceFilter): boolean {
  return (
    (includes.length === 0 || includes.some((pattern) => covers(pattern, path))) &&
    !excludes.some((pattern) => covers(pattern, path))
  );
}

/** A pattern covers its path and all below it. */
function covers(pattern: string, path: string): boolean {
  return matchesGlob(pattern, path) || matchesGlob(`${pattern}.*`, path);
}

function list(text: string | null | undefined): string[] {
  return text ? text.split(',') : [];
}

function strings(value: unknown): string[] {
  return value === undefined ? [] : (Array.isArray(value) ? value : [value]).map(String);
}
