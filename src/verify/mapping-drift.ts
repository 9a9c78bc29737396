/**
 * What a mapping or an alias shows in place of what was signed: a runtime field with a script or of type lookup, or a field alias, by
 * the name of a signed path or under `logseal`; and an alias whose filter hides signed records.
 *
 * Owns the suspects of one index and which of them hit. An index without suspects costs nothing a record.
 */
import type { JsonObject } from '../upstream/ask.ts';
import { isObject, objectAt, textAt } from '../upstream/ask.ts';
import type { IndexDescription } from './source.ts';
import { joinPath } from './view-paths.ts';
import type { Tree } from './view-tree.ts';
import { parseTree } from './view-tree.ts';

interface Suspect {
  path: string;
  what: string;
  /** Of the last part of the path: bytes that a document with the path must hold somewhere, unless its name is spelled with escapes. */
  mark: Buffer;
}

const depthMax = 64;

export class MappingDrift {
  readonly #filteredAliases: readonly string[];
  /** Not hit yet. */
  #suspects: Suspect[];
  readonly #hits: Suspect[] = [];
  #signed = false;

  constructor({ mappings, filteredAliases }: IndexDescription) {
    this.#filteredAliases = filteredAliases;
    const all = [...runtimeSuspects(mappings), ...aliasSuspects(objectAt(mappings, 'properties') ?? {}, '', 0)];
    const isOurs = ({ path }: Suspect) => path === 'logseal' || path.startsWith('logseal.');
    this.#hits.push(...all.filter(isOurs));
    this.#suspects = all.filter((suspect) => !isOurs(suspect));
  }

  /** Content that was signed and lies in the index. */
  signed(content: Buffer): void {
    this.#signed = true;
    if (this.#suspects.length === 0) return;
    const escapes = content.includes('\\');
    if (!escapes && !this.#suspects.some(({ mark }) => content.includes(mark))) return;
    const root = parseTree(content.toString())?.root;
    const paths = new Set<string>();
    if (root !== undefined) collectPaths(root, '', paths);
    this.#hits.push(...this.#suspects.filter(({ path }) => paths.has(path)));
    this.#suspects = this.#suspects.filter(({ path }) => !paths.has(path));
  }

  /** A sentence each; none unless something signed lies in the index. */
  found(): string[] {
    if (!this.#signed) return [];
    const fields = this.#hits.map(({ path, what }) => `${what} shows something else under the signed name ${path}.`);
    const aliases = this.#filteredAliases.map((name) => `The alias ${name} has a filter, which hides signed records.`);
    return [...fields, ...aliases];
  }
}

/** OpenSearch calls them derived. */
function runtimeSuspects(mappings: unknown): Suspect[] {
  return Object.entries({ ...objectAt(mappings, 'runtime'), ...objectAt(mappings, 'derived') })
    .filter(([, field]) => isObject(field) && (field.script !== undefined || field.type === 'lookup'))
    .map(([path, field]) => suspect(path, textAt(field, 'type') === 'lookup' ? 'A lookup field' : 'A runtime field'));
}

function aliasSuspects(properties: JsonObject, prefix: string, depth: number): Suspect[] {
  if (depth > depthMax) return [];
  return Object.entries(properties).flatMap(([name, field]) => {
    const path = joinPath(prefix, name);
    if (textAt(field, 'type') === 'alias') return [suspect(path, 'A field alias')];
    return aliasSuspects(objectAt(field, 'properties') ?? {}, path, depth + 1);
  });
}

function suspect(path: string, what: string): Suspect {
  return { path, what, mark: Buffer.from(path.slice(path.lastIndexOf('.') + 1)) };
}

/** Of every value, objects included. */
function collectPaths(value: Tree, path: string, paths: Set<string>): void {
  if (path !== '') paths.add(path);
  if (Array.isArray(value)) for (const element of value) collectPaths(element, path, paths);
  else if (value instanceof Map) for (const [name, inner] of value) collectPaths(inner, joinPath(path, name), paths);
}
