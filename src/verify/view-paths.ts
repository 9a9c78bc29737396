/**
 * Dotted paths on which what people see may differ: those that a pipeline may add, and those that it may change.
 *
 * Owns what a path covers: itself and its subtree. Assumes the paths come from the format page, the verifier, or a policy record.
 */

/** FORMAT section 4: a pipeline may add these, not change them. */
const addedByDefault = ['@timestamp', 'event.ingested', 'ecs.version', 'data_stream'];

export class PathSet {
  readonly #paths: readonly string[];

  constructor(paths: readonly string[]) {
    this.#paths = paths.map((path) => path.replace(/\.\*$/, ''));
  }

  covers(path: string): boolean {
    return this.#paths.some((one) => path === one || (path.startsWith(one) && path[one.length] === '.'));
  }

  /** Some path of the set lies below. */
  leadsOn(path: string): boolean {
    return this.#paths.some((one) => one.startsWith(path) && one[path.length] === '.');
  }
}

export const addablePaths = new PathSet(addedByDefault);

export function joinPath(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`;
}

/** Whether either path is the other one or lies below it. */
export function overlaps(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  return long === short || (long.startsWith(short) && long[short.length] === '.');
}
