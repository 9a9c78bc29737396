/** Owns matching by `*` (any run of characters), in time that no pattern and no text can make more than their product. */

export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let i = 0;
  /** The last star, and what it has swallowed: tried one character longer when what follows does not fit. */
  let star = -1;
  let swallowed = 0;
  while (i < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      swallowed = i;
    } else if (p < pattern.length && pattern[p] === text[i]) {
      p++;
      i++;
    } else if (star >= 0) {
      p = star + 1;
      i = ++swallowed;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
