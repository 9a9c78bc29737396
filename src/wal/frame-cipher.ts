/**
 * Encryption of what the log's files hold: each frame's payload alone, AES-256-GCM, under a key of its segment's own.
 * Owns the derivation of keys, the bytes of an encrypted payload, and the errors for a key that is missing or wrong.
 * Assumes a master key of 32 random bytes. Must never use a nonce twice under one key: nonces are random, because after a
 * torn or refused group other payloads are written at the same offsets; and a key is for one segment (at most 1 GiB of frames
 * of 48 bytes or more: fewer than 2^25), so that two random nonces are the same with a probability below 2^-46.
 *
 *   segment key = HKDF-SHA-256(master, salt: file id (8) ‖ segment number u64, info: "logseal wal segment v1"), 32 bytes
 *   key id      = HKDF-SHA-256(master, no salt, info: "logseal wal key id v1"), 8 bytes, in the header of each segment
 *
 *   0        12              12 + n    28 + n
 *   ┌────────┬───────────────┬─────────┐
 *   │ nonce  │ ciphertext    │ tag     │   associated data: offset of the frame in its segment, u32 big-endian
 *   │ random │ n bytes       │         │
 *   └────────┴───────────────┴─────────┘
 */

import type { KeyObject } from 'node:crypto';
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync } from 'node:crypto';
import { LogsealError } from '../errors.ts';
import type { FramePlace } from '../lib/frame.ts';
import type { FrameFileHeader } from '../lib/frame-file.ts';
import { segmentPath } from './format.ts';

/** Master keys of 32 bytes. Can be sent to a worker; never logged. */
export interface LogKeys {
  /** New segments are written under it; without it they are written in clear. */
  current: KeyObject | undefined;
  /** Older segments may be read under them. */
  previous: readonly KeyObject[];
}

/** Where a log is and how it is read: the path alone where nothing is encrypted. */
export type LogDirectory = string | { path: string; keys: LogKeys };

export const nonceBytes = 12;
const tagBytes = 16;
/** What a payload gains by encryption. */
export const encryptionBytes = nonceBytes + tagBytes;
const algorithm = 'aes-256-gcm';

export class FrameCipher {
  readonly #key: KeyObject;
  readonly #place = Buffer.alloc(4);

  /** For the frames of one segment. */
  constructor(master: KeyObject, { id, number }: FramePlace) {
    const salt = Buffer.alloc(16);
    id.copy(salt, 0, 0, 8);
    salt.writeBigUInt64BE(BigInt(number), 8);
    const bytes = Buffer.from(hkdfSync('sha256', master, salt, 'logseal wal segment v1', 32));
    this.#key = createSecretKey(bytes);
    bytes.fill(0);
  }

  /** What goes to disk for a payload at `offset`, in parts. `nonce`: 12 random bytes, never used before. */
  encrypt(payload: Buffer, offset: number, nonce: Buffer): [nonce: Buffer, ciphertext: Buffer, tag: Buffer] {
    const cipher = createCipheriv(algorithm, this.#key, nonce);
    cipher.setAAD(this.#associated(offset));
    const ciphertext = cipher.update(payload);
    // A stream mode holds nothing back: this only ends the computation of the tag.
    cipher.final();
    return [nonce, ciphertext, cipher.getAuthTag()];
  }

  /**
   * The payload of what stands at `offset`, written over it: a view of the same memory. Undefined if any of it, or its place,
   * was changed; then the memory is as it was.
   */
  decrypt(stored: Buffer, offset: number): Buffer | undefined {
    const length = stored.length - encryptionBytes;
    if (length < 1) return undefined;
    const decipher = createDecipheriv(algorithm, this.#key, stored.subarray(0, nonceBytes));
    decipher.setAAD(this.#associated(offset));
    decipher.setAuthTag(stored.subarray(nonceBytes + length));
    const payload = decipher.update(stored.subarray(nonceBytes, nonceBytes + length));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    payload.copy(stored);
    return stored.subarray(0, length);
  }

  #associated(offset: number): Buffer {
    this.#place.writeUInt32BE(offset);
    return this.#place;
  }
}

/** The cipher for a segment's frames; undefined if they stand in clear. Throws ENCRYPTION_KEY_MISSING, ENCRYPTION_KEY_WRONG. */
export function cipherOf(directory: LogDirectory, header: FrameFileHeader): FrameCipher | undefined {
  const { keyId, number } = header;
  if (keyId === undefined) return undefined;
  const { current, previous } = keysOf(directory);
  const known = current === undefined ? previous : [current, ...previous];
  const master = known.find((key) => keyIdOf(key).equals(keyId));
  if (master !== undefined) return new FrameCipher(master, header);
  const path = segmentPath(pathOf(directory), number);
  const id = keyId.toString('hex');
  const details = { path, keyId: id, configured: known.map((key) => keyIdOf(key).toString('hex')) };
  if (known.length === 0) {
    const what = `${path} is encrypted under the key with the id ${id}, and no key is configured (encryption.keyFile)`;
    throw new LogsealError('ENCRYPTION_KEY_MISSING', what, details);
  }
  const what = `${path} is encrypted under the key with the id ${id}, and the configured keys have the ids ${details.configured.join(', ')}`;
  throw new LogsealError('ENCRYPTION_KEY_WRONG', what, details);
}

/** Names a key and tells nothing about it. */
export function keyIdOf(master: KeyObject): Buffer {
  return Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), 'logseal wal key id v1', 8));
}

export function pathOf(directory: LogDirectory): string {
  return typeof directory === 'string' ? directory : directory.path;
}

export function keysOf(directory: LogDirectory): LogKeys {
  return typeof directory === 'string' ? noKeys : directory.keys;
}

const noKeys: LogKeys = { current: undefined, previous: [] };
