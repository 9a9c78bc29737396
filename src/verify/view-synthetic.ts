/**
 * Compares visible fields with signed ones where the search engine makes `_source` up from what it has indexed. Both sides are brought
 * to one form first: dotted names opened, arrays flattened, sorted, without duplicates, one element as itself, null and empty removed.
 *
 * Owns that form. A signed leaf counts as what the engine makes of it by its mapping; a seen one as it is.
 */
import type { MappedField } from './view-fields.ts';
import type { PathSet } from './view-paths.ts';
import { addablePaths, joinPath, overlaps } from './view-paths.ts';
import type { Leaf } from './view-rules.ts';
import { isLeaf, plainKey } from './view-rules.ts';
import type { Difference } from './view-strict.ts';
import type { Tree, TreeObject } from './view-tree.ts';

export interface SyntheticRules {
  fields: ReadonlyMap<string, MappedField>;
  changeable: PathSet;
}

const pathsMax = 5;

export function compareSynthetic(signed: TreeObject, seen: TreeObject, rules: SyntheticRules): Difference {
  const uncompared = new Set<string>();
  const before = flatten(signed, rules, true, uncompared);
  const after = flatten(seen, rules, false, uncompared);
  const paths: string[] = [];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    if (paths.length >= pathsMax) break;
    if (!isAllowed(path, before, after, rules)) paths.push(path);
  }
  return { paths, uncompared: [...uncompared] };
}

type Flat = Map<string, Set<string>>;

function isAllowed(path: string, before: Flat, after: Flat, { fields, changeable }: SyntheticRules): boolean {
  const signed = before.get(path);
  const seen = after.get(path);
  if (signed !== undefined && seen !== undefined && sameKeys(signed, seen)) return true;
  if (changeable.covers(path)) return true;
  if (signed !== undefined || seen === undefined) return false;
  const constant = fields.get(path)?.constant;
  if (constant !== undefined && sameKeys(new Set([plainKey(constant)]), seen)) return true;
  return addablePaths.covers(path) && ![...before.keys()].some((one) => overlaps(one, path));
}

function sameKeys(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((key) => b.has(key));
}

function flatten(root: TreeObject, rules: SyntheticRules, coerce: boolean, uncompared: Set<string>): Flat {
  const flat: Flat = new Map();
  const add = (path: string, key: string) => {
    const keys = flat.get(path);
    if (keys === undefined) flat.set(path, new Set([key]));
    else keys.add(key);
  };
  const walk = (value: Tree, path: string, above: MappedField | undefined): void => {
    const field = above ?? rules.fields.get(path);
    if (field !== undefined && field.rule === undefined) {
      uncompared.add(path);
    } else if (Array.isArray(value)) {
      for (const element of value) walk(element, path, above);
    } else if (value instanceof Map) {
      // What lies below a flattened field is text; below any other leaf it was malformed and is kept as it came.
      const below = field?.type === 'flattened' ? field : undefined;
      for (const [name, inner] of value) walk(inner, joinPath(path, name), below);
    } else {
      const leaf = value === null && coerce ? field?.nullValue : value;
      if (leaf === undefined || leaf === null || !isLeaf(leaf)) return;
      const key = keyOf(leaf, field, coerce);
      if (key !== null) add(path, key);
    }
  };
  for (const [name, value] of root) walk(value, name, undefined);
  return flat;
}

function keyOf(leaf: Leaf, field: MappedField | undefined, coerce: boolean): string | null {
  const key = field?.rule?.(leaf, coerce);
  return key === undefined ? plainKey(leaf) : key;
}
