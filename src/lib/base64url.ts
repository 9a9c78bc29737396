/**
 * Owns the strict reading of base64url (without padding) and of standard base64 (with padding): each value has one spelling,
 * its spare bits are zero. Node's own decoder takes nearly everything; a second spelling of a tag or key must not pass here.
 */

/** The bytes, exactly `length` of them, or undefined if `text` is not their one spelling in base64url. */
export function decodeBase64Url(text: string, length: number): Buffer | undefined {
  if (text.length !== Math.ceil((length * 4) / 3)) return undefined;
  return oneSpelling(text, 'base64url');
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
