/** What (c) is compared with: a reverse proxy of a few lines, undici towards the search engine, bodies streamed. By fork. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

const pool = new Pool(process.argv[2] ?? '', { connections: 64 });

const server = createServer((request, response) => {
  const { host: _host, connection: _connection, ...headers } = request.headers;
  pool
    .request({ method: 'POST', path: request.url ?? '/', headers, body: request })
    .then((answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.body.pipe(response);
    })
    .catch(() => response.destroy());
});

process.on('disconnect', () => process.exit());
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
