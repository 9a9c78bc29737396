/** The proxy's own clients: their file is read before anything else is opened, and again on reload. */
import { ClientBook } from '../clients/client-book.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../lib/clock.ts';
import type { Prepare } from './reload.ts';

/** Undefined without `clients.file`: everybody's credentials are the search engine's to judge. Errors: CONFIG_INVALID. */
export function openClients({ clients, secrets }: Config): ClientBook | undefined {
  const { file, mode } = clients;
  if (file === undefined) return undefined;
  return ClientBook.open({ path: file, permissions: secrets.permissions, mode, clock: systemClock });
}

/** Who was taken out of the file is out with the next request. */
export function prepareClients(book: ClientBook | undefined): Prepare {
  return () => {
    if (book === undefined) return { changes: [], apply: () => undefined };
    const entries = book.read();
    return { changes: [`${entries.length} clients`], apply: () => book.replace(entries) };
  };
}
