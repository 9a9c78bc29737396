/**
 * Owns the bound on what open requests hold: their number and the bytes of their bodies. Past it a request waits its turn,
 * first come first served, and is refused with INTAKE_BUSY when that takes too long.
 */
import { LogsealError } from '../errors.ts';
import { BufferPool } from '../lib/buffer-pool.ts';
import type { Clock } from '../lib/clock.ts';

export interface AdmissionOptions {
  requestsMax: number;
  bytesMax: number;
  /** Longest wait for a place, milliseconds. */
  holdMs: number;
  clock: Clock;
}

/** A place that one request has; given back once. */
export interface Lease {
  /** Waits until so many more bytes may be held. */
  grow(bytes: number, signal: AbortSignal): Promise<void>;
  release(): void;
  /** Memory for a body of which `bytes` have been admitted. */
  lend(bytes: number): Buffer;
  /** A lent buffer of which nobody holds a view any more: only when all has gone well. */
  giveBack(buffer: Buffer): void;
}

interface Waiting {
  requests: number;
  bytes: number;
  admit: () => void;
}

/** Memory of bodies that is kept for the next ones. */
const keptBytesMax = 32 * 1024 * 1024;

export class Admission {
  readonly #buffers = new BufferPool(keptBytesMax);
  readonly #options: AdmissionOptions;
  readonly #waiting: Waiting[] = [];
  #requests = 0;
  #bytes = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Throws INTAKE_BUSY after `holdMs`, CLIENT_GONE when the signal aborts first. */
  async enter(bytes: number, signal: AbortSignal): Promise<Lease> {
    await this.#take(1, bytes, signal);
    let held = bytes;
    let open = true;
    return {
      grow: async (more, growSignal) => {
        await this.#take(0, more, growSignal);
        if (open) held += more;
        else this.#giveBack(0, more);
      },
      release: () => {
        if (!open) return;
        open = false;
        this.#giveBack(1, held);
      },
      lend: (size) => this.#buffers.lend(size),
      giveBack: (buffer) => this.#buffers.giveBack(buffer),
    };
  }

  async #take(requests: number, bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(requests, bytes)) {
      this.#requests += requests;
      this.#bytes += bytes;
      return;
    }
    await this.#wait(requests, bytes, signal);
  }

  /** One that is alone may be larger than the bound, or it could never be answered. */
  #fits(requests: number, bytes: number): boolean {
    const { requestsMax, bytesMax } = this.#options;
    if (this.#requests + requests > requestsMax) return false;
    return this.#bytes + bytes <= bytesMax || this.#bytes === 0;
  }

  #wait(requests: number, bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (code: 'INTAKE_BUSY' | 'CLIENT_GONE', sentence: string) => {
        const at = this.#waiting.indexOf(entry);
        if (at < 0) return;
        this.#waiting.splice(at, 1);
        done();
        reject(new LogsealError(code, sentence));
        this.#next();
      };
      const onAbort = () => leave('CLIENT_GONE', 'the client left while its request waited for a place');
      const timer = this.#options.clock.after(this.#options.holdMs, () =>
        leave('INTAKE_BUSY', 'too many requests are open; nothing of this one was taken'),
      );
      const done = () => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
      };
      const admit = () => {
        done();
        resolve();
      };
      const entry: Waiting = { requests, bytes, admit };
      this.#waiting.push(entry);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #giveBack(requests: number, bytes: number): void {
    this.#requests -= requests;
    this.#bytes -= bytes;
    this.#next();
  }

  #next(): void {
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      if (!this.#fits(head.requests, head.bytes)) return;
      this.#waiting.shift();
      this.#requests += head.requests;
      this.#bytes += head.bytes;
      head.admit();
    }
  }
}
