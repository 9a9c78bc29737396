/**
 * Whether one more request may come in: the log has room, and what is being written is not too far behind.
 * A request is held for a while, then refused whole, before anything of it is signed.
 */
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';

export interface AdmissionOptions {
  /** Whether the log takes that many more bytes. */
  room: (bytes: number) => boolean;
  /** Bytes that may be signed and not yet durable. */
  pendingBytesMax: number;
  /** Milliseconds that a request is held. */
  holdMaxMs: number;
  clock: Clock;
}

interface Held {
  bytes: number;
  enter: () => void;
}

/** Metadata, tags and frames beside the content, as a factor that small records need. */
const overhead = 2;

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #held = new Set<Held>();
  #pending = 0;
  #closed: LogsealError | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Throws LogsealError LOG_FULL after the hold time, STOPPING when the proxy stops. */
  async admit(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#open(bytes)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const held: Held = { bytes, enter: resolve };
    this.#held.add(held);
    const timer = this.#options.clock.after(this.#options.holdMaxMs, () => {
      reject(new LogsealError('LOG_FULL', 'the write-ahead log has no room; try again later', { bytes }));
    });
    const abort = () => reject(new LogsealError('STOPPING', 'the client went away while it was held'));
    signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', abort);
      this.#held.delete(held);
    }
    if (this.#closed !== undefined) throw this.#closed;
  }

  /** Bytes of a request that is being signed and made durable. */
  began(bytes: number): void {
    this.#pending += bytes;
  }

  ended(bytes: number): void {
    this.#pending -= bytes;
    this.recheck();
  }

  /** Lets in who fits now, in the order of coming. Called when the log got room. */
  recheck(): void {
    let entering = 0;
    for (const held of this.#held) {
      entering += held.bytes;
      if (this.#closed === undefined && !this.#open(entering)) return;
      this.#held.delete(held);
      held.enter();
    }
  }

  /** Nobody comes in any more; who was held is refused. */
  close(): void {
    this.#closed = new LogsealError('STOPPING', 'the proxy is stopping');
    this.recheck();
  }

  #open(bytes: number): boolean {
    const { room, pendingBytesMax } = this.#options;
    return room(bytes * overhead) && (this.#pending === 0 || this.#pending + bytes <= pendingBytesMax);
  }
}
