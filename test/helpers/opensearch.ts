/**
 * The real OpenSearch 3.8.0, from its published jars, for what the published Elasticsearch jars lack: ingest pipelines,
 * data streams, reindex, painless. In front of it stands a small forwarder that makes it look like Elasticsearch 9 to
 * clients that insist: product header, version number, and the `vnd.elasticsearch+` content types. Bodies are untouched.
 */
import { mkdir, readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cached } from './cache.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { startEngine } from './engine.ts';
import { compile, fetchJars, javaMissing } from './java.ts';

const sources = join(import.meta.dirname, 'java', 'opensearch');

export interface OpenSearch extends Engine {
  /** The server itself, without the forwarder. */
  readonly directUrl: string;
}

/** For `{ skip }` of a test: false when the server can run here, else the reason with what to install. */
export function openSearchMissing(): string | false {
  return javaMissing() ?? false;
}

export async function startOpenSearch(options: EngineOptions = {}): Promise<OpenSearch> {
  const home = await installed();
  const classPath = `${join(home, 'classes')}:${join(home, 'lib', '*')}`;
  const engine = await startEngine(home, ['--enable-native-access=ALL-UNNAMED', '-cp', classPath], options);
  const forwarder = createServer((incoming, answer) => {
    forward(engine.url, incoming, answer).catch(() => answer.destroy());
  });
  await new Promise<void>((resolve) => forwarder.listen(0, '127.0.0.1', resolve));
  const { port } = forwarder.address() as AddressInfo;
  return Object.create(engine, {
    url: { value: `http://127.0.0.1:${port}` },
    directUrl: { value: engine.url },
    remove: {
      value: async () => {
        forwarder.close();
        forwarder.closeAllConnections();
        await engine.remove();
      },
    },
  });
}

async function forward(base: string, incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  const headers = { ...incoming.headers };
  for (const name of ['accept', 'content-type'] as const) {
    const plain = headers[name]?.replace(/vnd\.elasticsearch\+/g, '').replace(/; *compatible-with=\d+/g, '');
    if (plain !== undefined) headers[name] = plain;
  }
  const outgoing = request(base + incoming.url, { method: incoming.method, headers });
  const received = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
  });
  received.catch(() => {});
  await pipeline(incoming, outgoing);
  const response = await received;
  answer.setHeader('x-elastic-product', 'Elasticsearch');
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined && name !== 'transfer-encoding' && name !== 'connection') answer.setHeader(name, value);
  }
  answer.statusCode = response.statusCode ?? 502;
  if (incoming.url !== '/' || incoming.method !== 'GET') return pipeline(response, answer);
  const root = JSON.parse(Buffer.concat(await response.toArray()).toString());
  const { distribution: _, ...version } = root.version;
  const body = JSON.stringify({ ...root, version: { ...version, number: '9.0.0', build_flavor: 'default' } });
  answer.setHeader('content-length', Buffer.byteLength(body));
  answer.end(body);
}

async function installed(): Promise<string> {
  const files = ['pom.xml', 'Launcher.java'].map((file) => readFile(join(sources, file), 'utf8'));
  return cached('opensearch-3.8.0', await Promise.all(files), async (dir) => {
    for (const name of ['lib', 'classes', 'config', 'modules', 'plugins']) await mkdir(join(dir, name));
    await fetchJars(join(sources, 'pom.xml'), join(dir, 'lib'));
    await compile(['-cp', join(dir, 'lib', '*'), '-d', join(dir, 'classes'), join(sources, 'Launcher.java')]);
  });
}
