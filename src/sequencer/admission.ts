/**
 * Whether one more request may come in: the log has room, and what is being written is not too far behind.
 * A request is held for a while, then refused whole, before anything of it is signed.
 */
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';

export interface AdmissionOptions {
  /** Whether the log takes that many more bytes, as they will stand in it. */
  room: (bytes: number) => boolean;
  /** Bytes that may be admitted and not yet durable. */
  pendingBytesMax: number;
  /** Milliseconds that a request is held. */
  holdMaxMs: number;
  clock: Clock;
  /** Called for each request that has to wait. */
  onHold: () => void;
}

interface Held {
  bytes: number;
  enter: () => void;
  refuse: (error: LogsealError) => void;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #held = new Set<Held>();
  #pending = 0;
  #closed: LogsealError | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * The bytes count as pending from here until `ended`. Throws LogsealError LOG_FULL after the hold time, STOPPING when the
   * proxy stops or the client goes away.
   */
  async admit(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const refuse = (error: LogsealError) => {
      this.#held.delete(held);
      reject(error);
    };
    const held: Held = { bytes, enter: resolve, refuse };
    this.#held.add(held);
    this.recheck();
    if (!this.#held.has(held)) return;
    this.#options.onHold();
    const timer = this.#options.clock.after(this.#options.holdMaxMs, () => {
      refuse(new LogsealError('LOG_FULL', 'the write-ahead log has no room; try again later', { bytes }));
    });
    const abort = () => refuse(new LogsealError('STOPPING', 'the client went away while it was held'));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', abort);
    }
  }

  /** Bytes that were admitted are durable, or will never be. */
  ended(bytes: number): void {
    this.#pending -= bytes;
    this.recheck();
  }

  /**
   * Lets in who fits now, in the order of coming. Called when the log got room. One that is too large for the log's room holds
   * up nobody; one that waits for others to be durable does, or it would wait for ever under load.
   */
  recheck(): void {
    const { room, pendingBytesMax } = this.#options;
    for (const held of this.#held) {
      if (!room(held.bytes)) continue;
      if (this.#pending > 0 && this.#pending + held.bytes > pendingBytesMax) return;
      this.#held.delete(held);
      this.#pending += held.bytes;
      held.enter();
    }
  }

  /** Nobody comes in any more; who was held is refused. */
  close(): void {
    this.#closed = new LogsealError('STOPPING', 'the proxy is stopping');
    for (const held of this.#held) held.refuse(this.#closed);
  }
}
