/**
 * Reads and checks what the TLS settings point at, so that a wrong file is a sentence at start or reload and never a failed
 * handshake later. The result holds a private key: hand it to the server, never to a log.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { LogsealError } from '../errors.ts';
import type { Config, SettingKey } from './config.ts';
import { isLoopback } from './loopback.ts';
import { readPrivateFile } from './secret-file.ts';

/** All PEM, as `createSecureContext` wants them. */
export interface TlsFiles {
  /** The server's own first, then intermediates. */
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string | undefined;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

const certificateBytesMax = 1024 * 1024;

/** What both doors present; undefined where shippers speak plain HTTP. Errors: CONFIG_INVALID, naming the file. */
export function readTlsFiles({ tls, secrets }: Config): TlsFiles | undefined {
  if (tls.certificateFile === undefined || tls.keyFile === undefined) return undefined;
  const certificate = readCertificates(tls.certificateFile);
  const key = readPrivateFile(tls.keyFile, secrets.permissions);
  checkPair(certificate, tls.certificateFile, key, tls.keyFile);
  const clientCa = tls.clientCaFile === undefined ? undefined : readAuthorities(tls.clientCaFile);
  return { certificate, key, clientCa, minVersion: tls.minVersion };
}

/** The admin port has the same certificate, and an authority for clients of its own. Undefined where it speaks plain HTTP. */
export function readAdminTlsFiles(config: Config): TlsFiles | undefined {
  if (!adminHasTls(config)) return undefined;
  const files = readTlsFiles(config);
  const { clientCaFile } = config.admin;
  return files && { ...files, clientCa: clientCaFile === undefined ? undefined : readAuthorities(clientCaFile) };
}

/** `auto`: wherever there is a certificate, and somebody else than this machine can listen. */
export function adminHasTls({ tls, admin, adminListen }: Config): boolean {
  if (admin.tls === 'auto') return tls.certificateFile !== undefined && !isLoopback(adminListen.host);
  return admin.tls === 'on';
}

/** Each setting that names a file that cannot be used, with the reason. */
export function tlsFileFaults(config: Config): { key: SettingKey; sentence: string }[] {
  const faults: { key: SettingKey; sentence: string }[] = [];
  const attempt = (key: SettingKey, read: () => unknown) => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof LogsealError)) throw error;
      faults.push({ key, sentence: error.message });
    }
  };
  const { certificateFile, keyFile, clientCaFile } = config.tls;
  for (const [key, path] of [
    ['tls.clientCaFile', clientCaFile],
    ['admin.clientCaFile', config.admin.clientCaFile],
  ] as const) {
    if (path !== undefined) attempt(key, () => readAuthorities(path));
  }
  if (certificateFile !== undefined) attempt('tls.certificateFile', () => readCertificates(certificateFile));
  if (keyFile !== undefined) attempt('tls.keyFile', () => readPrivateFile(keyFile, config.secrets.permissions));
  if (faults.length === 0) attempt('tls.keyFile', () => readTlsFiles(config));
  return faults;
}

/** Whether the server's certificate holds at `now`, milliseconds: a sentence if not. */
export function expiryFault(files: TlsFiles, now: number): string | undefined {
  const { validFromDate, validToDate } = new X509Certificate(files.certificate);
  if (now >= validToDate.getTime()) return `the certificate expired at ${validToDate.toISOString()}`;
  if (now < validFromDate.getTime()) return `the certificate holds from ${validFromDate.toISOString()} only`;
  return undefined;
}

/** When the first certificate of a PEM text ends, milliseconds. */
export function firstExpiryMs(pem: string): number {
  return Math.min(...blocksOf(pem).map((block) => new X509Certificate(block).validToDate.getTime()));
}

/** SHA-256 of the server's own certificate, hex: so that people can see which one is in force. */
export function fingerprintOf(files: TlsFiles): string {
  return new X509Certificate(files.certificate).fingerprint256.replaceAll(':', '').toLowerCase();
}

function readAuthorities(path: string): string {
  const text = readCertificates(path);
  for (const block of blocksOf(text)) {
    if (!new X509Certificate(block).ca) throw invalid(path, 'holds a certificate that is not one of an authority');
  }
  return text;
}

/** Errors: CONFIG_INVALID unless all of it is PEM certificates that can be read. */
export function readCertificates(path: string): string {
  let text: string;
  try {
    const { size } = statSync(path);
    if (size > certificateBytesMax) throw invalid(path, `has ${size} bytes, more than certificates can have`);
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof LogsealError) throw cause;
    throw invalid(path, 'the certificate file cannot be read', cause);
  }
  const blocks = blocksOf(text);
  if (blocks.length === 0) throw invalid(path, 'holds no PEM certificate');
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (cause) {
      throw invalid(path, 'holds a certificate that cannot be read', cause);
    }
  }
  return text;
}

function blocksOf(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** Errors: CONFIG_INVALID unless the key is that of the first certificate, and both are strong enough. */
export function checkPair(certificate: string, certificateFile: string, key: string, keyFile: string): void {
  let fits: boolean;
  try {
    fits = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    throw invalid(keyFile, 'holds no PEM private key that can be read; it must be without passphrase', cause);
  }
  if (!fits) throw invalid(keyFile, `is not the key of the first certificate in ${certificateFile}`);
  try {
    createSecureContext({ cert: certificate, key });
  } catch (cause) {
    throw invalid(certificateFile, `is not accepted (${cause instanceof Error ? cause.message : 'unknown'})`, cause);
  }
}

function invalid(path: string, fault: string, cause?: unknown): LogsealError {
  return new LogsealError('CONFIG_INVALID', `${path}: ${fault}`, { path, cause });
}
