/**
 * All seals of a run in one growing buffer, and for each chain its seals by epoch.
 *
 * ```
 *  0 first f64 · 8 opened f64 · 16 closed f64 · 24 entry f64 (-1: no hint) · 32 free
 * 44 chain u32 · 48 epoch u32 · 52 count u32 · 56 instance u32 · 60 marks u32
 * 64 root 32 · 96 leaf 32 · 128 mac 16 · 144 prev 16
 * ```
 *
 * Owns that layout. Numbers are little-endian: the rows never leave this process.
 */

const rowBytes = 160;
const at = { first: 0, opened: 8, closed: 16, entry: 24 } as const;
const wordAt = { chain: 44, epoch: 48, count: 52, instance: 56, marks: 60 } as const;

export const sealMark = {
  /** Does not verify, or belongs to nobody trusted: no entry of the log. */
  rejected: 1,
  recovery: 2,
  rotate: 4,
  shutdown: 8,
  /** Its text is under the root of a valid checkpoint. */
  proven: 16,
  /** Its mac verifies. */
  verified: 32,
} as const;

export interface SealRow {
  first: number;
  opened: number;
  closed: number;
  entry: number;
  chain: number;
  epoch: number;
  count: number;
  instance: number;
  marks: number;
  root: Buffer;
  leaf: Buffer;
  /** The first 16 bytes: what the next epoch links to. */
  mac: Buffer;
  prev: Buffer;
}

export class SealTable {
  #bytes: Buffer = Buffer.alloc(rowBytes * 64);
  #view: DataView = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  #rows = 0;

  get length(): number {
    return this.#rows;
  }

  add(seal: SealRow): number {
    if ((this.#rows + 1) * rowBytes > this.#bytes.length) this.#grow();
    const row = this.#rows++;
    for (const name of ['first', 'opened', 'closed', 'entry'] as const) {
      this.#view.setFloat64(row * rowBytes + at[name], seal[name], true);
    }
    for (const name of ['chain', 'epoch', 'count', 'instance', 'marks'] as const) {
      this.#view.setUint32(row * rowBytes + wordAt[name], seal[name], true);
    }
    seal.root.copy(this.#bytes, row * rowBytes + 64, 0, 32);
    seal.leaf.copy(this.#bytes, row * rowBytes + 96, 0, 32);
    seal.mac.copy(this.#bytes, row * rowBytes + 128, 0, 16);
    seal.prev.copy(this.#bytes, row * rowBytes + 144, 0, 16);
    return row;
  }

  number(row: number, name: keyof typeof at): number {
    return this.#view.getFloat64(row * rowBytes + at[name], true);
  }

  word(row: number, name: keyof typeof wordAt): number {
    return this.#view.getUint32(row * rowBytes + wordAt[name], true);
  }

  has(row: number, bit: number): boolean {
    return (this.word(row, 'marks') & bit) !== 0;
  }

  mark(row: number, bit: number): void {
    this.#view.setUint32(row * rowBytes + wordAt.marks, this.word(row, 'marks') | bit, true);
  }

  setWord(row: number, name: 'chain' | 'instance', value: number): void {
    this.#view.setUint32(row * rowBytes + wordAt[name], value, true);
  }

  /** A view that is good until the next `add`. */
  part(row: number, name: 'root' | 'leaf' | 'mac' | 'prev'): Buffer {
    const start = row * rowBytes + { root: 64, leaf: 96, mac: 128, prev: 144 }[name];
    return this.#bytes.subarray(start, start + (name === 'root' || name === 'leaf' ? 32 : 16));
  }

  sameSeal(a: number, b: number): boolean {
    return this.part(a, 'leaf').equals(this.part(b, 'leaf'));
  }

  /** For each chain its rows, rejected ones left out, by epoch and then by entry. */
  byChain(): Map<number, number[]> {
    const chains = new Map<number, number[]>();
    for (let row = 0; row < this.#rows; row++) {
      if (this.has(row, sealMark.rejected)) continue;
      const rows = chains.get(this.word(row, 'chain'));
      if (rows === undefined) chains.set(this.word(row, 'chain'), [row]);
      else rows.push(row);
    }
    for (const rows of chains.values()) {
      rows.sort(
        (a, b) => this.word(a, 'epoch') - this.word(b, 'epoch') || this.number(a, 'entry') - this.number(b, 'entry'),
      );
    }
    return chains;
  }

  #grow(): void {
    const bytes = Buffer.alloc(this.#bytes.length * 2);
    this.#bytes.copy(bytes, 0, 0, this.#rows * rowBytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}
