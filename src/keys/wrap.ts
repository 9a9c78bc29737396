/**
 * Wraps a chain's secret to the auditors' certificates, and opens it again: CMS EnvelopedData in DER (RFC 5652), AES-256-CBC, RSA-OAEP with
 * SHA-256 (RFC 4055), one RecipientInfo for each certificate, so that `openssl cms -decrypt` opens it.
 * Secret and content key are handled by node:crypto in Buffers that are overwritten; only ciphertext goes through the DER library.
 * Opens also what others wrapped with RSA PKCS #1 v1.5 or OAEP with SHA-1. Trusts nothing that it unwraps: the chain's id proves it.
 */
import type { KeyObject } from 'node:crypto';
import {
  constants,
  createCipheriv,
  createDecipheriv,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { LogsealError } from '../errors.ts';
import type { Der } from './der.ts';
import {
  bytesOf,
  decodeDer,
  encodeDer,
  explicit,
  implicitOctets,
  isContext,
  nothing,
  objectId,
  objectIdOf,
  octets,
  partsOf,
  sequence,
  setOf,
  smallInteger,
} from './der.ts';

const oid = {
  data: '1.2.840.113549.1.7.1',
  envelopedData: '1.2.840.113549.1.7.3',
  rsaPkcs1: '1.2.840.113549.1.1.1',
  rsaOaep: '1.2.840.113549.1.1.7',
  mgf1: '1.2.840.113549.1.1.8',
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const;

const cipher = 'aes-256-cbc';
const secretBytes = 32;
const contentKeyBytes = 32;
const wrappedBytesMax = 1 << 20;
const recipientsMax = 256;

/** DER of the secret (32 bytes) wrapped to each of the certificates (PEM), which have been checked. */
export function wrapSecret(secret: Buffer, certificates: readonly string[]): Buffer {
  if (certificates.length === 0) throw new LogsealError('KEY_INVALID', 'there is no auditor certificate to wrap to');
  const contentKey = randomBytes(contentKeyBytes);
  const iv = randomBytes(16);
  try {
    const encrypt = createCipheriv(cipher, contentKey, iv);
    const ciphertext = Buffer.concat([encrypt.update(secret), encrypt.final()]);
    const recipients = certificates.map((pem) => recipientInfo(new X509Certificate(pem), contentKey));
    const encrypted = sequence(
      objectId(oid.data),
      sequence(objectId(oid.aes256Cbc), octets(iv)),
      implicitOctets(0, ciphertext),
    );
    const enveloped = sequence(smallInteger(0), setOf(recipients), encrypted);
    return encodeDer(sequence(objectId(oid.envelopedData), explicit(0, enveloped)));
  } finally {
    contentKey.fill(0);
  }
}

/** The secret, which the caller overwrites after use. Throws KEY_INVALID if this key is no recipient's or the bytes are no such message. */
export function unwrapSecret(wrapped: Buffer, privateKey: KeyObject): Buffer {
  const message = decodeMessage(wrapped);
  if (message === undefined) {
    throw new LogsealError('KEY_INVALID', 'the wrapped secret is no CMS EnvelopedData with AES-256-CBC');
  }
  for (const recipient of message.recipients) {
    const secret = tryRecipient(recipient, message, privateKey);
    if (secret !== undefined) return secret;
  }
  const count = message.recipients.length;
  throw new LogsealError('KEY_INVALID', `the secret is wrapped to ${count} other certificates, not to this key's`, {
    count,
  });
}

function recipientInfo(certificate: X509Certificate, contentKey: Buffer): Der {
  const { issuer, serial } = issuerAndSerial(certificate.raw);
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const encryptedKey = publicEncrypt({ key: certificate.publicKey, padding, oaepHash: 'sha256' }, contentKey);
  const sha256 = sequence(objectId(oid.sha256), nothing());
  const parameters = sequence(explicit(0, sha256), explicit(1, sequence(objectId(oid.mgf1), sha256)));
  return sequence(
    smallInteger(0),
    sequence(issuer, serial),
    sequence(objectId(oid.rsaOaep), parameters),
    octets(encryptedKey),
  );
}

/** TBSCertificate: [0] version (optional), serial, algorithm, issuer, … */
function issuerAndSerial(certificate: Buffer): { issuer: Der; serial: Der } {
  const parts = partsOf(partsOf(decodeDer(certificate))[0]);
  const at = isContext(parts[0], 0) ? 1 : 0;
  const serial = parts[at];
  const issuer = parts[at + 2];
  if (serial === undefined || issuer === undefined) {
    throw new LogsealError('KEY_INVALID', 'a certificate cannot be read as DER');
  }
  return { issuer, serial };
}

interface Recipient {
  readonly padding: number;
  readonly oaepHash: string | undefined;
  readonly encryptedKey: Buffer;
}

interface Message {
  readonly recipients: readonly Recipient[];
  readonly iv: Buffer;
  readonly ciphertext: Buffer;
}

function decodeMessage(wrapped: Buffer): Message | undefined {
  if (wrapped.length > wrappedBytesMax) return undefined;
  const [type, outer] = partsOf(decodeDer(wrapped));
  if (objectIdOf(type) !== oid.envelopedData || !isContext(outer, 0)) return undefined;
  const parts = partsOf(partsOf(outer)[0]);
  // version, [0] originatorInfo (optional), recipientInfos, encryptedContentInfo
  const at = isContext(parts[1], 0) ? 2 : 1;
  const [contentType, algorithm, content] = partsOf(parts[at + 1]);
  const [algorithmId, parameter] = partsOf(algorithm);
  if (objectIdOf(contentType) !== oid.data || objectIdOf(algorithmId) !== oid.aes256Cbc || !isContext(content, 0)) {
    return undefined;
  }
  // A message may split the octet string into pieces.
  const pieces = partsOf(content);
  const ciphertext = pieces.length > 0 ? Buffer.concat(pieces.map(bytesOf)) : bytesOf(content);
  const recipients = partsOf(parts[at]).slice(0, recipientsMax).map(decodeRecipient);
  return {
    recipients: recipients.filter((recipient) => recipient !== undefined),
    iv: bytesOf(parameter),
    ciphertext,
  };
}

/** A key transport recipient; of other kinds, or with other algorithms, undefined. */
function decodeRecipient(info: Der): Recipient | undefined {
  const [, , algorithm, key] = partsOf(info);
  const [algorithmId, parameters] = partsOf(algorithm);
  const encryptedKey = bytesOf(key);
  switch (objectIdOf(algorithmId)) {
    case oid.rsaPkcs1:
      return { padding: constants.RSA_PKCS1_PADDING, oaepHash: undefined, encryptedKey };
    case oid.rsaOaep: {
      const hashPart = partsOf(parameters).find((part) => isContext(part, 0));
      const hashId = hashPart === undefined ? oid.sha1 : objectIdOf(partsOf(partsOf(hashPart)[0])[0]);
      if (hashId !== oid.sha1 && hashId !== oid.sha256) return undefined;
      return {
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: hashId === oid.sha1 ? 'sha1' : 'sha256',
        encryptedKey,
      };
    }
    default:
      return undefined;
  }
}

/** The secret, or undefined if this recipient is another. A wrong PKCS #1 v1.5 key gives random bytes, never an error: no oracle. */
function tryRecipient(recipient: Recipient, message: Message, privateKey: KeyObject): Buffer | undefined {
  const { padding, oaepHash, encryptedKey } = recipient;
  let contentKey: Buffer | undefined;
  try {
    contentKey = privateDecrypt(
      { key: privateKey, padding, ...(oaepHash !== undefined && { oaepHash }) },
      encryptedKey,
    );
    const decrypt = createDecipheriv(cipher, contentKey, message.iv);
    const start = decrypt.update(message.ciphertext);
    const end = decrypt.final();
    const secret = Buffer.alloc(start.length + end.length);
    end.copy(secret, start.copy(secret));
    start.fill(0);
    end.fill(0);
    if (secret.length === secretBytes) return secret;
    secret.fill(0);
    return undefined;
  } catch {
    return undefined;
  } finally {
    contentKey?.fill(0);
  }
}
