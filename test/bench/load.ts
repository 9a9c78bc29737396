/**
 * The shipper of the benchmark: its own process, started by fork. Makes its bodies, says that it is ready, sends them on being
 * told to, and says how long each request took. One request at a time on each connection.
 */
import type { Dispatcher } from 'undici';
import { Pool } from 'undici';
import { bulkBodies, webRecords } from './documents.ts';
import { SignedForm } from './signed-form.ts';

export interface LoadOptions {
  url: string;
  dest: string;
  recordBytes: number;
  perBulk: number;
  connections: number;
  /** Bulk requests in all. */
  bulks: number;
  /** Send the signed form, with ids. */
  signed: boolean;
  /** No more than this a second; 0: as fast as it goes. */
  recordsPerSecond?: number;
}

export interface LoadResult {
  records: number;
  seconds: number;
  bytes: number;
  /** CPU of this process. */
  cpuSeconds: number;
  /** Latencies in milliseconds. */
  p50: number;
  p99: number;
  p999: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions;
const headers = { 'content-type': 'application/x-ndjson' };
const errorMark = '"errors":false';

function makeBodies(): Buffer[] {
  const { dest, recordBytes, perBulk, bulks, signed } = options;
  if (!signed) return bulkBodies(dest, recordBytes, perBulk).bodies;
  const form = new SignedForm(dest);
  const documents = webRecords(Math.min(bulks * perBulk, 40_000), recordBytes);
  return Array.from({ length: bulks }, (_, n) => {
    return form.body(Array.from({ length: perBulk }, (_, i) => documents[(n * perBulk + i) % documents.length] ?? ''));
  });
}

class Answer implements Dispatcher.DispatchHandler {
  readonly done: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #status = 0;
  #head = '';

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  onRequestStart(): void {}

  onResponseStart(_controller: unknown, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (this.#head.length < 40) this.#head += chunk.latin1Slice(0, Math.min(200, chunk.length));
  }

  onResponseEnd(): void {
    if (this.#status === 200 && this.#head.includes(errorMark)) this.#resolve();
    else this.#reject(new Error(`answer ${this.#status}: ${this.#head}`));
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#reject(error);
  }
}

async function send(bodies: readonly Buffer[]): Promise<LoadResult> {
  const { url, perBulk, connections, bulks, recordsPerSecond = 0 } = options;
  const pool = new Pool(url, { connections, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  const times = new Float64Array(bulks);
  let next = 0;
  let bytes = 0;
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const client = async (): Promise<void> => {
    while (next < bulks) {
      const n = next++;
      if (recordsPerSecond > 0) {
        const due = begin + (n * perBulk * 1000) / recordsPerSecond - performance.now();
        if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
      }
      const body = bodies[n % bodies.length] as Buffer;
      bytes += body.length;
      const answer = new Answer();
      const start = performance.now();
      pool.dispatch({ method: 'POST', path: '/_bulk', headers, body }, answer);
      await answer.done;
      times[n] = performance.now() - start;
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const cpuSeconds = (user + system) / 1e6;
  await pool.destroy();
  times.sort();
  const at = (share: number) => times[Math.min(bulks - 1, Math.floor(bulks * share))] ?? 0;
  return { records: bulks * perBulk, seconds, bytes, cpuSeconds, p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

const bodies = makeBodies();
process.once('message', () => {
  send(bodies).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ failed: error.message }),
  );
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
