/**
 * In which indices the documents of each destination stand. An index that is new for a destination is put into a control
 * record before anything in it counts as stored, so that a verifier knows where to look and how much was there before.
 * Owns the file `places`: it is written before the cursor moves past what it says, and until then the log says it too.
 */
import { readFile } from 'node:fs/promises';
import { LogsealError } from '../errors.ts';
import { readChecked, withChecksum } from '../lib/checked-json.ts';
import { replaceFile } from '../lib/durable-file.ts';
import { messageOf } from './message-of.ts';
import type { DeliveryHost, DeliveryUpstream, PlaceBody } from './port.ts';

export interface PlacesOptions {
  path: string;
  /** Replaces the file durably and whole. */
  replace?: typeof replaceFile;
  host: DeliveryHost;
  upstream: DeliveryUpstream;
}

const newestMax = 2;

export class Places {
  readonly #options: PlacesOptions;
  readonly #known = new Map<string, Set<string>>();
  /** Documents that stood in an index before the first of ours was sent there. */
  readonly #before = new Map<string, number>();
  /** Records under way, so that two batches do not write the same place twice. */
  readonly #pending = new Map<string, Promise<void>>();
  #changed = false;

  private constructor(options: PlacesOptions) {
    this.#options = options;
  }

  static async open(options: PlacesOptions): Promise<Places> {
    const places = new Places(options);
    for (const [dest, indices] of Object.entries(await readPlaces(options.path))) {
      places.#known.set(dest, new Set(indices));
    }
    return places;
  }

  has(dest: string, index: string): boolean {
    return this.#known.get(dest)?.has(index) === true;
  }

  /** The places of a destination that came last. */
  newest(dest: string): string[] {
    return [...(this.#known.get(dest) ?? [])].slice(-newestMax);
  }

  /** Learns a place from a control record that is in the log already. */
  learn({ dest, index }: PlaceBody): void {
    const indices = this.#known.get(dest);
    if (indices === undefined) this.#known.set(dest, new Set([index]));
    else indices.add(index);
    this.#changed = true;
  }

  /** Remembers the count that was taken before the first document was sent. */
  noteBefore(dest: string, index: string, documents: number): void {
    const key = placeKey(dest, index);
    if (!this.has(dest, index) && !this.#before.has(key)) this.#before.set(key, documents);
  }

  /** Resolves when the control record of this place is durable. */
  async record(dest: string, index: string): Promise<void> {
    if (this.has(dest, index)) return;
    const key = placeKey(dest, index);
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = this.#write(dest, index, key).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    await pending;
  }

  async #write(dest: string, index: string, key: string): Promise<void> {
    const { host, upstream } = this.#options;
    // An index that came up later may be counted late: documents of ours carry a signature field and are not counted.
    const documents = this.#before.get(key) ?? (await upstream.countUnsigned(index));
    const body = { dest, index, documents };
    await durably(host.control('place', body));
    this.#before.delete(key);
    this.learn(body);
  }

  /** Makes the file hold what is known; called before the cursor is written. */
  async save(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    const known: Record<string, string[]> = {};
    for (const [dest, indices] of this.#known) known[dest] = [...indices];
    const { path, replace = replaceFile } = this.#options;
    await replace(path, `${JSON.stringify(withChecksum({ v: 2, places: known }))}\n`);
  }
}

/** A control record that cannot be written at the moment (a full log, a stop) passes; one that never can ends the process elsewhere. */
export async function durably(written: Promise<void>): Promise<void> {
  try {
    await written;
  } catch (cause) {
    throw new LogsealError('LOG_FULL', `a control record could not be written: ${messageOf(cause)}`, { cause });
  }
}

function placeKey(dest: string, index: string): string {
  return `${dest}\n${index}`;
}

async function readPlaces(path: string): Promise<Record<string, string[]>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  const read = readChecked(text);
  if (!read.ok) throw damaged(path, read.reason);
  // Before there was a checksum the object was the places.
  const places = read.checked ? read.value.places : read.value;
  if (!isPlaces(places)) throw damaged(path, 'is not of format 1 or 2');
  return places;
}

function isPlaces(places: unknown): places is Record<string, string[]> {
  return typeof places === 'object' && places !== null && Object.values(places).every(Array.isArray);
}

function damaged(path: string, reason: string): LogsealError {
  const cure =
    'delete it and the cursor beside it: delivery begins again at the oldest record of the log and looks each one up';
  return new LogsealError('DATA_DIR_INVALID', `${path} ${reason}; ${cure}`, { path });
}
