/** Owns the tables of a batch while its request is read. Grows by doubling; nothing is made for a record but its numbers. */
import type { Batch } from './batch.ts';
import { descriptorWidth } from './batch.ts';

export class BatchBuilder {
  readonly #body: Buffer;
  readonly #dests: string[] = [];
  readonly #destIndexes = new Map<string, number>();
  readonly #ids: string[] = [];
  readonly #metas: string[] = [];
  readonly #metaIndexes = new Map<string, number>();
  #descriptors: Int32Array;
  #count = 0;

  constructor(body: Buffer, expected: number) {
    this.#body = body;
    this.#descriptors = new Int32Array(descriptorWidth * Math.max(1, expected));
  }

  destIndex(dest: string): number {
    return intern(dest, this.#dests, this.#destIndexes);
  }

  /** -1 for no metadata. */
  metaIndex(meta: string | undefined): number {
    return meta === undefined ? -1 : intern(meta, this.#metas, this.#metaIndexes);
  }

  /** `id`: undefined for a record whose id the proxy generates. */
  add(
    contentStart: number,
    contentEnd: number,
    dest: number,
    id: string | undefined,
    meta: number,
    flags: number,
  ): void {
    const at = this.#count * descriptorWidth;
    if (at === this.#descriptors.length) this.#grow();
    const descriptors = this.#descriptors;
    descriptors[at] = contentStart;
    descriptors[at + 1] = contentEnd;
    descriptors[at + 2] = dest;
    descriptors[at + 3] = id === undefined ? -1 : this.#ids.push(id) - 1;
    descriptors[at + 4] = meta;
    descriptors[at + 5] = flags;
    this.#count++;
  }

  build(): Batch {
    return {
      body: this.#body,
      count: this.#count,
      descriptors: this.#descriptors,
      dests: this.#dests,
      ids: this.#ids,
      metas: this.#metas,
    };
  }

  #grow(): void {
    const larger = new Int32Array(this.#descriptors.length * 2);
    larger.set(this.#descriptors);
    this.#descriptors = larger;
  }
}

function intern(text: string, table: string[], indexes: Map<string, number>): number {
  let index = indexes.get(text);
  if (index === undefined) {
    index = table.push(text) - 1;
    indexes.set(text, index);
  }
  return index;
}
