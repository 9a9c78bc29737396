/**
 * Brings seals to the search engine in log order, each only after everything before it in the log is answered for, and then
 * the newest checkpoint. Keeps a few seals in memory; if more wait (behind a lane, say) it reads the log again for them.
 * Must never publish past a record that is not answered for.
 */

import { entryKinds } from '../journal/entry-kind.ts';
import { decodeSealEntry } from '../journal/seal-entry.ts';
import type { Clock } from '../lib/clock.ts';
import type { EventName } from '../log.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';
import type { Frame } from '../wal/reader.ts';
import { WalReader } from '../wal/reader.ts';
import { Bell } from './bell.ts';
import { readFrom } from './cursor-keeper.ts';
import type { Destinations } from './destinations.ts';
import { isPassing } from './destinations.ts';
import type { DeliveryUpstream } from './port.ts';
import { Backoff, pause } from './retry-policy.ts';
import type { SealDocument } from './seal-document.ts';
import { checkpointDocument, sealDocument } from './seal-document.ts';

export interface PublicationOptions {
  dir: LogDirectory;
  /** Every seal before it is published. */
  from: Position;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  upstream: DeliveryUpstream;
  destinations: Destinations;
  /** Everything before it is answered for. */
  safe(): Position;
  routed(): Position;
  backoffMsMax: number;
  event(level: 'info' | 'warn' | 'error', name: EventName, fields: Record<string, unknown>): void;
}

interface WaitingSeal {
  position: Position;
  next: Position;
  payload: Buffer;
}

const waitingMax = 1000;
const batchMax = 100;

export class Publication {
  readonly #options: PublicationOptions;
  readonly #bell = new Bell();
  readonly #backoff: Backoff;
  #waiting: WaitingSeal[] = [];
  /** Seals at or after it are read from the log; undefined: the main reader offers them. */
  #readAt: Position | undefined;
  #position: Position;
  #published: number | undefined;
  #publishedMs: number | undefined;

  constructor(options: PublicationOptions) {
    this.#options = options;
    this.#position = options.from;
    this.#readAt = options.from;
    this.#backoff = new Backoff({ minMs: 500, maxMs: options.backoffMsMax, random: options.random });
  }

  /** Every seal before it is published. */
  get position(): Position {
    const first = this.#waiting[0]?.position ?? this.#readAt;
    if (first !== undefined) return comparePositions(first, this.#position) < 0 ? this.#position : first;
    return this.#options.routed();
  }

  /** The newest entry that is published by this process. */
  get published(): number | undefined {
    return this.#published;
  }

  /** When that was, wall clock. */
  get publishedMs(): number | undefined {
    return this.#publishedMs;
  }

  /** From the main reader, in log order. */
  offer({ position, next, payload }: Frame): void {
    if (this.#readAt !== undefined) return;
    if (this.#waiting.length >= waitingMax) this.#readAt = position;
    // Its own bytes: the frame belongs to a read of megabytes.
    else this.#waiting.push({ position, next, payload: Buffer.from(payload) });
    this.#bell.ring();
  }

  /** Something is answered for. */
  wake(): void {
    if (this.#waiting.length > 0 || this.#readAt !== undefined) this.#bell.ring();
  }

  async run(): Promise<void> {
    const { signal, dir } = this.#options;
    signal.addEventListener('abort', () => this.#bell.ring());
    const reader = await WalReader.open(dir, readFrom(this.#position));
    try {
      while (!signal.aborted) {
        if (await this.#read(reader)) continue;
        const ready = this.#ready();
        if (ready.length === 0) await this.#bell.wait();
        else await this.#publish(ready);
      }
    } finally {
      await reader.close();
    }
  }

  #ready(): WaitingSeal[] {
    const safe = this.#options.safe();
    const after = this.#waiting.findIndex(({ position }) => comparePositions(position, safe) >= 0);
    return this.#waiting.slice(0, Math.min(batchMax, after === -1 ? this.#waiting.length : after));
  }

  /** Fills `#waiting` from the log; true if it got on. */
  async #read(reader: WalReader): Promise<boolean> {
    if (this.#readAt === undefined || this.#waiting.length >= waitingMax) return false;
    const routed = this.#options.routed();
    const from = readFrom(this.#readAt);
    if (from !== undefined) reader.seek(from);
    const frames = comparePositions(this.#readAt, routed) < 0 ? await reader.next(routed) : undefined;
    if (frames === undefined) {
      const caughtUp = comparePositions(routed, this.#options.routed()) === 0;
      this.#readAt = caughtUp ? undefined : routed;
      return !caughtUp;
    }
    for (const { position, next, payload } of frames) {
      if (this.#waiting.length >= waitingMax) return true;
      if (payload[0] === entryKinds.seal) this.#waiting.push({ position, next, payload: Buffer.from(payload) });
      this.#readAt = next;
    }
    return true;
  }

  async #publish(ready: readonly WaitingSeal[]): Promise<void> {
    const { signal, clock, event, destinations } = this.#options;
    const entries = ready.map((waiting) => decodeSealEntry(waiting.payload));
    const newest = entries.at(-1);
    if (newest === undefined) return;
    const checkpoint = checkpointDocument(newest);
    while (!signal.aborted) {
      const problem = (await this.#create(entries.map(sealDocument))) ?? (await this.#create([checkpoint]));
      if (problem === undefined) break;
      event('warn', 'publication-held', { reason: problem });
      for (const name of ['logseal-seals', 'logseal-checkpoints']) destinations.wait(destinations.of(name), problem);
      await pause(clock, this.#backoff.next(), signal);
    }
    if (signal.aborted) return;
    this.#backoff.reset();
    for (const name of ['logseal-seals', 'logseal-checkpoints']) destinations.of(name).held = undefined;
    this.#waiting = this.#waiting.slice(ready.length);
    this.#position = ready.at(-1)?.next ?? this.#position;
    this.#published = newest.entry;
    this.#publishedMs = clock.now();
  }

  /** undefined when all of them stand there with this text; else what is in the way. */
  async #create(documents: readonly SealDocument[]): Promise<string | undefined> {
    const { upstream, destinations } = this.#options;
    const [first] = documents;
    if (first === undefined) return undefined;
    const destination = destinations.of(first.index);
    try {
      const isHeld = destination.held?.facts === true;
      if (destinations.needsFacts(destination) || isHeld) await destinations.prepare(destination, isHeld);
      if (destination.held?.facts) return destination.held.reason;
      const answer = await upstream.send(
        documents.map((document) => document.lines),
        { count: documents.length },
      );
      const taken: SealDocument[] = [];
      for (const [i, document] of documents.entries()) {
        const result = answer.items[i];
        if (result === undefined) return 'an answer with too few results';
        if (result.status === 409) taken.push(document);
        else if (result.status >= 300) return `${result.status} ${result.error?.type}: ${result.error?.reason}`;
      }
      return taken.length === 0 ? undefined : await this.#compare(taken);
    } catch (error) {
      if (!isPassing(error)) throw error;
      return error.message;
    }
  }

  async #compare(taken: readonly SealDocument[]): Promise<string | undefined> {
    const [first] = taken;
    if (first === undefined) return undefined;
    const { index, member } = first;
    const texts = await this.#options.upstream.texts(
      index,
      member,
      taken.map((document) => document.id),
    );
    const other = taken.find((document, i) => texts[i] !== document.text);
    return other === undefined ? undefined : `${index}/${other.id} holds another ${member} than ours`;
  }
}
