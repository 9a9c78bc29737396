/**
 * The hash suites of FORMAT section 2: number, name, hash and HMAC. All have 32 bytes of output.
 * Owns every call of a hash over key material: intermediate buffers are overwritten, and no key ever becomes a string.
 * Must never know CRC32, MD5 or SHA-1, nor assign the numbers 0x20 and 0x2F.
 */
import { hash } from 'node:crypto';

export interface Suite {
  /** The number in headers, seals and files. */
  readonly id: number;
  /** The name in configuration and reports. */
  readonly name: string;
  /** The name that node:crypto knows it by. */
  readonly algorithm: string;
  /** Block size of the hash, for HMAC. */
  readonly blockBytes: number;
}

export const suites: readonly Suite[] = [
  { id: 1, name: 'SHA-256', algorithm: 'sha256', blockBytes: 64 },
  { id: 2, name: 'SHA-512/256', algorithm: 'sha512-256', blockBytes: 128 },
  { id: 3, name: 'SHA3-256', algorithm: 'sha3-256', blockBytes: 136 },
  { id: 4, name: 'BLAKE2s-256', algorithm: 'blake2s256', blockBytes: 64 },
];

/** Bytes of every suite's hash and mac. */
export const hashBytes = 32;

/** Bytes of a tag: a truncated mac. */
export const tagBytes = 16;

/** SHA-256: the suite of the log and of checkpoints, whatever suite the chains have. */
export const logSuite = suites[0] as Suite;

/** The suite of a number, or undefined if the number is not assigned. */
export function suiteOf(id: number): Suite | undefined {
  return suites[id - 1];
}

/** The suite of a name as configuration (`sha512-256`) or reports (`SHA-512/256`) spell it. */
export function suiteByName(name: string): Suite | undefined {
  const letters = (spelling: string) => spelling.toLowerCase().replace(/[^a-z0-9]/g, '');
  return suites.find((suite) => letters(suite.name) === letters(name));
}

/** H over the parts, one after the other: 32 bytes. Not for secrets: what it joins is not overwritten. */
export function digest(suite: Suite, ...parts: readonly Buffer[]): Buffer {
  return hash(suite.algorithm, parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts), 'buffer');
}

/** The same over parts of which some are secret. */
export function secretDigest(suite: Suite, ...parts: readonly Buffer[]): Buffer {
  const message = join(0, parts);
  const result = hash(suite.algorithm, message, 'buffer');
  message.fill(0);
  return result;
}

/** M(key, parts): RFC 2104 HMAC, 32 bytes. */
export function mac(suite: Suite, key: Buffer, ...parts: readonly Buffer[]): Buffer {
  const block = suite.blockBytes;
  const short = key.length > block ? hash(suite.algorithm, key, 'buffer') : key;
  const inner = join(block, parts);
  fillPad(inner, short, block, 0x36);
  const outer = Buffer.allocUnsafeSlow(block + hashBytes);
  fillPad(outer, short, block, 0x5c);
  const innerHash = hash(suite.algorithm, inner, 'buffer');
  innerHash.copy(outer, block);
  const result = hash(suite.algorithm, outer, 'buffer');
  for (const secret of [inner, outer, innerHash]) secret.fill(0);
  if (short !== key) short.fill(0);
  return result;
}

/** Writes the first `block` bytes of an HMAC input: the key, at most a block long, XORed with the pad. */
export function fillPad(target: Buffer, key: Buffer, block: number, pad: 0x36 | 0x5c): void {
  target.fill(pad, 0, block);
  for (let i = 0; i < key.length; i++) target[i] = (key[i] as number) ^ pad;
}

/** The parts behind `offset` free bytes, outside the buffer pool, so that overwriting it leaves nothing. */
function join(offset: number, parts: readonly Buffer[]): Buffer {
  let length = offset;
  for (const part of parts) length += part.length;
  const joined = Buffer.allocUnsafeSlow(length);
  let at = offset;
  for (const part of parts) at += part.copy(joined, at);
  return joined;
}
