/**
 * How a socket to a node is opened: which authority is believed, and what the proxy shows of itself. With a fingerprint in place of an
 * authority the certificate that has it is first fetched from the node, over a connection that carries nothing, and is then the
 * only one believed: the chain up to it is verified by OpenSSL like any other, host name and dates included. To find the
 * fingerprint somewhere in what a server sent would prove nothing, because anybody can send an authority's certificate along.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { checkServerIdentity, connect } from 'node:tls';
import { buildConnector } from 'undici';
import { LogsealError } from '../errors.ts';

export interface NodeTls {
  /** PEM of the authorities that may sign the nodes' certificates; the system's where absent. */
  ca?: string | undefined;
  /** SHA-256 of the certificate of the authority, or of the node itself, in hex with or without colons; in place of `ca`. */
  caFingerprint?: string | undefined;
  /** PEM of the proxy's own certificate and of its key. */
  certificate?: string | undefined;
  key?: string | undefined;
}

export type Connector = buildConnector.connector;

/** An error of it has `notSent: true`: whatever was to be sent is still here. */
export function nodeConnector(options: NodeTls, timeoutMs: number): Connector {
  const { ca, caFingerprint, certificate, key } = options;
  const own = certificate === undefined || key === undefined ? {} : { cert: certificate, key };
  const common = { timeout: timeoutMs, ...own };
  const usual = buildConnector({ ...common, ...(ca === undefined ? {} : { ca }) });
  const wanted = caFingerprint === undefined ? undefined : normal(caFingerprint);
  let pinned: Connector | undefined;
  return (to, callback) => {
    const failed = (error: Error) => callback(Object.assign(error, { notSent: true }), null);
    const open = (connector: Connector) =>
      connector(to, (...[error, socket]) => {
        if (error === null) callback(null, socket);
        else failed(error);
      });
    if (wanted === undefined || to.protocol !== 'https:') return open(usual);
    if (pinned !== undefined) return open(pinned);
    fetchPinned(to, wanted, own, timeoutMs).then((authority) => {
      pinned = pinnedConnector(authority, wanted, common);
      open(pinned);
    }, failed);
  };
}

function pinnedConnector(authority: string, wanted: string, common: object): Connector {
  return buildConnector({
    ...common,
    ca: authority,
    // The pinned certificate is the end of the chain, whether or not it signed itself.
    allowPartialTrustChain: true,
    // Where it is the node's own it has proved itself; under an authority the name decides.
    checkServerIdentity: (host: string, certificate: PeerCertificate) =>
      normal(certificate.fingerprint256) === wanted ? undefined : checkServerIdentity(host, certificate),
  } as buildConnector.BuildOptions);
}

/** PEM of the certificate with that fingerprint in what the node shows. Sends nothing but a handshake. */
function fetchPinned(to: buildConnector.Options, wanted: string, own: object, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { hostname } = to;
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = connect({
    host,
    port: Number(to.port) || 443,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    rejectUnauthorized: false,
    ...own,
  });
  socket.setTimeout(timeoutMs, () => socket.destroy(failure('TIMEOUT', 'did not end the handshake in time')));
  socket.once('error', reject);
  socket.once('secureConnect', () => {
    const found = chainOf(socket.getPeerCertificate(true)).find(
      ({ fingerprint256 }) => normal(fingerprint256) === wanted,
    );
    if (found === undefined) {
      const sentence = 'no certificate of its chain has the fingerprint elasticsearch.caFingerprint';
      reject(failure('FINGERPRINT_MISMATCH', sentence));
    } else resolve(new X509Certificate(found.raw).toString());
    socket.destroy();
  });
  return promise;
}

function chainOf(leaf: { raw: Buffer; fingerprint256: string; issuerCertificate?: unknown }): (typeof leaf)[] {
  const chain: (typeof leaf)[] = [];
  for (let one: typeof leaf | undefined = leaf; one !== undefined && !chain.includes(one); ) {
    chain.push(one);
    one = one.issuerCertificate as typeof leaf | undefined;
  }
  return chain;
}

function failure(code: string, message: string): Error {
  return Object.assign(new LogsealError('UPSTREAM_REFUSED', message), { code });
}

function normal(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase();
}
