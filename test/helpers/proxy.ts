/**
 * The real proxy as its own process, configured as a user would: by environment. For tests that look at it from outside,
 * kill it, or read what it leaves on disk.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Child } from './child.ts';
import { startChild } from './child.ts';

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

export interface RunningProxy extends Child {
  readonly url: string;
  readonly adminUrl: string;
  readonly dataDir: string;
}

export interface ProxyOptions {
  dataDir: string;
  /** Of the search engine; without it the embedded store. */
  elasticsearchUrl?: string;
  environment?: Record<string, string>;
  nodeFlags?: string[];
  /** Taken again after a restart, so that clients find it. */
  port?: number;
}

/** Resolves once records can be accepted. Throws with what the process printed if it ends before. */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const port = options.port ?? (await freePort());
  const adminPort = await freePort();
  const child = await startChild({
    command: process.execPath,
    args: [...(options.nodeFlags ?? []), main],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      LOGSEAL_DATA_DIR: options.dataDir,
      LOGSEAL_LISTEN: `127.0.0.1:${port}`,
      LOGSEAL_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
      ...(options.elasticsearchUrl === undefined ? {} : { LOGSEAL_ELASTICSEARCH_URL: options.elasticsearchUrl }),
      ...options.environment,
    },
    ready: /proxy-ready/,
  });
  const { pid, ready, output, ended, stop, kill } = child;
  const urls = { url: `http://127.0.0.1:${port}`, adminUrl: `http://127.0.0.1:${adminPort}`, dataDir: options.dataDir };
  return { pid, ready, output, ended, stop, kill, ...urls };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
