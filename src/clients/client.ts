/** One client of the proxy's own: its name, and what its entry allows. Knows no secret. */
import { matchesGlob } from '../lib/glob.ts';
import type { ClientEntry } from './client-file.ts';
import { RateLimit } from './rate-limit.ts';

export class Client {
  readonly name: string;
  /** The chain of all its records; undefined: by destination, as for everybody. */
  readonly chain: string | undefined;
  readonly rate: RateLimit;
  readonly #indices: readonly string[];
  readonly #pipelines: readonly string[];

  /** `before`: the same client in an older reading of the file, whose use of its rate goes on. */
  constructor(entry: ClientEntry, before?: Client) {
    this.name = entry.name;
    this.chain = entry.chain;
    this.#indices = entry.indices;
    this.#pipelines = entry.pipelines;
    const { recordsPerSecond, bytesPerSecond } = entry;
    this.rate = new RateLimit({ recordsPerSecond, bytesPerSecond }, before?.rate);
  }

  /** `dest` is the name that the record is written under: an alias or data stream counts by its own name. */
  mayWrite(dest: string): boolean {
    return this.#indices.some((pattern) => matchesGlob(pattern, dest));
  }

  /** Pipelines run with the proxy's rights and may send a document elsewhere, so each has to be allowed by name. */
  mayName(pipeline: string): boolean {
    return pipeline === '_none' || this.#pipelines.some((pattern) => matchesGlob(pattern, pipeline));
  }
}
