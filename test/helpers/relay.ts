/**
 * An HTTP relay on loopback that takes each request whole, passes it on, and passes the answer back; a trap set in it acts at one
 * point of one exchange: kills a process, loses the answer, does what a test wants. Assumes bodies that fit in memory.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * `request`: it is here, nothing of it was passed on · `forwarded`: all of it was · `answer`: the first byte of the answer is
 * here, and nothing of it was passed on · `answered`: all of it was.
 */
export type TrapPoint = 'request' | 'forwarded' | 'answer' | 'answered';

export interface Exchange {
  method: string;
  path: string;
  body: string;
}

export interface Trap {
  at: TrapPoint;
  /** Without it the first exchange. */
  matches?: (exchange: Exchange) => boolean;
  /** Awaited before the exchange goes on. */
  act?: () => Promise<unknown>;
  /** The client's connection is reset in place of going on. */
  cut?: boolean;
}

export interface RelayedAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
  /** The connection is reset in the middle of the body. */
  torn?: boolean;
}

/** In place of passing an exchange on and its answer back; undefined resets the connection. `pass` asks the target, with another body if given. */
export type Role = (
  exchange: Exchange,
  pass: (body?: string) => Promise<RelayedAnswer>,
) => Promise<RelayedAnswer | undefined>;

export interface Relay {
  readonly url: string;
  /** For every exchange from now on, until another is given or none. Traps do not act meanwhile. */
  play(role: Role | undefined): void;
  /** Closes every connection and the port. */
  away(): Promise<void>;
  /** Listens on the same port again. */
  back(): Promise<void>;
  /** Acts once, then is gone. Resolves when it has acted. */
  trap(trap: Trap): Promise<void>;
  /** Takes traps away that have not acted; what waits for them waits for ever. */
  clear(): void;
  close(): Promise<void>;
}

interface Armed extends Trap {
  sprung: () => void;
}

export async function startRelay(target: string): Promise<Relay> {
  const traps = new Set<Armed>();
  const agent = new Agent({ keepAlive: true });
  /** True: the exchange goes on. */
  const pass = async (at: TrapPoint, exchange: Exchange): Promise<boolean> => {
    for (const trap of traps) {
      if (trap.at !== at || trap.matches?.(exchange) === false) continue;
      traps.delete(trap);
      await trap.act?.();
      trap.sprung();
      if (trap.cut === true) return false;
    }
    return true;
  };
  let role: Role | undefined;
  const server = createServer((from, to) => {
    from.on('error', () => undefined);
    to.on('error', () => undefined);
    (role === undefined ? relayOne(target, agent, from, to, pass) : playOne(target, from, to, role)).catch(() =>
      from.socket.destroy(),
    );
  });
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    play(next) {
      role = next;
    },
    async away() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
    async back() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    trap: (trap) => new Promise<void>((resolve) => void traps.add({ ...trap, sprung: resolve })),
    clear: () => traps.clear(),
    async close() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function relayOne(
  target: string,
  agent: Agent,
  from: IncomingMessage,
  to: ServerResponse,
  pass: (at: TrapPoint, exchange: Exchange) => Promise<boolean>,
): Promise<void> {
  const body = await bytesOf(from);
  const exchange = { method: from.method ?? '', path: from.url ?? '', body: body.toString('latin1') };
  const goesOn = async (at: TrapPoint) => {
    if (await pass(at, exchange)) return true;
    from.socket.destroy();
    return false;
  };
  if (!(await goesOn('request'))) return;
  const onward = request(`${target}${exchange.path}`, { method: exchange.method, headers: from.headers, agent });
  const answered = once(onward, 'response') as Promise<[IncomingMessage]>;
  answered.catch(() => undefined);
  await new Promise<void>((resolve, reject) => {
    onward.once('error', reject);
    onward.end(body, () => resolve());
  });
  if (!(await goesOn('forwarded'))) {
    // The target goes on with it all the same.
    answered.then(
      ([answer]) => answer.resume(),
      () => undefined,
    );
    return;
  }
  const [answer] = await answered;
  if (!(await goesOn('answer'))) {
    answer.resume();
    return;
  }
  const bytes = await bytesOf(answer);
  to.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
  await new Promise<void>((resolve) => to.end(bytes, resolve));
  await goesOn('answered');
}

async function playOne(target: string, from: IncomingMessage, to: ServerResponse, role: Role): Promise<void> {
  const exchange = { method: from.method ?? '', path: from.url ?? '', body: (await bytesOf(from)).toString('utf8') };
  const { host: _, connection: _c, 'content-length': _l, 'transfer-encoding': _t, ...headers } = from.headers;
  const answer = await role(exchange, async (body = exchange.body) => {
    const onward = request(target + exchange.path, { method: exchange.method, headers, agent: false });
    const answered = once(onward, 'response') as Promise<[IncomingMessage]>;
    onward.end(body);
    const [got] = await answered;
    const text = (await bytesOf(got)).toString('utf8');
    return { status: got.statusCode ?? 502, headers: { ...plainHeaders(got) }, body: text };
  });
  if (answer === undefined) {
    from.socket.destroy();
    return;
  }
  const bytes = Buffer.from(answer.body);
  to.writeHead(answer.status, { ...answer.headers, 'content-length': String(bytes.length) });
  if (answer.torn === true) to.write(bytes.subarray(0, bytes.length >> 1), () => from.socket.destroy());
  else await new Promise<void>((resolve) => to.end(bytes, resolve));
}

function plainHeaders({ headers }: IncomingMessage): Record<string, string> {
  const { 'content-type': type = 'application/json', 'x-elastic-product': product = 'Elasticsearch' } = headers;
  return { 'content-type': type, 'x-elastic-product': String(product) };
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
