/**
 * Whether a document lies where its dest says, and which indices are places at all.
 *
 * Owns what place records, data streams and the verifier's own patterns allow. Assumes place facts are all known before
 * the first record is examined; must never take a place from the documents that are judged.
 */
import { matchesGlob } from '../lib/glob.ts';
import { systemIndices } from './source.ts';

export type Location = 'in place' | 'rejects' | 'elsewhere';

/** A pattern of the verifier's configuration: `*` stands for any text. */
export interface PlacePattern {
  dest: string;
  pattern: string;
}

const restoredName = /^(?:partial-|restored-|shrink-[A-Za-z0-9_-]{4}-)(.+)$/;
const backingName = /^\.ds-(.+)-\d{4}\.\d{2}\.\d{2}-\d{6}$/;
const failureStoreName = /^\.fs-/;

export class Places {
  readonly #given: Map<string, Map<string, number>> = new Map();
  readonly #documents: Map<string, number> = new Map();
  readonly #dataStreamOf: Map<string, string> = new Map();
  #located: Location[][] = [];
  readonly #patterns: readonly PlacePattern[];

  constructor(patterns: readonly PlacePattern[]) {
    this.#patterns = patterns;
    this.#documents.set(systemIndices.control, 0);
    this.#documents.set(systemIndices.rejects, 0);
  }

  /** A place record: `documents` were in the index before the first signed one. */
  give(dest: string, index: string, documents: number): void {
    this.#located = [];
    const indices = this.#given.get(dest) ?? new Map<string, number>();
    indices.set(index, documents);
    this.#given.set(dest, indices);
    this.#documents.set(index, Math.max(documents, this.#documents.get(index) ?? 0));
  }

  /** What the search engine itself says a backing index belongs to. */
  giveDataStream(index: string, dataStream: string): void {
    this.#located = [];
    this.#dataStreamOf.set(index, dataStream);
  }

  /** Indices that place records name, with their dest. */
  *given(): Generator<{ dest: string; index: string }> {
    for (const [dest, indices] of this.#given) {
      for (const index of indices.keys()) yield { dest, index };
    }
  }

  /** Whether an index is the one of rejected records. */
  isRejects(index: string): boolean {
    return index === systemIndices.rejects;
  }

  /** As `locate`, remembered by the numbers of both names. */
  located(indexNumber: number, index: string, destNumber: number, dests: readonly string[]): Location {
    const known = this.#located[indexNumber]?.[destNumber];
    if (known !== undefined) return known;
    const location = this.locate(index, dests[destNumber] ?? '');
    // Number 0 stands for names past a bound, so it is no name.
    if (indexNumber === 0 || destNumber === 0) return location;
    const row = this.#located[indexNumber] ?? [];
    row[destNumber] = location;
    this.#located[indexNumber] = row;
    return location;
  }

  locate(index: string, dest: string): Location {
    if (index === systemIndices.rejects && dest !== index) return 'rejects';
    if (this.#isHome(index, dest)) return 'in place';
    const restored = restoredName.exec(index)?.[1];
    if (restored !== undefined && this.#isHome(restored, dest)) return 'in place';
    const allowed = this.#patterns.some((pattern) => pattern.dest === dest && matchesGlob(pattern.pattern, index));
    return allowed ? 'in place' : 'elsewhere';
  }

  /** How many documents an index may hold unsigned, as they are from before; undefined where the index is no place. */
  unsignedAllowed(index: string): number | undefined {
    const known = this.#documents.get(index);
    if (known !== undefined) return known;
    const restored = restoredName.exec(index)?.[1];
    return restored === undefined ? undefined : this.#documents.get(restored);
  }

  #isHome(index: string, dest: string): boolean {
    if (index === dest || this.#given.get(dest)?.has(index) === true) return true;
    const dataStream = this.#dataStreamOf.get(index);
    if (dataStream !== undefined) return dataStream === dest && !failureStoreName.test(index);
    return backingName.exec(index)?.[1] === dest;
  }
}
