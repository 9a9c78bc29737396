/**
 * The operator's key pair: Ed25519, made and kept away from the proxy, which is given public keys only. What it signs are acts that
 * nobody but an operator may order (FORMAT section 7). Owns the making and opening of both halves.
 */
import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { operatorKeyId } from '../chain/control-record.ts';
import { LogsealError } from '../errors.ts';

const keyFileBytesMax = 64 * 1024;

export interface OperatorPair {
  /** PKCS#8, encrypted if there is a passphrase. */
  keyPem: string;
  publicPem: string;
  /** SHA-256 of the public key's SPKI, hexadecimal: how records name it. */
  id: string;
}

/** Makes a key pair. Throws USAGE if the passphrase is empty. */
export function createOperator(passphrase: string | undefined): OperatorPair {
  if (passphrase === '') throw new LogsealError('USAGE', 'the passphrase is empty');
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return {
    keyPem: privateKey.export({ format: 'pem', type: 'pkcs8', ...encryption }).toString(),
    publicPem: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    id: operatorKeyId(publicKey),
  };
}

/** Opens an operator's private key. `file` is named in errors; throws KEY_INVALID. */
export function openOperatorKey(pem: string | Buffer, passphrase: string | undefined, file: string): KeyObject {
  const encrypted = pem.includes('ENCRYPTED');
  if (encrypted && passphrase === undefined) throw invalid(file, 'is encrypted: give the passphrase');
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem', ...(encrypted && { passphrase: passphrase as string }) });
  } catch {
    throw invalid(file, encrypted ? 'does not open with this passphrase' : 'is not a private key in PEM');
  }
  if (key.asymmetricKeyType !== 'ed25519') throw invalid(file, 'is no Ed25519 key, as operators have');
  return key;
}

/** Reads an operator's public key, PEM or DER. Throws KEY_INVALID, also for a private key: it does not belong there. */
export function readOperatorPublicKey(path: string): KeyObject {
  const bytes = readSmall(path);
  if (bytes.includes('PRIVATE KEY-----')) throw invalid(path, 'is a private key: give the public one');
  let key: KeyObject;
  try {
    key = createPublicKey(bytes.includes('-----BEGIN') ? bytes : { key: bytes, format: 'der', type: 'spki' });
  } catch (cause) {
    throw invalid(path, 'is no public key', cause);
  }
  if (key.asymmetricKeyType !== 'ed25519') throw invalid(path, 'is no Ed25519 key, as operators have');
  return key;
}

function readSmall(path: string): Buffer {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw invalid(path, 'is not there');
  if (size > keyFileBytesMax) throw invalid(path, 'is longer than a public key can be');
  return readFileSync(path);
}

function invalid(file: string, what: string, cause?: unknown): LogsealError {
  return new LogsealError('KEY_INVALID', `${file} ${what}`, { file, ...(cause !== undefined && { cause }) });
}
