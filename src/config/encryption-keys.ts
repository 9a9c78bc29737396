/**
 * The keys for encryption at rest: 32 random bytes in a secret file, raw, as hexadecimal digits or as base64. What is not
 * exactly one of these is refused: a passphrase or a truncated key must not pass for a key.
 */
import type { KeyObject } from 'node:crypto';
import { createSecretKey } from 'node:crypto';
import { LogsealError } from '../errors.ts';
import type { Config } from './config.ts';
import type { SecretPermissions } from './secret-file.ts';
import { readPrivateBytes } from './secret-file.ts';

export interface EncryptionKeys {
  /** What is written from now on; undefined: in clear. */
  readonly current: KeyObject | undefined;
  /** What was written before may be read with them. */
  readonly previous: readonly KeyObject[];
}

/** The bytes of a key, and of an encoding that the size does not tell apart from it. */
export const encryptionKeyBytes = 32;

/** Undefined where no key is configured. Errors: CONFIG_INVALID, naming the file and never its bytes. */
export function readEncryptionKeys({ encryption, secrets }: Config): EncryptionKeys | undefined {
  const { keyFile, previousKeyFiles } = encryption;
  if (keyFile === undefined && previousKeyFiles.length === 0) return undefined;
  const read = (path: string) => readKey(path, secrets.permissions);
  return { current: keyFile === undefined ? undefined : read(keyFile), previous: previousKeyFiles.map(read) };
}

function readKey(path: string, permissions: SecretPermissions): KeyObject {
  const bytes = readPrivateBytes(path, permissions);
  const key = decodeKey(bytes);
  const refuse = (sentence: string) => new LogsealError('CONFIG_INVALID', `${path}: ${sentence}`, { path });
  try {
    if (key === undefined) {
      throw refuse(
        'must hold a key of 32 random bytes, raw, as 64 hexadecimal digits or as base64: logseal keygen encryption makes one',
      );
    }
    if (key.every((byte) => byte === key[0])) throw refuse('holds one byte 32 times, which is no key');
    return createSecretKey(key);
  } finally {
    bytes.fill(0);
    key?.fill(0);
  }
}

function decodeKey(bytes: Buffer): Buffer | undefined {
  // 32 bytes of text are a passphrase, or half a key in hexadecimal digits: random bytes all look so once in 10^13 keys.
  if (bytes.length === encryptionKeyBytes) {
    return bytes.every((byte) => byte >= 0x20 && byte < 0x7f) ? undefined : Buffer.from(bytes);
  }
  const text = bytes.toString('latin1').replace(/\r?\n$/, '');
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  return key.toString('base64') === text ? key : undefined;
}
