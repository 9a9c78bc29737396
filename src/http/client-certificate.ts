/**
 * Who a client is by the certificate of its connection, as one small object for whoever decides what it may do.
 * Only a certificate that the configured authority signed counts: another one is as none. Must never throw.
 */
import type { Duplex } from 'node:stream';
import type { PeerCertificate } from 'node:tls';
import { TLSSocket } from 'node:tls';

export interface ClientCertificate {
  /** Of the subject; undefined where it has none or several. */
  readonly commonName: string | undefined;
  /** Subject alternative names by kind, as they stand in the certificate. */
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly emails: readonly string[];
  readonly addresses: readonly string[];
  /** SHA-256 of the certificate's DER, 64 lower-case hex digits. */
  readonly fingerprint: string;
}

const known = new WeakMap<Duplex, { found: ClientCertificate | undefined }>();

/** Undefined on a connection without TLS, without certificate, or with one that was not verified. Read once a connection. */
export function clientCertificate(socket: Duplex): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  let entry = known.get(socket);
  if (entry === undefined) {
    entry = { found: socket.authorized ? describe(socket.getPeerCertificate(false)) : undefined };
    known.set(socket, entry);
  }
  return entry.found;
}

function describe(certificate: PeerCertificate): ClientCertificate | undefined {
  // An empty object stands for "none".
  if (certificate.fingerprint256 === undefined) return undefined;
  const commonName: unknown = certificate.subject?.CN;
  const names = alternativeNames(certificate.subjectaltname ?? '');
  const of = (kind: string) => names.filter(([each]) => each === kind).map(([, name]) => name);
  return {
    commonName: typeof commonName === 'string' && commonName !== '' ? commonName : undefined,
    dnsNames: of('DNS'),
    uris: of('URI'),
    emails: of('email'),
    addresses: of('IP Address'),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

/** `DNS:a, URI:"b, DNS:c"`: Node quotes as JSON what could be taken for a separator. What cannot be read ends the list. */
function alternativeNames(text: string): [kind: string, name: string][] {
  const names: [string, string][] = [];
  const one = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/y;
  for (let match = one.exec(text); match !== null; match = one.exec(text)) {
    const [, kind = '', name = ''] = match;
    try {
      names.push([kind, name.startsWith('"') ? String(JSON.parse(name)) : name]);
    } catch {
      return names;
    }
  }
  return names;
}
