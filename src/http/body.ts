/**
 * Owns the reading of a whole request body into one buffer: counted, bounded, inflated. Assumes that the parser below has
 * undone chunking and holds a body to its Content-Length.
 */
import type { IncomingMessage } from 'node:http';
import { LogsealError } from '../errors.ts';
import type { Lease } from './admission.ts';
import type { Exchange } from './exchange.ts';
import { codingOf, inflate, tooLong } from './inflate.ts';

/** What a chunked body is allowed at first; more is asked for as it comes. */
const chunkedBytes = 64 * 1024;

/** Bytes to ask admission for before a body is read. */
export function expectedBytes(request: IncomingMessage): number {
  const length = request.headers['content-length'];
  return length === undefined ? chunkedBytes : Number(length);
}

export function declaresTooMuch(request: IncomingMessage, bytesMax: number): boolean {
  return Number(request.headers['content-length'] ?? 0) > bytesMax;
}

/** As Elasticsearch: no body, and the connection ends, because the client may already be sending. */
export function declaredTooMuch(bytesMax: number): LogsealError {
  const sentence = `Content-Length is larger than [${bytesMax}] bytes`;
  return new LogsealError('REQUEST_REFUSED', sentence, { status: 413, bare: true, close: true });
}

/** The body, inflated. Throws REQUEST_REFUSED (400, 413), INTAKE_BUSY, or CLIENT_GONE when it ends too early. */
export async function readBody(exchange: Exchange, lease: Lease, bytesMax: number): Promise<Buffer> {
  const { request, gone } = exchange;
  if (declaresTooMuch(request, bytesMax)) throw declaredTooMuch(bytesMax);
  const coding = codingOf(request.headers['content-encoding']);
  exchange.proceed();
  const declared = request.headers['content-length'];
  const body =
    declared === undefined
      ? await collect(request, lease, gone, bytesMax)
      : await collectDeclared(request, lease, Number(declared));
  if (coding === 'identity' || body.length === 0) return body;
  return inflate(body, coding, bytesMax, (bytes) => lease.grow(bytes, gone));
}

/** Of a length that is known, and has a place already. A body that comes in one piece is not copied. */
function collectDeclared(request: IncomingMessage, lease: Lease, declared: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let target: Buffer | undefined;
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    if (length === 0 && chunk.length === declared) {
      target = chunk;
    } else {
      target ??= lease.lend(declared);
      chunk.copy(target, length);
    }
    length += chunk.length;
  });
  request.once('end', () => {
    if (length === declared) resolve(target ?? Buffer.alloc(0));
    else reject(cutOff());
  });
  request.once('close', () => reject(cutOff()));
  // Gone while it waited for its place: nothing more will be heard of it.
  if (request.destroyed) reject(cutOff());
  return promise;
}

function cutOff(cause?: unknown): LogsealError {
  return new LogsealError('CLIENT_GONE', 'the connection ended before the request body did', { cause });
}

/** Of a length that nobody has told: a place is asked for as it comes. */
async function collect(request: IncomingMessage, lease: Lease, gone: AbortSignal, bytesMax: number): Promise<Buffer> {
  let target = Buffer.allocUnsafeSlow(chunkedBytes);
  let length = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      if (length + chunk.length > bytesMax) throw tooLong(bytesMax);
      if (length + chunk.length > target.length) {
        const size = Math.min(bytesMax, Math.max(target.length * 2, length + chunk.length));
        await lease.grow(size - target.length, gone);
        const larger = Buffer.allocUnsafeSlow(size);
        target.copy(larger, 0, 0, length);
        target = larger;
      }
      chunk.copy(target, length);
      length += chunk.length;
    }
  } catch (error) {
    if (error instanceof LogsealError) throw error;
    throw cutOff(error);
  }
  return target.subarray(0, length);
}
