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
  const before = new Map<string, SignedLeaf[]>();
  const after = new Map<string, string[]>();
  flatten(signed, rules, uncompared, (path, leaf, field) => {
    const stored = leaf === null ? field?.nullValue : leaf;
    if (stored === undefined) return;
    const made = field?.rule?.(stored, true);
    if (made !== null || leaf !== null) append(before, path, { made: made ?? undefined, stored, field });
  });
  flatten(seen, rules, uncompared, (path, leaf, field) => {
    if (leaf !== null) append(after, path, seenKey(leaf, field));
  });
  const paths: string[] = [];
  for (const [path, leaves] of before) {
    if (!isKept(leaves, after.get(path) ?? []) && !rules.changeable.covers(path)) paths.push(path);
  }
  for (const [path, keys] of after) {
    if (!before.has(path) && !mayAdd(path, keys, before, rules)) paths.push(path);
  }
  return { paths: paths.slice(0, pathsMax), uncompared: [...uncompared] };
}

/** `made`: what the engine makes of it; undefined where it keeps nothing, or the value as it came. */
interface SignedLeaf {
  made: string | undefined;
  stored: Leaf;
  field: MappedField | undefined;
}

/** Every signed value is seen, and nothing else is. Arrays may be kept as they came, so either form of a value may be seen. */
function isKept(leaves: readonly SignedLeaf[], seen: readonly string[]): boolean {
  const [only] = leaves;
  if (leaves.length === 1 && seen.length === 1 && only !== undefined && seen[0] === (only.made ?? kept(only)))
    return true;
  const keys = new Set(seen);
  const allowed = new Set(leaves.flatMap((leaf) => [leaf.made ?? kept(leaf), kept(leaf)]));
  return leaves.every((leaf) => isSeen(leaf, keys)) && seen.every((key) => allowed.has(key));
}

function isSeen(leaf: SignedLeaf, keys: ReadonlySet<string>): boolean {
  if (keys.has(leaf.made ?? kept(leaf)) || keys.has(kept(leaf))) return true;
  // An empty text counts as no number at all.
  return leaf.made === undefined && leaf.field?.rule?.(leaf.stored, true) === null;
}

function kept({ stored, field }: SignedLeaf): string {
  return seenKey(stored, field);
}

function mayAdd(
  path: string,
  seen: readonly string[],
  before: ReadonlyMap<string, unknown>,
  { fields, changeable }: SyntheticRules,
): boolean {
  if (changeable.covers(path)) return true;
  const constant = fields.get(path)?.constant;
  if (constant !== undefined && seen.every((key) => key === plainKey(constant))) return true;
  return addablePaths.covers(path) && ![...before.keys()].some((one) => overlaps(one, path));
}

/** Every leaf and null of a document, under the path it counts for. */
function flatten(
  root: TreeObject,
  { fields }: SyntheticRules,
  uncompared: Set<string>,
  take: (path: string, leaf: Leaf | null, field: MappedField | undefined) => void,
): void {
  const walk = (value: Tree, path: string, above: MappedField | undefined): void => {
    const field = above ?? fields.get(path);
    if (field !== undefined && field.rule === undefined) {
      uncompared.add(path);
    } else if (Array.isArray(value)) {
      for (const element of value) walk(element, path, above);
    } else if (value instanceof Map) {
      // What lies below a flattened field is text; below any other leaf it was malformed and is kept as it came.
      const below = field?.type === 'flattened' ? field : undefined;
      for (const [name, inner] of value) walk(inner, joinPath(path, name), below);
    } else if (value === null || isLeaf(value)) {
      take(path, value, field);
    }
  };
  for (const [name, value] of root) walk(value, name, undefined);
}

function seenKey(leaf: Leaf, field: MappedField | undefined): string {
  return field?.rule?.(leaf, false) ?? plainKey(leaf);
}

function append<T>(lists: Map<string, T[]>, path: string, item: T): void {
  const list = lists.get(path);
  if (list === undefined) lists.set(path, [item]);
  else list.push(item);
}
