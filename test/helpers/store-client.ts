/** The embedded store's server in the thread of the test, and a client that asks it over its socket. */
import { once } from 'node:events';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { StoreDatabase } from '../../src/store/database.ts';
import { createStoreServer } from '../../src/store/server.ts';
import type { RunningStore } from '../../src/store/worker.ts';

export interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely here
  json: any;
}

export function client(store: Pick<RunningStore, 'socketPath'>) {
  return (
    method: string,
    path: string,
    body?: string | Buffer | object,
    headers: Record<string, string> = {},
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const bytes =
        body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const length = { 'content-length': String(Buffer.byteLength(bytes ?? '')) };
      const sent = request(
        { socketPath: store.socketPath, method, path, headers: { ...length, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            let json: unknown;
            try {
              json = JSON.parse(text);
            } catch {
              json = undefined;
            }
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
          });
        },
      );
      sent.on('error', reject);
      sent.end(bytes);
    });
}

/** The store's server in this thread; the tests of the thread itself start it themselves. */
export async function startedStore(t: Test, failed = (error: unknown): void => void t.fail(String(error))) {
  sockets += 1;
  const path = join(t.testdir(), 'logseal.sqlite');
  const socketPath = join(tmpdir(), `logseal-test-${process.pid}-${sockets}.sock`);
  const database = new StoreDatabase(path);
  const server = createStoreServer(database, failed);
  await once(server.listen(socketPath), 'listening');
  t.teardown(async () => {
    await new Promise((resolve) => server.close(resolve));
    database.close();
  });
  return { database, path, ask: client({ socketPath }) };
}

let sockets = 0;

export const lines = (...values: (object | string)[]) =>
  values.map((value) => `${typeof value === 'string' ? value : JSON.stringify(value)}\n`).join('');
