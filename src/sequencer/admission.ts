/**
 * Whether one more request may come in: the log has room, and what is being written is not too far behind.
 * A request is held for a while, then refused whole, before anything of it is signed. Clients take turns: room that the log
 * gets is not for whoever asks most often.
 */
import { refusal } from '../bulk/refusal.ts';
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { FairQueue } from '../lib/fair-queue.ts';

export interface AdmissionOptions {
  /** Whether the log takes that many more bytes, as they will stand in it. */
  room: (bytes: number) => boolean;
  /** What it takes when it is empty. */
  largestBytes: number;
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

/** Each has a request open in memory, whose number has a bound of its own. */
const heldMax = 65_536;

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #held = new FairQueue<Held>(heldMax);
  #pending = 0;
  #closed: LogsealError | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * The bytes count as pending from here until `ended`. `source`: on whose account. Throws LogsealError REQUEST_REFUSED (413)
   * for more than the log ever takes, LOG_FULL after the hold time, STOPPING when the proxy stops or the client goes away.
   */
  async admit(bytes: number, signal: AbortSignal, source = ''): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    const { largestBytes } = this.#options;
    if (bytes > largestBytes) throw tooLarge(bytes, largestBytes);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let waiting = true;
    const held: Held = {
      bytes,
      enter: () => {
        waiting = false;
        resolve();
      },
      refuse: (error) => {
        this.#held.remove(source, held);
        waiting = false;
        reject(error);
      },
    };
    this.#held.push(source, held)?.refuse(noRoom(bytes));
    this.recheck();
    if (!waiting) return promise;
    this.#options.onHold();
    const timer = this.#options.clock.after(this.#options.holdMaxMs, () => held.refuse(noRoom(bytes)));
    const abort = () => held.refuse(new LogsealError('STOPPING', 'the client went away while it was held'));
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
   * Lets in who fits now, by turns. Called when the log got room. One that is too large for the log's room holds up nobody; one
   * that waits for others to be durable does, or it would wait for ever under load.
   */
  recheck(): void {
    const { room, pendingBytesMax } = this.#options;
    this.#held.serve((held) => {
      if (!room(held.bytes)) return 'waits';
      if (this.#pending > 0 && this.#pending + held.bytes > pendingBytesMax) return 'stop';
      this.#pending += held.bytes;
      held.enter();
      return 'taken';
    });
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Nobody comes in any more; who was held is refused. */
  close(): void {
    const closed = new LogsealError('STOPPING', 'the proxy is stopping');
    this.#closed = closed;
    this.#held.serve((held) => {
      held.refuse(closed);
      return 'waits';
    });
  }
}

/** Said at once: a shipper that is told to try again would do so for ever. */
function tooLarge(bytes: number, largestBytes: number): LogsealError {
  const reason = `the request takes [${bytes}] bytes in the write-ahead log, which has at most [${largestBytes}] (wal.bytesMax)`;
  return refusal('content_too_long_exception', reason, { status: 413 });
}

function noRoom(bytes: number): LogsealError {
  return new LogsealError('LOG_FULL', 'the write-ahead log has no room; try again later', { bytes });
}
