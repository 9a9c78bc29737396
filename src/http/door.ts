/**
 * Makes the server behind a port, with TLS or without. One place decides about protocol versions and ciphers: TLS 1.2 with
 * forward secrecy and authenticated encryption only, and TLS 1.3. Assumes that the settings were checked: `src/config/tls-files.ts`.
 */
import { constants } from 'node:crypto';
import type { Server, ServerOptions } from 'node:http';
import { createServer } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import { createServer as createSecureServer } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { TlsFiles } from '../config/tls-files.ts';

export interface DoorTls {
  readonly files: TlsFiles;
  /** `request` takes clients without certificate too; `require` ends the handshake of one that the authority did not sign. */
  readonly clientCertificates: 'none' | 'request' | 'require';
  /** A client that has not finished its handshake by then is cut off. Default 10 s. */
  readonly handshakeMsMax?: number;
  /** A handshake that failed: a short reason from a closed list of the TLS library's, and where it came from. */
  readonly failed: (reason: string, remoteAddress: string) => void;
}

const handshakeMsDefault = 10_000;

const ciphers = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** An HTTPS server has every member of an HTTP server that is used here. */
export function createDoor(options: ServerOptions, tls: DoorTls | undefined): Server {
  if (tls === undefined) return createServer(options);
  const server = createSecureServer({
    ...options,
    ...contextOptions(tls.files),
    requestCert: tls.clientCertificates !== 'none',
    rejectUnauthorized: tls.clientCertificates === 'require',
    handshakeTimeout: tls.handshakeMsMax ?? handshakeMsDefault,
    ALPNProtocols: ['http/1.1'],
  });
  server.on('tlsClientError', (error: Error & { code?: string }, socket) => {
    tls.failed(error.code ?? error.name, socket.remoteAddress ?? '');
  });
  return server as unknown as Server;
}

/** New connections get the new files; those that are open go on. */
export function replaceFiles(server: Server, files: TlsFiles): void {
  (server as unknown as SecureServer).setSecureContext(contextOptions(files));
}

function contextOptions({ certificate, key, clientCa, minVersion }: TlsFiles): SecureContextOptions {
  return {
    cert: certificate,
    key,
    // Without one of its own a client certificate is never trusted because a public authority signed it.
    ...(clientCa === undefined ? {} : { ca: clientCa }),
    minVersion,
    maxVersion: 'TLSv1.3',
    ciphers,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}
