/**
 * Runs the embedded store in a thread of its own, so that SQLite's fsync does not hold up the proxy's sockets. The store is
 * reached over a Unix socket that only this user can open, by the same client that reaches a cluster.
 */
import { existsSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LogsealError } from '../errors.ts';
import type { ThreadMessage, ThreadOptions } from './thread.ts';

/** The kernel takes 107 bytes; beyond that bind fails or, worse, cuts the name. */
const SOCKET_PATH_BYTES_MAX = 100;
const socketName = 'store.sock';

export interface StoreOptions {
  readonly dataDir: string;
  /** Also listen here, for tests: host:port. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** Hears of faults while running; after a fatal one the store is gone. */
  readonly failed?: (error: Error, fatal: boolean) => void;
}

export interface RunningStore {
  readonly socketPath: string;
  /** Where `listen` ended up. */
  readonly port: number | undefined;
  readonly clusterUuid: string;
  stop(): Promise<void>;
}

/** Resolves once the store answers. Errors: DATA_DIR_INVALID. */
export async function startStore(options: StoreOptions): Promise<RunningStore> {
  const directory = join(options.dataDir, 'store');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const socket = socketPlace(directory);
  await rm(socket.path, { force: true });
  const thread: ThreadOptions = {
    storePath: join(directory, 'logseal.sqlite'),
    socketPath: socket.path,
    listen: options.listen,
  };
  const file = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);
  // Neither flags nor environment of the proxy: the thread needs none of them, and secrets have no business there.
  const worker = new Worker(file, { workerData: { logsealStore: thread }, env: {}, execArgv: [] });
  let stopping = false;
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const ready = await new Promise<ThreadMessage & { kind: 'ready' }>((resolve, reject) => {
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'ready') resolve(message);
      else if (message.kind === 'failed') {
        reject(
          new LogsealError(
            'DATA_DIR_INVALID',
            `the embedded store in ${directory} cannot be opened: ${message.reason}`,
          ),
        );
        options.failed?.(new Error(message.reason), false);
      }
    });
    worker.on('error', (error) => {
      reject(error);
      if (!stopping) options.failed?.(error instanceof Error ? error : new Error(String(error)), true);
    });
    worker.once('exit', () =>
      reject(new LogsealError('DATA_DIR_INVALID', `the embedded store in ${directory} stopped at its start`)),
    );
  }).catch((error: unknown) => {
    socket.remove();
    throw error;
  });
  return {
    socketPath: socket.path,
    port: ready.port,
    clusterUuid: ready.clusterUuid,
    async stop() {
      stopping = true;
      worker.postMessage('stop');
      await exited;
      socket.remove();
    },
  };
}

/** Where the store of a running proxy listens; undefined if it does not. */
export function storeSocketPath(dataDir: string): string | undefined {
  const path = join(dataDir, 'store', socketName);
  return existsSync(path) ? realpathSync(path) : undefined;
}

/** A path that is too long to be bound stands in the temporary directory, and a link in its place tells where. */
function socketPlace(directory: string): { path: string; remove(): void } {
  const path = join(directory, socketName);
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return { path, remove: () => rmSync(path, { force: true }) };
  // mkdtemp makes it 0700.
  const short = join(mkdtempSync(join(tmpdir(), 'logseal-')), socketName);
  rmSync(path, { force: true });
  symlinkSync(short, path);
  return {
    path: short,
    remove() {
      rmSync(path, { force: true });
      rmSync(dirname(short), { recursive: true, force: true });
    },
  };
}
