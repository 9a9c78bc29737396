/**
 * How a secret of a client is kept: as its scrypt hash with salt and cost in one string, never the secret itself.
 * Costs tens of milliseconds and tens of MiB for each try by design: callers bound how many run at once.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

export interface PasswordHash {
  /** log2 of scrypt's N. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** 32 MiB and about 70 ms here: more than any guess is worth against a generated key, enough against a word list. */
const usual = { ln: 15, r: 8, p: 1 };
const saltBytes = 16;
const hashBytes = 32;
/** Less is too cheap to guess against, more would let the file take the memory of the machine. */
const lnMin = 14;
const lnMax = 17;
/** No character in it means anything to YAML. */
const form = /^\$scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]{22,86})\$([A-Za-z0-9_-]{43})$/;

/** `$scrypt$15$8$1$<salt>$<hash>`: log2 of N, r, p; salt and hash in base64url without padding. */
export async function hashPassword(secret: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await derive(secret, { ...usual, salt });
  return `$scrypt$${usual.ln}$${usual.r}$${usual.p}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

/** Undefined for another form, and for a cost outside ln 14 to 17, r 8, p 1 to 4. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, ln, r, p, salt = '', hash = ''] = form.exec(text) ?? [];
  const found = { ln: Number(ln), r: Number(r), p: Number(p) };
  if (!(found.ln >= lnMin && found.ln <= lnMax && found.r === 8 && found.p >= 1 && found.p <= 4)) return undefined;
  return { ...found, salt: Buffer.from(salt, 'base64url'), hash: Buffer.from(hash, 'base64url') };
}

/** Whether the secret is the one that was hashed; takes as long either way. */
export async function matchesPassword(secret: string, kept: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(secret, kept), kept.hash);
}

/** A hash that no secret has, as costly to try as `like`: for names that are not in the file. */
export function unmatchable(like: PasswordHash | undefined): PasswordHash {
  const { ln, r, p } = like ?? usual;
  return { ln, r, p, salt: randomBytes(saltBytes), hash: randomBytes(hashBytes) };
}

function derive(secret: string, { ln, r, p, salt }: Omit<PasswordHash, 'hash'>): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const cost = 2 ** ln;
  scrypt(secret, salt, hashBytes, { N: cost, r, p, maxmem: 256 * cost * r }, (error, key) => {
    if (error === null) resolve(key);
    else reject(error);
  });
  return promise;
}
