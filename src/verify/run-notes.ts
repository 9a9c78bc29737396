/**
 * What a run notices that is no finding of one record: documents from before Logseal, unsigned ones, fields that were not compared.
 *
 * Owns their counts. Keeps a bounded number of names; never a document.
 */
import type { Places } from './places.ts';
import type { Tally } from './tally.ts';

const examplesMax = 3;
const namesMax = 1_000;

interface UnsignedInIndex {
  allowed: number;
  count: number;
  /** The newest ones met, for the finding. */
  last: string[];
}

export class RunNotes {
  /** Sentences for "not covered". */
  readonly sentences: string[] = [];
  /** Records that cannot be proven from what was selected, without a key. */
  unprovable = 0;
  /** Instances that have stopped sealing, and since when. */
  readonly stopped: Map<number, number> = new Map();
  readonly #places: Places;
  readonly #tally: Tally;
  readonly #unsigned: Map<string, UnsignedInIndex> = new Map();
  readonly #uncompared: Map<string, Set<string>> = new Map();

  constructor(places: Places, tally: Tally) {
    this.#places = places;
    this.#tally = tally;
  }

  unsigned(index: string, id: string): void {
    const allowed = this.#places.unsignedAllowed(index);
    if (allowed === undefined) return;
    if (allowed === 0) {
      const detail = 'It bears no signature field, in an index where every record should.';
      this.#tally.find({ verdict: 'UNSIGNED', found: { _index: index, _id: id }, detail });
      return;
    }
    const known = this.#unsigned.get(index) ?? { allowed, count: 0, last: [] };
    known.count += 1;
    if (known.last.length >= examplesMax) known.last.shift();
    known.last.push(id);
    this.#unsigned.set(index, known);
  }

  uncompared(index: string, fields: readonly string[]): void {
    const known = this.#uncompared.get(index) ?? new Set<string>();
    for (const field of fields) if (known.size < namesMax) known.add(field);
    this.#uncompared.set(index, known);
  }

  stop(instance: number, since: number): void {
    this.stopped.set(instance, Math.min(since, this.stopped.get(instance) ?? since));
  }

  /** After the last record: unsigned documents beyond those from before, and sentences for the rest. */
  finish(): void {
    for (const [index, { allowed, count, last }] of this.#unsigned) {
      const before = Math.min(count, allowed);
      this.sentences.push(`${before} documents of ${index} are from before Logseal and are not signed`);
      if (count <= allowed) continue;
      const more = count - allowed;
      const detail = `${index} held ${allowed} documents before Logseal, and holds ${count} without signature field now; among them ${last.join(', ')}.`;
      this.#tally.find({ verdict: 'UNSIGNED', count: more, found: { _index: index }, detail });
    }
    for (const [index, fields] of this.#uncompared) {
      const names = [...fields].slice(0, 10).join(', ');
      this.sentences.push(`what people see of ${index} was not compared in ${fields.size} fields: ${names}`);
    }
    if (this.unprovable > 0) {
      this.sentences.push(
        `${this.unprovable} records cannot be proven without the missing key: their seals, places or neighbours are not known`,
      );
    }
  }
}
