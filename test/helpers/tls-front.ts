/** A TLS front on loopback that passes bytes on to a port: a node of a cluster that speaks TLS, which can be taken away and put back. */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { createServer } from 'node:tls';
import type { Issued } from './authority.ts';

export interface TlsFront {
  readonly url: string;
  /** Connections that ended their handshake well. */
  readonly taken: number;
  /** Closes every connection and the port. */
  away(): Promise<void>;
  /** Listens on the same port again, with another certificate if given. */
  back(changed?: Issued): Promise<void>;
}

/** `chain`: PEM, sent after the server's own certificate. */
export async function startTlsFront(target: string, identity: Issued, chain = ''): Promise<TlsFront> {
  const { hostname, port: targetPort } = new URL(target);
  const sockets = new Set<Socket>();
  let taken = 0;
  let shown = identity;
  const listen = async (port: number) => {
    const options = { cert: `${shown.certificate}\n${chain}`, key: shown.key };
    const server = createServer(options, (client) => {
      taken += 1;
      const engine = connect(Number(targetPort), hostname);
      for (const socket of [client, engine]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          sockets.delete(socket);
          client.destroy();
          engine.destroy();
        });
      }
      client.pipe(engine).pipe(client);
    });
    server.on('tlsClientError', () => undefined);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    get taken() {
      return taken;
    },
    async away() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    async back(changed = shown) {
      shown = changed;
      server = await listen(port);
    },
  };
}
