/** `filter_path` and `pretty` on answers, for people with curl and for clients that save bytes. */

import { matchesGlob } from '../lib/glob.ts';
import { isObject } from './query.ts';

/** Members that a list of patterns leaves: `took,items.*.status`, `**.reason`, `-took`. Nothing left is `{}`. */
export function filterPath(value: unknown, patterns: string): unknown {
  const parts = patterns.split(',').filter((part) => part !== '');
  const excludes = parts.filter((part) => part.startsWith('-')).map((part) => part.slice(1).split('.'));
  const includes = parts.filter((part) => !part.startsWith('-')).map((part) => part.split('.'));
  const kept = includes.length === 0 ? value : include(value, includes);
  return (excludes.length === 0 ? kept : exclude(kept, excludes)) ?? {};
}

/** Indents JSON text without reading its numbers: what was long or odd stays so. */
export function prettyJson(json: string): string {
  let depth = 0;
  let out = '';
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{[]\s*[\]}]|[{}[\],:]|[^\s{}[\],:"]+/gs)) {
    const indent = () => `\n${'  '.repeat(depth)}`;
    if (token === '{' || token === '[') {
      depth += 1;
      out += token + indent();
    } else if (token === '}' || token === ']') {
      depth -= 1;
      out += indent() + token;
    } else if (token === ',') out += token + indent();
    else if (token === ':') out += ' : ';
    else out += token;
  }
  return `${out}\n`;
}

type Path = readonly string[];

function include(value: unknown, paths: readonly Path[]): unknown {
  if (paths.some((path) => path.length === 0)) return value;
  if (Array.isArray(value)) {
    const kept = value.map((element) => include(element, paths)).filter((element) => element !== undefined);
    return kept.length > 0 ? kept : undefined;
  }
  if (!isObject(value)) return undefined;
  const entries = Object.entries(value)
    .map(([name, member]): [string, unknown] => [
      name,
      include(
        member,
        paths.flatMap((path) => step(path, name)),
      ),
    ])
    .filter(([, member]) => member !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function exclude(value: unknown, paths: readonly Path[]): unknown {
  if (Array.isArray(value))
    return value.map((element) => exclude(element, paths)).filter((element) => element !== undefined);
  if (!isObject(value)) return value;
  const entries = Object.entries(value)
    .map(([name, member]): [string, unknown] => {
      const below = paths.flatMap((path) => step(path, name));
      return [name, below.some((path) => path.length === 0) ? undefined : exclude(member, below)];
    })
    .filter(([, member]) => member !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

/** What of a pattern is left below a member of that name. */
function step(path: Path, name: string): Path[] {
  const [first, ...rest] = path;
  if (first === undefined) return [];
  // `**` stands for any number of names, none included.
  if (first === '**') return [path, ...step(rest, name), ...(rest.length === 0 ? [[]] : [])];
  const matches = matchesGlob(first, name);
  return matches ? [rest] : [];
}
