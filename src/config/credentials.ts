/** Reads what the connection settings only point at. The result holds secrets: hand it to the connection, never to a log. */
import { readFileSync } from 'node:fs';
import { LogsealError } from '../errors.ts';
import type { Config } from './config.ts';
import { readPrivateFile, readSecretFile } from './secret-file.ts';

export interface UpstreamSettings {
  readonly nodes: readonly string[];
  /** PEM. */
  readonly ca: string | undefined;
  /** SHA-256, in place of `ca`. */
  readonly caFingerprint: string | undefined;
  /** PEM of the proxy's own certificate and key, for a search engine that asks for them. */
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly apiKey: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly requestTimeoutMs: number;
}

/** Errors: CONFIG_INVALID, naming the file. */
export function readUpstreamSettings({ elasticsearch, secrets }: Config): UpstreamSettings {
  const secret = (path: string | undefined) =>
    path === undefined ? undefined : readSecretFile(path, secrets.permissions);
  return {
    nodes: elasticsearch.url,
    ca: elasticsearch.caFile === undefined ? undefined : readCertificates(elasticsearch.caFile),
    caFingerprint: elasticsearch.caFingerprint,
    certificate:
      elasticsearch.certificateFile === undefined ? undefined : readCertificates(elasticsearch.certificateFile),
    key: elasticsearch.keyFile === undefined ? undefined : readPrivateFile(elasticsearch.keyFile, secrets.permissions),
    apiKey: secret(elasticsearch.apiKeyFile),
    username: elasticsearch.username,
    password: secret(elasticsearch.passwordFile),
    requestTimeoutMs: elasticsearch.requestTimeout,
  };
}

function readCertificates(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new LogsealError('CONFIG_INVALID', `${path}: the certificate file cannot be read`, { path, cause });
  }
}
