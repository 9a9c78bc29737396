/**
 * Owns `filter_path`: which parts of an answer a client wants. Includes, excludes (`-`), `*` within a name, `**` for any depth,
 * arrays not counted as a level; what becomes empty goes too. As Elasticsearch does it, in this order: includes, then excludes.
 */
import { matchesGlob } from '../lib/glob.ts';

/** Undefined when the parameter says nothing. */
export interface PathFilter {
  readonly includes: readonly Pattern[];
  readonly excludes: readonly Pattern[];
}

/** Names from the top, with `*`; `**` alone is any depth. */
type Pattern = readonly string[];

/** Patterns of one request are few; each costs at every level of an answer. */
const patternsMax = 100;
const segmentsMax = 32;

/** `parameter`: the decoded value. Undefined when it names nothing; patterns past a bound are not looked at. */
export function parseFilterPath(parameter: string | undefined): PathFilter | undefined {
  const includes: Pattern[] = [];
  const excludes: Pattern[] = [];
  for (const entry of (parameter ?? '').split(',', patternsMax)) {
    const path = entry.trim();
    if (path === '' || path === '-') continue;
    const exclude = path.startsWith('-');
    (exclude ? excludes : includes).push(parsePattern(exclude ? path.slice(1) : path));
  }
  return includes.length + excludes.length === 0 ? undefined : { includes, excludes };
}

/** What is left of `value`; undefined if nothing is. Only plain objects, arrays and single values may be in it. */
export function filterValue(value: unknown, filter: PathFilter): unknown {
  const included = filter.includes.length === 0 ? value : include(value, filter.includes);
  return filter.excludes.length === 0 || included === undefined ? included : exclude(included, filter.excludes);
}

function parsePattern(path: string): Pattern {
  const segments = path.split(/(?<!\\)\./, segmentsMax).map((segment) => segment.replaceAll('\\.', '.'));
  // Any depth of any depth is any depth; without this, each would double the work.
  return segments.filter((segment, i) => segment !== '**' || segments[i - 1] !== '**');
}

/** What the patterns ask for below the member `name`; true: all of it. */
function below(name: string, patterns: readonly Pattern[]): Pattern[] | true {
  const next: Pattern[] = [];
  for (const pattern of patterns) {
    const found = step(name, pattern, next);
    if (found) return true;
  }
  return next;
}

/** Adds what is left of the pattern after `name` to `next`; true if nothing is left, so that everything below is meant. */
function step(name: string, pattern: Pattern, next: Pattern[]): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return false;
  if (head === '**') {
    if (rest.length === 0) return true;
    next.push(pattern);
    return step(name, rest, next);
  }
  if (!matchesGlob(head, name)) return false;
  if (rest.length === 0) return true;
  next.push(rest);
  return rest.length === 1 && rest[0] === '**';
}

function include(value: unknown, patterns: readonly Pattern[]): unknown {
  if (Array.isArray(value)) return nonEmpty(value.map((element) => include(element, patterns)));
  if (!isObject(value)) return undefined;
  const kept: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const next = below(name, patterns);
    const inside = next === true ? member : next.length === 0 ? undefined : include(member, next);
    if (inside !== undefined) kept[name] = inside;
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function exclude(value: unknown, patterns: readonly Pattern[]): unknown {
  if (Array.isArray(value)) return nonEmpty(value.map((element) => exclude(element, patterns)));
  if (!isObject(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const next = below(name, patterns);
    if (next === true) continue;
    const inside = next.length === 0 ? member : exclude(member, next);
    if (inside !== undefined) kept[name] = inside;
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function nonEmpty(elements: unknown[]): unknown[] | undefined {
  const kept = elements.filter((element) => element !== undefined);
  return kept.length === 0 ? undefined : kept;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
