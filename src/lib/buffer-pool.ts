/**
 * Large buffers that are used again. What a garbage collector does not see is memory outside its heap: a new buffer for every
 * request makes it run many times a second, only to find out that the old ones are free (measured: a sixth of the main thread).
 * Assumes that whoever gives a buffer back holds no view of it any more. Must never lend one buffer twice at once.
 */
const bytesLeast = 64 * 1024;
const bytesMost = 16 * 1024 * 1024;

export class BufferPool {
  readonly #keptBytesMax: number;
  /** By size; the newest last, because it is most likely still in the processor's cache. */
  readonly #free = new Map<number, ArrayBufferLike[]>();
  /** Memory that is out; only such comes back, and once. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #keptBytes = 0;

  /** `keptBytesMax`: bytes of buffers that are kept while nobody uses them. */
  constructor(keptBytesMax: number) {
    this.#keptBytesMax = keptBytesMax;
  }

  /** A buffer of exactly `bytes` bytes, with whatever is in it. Small and very large ones are new each time. */
  lend(bytes: number): Buffer {
    if (bytes < bytesLeast || bytes > bytesMost) return Buffer.allocUnsafeSlow(bytes);
    const size = 2 ** Math.ceil(Math.log2(bytes));
    const kept = this.#free.get(size)?.pop();
    if (kept !== undefined) this.#keptBytes -= size;
    const memory = kept ?? Buffer.allocUnsafeSlow(size).buffer;
    this.#lent.add(memory);
    return Buffer.from(memory, 0, bytes);
  }

  /** Takes back a buffer that `lend` gave, or any view of it. One that came from elsewhere is left alone. */
  giveBack(buffer: Buffer): void {
    const memory = buffer.buffer;
    const size = memory.byteLength;
    if (!this.#lent.delete(memory) || this.#keptBytes + size > this.#keptBytesMax) return;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [memory]);
    else free.push(memory);
    this.#keptBytes += size;
  }
}
