/** What an Authorization header says, as Elasticsearch reads it. */

export type Presented =
  | { readonly kind: 'apiKey'; readonly name: string; readonly secret: string }
  | { readonly kind: 'basic'; readonly name: string; readonly secret: string }
  /** Another scheme, or a form that cannot be read. */
  | { readonly kind: 'other' };

/** Longer ones cost hashing and are nobody's secret. */
export const secretCharactersMax = 1024;

/** `ApiKey base64(id:secret)`, `Basic base64(user:password)`; the scheme in any case. */
export function readAuthorization(header: string): Presented {
  const [, scheme = '', encoded = ''] = /^([A-Za-z]+) +([A-Za-z0-9+/]+={0,2}) *$/.exec(header) ?? [];
  const kind = scheme.toLowerCase() === 'apikey' ? 'apiKey' : scheme.toLowerCase() === 'basic' ? 'basic' : undefined;
  const pair = Buffer.from(encoded, 'base64').toString();
  const colon = pair.indexOf(':');
  if (kind === undefined || colon < 1 || pair.length > 2 * secretCharactersMax) return { kind: 'other' };
  const [name, secret] = [pair.slice(0, colon), pair.slice(colon + 1)];
  // A hash of it would be that of the secret without the zeros at its end: HMAC fills keys up with them.
  if (secret.length > secretCharactersMax || secret.includes('\0')) return { kind: 'other' };
  return { kind, name, secret };
}
