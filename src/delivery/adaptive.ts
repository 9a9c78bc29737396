/**
 * How many batches are under way at once, and how large they are: both grow while the cluster answers quickly and are cut
 * when it says that it has too much (additive increase, multiplicative decrease). Owns the queue for the places.
 */
export interface AdaptiveOptions {
  concurrencyMax: number;
  batchBytesMin: number;
  batchBytesMax: number;
  /** A full batch should be answered within this, milliseconds. */
  latencyMsAim: number;
}

export class Adaptive {
  readonly #options: AdaptiveOptions;
  #limit = 2;
  #credit = 0;
  #batchBytes: number;
  #active = 0;
  #waiting: (() => void)[] = [];

  constructor(options: AdaptiveOptions) {
    this.#options = options;
    this.#batchBytes = Math.min(options.batchBytesMax, Math.max(options.batchBytesMin, 1024 * 1024));
  }

  get concurrency(): number {
    return this.#limit;
  }

  get active(): number {
    return this.#active;
  }

  get batchBytes(): number {
    return this.#batchBytes;
  }

  get free(): boolean {
    return this.#active < this.#limit;
  }

  /** Resolves when a batch may start. */
  async enter(): Promise<void> {
    while (!this.free) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#active += 1;
  }

  leave(): void {
    this.#active -= 1;
    this.#wake();
  }

  /** A batch was answered whole. */
  answered(latencyMs: number, bytes: number): void {
    const { batchBytesMax, batchBytesMin, latencyMsAim, concurrencyMax } = this.#options;
    const full = bytes >= this.#batchBytes * 0.9;
    if (latencyMs > 2 * latencyMsAim && full) {
      this.#batchBytes = Math.max(batchBytesMin, Math.floor(this.#batchBytes * 0.75));
      return;
    }
    if (latencyMs < latencyMsAim && full) {
      this.#batchBytes = Math.min(batchBytesMax, this.#batchBytes + Math.ceil(this.#batchBytes / 8));
    }
    this.#credit += 1;
    if (this.#credit >= 2 * this.#limit && this.#limit < concurrencyMax) {
      this.#credit = 0;
      this.#limit += 1;
      this.#wake();
    }
  }

  /** The cluster said that it has too much, or did not answer in time. */
  overloaded(): void {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#batchBytes = Math.max(this.#options.batchBytesMin, Math.floor(this.#batchBytes / 2));
    this.#credit = 0;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
