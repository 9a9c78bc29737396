/**
 * Small numbers for names that come again and again: indices, destinations, chain ids.
 *
 * Owns the names. Assumes few different ones, mostly the same as the one before. Whoever invents names without end gets number 0
 * for them past a bound, whose name is empty.
 */

const namesMax = 100_000;
const nameBytesMax = 2_048;

export class Interner {
  readonly names: string[] = [''];
  readonly #numbers: Map<string, number> = new Map();
  #lastBytes: Buffer = Buffer.alloc(0);
  #lastNumber = -1;
  #lastName = '';

  /** Number of the name in a range of bytes: UTF-8 or any other bytes, told apart as they are. */
  number(bytes: Buffer, start: number, end: number): number {
    const last = this.#lastBytes;
    if (this.#lastNumber >= 0 && last.length === end - start && same(bytes, start, last)) return this.#lastNumber;
    const binary = bytes.latin1Slice(start, end);
    let number = this.#numbers.get(binary);
    if (number === undefined && (this.names.length >= namesMax || end - start > nameBytesMax)) return 0;
    if (number === undefined) {
      number = this.names.length;
      this.names.push(bytes.toString('utf8', start, end));
      this.#numbers.set(binary, number);
    }
    this.#lastBytes = Buffer.from(bytes.subarray(start, end));
    this.#lastNumber = number;
    return number;
  }

  /** Number of a text. Never mix with `number` in one interner. */
  numberOf(name: string): number {
    if (name === this.#lastName && this.#lastNumber >= 0) return this.#lastNumber;
    let number = this.#numbers.get(name);
    if (number === undefined && (this.names.length >= namesMax || name.length > nameBytesMax)) return 0;
    if (number === undefined) {
      number = this.names.length;
      this.names.push(name);
      this.#numbers.set(name, number);
    }
    this.#lastName = name;
    this.#lastNumber = number;
    return number;
  }
}

function same(bytes: Buffer, start: number, last: Buffer): boolean {
  for (let at = 0; at < last.length; at++) if (bytes[start + at] !== last[at]) return false;
  return true;
}
