/** A TCP forwarder that can lose an answer: what was asked is done, and nobody hears of it. */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

export interface CuttingProxy {
  readonly url: string;
  /** The next answer to a bulk request is lost; `before` is awaited between the answer's coming and the cut. */
  cutNextBulk(before?: () => Promise<unknown>): void;
  /** Answers lost so far. */
  readonly cuts: number;
  close(): Promise<void>;
}

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let armed: (() => Promise<unknown>) | undefined;
  let cuts = 0;
  const server = createServer((client) => {
    const engine = connect(Number(port), hostname);
    let bulk = false;
    for (const socket of [client, engine]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        engine.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (/^[A-Z]+ \//.test(chunk.toString('latin1', 0, 20))) bulk = chunk.toString('latin1', 0, 20).includes('/_bulk');
      engine.write(chunk);
    });
    engine.on('data', (chunk) => {
      if (!bulk || armed === undefined) {
        client.write(chunk);
        return;
      }
      const before = armed;
      armed = undefined;
      engine.pause();
      void before().then(() => {
        cuts += 1;
        client.destroy();
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutNextBulk: (before = async () => undefined) => {
      armed = before;
    },
    get cuts() {
      return cuts;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
