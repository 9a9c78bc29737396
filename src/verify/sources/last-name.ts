/** Makes a name's string once as long as the same name comes again: records of an index come in a row. */
export class LastName {
  #bytes: Buffer = Buffer.alloc(0);
  #text = '';

  /** The text of `bytes[start, end)`, which holds no escape. */
  name(bytes: Buffer, start: number, end: number): string {
    const last = this.#bytes;
    if (last.length === end - start) {
      let at = 0;
      while (at < last.length && last[at] === bytes[start + at]) at += 1;
      if (at === last.length) return this.#text;
    }
    this.#bytes = Buffer.from(bytes.subarray(start, end));
    this.#text = bytes.utf8Slice(start, end);
    return this.#text;
  }
}
