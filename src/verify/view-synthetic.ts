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
  const after = new Map<string, Set<string>>();
  flatten(signed, rules, uncompared, (path, leaf, field) => {
    const stored = leaf === null ? field?.nullValue : leaf;
    if (stored === undefined) return;
    const made = field?.rule?.(stored, true);
    // Arrays may be kept as they came, so either form of a value may be seen.
    const forms = { made: made === undefined ? plainKey(stored) : made, kept: seenKey(stored, field) };
    if (forms.made !== null || leaf !== null) append(before, path, forms);
  });
  flatten(seen, rules, uncompared, (path, leaf, field) => {
    if (leaf !== null) after.set(path, (after.get(path) ?? new Set()).add(seenKey(leaf, field)));
  });
  const paths: string[] = [];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    if (paths.length >= pathsMax) break;
    if (!isAllowed(path, before, after, rules)) paths.push(path);
  }
  return { paths, uncompared: [...uncompared] };
}

/** `made`: what the engine stores of it, null for nothing. `kept`: the value as it came. */
interface SignedLeaf {
  made: string | null;
  kept: string;
}

function isAllowed(
  path: string,
  before: ReadonlyMap<string, readonly SignedLeaf[]>,
  after: ReadonlyMap<string, ReadonlySet<string>>,
  { fields, changeable }: SyntheticRules,
): boolean {
  const signed = before.get(path) ?? [];
  const seen = after.get(path) ?? new Set<string>();
  const allowed = new Set(signed.flatMap(({ made, kept }) => (made === null ? [kept] : [made, kept])));
  const isThere = signed.every(({ made, kept }) => made === null || seen.has(made) || seen.has(kept));
  if (isThere && [...seen].every((key) => allowed.has(key))) return true;
  if (changeable.covers(path)) return true;
  if (signed.length > 0) return false;
  const constant = fields.get(path)?.constant;
  if (constant !== undefined && seen.size === 1 && seen.has(plainKey(constant))) return true;
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

function append(leaves: Map<string, SignedLeaf[]>, path: string, leaf: SignedLeaf): void {
  const list = leaves.get(path);
  if (list === undefined) leaves.set(path, [leaf]);
  else list.push(leaf);
}
