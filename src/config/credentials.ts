/** Reads what the connection settings only point at. The result holds secrets: hand it to the connection, never to a log. */
import type { Config } from './config.ts';
import { readPrivateFile, readSecretFile } from './secret-file.ts';
import { checkPair, readCertificates } from './tls-files.ts';

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
  const { caFile, certificateFile, keyFile } = elasticsearch;
  const certificate = certificateFile === undefined ? undefined : readCertificates(certificateFile);
  const key = keyFile === undefined ? undefined : readPrivateFile(keyFile, secrets.permissions);
  if (certificate !== undefined && key !== undefined) {
    checkPair(certificate, certificateFile ?? '', key, keyFile ?? '');
  }
  return {
    nodes: elasticsearch.url,
    ca: caFile === undefined ? undefined : readCertificates(caFile),
    caFingerprint: elasticsearch.caFingerprint,
    certificate,
    key,
    apiKey: secret(elasticsearch.apiKeyFile),
    username: elasticsearch.username,
    password: secret(elasticsearch.passwordFile),
    requestTimeoutMs: elasticsearch.requestTimeout,
  };
}
