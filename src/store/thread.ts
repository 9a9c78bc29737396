/** The thread that `worker.ts` starts: opens the database, listens, answers until told to stop. In any other thread it does nothing. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { StoreDatabase } from './database.ts';
import { createStoreServer } from './server.ts';

export interface ThreadOptions {
  readonly storePath: string;
  readonly socketPath: string;
  readonly listen: { readonly host: string; readonly port: number } | undefined;
}

export type ThreadMessage =
  | { readonly kind: 'ready'; readonly port: number | undefined; readonly clusterUuid: string }
  | { readonly kind: 'failed'; readonly reason: string };

const options = (workerData as { logsealStore?: ThreadOptions } | null)?.logsealStore;
if (parentPort !== null && options !== undefined) await run(options, parentPort);

async function run(options: ThreadOptions, port: NonNullable<typeof parentPort>): Promise<void> {
  const say = (message: ThreadMessage) => port.postMessage(message);
  const failed = (error: unknown) =>
    say({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
  let database: StoreDatabase;
  try {
    database = new StoreDatabase(options.storePath);
  } catch (error) {
    failed(error);
    port.close();
    return;
  }
  const servers: Server[] = [await listen(createStoreServer(database, failed), { path: options.socketPath })];
  if (options.listen !== undefined) servers.push(await listen(createStoreServer(database, failed), options.listen));
  const address = servers[1]?.address() as AddressInfo | undefined;
  port.once('message', async () => {
    await Promise.all(servers.map((server) => close(server)));
    database.close();
    port.close();
  });
  say({ kind: 'ready', port: address?.port, clusterUuid: database.clusterUuid });
}

function listen(server: Server, where: { path: string } | { host: string; port: number }): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => resolve(server));
  });
}

/** Requests under way are answered; connections that only wait are closed. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    // A client that never finishes its request has been told nothing yet, so it loses nothing.
    setTimeout(() => server.closeAllConnections(), 5000).unref();
  });
}
