/**
 * The auditor's key pair: RSA, made away from the proxy. The proxy holds only certificates and wraps each chain's secret to them.
 * Owns the making of both halves and the checks that a certificate must pass before a secret is wrapped to it. A key that is lost makes
 * every chain wrapped to it alone unverifiable by key.
 */
import type { KeyObject } from 'node:crypto';
import { createPrivateKey, generateKeyPair, hash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { LogsealError } from '../errors.ts';
import { selfSignedCertificate } from './certificate.ts';

/** A certificate that passed the checks. */
export interface Certificate {
  readonly file: string;
  readonly pem: string;
  /** SHA-256 of its DER, hexadecimal: how control records name it. */
  readonly sha256: string;
  /** As openssl prints it. */
  readonly subject: string;
  /** Milliseconds. */
  readonly notAfterMs: number;
}

const modulusBitsMin = 3072;

const certificateFileBytesMax = 1 << 20;
const certificatesMax = 64;
const lifetimeYears = 20;
const dayMs = 86_400_000;
const generateKeys = promisify(generateKeyPair);

/** Makes a key pair: PKCS#8 PEM, encrypted if there is a passphrase, and a self-signed certificate. */
export async function createAuditor(options: {
  name: string;
  /** Default 3072, which is also the least. */
  bits?: number;
  passphrase?: string;
  nowMs?: number;
}): Promise<{ keyPem: string; certPem: string }> {
  const { name, bits = modulusBitsMin, passphrase, nowMs = Date.now() } = options;
  if (bits < modulusBitsMin)
    throw new LogsealError('USAGE', `an auditor's key has at least ${modulusBitsMin} bits, not ${bits}`);
  if (passphrase === '') throw new LogsealError('USAGE', 'the passphrase is empty');
  const { privateKey } = await generateKeys('rsa', { modulusLength: bits, publicExponent: 65_537 });
  const notAfter = new Date(nowMs);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + lifetimeYears);
  // A day back, for proxies whose clock is behind.
  const certPem = selfSignedCertificate(privateKey, { name, notBefore: new Date(nowMs - dayMs), notAfter });
  const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return { keyPem: privateKey.export({ format: 'pem', type: 'pkcs8', ...encryption }).toString(), certPem };
}

/** Opens an auditor's private key. `file` is named in errors; throws KEY_INVALID. */
export function openAuditorKey(pem: string | Buffer, passphrase: string | undefined, file: string): KeyObject {
  const encrypted = pem.includes('ENCRYPTED');
  if (encrypted && passphrase === undefined) throw keyInvalid(file, 'is encrypted: give the passphrase');
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem', ...(encrypted && { passphrase: passphrase as string }) });
  } catch {
    // OpenSSL's reason is left out: it says "bad decrypt", or a parsing error when the padding happens to fit.
    throw keyInvalid(file, encrypted ? 'does not open with this passphrase' : 'is not a private key in PEM');
  }
  if (key.asymmetricKeyType !== 'rsa') throw keyInvalid(file, `is a key of type ${key.asymmetricKeyType}, not RSA`);
  return key;
}

/** Reads all certificates of these PEM files and checks each one. Throws KEY_INVALID, naming the file. */
export async function readCertificates(paths: readonly string[], nowMs = Date.now()): Promise<Certificate[]> {
  const certificates: Certificate[] = [];
  for (const path of paths) {
    const text = await readPem(path);
    const pems = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    if (pems.length === 0) throw keyInvalid(path, 'holds no certificate in PEM');
    for (const pem of pems) certificates.push(checkCertificate(`${pem}\n`, path, nowMs));
  }
  if (certificates.length > certificatesMax) {
    throw new LogsealError(
      'KEY_INVALID',
      `there are ${certificates.length} auditor certificates, more than ${certificatesMax}`,
    );
  }
  if (new Set(certificates.map(({ sha256 }) => sha256)).size < certificates.length) {
    throw new LogsealError('KEY_INVALID', `an auditor certificate is given twice: ${paths.join(', ')}`);
  }
  return certificates;
}

/** Checks one certificate; `file` is named in errors. */
function checkCertificate(pem: string, file: string, nowMs: number): Certificate {
  let parsed: X509Certificate;
  let publicKey: KeyObject;
  try {
    parsed = new X509Certificate(pem);
    publicKey = parsed.publicKey;
  } catch (cause) {
    throw keyInvalid(file, 'holds a certificate that cannot be read', cause);
  }
  if (publicKey.asymmetricKeyType !== 'rsa') {
    throw keyInvalid(file, `holds a key of type ${publicKey.asymmetricKeyType}; an auditor's key is RSA`);
  }
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < modulusBitsMin)
    throw keyInvalid(file, `holds a key of ${bits} bits; at least ${modulusBitsMin} are needed`);
  // A flipped bit in the key would wrap secrets to nobody. Of a certificate that another one issued only who has that one can tell.
  if (parsed.issuer === parsed.subject && !parsed.verify(publicKey))
    throw keyInvalid(file, 'is damaged: its signature is wrong');
  const notAfterMs = parsed.validToDate.getTime();
  if (nowMs < parsed.validFromDate.getTime()) throw keyInvalid(file, `is not valid before ${parsed.validFrom}`);
  if (nowMs > notAfterMs) throw keyInvalid(file, `expired on ${parsed.validTo}`);
  return { file, pem, sha256: hash('sha256', parsed.raw, 'hex'), subject: parsed.subject, notAfterMs };
}

async function readPem(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw keyInvalid(path, 'cannot be read', cause);
  }
  if (bytes.length > certificateFileBytesMax) throw keyInvalid(path, 'is longer than a file of certificates can be');
  return bytes.toString('latin1');
}

function keyInvalid(file: string, what: string, cause?: unknown): LogsealError {
  return new LogsealError('KEY_INVALID', `${file} ${what}`, { file, ...(cause !== undefined && { cause }) });
}
