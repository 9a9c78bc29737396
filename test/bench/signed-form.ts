/**
 * The signed form of the same documents, made by the proxy's own code without its log: what (d′) sends straight to the search
 * engine, and what the index sizes are measured with. Every call of `body` gives new records, with ids of their own.
 */
import { randomBytes } from 'node:crypto';
import type { Batch } from '../../src/bulk/batch.ts';
import { EpochKeys } from '../../src/chain/key-tree.ts';
import { suiteOf } from '../../src/chain/suite.ts';
import type { BatchOptions } from '../../src/delivery/batch.ts';
import { BatchEncoder, BodyBuffer } from '../../src/delivery/batch.ts';
import { Destinations } from '../../src/delivery/destinations.ts';
import type { Item } from '../../src/delivery/item.ts';
import { recordsFrame } from '../../src/delivery/item.ts';
import { ItemReader } from '../../src/delivery/item-reader.ts';
import type { Places } from '../../src/delivery/places.ts';
import type { DeliveryUpstream } from '../../src/delivery/port.ts';
import { BufferPool } from '../../src/lib/buffer-pool.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { generatedIdBytes, LiveChain } from '../../src/sequencer/live-chain.ts';

const nowhere = { segment: 1, offset: 16 };

export class SignedForm {
  readonly #dest: string;
  readonly #chain: LiveChain;
  readonly #reader: ItemReader;
  readonly #encoder: BatchEncoder;
  readonly #out = new BodyBuffer();
  readonly #frames = new BufferPool(64 * 1024 * 1024);

  constructor(dest: string, options: BatchOptions = { hash: true, rawAlways: false }) {
    const suite = suiteOf(1);
    if (suite === undefined) throw new Error('suite 1 is missing');
    this.#dest = dest;
    const head = { nextSeq: 0, prev: Buffer.alloc(16), lastTimeMs: 0 };
    const now = Date.now();
    this.#chain = new LiveChain('bench', now, suite, EpochKeys.fromSecret(suite, randomBytes(32)), head);
    const destinations = new Destinations({
      upstream: {} as DeliveryUpstream,
      places: {} as Places,
      clock: systemClock,
      factsAgeMsMax: 1e9,
    });
    destinations.of(dest).facts = { writeIndex: dest, raw: 'never-needed', documents: 0, held: undefined };
    this.#reader = new ItemReader(destinations);
    this.#encoder = new BatchEncoder(options);
  }

  /** Records as the write-ahead log would hold them; lent, `giveBack` takes them. */
  sign(batch: Batch): Buffer {
    const dests = batch.dests.map((dest) => Buffer.from(dest));
    const picks = Int32Array.from({ length: batch.count }, (_, place) => place);
    const ids = Buffer.alloc(batch.count * generatedIdBytes);
    return this.#chain.sign({ batch, type: 0, dests, metas: [] }, picks, Date.now(), ids, this.#frames);
  }

  giveBack(payload: Buffer): void {
    this.#frames.giveBack(payload);
  }

  /** A bulk body with the signed form of these documents, a copy. */
  body(documents: readonly string[]): Buffer {
    const payload = this.sign(batchOf(this.#dest, documents));
    const items: Item[] = [];
    this.#reader.read(recordsFrame(payload, nowhere, nowhere), false, () => true, items);
    this.#encoder.encode(items, this.#out);
    return Buffer.from(this.#out.written());
  }
}

/** Documents as a request's body would hold them, with their offsets. */
export function batchOf(dest: string, documents: readonly string[]): Batch {
  const body = Buffer.from(documents.join('\n'));
  const descriptors = new Int32Array(6 * documents.length);
  let at = 0;
  for (const [n, document] of documents.entries()) {
    const length = Buffer.byteLength(document);
    descriptors.set([at, at + length, 0, -1, -1, 0], 6 * n);
    at += length + 1;
  }
  return { body, count: documents.length, descriptors, dests: [dest], ids: [], metas: [] };
}
