/**
 * Owns the strict reading of base64url (without padding) and of standard base64 (with padding): each value has one spelling,
 * its spare bits are zero. Node's own decoder takes nearly everything; a second spelling of a tag or key must not pass here.
 */

/** The bytes, exactly `length` of them, or undefined if `text` is not their one spelling in base64url. */
export function decodeBase64Url(text: string, length: number): Buffer | undefined {
  if (text.length !== Math.ceil((length * 4) / 3)) return undefined;
  return oneSpelling(text, 'base64url');
}

/**
 * The same for `length` bytes from ASCII in `text` at `at`, into `target` at `targetAt`, without an object. The characters must
 * all lie in `text`. False leaves the target undefined in part.
 */
export function decodeBase64UrlInto(
  text: Uint8Array,
  at: number,
  length: number,
  target: Uint8Array,
  targetAt: number,
): boolean {
  let from = at;
  let to = targetAt;
  for (const whole = targetAt + length - (length % 3); to < whole; to += 3) {
    const bits =
      (sextetAt(text, from) << 18) |
      (sextetAt(text, from + 1) << 12) |
      (sextetAt(text, from + 2) << 6) |
      sextetAt(text, from + 3);
    if (bits < 0) return false;
    target[to] = bits >> 16;
    target[to + 1] = bits >> 8;
    target[to + 2] = bits;
    from += 4;
  }
  const left = length % 3;
  if (left === 0) return true;
  const bits =
    (sextetAt(text, from) << 12) | (sextetAt(text, from + 1) << 6) | (left === 1 ? 0 : sextetAt(text, from + 2));
  if (bits < 0 || (bits & (left === 1 ? 0x03_ff : 0x03)) !== 0) return false;
  target[to] = bits >> 10;
  if (left === 2) target[to + 1] = bits >> 2;
  return true;
}

/** The value of a base64url character; a negative number for any other byte, which no shift and no other character makes positive. */
const sextets = new Int32Array(256).fill(-1);
for (const [value, c] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries()) {
  sextets[c.charCodeAt(0)] = value;
}

function sextetAt(text: Uint8Array, at: number): number {
  return sextets[text[at] as number] as number;
}

/** The same for standard base64; without `length` any number of bytes, which the caller has bounded. */
export function decodeBase64(text: string, length?: number): Buffer | undefined {
  if (length !== undefined && text.length !== Math.ceil(length / 3) * 4) return undefined;
  const bytes = oneSpelling(text, 'base64');
  return length === undefined || bytes?.length === length ? bytes : undefined;
}

function oneSpelling(text: string, encoding: 'base64' | 'base64url'): Buffer | undefined {
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? bytes : undefined;
}
