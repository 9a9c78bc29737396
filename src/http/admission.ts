/**
 * Owns the bound on what open requests hold: their number and the bytes of their bodies. Past it a request waits its turn, and is
 * refused with INTAKE_BUSY when that takes too long. Clients take turns, and none may hold all of it: the last places are for
 * those who hold least, so that a greedy client meets its bound while a modest one comes in.
 */
import { LogsealError } from '../errors.ts';
import { BufferPool } from '../lib/buffer-pool.ts';
import type { Clock } from '../lib/clock.ts';
import { FairQueue } from '../lib/fair-queue.ts';

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

interface Ask {
  source: string;
  requests: number;
  bytes: number;
}

interface Waiting extends Ask {
  admit: () => void;
  leave: (code: 'INTAKE_BUSY' | 'CLIENT_GONE', sentence: string) => void;
}

interface Held {
  requests: number;
  bytes: number;
}

/** Memory of bodies that is kept for the next ones. */
const keptBytesMax = 32 * 1024 * 1024;
/** Requests that wait for a place; each has a socket, so there are hardly more. */
const waitingMax = 16_384;
/** A client may hold so many times what is left: alone 7/8 of all, two of them 7/15 each, and always something is left. */
const shareOfRest = 7;
const busySentence = 'too many requests are open; nothing of this one was taken';

export class Admission {
  readonly #buffers = new BufferPool(keptBytesMax);
  readonly #options: AdmissionOptions;
  readonly #waiting = new FairQueue<Waiting>(waitingMax);
  readonly #held = new Map<string, Held>();
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

  /** `source`: on whose account. Throws INTAKE_BUSY after `holdMs`, CLIENT_GONE when the signal aborts first. */
  async enter(bytes: number, signal: AbortSignal, source = ''): Promise<Lease> {
    await this.#take({ source, requests: 1, bytes }, signal);
    let held = bytes;
    let open = true;
    return {
      grow: async (more, growSignal) => {
        const ask = { source, requests: 0, bytes: more };
        await this.#take(ask, growSignal);
        if (open) held += more;
        else this.#giveBack(ask);
      },
      release: () => {
        if (!open) return;
        open = false;
        this.#giveBack({ source, requests: 1, bytes: held });
      },
      lend: (size) => this.#buffers.lend(size),
      giveBack: (buffer) => this.#buffers.giveBack(buffer),
    };
  }

  async #take(ask: Ask, signal: AbortSignal): Promise<void> {
    if (this.#waiting.size === 0 && this.#fits(ask)) this.#hold(ask);
    else await this.#wait(ask, signal);
  }

  /** One that is alone may be larger than the bound, or it could never be answered. */
  #fits(ask: Ask): boolean {
    const { requestsMax, bytesMax } = this.#options;
    if (this.#requests + ask.requests > requestsMax) return false;
    if (this.#bytes + ask.bytes > bytesMax && this.#bytes > 0) return false;
    return !this.#hasItsShare(ask);
  }

  #hold({ source, requests, bytes }: Ask): void {
    this.#requests += requests;
    this.#bytes += bytes;
    const held = this.#held.get(source);
    if (held === undefined) this.#held.set(source, { requests, bytes });
    else {
      held.requests += requests;
      held.bytes += bytes;
    }
  }

  #wait(ask: Ask, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave: Waiting['leave'] = (code, sentence) => {
        this.#waiting.remove(ask.source, entry);
        done();
        reject(new LogsealError(code, sentence));
        this.#next();
      };
      const onAbort = () => leave('CLIENT_GONE', 'the client left while its request waited for a place');
      const timer = this.#options.clock.after(this.#options.holdMs, () => leave('INTAKE_BUSY', busySentence));
      const done = () => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
      };
      const admit = () => {
        done();
        resolve();
      };
      const entry: Waiting = { ...ask, admit, leave };
      const dropped = this.#waiting.push(ask.source, entry);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
      dropped?.leave('INTAKE_BUSY', busySentence);
      // Others wait for more than this one, or it for less than its share: its turn may have come.
      this.#next();
    });
  }

  #giveBack({ source, requests, bytes }: Ask): void {
    this.#requests -= requests;
    this.#bytes -= bytes;
    const held = this.#held.get(source);
    if (held !== undefined) {
      held.requests -= requests;
      held.bytes -= bytes;
      if (held.requests === 0 && held.bytes === 0) this.#held.delete(source);
    }
    this.#next();
  }

  /**
   * Lets in whose turn it is. Who waits for others to give back keeps its turn, or a large request would wait for ever;
   * who has its share already does not hold up the rest.
   */
  #next(): void {
    this.#waiting.serve((entry) => {
      if (!this.#fits(entry)) return this.#hasItsShare(entry) ? 'next-source' : 'stop';
      this.#hold(entry);
      entry.admit();
      return 'taken';
    });
  }

  /** Who holds nothing has not. */
  #hasItsShare({ source, requests, bytes }: Ask): boolean {
    const { requestsMax, bytesMax } = this.#options;
    const held = this.#held.get(source);
    if (held === undefined) return false;
    if (held.requests + requests > shareOfRest * (requestsMax - this.#requests)) return true;
    return held.bytes > 0 && held.bytes + bytes > shareOfRest * (bytesMax - this.#bytes);
  }
}
