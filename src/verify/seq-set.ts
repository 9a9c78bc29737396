/**
 * Which seqs of a chain a control record names, as ranges: millions of seqs in little memory.
 *
 * Owns sorted ranges without overlap. Ranges may come in any order; they are put in order before the first look-up.
 */

interface Range {
  from: number;
  to: number;
}

export class SeqSet {
  #ranges: Range[] = [];
  #ordered = true;
  #hit = 0;

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Adds all seqs from `from` to `to`, both included. */
  add(from: number, to: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && this.#ordered && from === last.to + 1) {
      last.to = to;
      return;
    }
    if (last !== undefined && from <= last.to) this.#ordered = false;
    this.#ranges.push({ from, to });
  }

  has(seq: number): boolean {
    if (this.#ranges.length === 0) return false;
    if (!this.#ordered) this.#order();
    const near = this.#ranges[this.#hit];
    if (near !== undefined && near.from <= seq && seq <= near.to) return true;
    let low = 0;
    let high = this.#ranges.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle];
      if (range === undefined) return false;
      if (seq < range.from) high = middle - 1;
      else if (seq > range.to) low = middle + 1;
      else {
        this.#hit = middle;
        return true;
      }
    }
    return false;
  }

  #order(): void {
    const sorted = this.#ranges.sort((a, b) => a.from - b.from);
    const merged: Range[] = [];
    for (const range of sorted) {
      const last = merged.at(-1);
      if (last !== undefined && range.from <= last.to + 1) last.to = Math.max(last.to, range.to);
      else merged.push({ from: range.from, to: range.to });
    }
    this.#ranges = merged;
    this.#ordered = true;
    this.#hit = 0;
  }
}
