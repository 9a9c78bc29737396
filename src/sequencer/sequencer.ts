/**
 * Gives every accepted record its place in a chain and its tag, appends it to the write-ahead log and waits for the group's
 * fdatasync. Only here do chain and log meet. Once a record has a tag it is written: nothing signed is dropped.
 */
import type { Batch } from '../bulk/batch.ts';
import { descriptor, descriptorWidth } from '../bulk/batch.ts';
import type { Appended, Intake, Source } from '../bulk/intake.ts';
import type { ControlKind } from '../chain/control-form.ts';
import type { OperatorSignature } from '../chain/control-record.ts';
import { encodeControl } from '../chain/control-record.ts';
import { seqOfId } from '../chain/record-id.ts';
import { LogsealError } from '../errors.ts';
import { readRecordsHeader } from '../journal/records-entry.ts';
import type { RejectDetail } from '../journal/reject-detail.ts';
import { encodeRejectDetail } from '../journal/reject-detail.ts';
import { decodeBase64Url } from '../lib/base64url.ts';
import { BufferPool } from '../lib/buffer-pool.ts';
import type { Clock } from '../lib/clock.ts';
import type { Metrics, RecordKind } from '../metrics.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';
import type { Admission } from './admission.ts';
import type { ChainSet } from './chain-set.ts';
import type { Epochs } from './epochs.ts';
import type { EncodedBatch, LiveChain } from './live-chain.ts';
import { bytesOf, generatedIdBytes } from './live-chain.ts';
import type { Watchers } from './watchers.ts';

export interface SequencerOptions {
  wal: Pick<WriteAheadLog, 'append'>;
  chains: ChainSet;
  epochs: Epochs;
  admission: Admission;
  watchers: Watchers;
  clock: Clock;
  metrics: Pick<Metrics, 'recordsSigned' | 'logAppendSeconds'>;
  /** Destinations that cannot be signed, known from the search engine (time series). */
  unsigned: ReadonlySet<string>;
  /** First 8 bytes of every chain this instance ever had, as latin1. */
  chainPrefixes: Set<string>;
  /** Called with what makes it unsafe to go on: the process stops and recovers. */
  fatal: (error: unknown) => void;
}

/** Bytes after which a frame is closed and another begun, so that readers need not hold more. */
const frameBytes = 1024 * 1024;
/** Bytes of frames that may wait for the disk before the next one is signed: the log's queue, which has a bound, takes more. */
const unwrittenBytesMax = 64 * 1024 * 1024;
const controlDest = 'logseal-control';
/** Memory of frames that is kept for the next ones. */
const keptBytesMax = 32 * 1024 * 1024;

export class Sequencer implements Intake {
  readonly #options: SequencerOptions;
  readonly #frames = new BufferPool(keptBytesMax);
  /** What was admitted and is not yet durable. */
  readonly #admitted = new WeakMap<Batch, { encoded: EncodedBatch; bytes: number; chain: string | undefined }>();
  #unwrittenBytes = 0;
  /** Records of this process that are durable. */
  signed = 0;

  constructor(options: SequencerOptions) {
    this.#options = options;
  }

  async admit(batch: Batch, signal: AbortSignal, { source, client }: Source): Promise<void> {
    const encoded = encode(batch, 0);
    let bytes = 0;
    for (let place = 0; place < batch.count; place += 1) bytes += bytesOf(encoded, place);
    await this.#options.admission.admit(bytes, signal, source);
    this.#admitted.set(batch, { encoded, bytes, chain: client?.chain });
  }

  isSigned(dest: string): boolean {
    const hidden = dest.startsWith('.') && !dest.startsWith('.ds-');
    return !hidden && !this.#options.unsigned.has(dest);
  }

  ownsId(id: string): boolean {
    if (id.length !== generatedIdBytes) return false;
    const bytes = decodeBase64Url(id, 16);
    return bytes !== undefined && this.#options.chainPrefixes.has(bytes.latin1Slice(0, 8));
  }

  async append(batch: Batch, ack: 'wal' | 'store'): Promise<Appended> {
    const ids = Buffer.alloc(batch.count * generatedIdBytes);
    const admitted = this.#admitted.get(batch);
    const { encoded, bytes, chain } = admitted ?? { encoded: encode(batch, 0), bytes: 0, chain: undefined };
    const outcomes = ack === 'store' ? this.#options.watchers.expect(batch.count) : undefined;
    try {
      const groups = await this.#group(batch, chain);
      await Promise.all(groups.map(([chain, picks]) => this.#sign(chain, encoded, picks, ids, outcomes)));
    } catch (error) {
      outcomes?.forget();
      throw error;
    } finally {
      this.#options.admission.ended(bytes);
    }
    return outcomes === undefined ? { ids } : { ids, outcomes };
  }

  /** Signs a control record on the control chain; durable when resolved. Details go to the log before it. Returns its seq. */
  async control(
    kind: ControlKind,
    body: object,
    details: readonly RejectDetail[] = [],
    operator?: OperatorSignature,
  ): Promise<{ id: string; seq: number }> {
    const notes = details.map((detail) => this.#options.wal.append(encodeRejectDetail(detail), 'reserve'));
    const content = encodeControl(kind, body, operator);
    const descriptors = Int32Array.of(0, content.length, 0, -1, -1, 0);
    const batch: Batch = { body: content, count: 1, descriptors, dests: [controlDest], ids: [], metas: [] };
    const ids = Buffer.alloc(generatedIdBytes);
    await Promise.all([this.#sign(this.#options.chains.control, encode(batch, 1), Int32Array.of(0), ids), ...notes]);
    const id = ids.latin1Slice();
    return { id, seq: seqOfId(id) };
  }

  /** Operations by chain, in request order. `named`: the chain of all of them. */
  async #group(batch: Batch, named: string | undefined): Promise<[LiveChain, Int32Array][]> {
    const chainOfDest: LiveChain[] = [];
    for (const dest of batch.dests) {
      const found = this.#options.chains.of(dest, named);
      const chain = found instanceof Promise ? await found : found;
      this.#options.chainPrefixes.add(chain.id.latin1Slice(0, 8));
      chainOfDest.push(chain);
    }
    if (new Set(chainOfDest).size === 1) {
      const all = new Int32Array(batch.count);
      for (let place = 0; place < all.length; place += 1) all[place] = place;
      return [[chainOfDest[0] as LiveChain, all]];
    }
    const places = new Map<LiveChain, number[]>();
    for (let place = 0; place < batch.count; place += 1) {
      const dest = batch.descriptors[place * descriptorWidth + descriptor.dest] as number;
      const chain = chainOfDest[dest] as LiveChain;
      const list = places.get(chain);
      if (list === undefined) places.set(chain, [place]);
      else list.push(place);
    }
    return [...places].map(([chain, list]) => [chain, Int32Array.from(list)]);
  }

  /** Signs and appends on one chain; closes its epoch as often as it fills. Resolves when everything is durable. */
  async #sign(
    chain: LiveChain,
    encoded: EncodedBatch,
    picks: Int32Array,
    ids: Buffer,
    outcomes?: ReturnType<Watchers['expect']>,
  ): Promise<void> {
    const { epochs, clock } = this.#options;
    const writes: Promise<unknown>[] = [];
    let successor: LiveChain | undefined;
    await chain.exclusive(async () => {
      successor = chain.successor;
      if (successor !== undefined) return;
      for (let from = 0; from < picks.length; ) {
        if (this.#unwrittenBytes > unwrittenBytesMax) await Promise.all(writes);
        const part = take(encoded, picks, from, epochs.limits.recordsMax - chain.count);
        outcomes?.watch(chain.id22, chain.nextSeq, part);
        const payload = chain.sign(encoded, part, clock.now(), ids, this.#frames);
        const write = this.#write(chain, payload, encoded.type === 1 ? 'control' : 'data');
        write.catch(() => undefined);
        writes.push(write);
        from += part.length;
        epochs.arm(chain);
        if (chain.count === epochs.limits.recordsMax) await epochs.close(chain, 'size');
      }
    });
    if (successor !== undefined) return this.#sign(successor, encoded, picks, ids, outcomes);
    await Promise.all(writes);
  }

  /**
   * What has a tag has a place, and must be written: room was looked for before, and this may use what is kept aside.
   * If it cannot be, only a new start can give the place to another record: going on would leave a gap for ever.
   */
  async #write(chain: LiveChain, payload: Buffer, kind: RecordKind): Promise<void> {
    const { epoch } = chain;
    const { wal, clock, metrics } = this.#options;
    const fromMs = clock.monotonic();
    this.#unwrittenBytes += payload.length;
    try {
      chain.noteFrame(epoch, await wal.append(payload, 'reserve'));
      const { count } = readRecordsHeader(payload);
      this.signed += count;
      metrics.recordsSigned.inc({ kind }, count);
      metrics.logAppendSeconds.observe((clock.monotonic() - fromMs) / 1000);
    } catch (cause) {
      this.#options.fatal(cause);
      throw new LogsealError('WAL_FAILED', 'signed records could not be written', { cause });
    } finally {
      this.#unwrittenBytes -= payload.length;
    }
    this.#frames.giveBack(payload);
  }
}

function encode(batch: Batch, type: 0 | 1): EncodedBatch {
  return {
    batch,
    type,
    dests: batch.dests.map((dest) => Buffer.from(dest)),
    metas: batch.metas.map((meta) => Buffer.from(meta)),
  };
}

/** The next picks that fit one frame: at most `room`, and no more than `frameBytes` unless one record is larger. */
function take(encoded: EncodedBatch, picks: Int32Array, from: number, room: number): Int32Array {
  let bytes = 0;
  let to = from;
  while (to < picks.length && to - from < room) {
    bytes += bytesOf(encoded, picks[to] as number);
    if (bytes > frameBytes && to > from) break;
    to += 1;
  }
  return picks.subarray(from, to);
}
