/** Ends a switch over a closed set: a missing case is a type error, and a broken invariant at run time. */
export function assertNever(value: never): never {
  throw new TypeError(`unreachable: ${String(value)}`);
}
