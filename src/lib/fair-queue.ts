/**
 * Who waits, by source: within one source first come first served, between sources in turn, so that whoever sends most does not
 * decide how long the others wait. Bounded: where it is full the source that has most in it gives up its newest.
 */
/** `waits`: the next one is asked about. `next-source`: nobody else of this source has a turn now. `stop`: nobody has. */
export type Verdict = 'taken' | 'waits' | 'next-source' | 'stop';

export class FairQueue<T> {
  readonly #entriesMax: number;
  /** The source whose turn it is stands first. */
  readonly #sources = new Map<string, Set<T>>();
  #size = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Returns the entry that had to leave for it, which may be this one. */
  push(source: string, entry: T): T | undefined {
    let entries = this.#sources.get(source);
    if (entries === undefined) {
      entries = new Set();
      this.#sources.set(source, entries);
    }
    entries.add(entry);
    this.#size += 1;
    return this.#size > this.#entriesMax ? this.#dropOne() : undefined;
  }

  /** Takes an entry out wherever it stands. `served`: it had its turn, and the others of its source wait for the next. */
  remove(source: string, entry: T, served = false): boolean {
    const entries = this.#sources.get(source);
    if (entries?.delete(entry) !== true) return false;
    this.#size -= 1;
    if (entries.size === 0 || served) this.#sources.delete(source);
    if (entries.size > 0 && served) this.#sources.set(source, entries);
    return true;
  }

  /** Whose turn it is; undefined if nobody waits. */
  first(): { source: string; entry: T } | undefined {
    for (const [source, entries] of this.#sources) for (const entry of entries) return { source, entry };
    return undefined;
  }

  /** Asks about each in the order of their turns, as often as somebody is taken or left waiting; ends with `stop`. */
  serve(decide: (entry: T, source: string) => Verdict): void {
    let open = [...this.#sources].map(([source, entries]) => ({ source, waiting: entries.values() }));
    while (open.length > 0) {
      const more: typeof open = [];
      for (const one of open) {
        const { value, done } = one.waiting.next();
        if (done === true) continue;
        const verdict = decide(value, one.source);
        if (verdict === 'stop') return;
        if (verdict === 'taken') this.remove(one.source, value, true);
        if (verdict !== 'next-source') more.push(one);
      }
      open = more;
    }
  }

  #dropOne(): T | undefined {
    let longest: [source: string, entries: Set<T>] | undefined;
    for (const each of this.#sources) if (each[1].size > (longest?.[1].size ?? 0)) longest = each;
    if (longest === undefined) return undefined;
    const newest = [...longest[1]].at(-1);
    if (newest !== undefined) this.remove(longest[0], newest);
    return newest;
  }
}
