/**
 * Generated ids: base64url(chain[0..8] ‖ seq u64), 22 characters (FORMAT section 4). One place of a chain, one id, so that a record sent
 * twice cannot be stored twice. Nobody else may use an id of this form for a chain of this instance.
 */
import { decodeBase64Url } from '../lib/base64url.ts';
import { writeSafeInteger } from './header.ts';

const idBytes = 16;
const prefixBytes = 8;

/** Characters of a generated id. */
const generatedIdLength = 22;

const scratch = Buffer.alloc(idBytes);

/** The id of the record `seq` of a chain. `chain` has 16 bytes. */
export function generatedId(chain: Buffer, seq: number): string {
  chain.copy(scratch, 0, 0, prefixBytes);
  writeSafeInteger(scratch, seq, prefixBytes);
  return scratch.toString('base64url');
}

/** The seq that a generated id names. */
export function seqOfId(id: string): number {
  return Number(Buffer.from(id, 'base64url').readBigUInt64BE(prefixBytes));
}

/** What an id of a chain begins with, as a key for `hasGeneratedForm`. */
export function generatedPrefix(chain: Buffer): string {
  return chain.toString('hex', 0, prefixBytes);
}

/** Whether an id has the form of a generated one of the chains whose prefixes are given. */
export function hasGeneratedForm(id: string, prefixes: ReadonlySet<string>): boolean {
  if (id.length !== generatedIdLength) return false;
  const bytes = decodeBase64Url(id, idBytes);
  return bytes !== undefined && prefixes.has(generatedPrefix(bytes));
}
