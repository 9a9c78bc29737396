/**
 * Compares visible fields with signed ones where the search engine keeps `_source` as it was: objects regardless of order, arrays in
 * order, strings by code point, numbers as exact decimals, types never mixed.
 *
 * Owns that comparison and what pipelines may do to it. Values never appear in what it says: only paths.
 */
import type { PathSet } from './view-paths.ts';
import { addablePaths, joinPath, overlaps } from './view-paths.ts';
import type { Tree, TreeObject } from './view-tree.ts';
import { Decimal } from './view-tree.ts';

export interface StrictRules {
  /** Paths that a pipeline may add or change. */
  changeable: PathSet;
  /** Paths that the engine may leave out of `_source`: vectors. */
  omitted: ReadonlySet<string>;
}

export interface Difference {
  /** Paths that differ, the first few. */
  paths: string[];
  /** Paths that were not compared. */
  uncompared: string[];
}

const pathsMax = 5;

export function compareStrictly(signed: TreeObject, seen: TreeObject, rules: StrictRules): Difference {
  const comparison = new StrictComparison(signed, rules);
  comparison.objects(signed, seen, '');
  return comparison.difference;
}

class StrictComparison {
  readonly difference: Difference = { paths: [], uncompared: [] };
  readonly #root: TreeObject;
  readonly #rules: StrictRules;
  #signedPaths: string[] | undefined;

  constructor(root: TreeObject, rules: StrictRules) {
    this.#root = root;
    this.#rules = rules;
  }

  objects(signed: TreeObject, seen: TreeObject, prefix: string): void {
    for (const [name, value] of signed) {
      const path = joinPath(prefix, name);
      const visible = seen.get(name);
      if (visible !== undefined) this.#values(value, visible, path);
      else if (this.#rules.omitted.has(path)) this.difference.uncompared.push(path);
      else if (!this.#isChangeable(value, path)) this.#differ(path);
    }
    for (const [name, value] of seen) {
      const path = joinPath(prefix, name);
      if (!signed.has(name) && !this.#mayAdd(value, path)) this.#differ(path);
    }
  }

  #values(signed: Tree, seen: Tree, path: string): void {
    if (this.#rules.changeable.covers(path)) return;
    if (signed instanceof Map && seen instanceof Map) this.objects(signed, seen, path);
    else if (Array.isArray(signed) && Array.isArray(seen) && signed.length === seen.length) {
      for (const [at, element] of signed.entries()) this.#values(element, seen[at] ?? null, path);
    } else if (!equalLeaves(signed, seen)) this.#differ(path);
  }

  /** Taken away: everything below must be a pipeline's to change. */
  #isChangeable(value: Tree, path: string): boolean {
    const { changeable } = this.#rules;
    if (changeable.covers(path)) return true;
    if (!(value instanceof Map) || value.size === 0 || !changeable.leadsOn(path)) return false;
    return [...value].every(([name, inner]) => this.#isChangeable(inner, joinPath(path, name)));
  }

  #mayAdd(value: Tree, path: string): boolean {
    if (this.#rules.changeable.covers(path)) return true;
    if (addablePaths.covers(path)) return !this.#isSigned(path);
    if (!(value instanceof Map) || value.size === 0) return false;
    if (!addablePaths.leadsOn(path) && !this.#rules.changeable.leadsOn(path)) return false;
    return [...value].every(([name, inner]) => this.#mayAdd(inner, joinPath(path, name)));
  }

  /** In whatever spelling: `{"event.ingested":1}` and `{"event":{"ingested":1}}` name the same field. */
  #isSigned(path: string): boolean {
    this.#signedPaths ??= leafPaths(this.#root, '');
    return this.#signedPaths.some((one) => overlaps(one, path));
  }

  #differ(path: string): void {
    if (this.difference.paths.length < pathsMax && !this.difference.paths.includes(path)) {
      this.difference.paths.push(path);
    }
  }
}

function equalLeaves(signed: Tree, seen: Tree): boolean {
  if (signed instanceof Decimal)
    return seen instanceof Decimal && (signed.text === seen.text || signed.key === seen.key);
  return signed === seen;
}

/** Of everything that is no object; arrays count as one. */
function leafPaths(tree: TreeObject, prefix: string): string[] {
  return [...tree].flatMap(([name, value]) => {
    const path = joinPath(prefix, name);
    return value instanceof Map && value.size > 0 ? leafPaths(value, path) : [path];
  });
}
