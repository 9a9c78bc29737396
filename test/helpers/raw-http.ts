/** HTTP by hand over a plain socket, for what no client library sends. */
import { connect } from 'node:net';

export interface RawAnswer {
  status: number;
  /** By lower-case name; of a name that came twice, both values. */
  headers: Map<string, string[]>;
  body: Buffer;
}

export class RawConnection {
  readonly #socket;
  #received = Buffer.alloc(0);
  #closed = false;
  #change = Promise.withResolvers<void>();

  constructor(port: number, host = '127.0.0.1') {
    this.#socket = connect({ port, host });
    this.#socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#changed();
    });
    this.#socket.on('close', () => {
      this.#closed = true;
      this.#changed();
    });
    this.#socket.on('error', () => undefined);
  }

  send(text: string | Buffer): this {
    this.#socket.write(text);
    return this;
  }

  /** The next whole answer; undefined if the connection ends before it. `head`: of a request that has no body in its answer. */
  async answer(head = false): Promise<RawAnswer | undefined> {
    for (;;) {
      const found = this.#take(head);
      if (found !== undefined) return found;
      if (this.#closed) return undefined;
      await this.#change.promise;
    }
  }

  /** Resolves when the other side has ended the connection. */
  async closed(): Promise<void> {
    while (!this.#closed) await this.#change.promise;
  }

  end(): void {
    this.#socket.destroy();
  }

  /** Ends our half only. */
  half(): void {
    this.#socket.end();
  }

  #changed(): void {
    const { resolve } = this.#change;
    this.#change = Promise.withResolvers<void>();
    resolve();
  }

  #take(head: boolean): RawAnswer | undefined {
    const split = this.#received.indexOf('\r\n\r\n');
    if (split < 0) return undefined;
    const [first = '', ...lines] = this.#received.toString('latin1', 0, split).split('\r\n');
    const status = Number(first.split(' ')[1]);
    const headers = new Map<string, string[]>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
    }
    const bodyless = head || status < 200 || status === 204 || status === 304;
    const length = bodyless ? 0 : Number(headers.get('content-length')?.[0] ?? 0);
    const from = split + 4;
    if (this.#received.length < from + length) return undefined;
    const body = this.#received.subarray(from, from + length);
    this.#received = this.#received.subarray(from + length);
    return { status, headers, body };
  }
}
