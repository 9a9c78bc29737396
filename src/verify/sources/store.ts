/**
 * The embedded store of a data directory as a source: its file, read beside the running proxy.
 *
 * Owns one snapshot from open to close, so that what is published later is not seen at all. Writes nothing. Assumes that the
 * proxy may be running: silence is judged.
 */
import { StoreReader } from '../../store/reader.ts';
import type { IndexDescription, Source, SourceDocument } from '../source.ts';
import { systemIndices } from '../source.ts';
import type { SourceSelection } from './selected-indices.ts';
import { indexSelector, systemNames } from './selected-indices.ts';

export class StoreSource implements Source {
  readonly kind = 'store';
  readonly live = true;
  readonly description: string;
  readonly #path: string;
  readonly #isSelected: (index: string) => boolean;
  #reader: StoreReader | undefined;

  /** `path` of the SQLite file; `description` is how the report names it. */
  constructor(path: string, description: string, selection: SourceSelection = {}) {
    this.#path = path;
    this.#isSelected = indexSelector(selection);
    this.description = description;
  }

  get identity(): string {
    return this.#opened.clusterUuid;
  }

  /** Errors: DATA_DIR_INVALID. */
  async open(): Promise<void> {
    this.#reader = StoreReader.open(this.#path);
  }

  /** The store maps nothing and keeps `_source` to the byte. */
  async indices(): Promise<IndexDescription[]> {
    return this.#opened
      .indices()
      .map(({ name }) => ({ name, mappings: {}, sourceMode: 'stored', filteredAliases: [] }));
  }

  async *system(): AsyncIterable<SourceDocument[]> {
    for (const name of systemNames) yield* this.#opened.documents(name);
  }

  async *records(): AsyncIterable<SourceDocument[]> {
    const { rejects } = systemIndices;
    if (this.#isSelected(rejects)) yield* this.#opened.documents(rejects);
    const names = this.#opened.indices().map(({ name }) => name);
    const others = new Set(names.filter((name) => name !== rejects && this.#isSelected(name)));
    if (others.size === 0) return;
    const [only] = others.size === 1 ? others : [];
    for (const batch of this.#opened.documents(only)) {
      const documents = batch.filter(({ index }) => others.has(index));
      if (documents.length > 0) yield documents;
    }
  }

  async close(): Promise<void> {
    this.#reader?.close();
    this.#reader = undefined;
  }

  get #opened(): StoreReader {
    if (this.#reader === undefined) throw new TypeError('the source is not open');
    return this.#reader;
  }
}
