/** On whose account a request is taken, and what it may do: found out once, before anything of its body is read. */
import type { IncomingMessage } from 'node:http';
import type { Client } from '../clients/client.ts';
import type { ClientBook } from '../clients/client-book.ts';
import { LogsealError } from '../errors.ts';
import { clientCertificate } from './client-certificate.ts';

export interface Caller {
  /** Who shares memory and log with others: the name of a client of our own, else the certificate, else the address. */
  readonly source: string;
  /** Undefined: whoever it is, the search engine judges its credentials. */
  readonly client: Client | undefined;
}

/** Nobody is known yet; the connection's address is. */
export function unknownCaller(request: IncomingMessage): Caller {
  return { source: addressOf(request), client: undefined };
}

/** Without `book` everybody's credentials are passed on. Throws REQUEST_REFUSED (401), CLIENT_LIMITED. */
export async function identifyCaller(request: IncomingMessage, book: ClientBook | undefined): Promise<Caller> {
  const certificate = clientCertificate(request.socket);
  const address = addressOf(request);
  const passed: Caller = { source: certificate?.fingerprint ?? address, client: undefined };
  if (book === undefined) return passed;
  const { authorization } = request.headers;
  const asked = book.identify({ authorization, certificate, address });
  const found = asked instanceof Promise ? await asked : asked;
  switch (found.kind) {
    case 'own':
      return { source: `client ${found.client.name}`, client: found.client };
    case 'stranger':
      return passed;
    case 'refused':
      throw unauthenticated(request, found.user);
  }
}

const challenges = ['Basic realm="security", charset="UTF-8"', 'ApiKey'];

/** In the words of Elasticsearch. */
function unauthenticated({ url = '/' }: IncomingMessage, user: string | undefined): LogsealError {
  const path = url.split('?', 1)[0];
  const reason =
    user === undefined
      ? `missing authentication credentials for REST request [${path}]`
      : `unable to authenticate user [${user}] for REST request [${path}]`;
  return new LogsealError('REQUEST_REFUSED', reason, { status: 401, type: 'security_exception', challenges });
}

function addressOf(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}
