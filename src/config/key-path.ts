/** Reading and writing a nested object by a dotted name of at most two parts: `wal.keep`. */

/** The value there; undefined if any part of the way is missing. */
export function readPath(tree: object, key: string): unknown {
  let value: unknown = tree;
  for (const part of key.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** Makes the group if it is not there. */
export function writePath(tree: Record<string, unknown>, key: string, value: unknown): void {
  const [first = '', second] = key.split('.');
  if (second === undefined) {
    tree[first] = value;
    return;
  }
  const group = (tree[first] ?? {}) as Record<string, unknown>;
  group[second] = value;
  tree[first] = group;
}
