/**
 * Counts what the frames of one segment hold. Looks at headers of records only, and keeps no byte of any document.
 * The number of destinations that it names is bounded: shippers choose them.
 */
import { crc32 } from 'node:zlib';
import { entryKinds } from '../journal/entry-kind.ts';
import { RecordView, recordsHeaderBytes } from '../journal/records-entry.ts';
import { decodeSealEntry } from '../journal/seal-entry.ts';
import type { Position } from '../wal/position.ts';
import type { WaitingRule } from './waiting-rule.ts';

export interface Waiting {
  records: number;
  /** Of the records in the log. */
  bytes: number;
  /** Time of the oldest, milliseconds since 1970. */
  oldestMs: number;
}

export interface SegmentCounts {
  /** Of shippers. */
  records: number;
  controls: number;
  seals: number;
  /** Times of its records, milliseconds since 1970; undefined without any. */
  firstMs: number | undefined;
  lastMs: number | undefined;
  /** Of shippers' records in the log, and of the documents in them as they came in. */
  recordBytes: number;
  contentBytes: number;
  sealsWaiting: number;
  /** Frames that could not be opened: encrypted, and no key given. */
  closedFrames: number;
}

const destinationsMax = 10_000;
const otherDestinations = '(others)';

/** Opens a payload as it stands on disk; undefined if it was changed since it was encrypted. */
export type OpenPayload = (stored: Buffer, offset: number) => Buffer | undefined;

export class SegmentTally {
  readonly counts: SegmentCounts = {
    ...{ records: 0, controls: 0, seals: 0, firstMs: undefined, lastMs: undefined, recordBytes: 0 },
    ...{ contentBytes: 0, sealsWaiting: 0, closedFrames: 0 },
  };
  readonly waiting = new Map<string, Waiting>();
  /** What is wrong with contents whose checksums are right. */
  readonly faults: { offset: number; what: string }[] = [];
  /** CRC-32 of each seal's text, by entry. */
  readonly seals: [entry: number, crc: number][] = [];
  /** Seqs of each chain in this segment, chain in hex: they follow one another. */
  readonly chains = new Map<string, { first: number; last: number }>();
  readonly #segment: number;
  readonly #rule: WaitingRule;
  readonly #open: OpenPayload | undefined;
  /** Offsets at which a frame has to begin or end, because a cursor says so. */
  readonly #wanted: Set<number>;
  readonly #view = new RecordView();
  #lastDest: { bytes: Buffer; name: string } | undefined;

  /** Without `open` the contents are not looked at. */
  constructor(segment: number, rule: WaitingRule, open: OpenPayload | undefined, wanted: Iterable<number>) {
    this.#segment = segment;
    this.#rule = rule;
    this.#open = open;
    this.#wanted = new Set(wanted);
  }

  /** Offsets of cursors that are at no frame. */
  get astray(): number[] {
    return [...this.#wanted];
  }

  frame(stored: Buffer, offset: number, next: number): void {
    this.#wanted.delete(offset);
    this.#wanted.delete(next);
    if (stored.length === 0) return;
    if (this.#open === undefined) {
      this.counts.closedFrames += 1;
      return;
    }
    const payload = this.#open(stored, offset);
    if (payload === undefined) {
      this.#fault(offset, 'a frame fails its authentication');
      return;
    }
    const position = { segment: this.#segment, offset };
    try {
      if (payload[0] === entryKinds.records) this.#records(payload, position);
      else if (payload[0] === entryKinds.seal) this.#seal(payload, position);
      else if (payload[0] !== entryKinds.rejectDetail)
        this.#fault(offset, `the frame is of unknown kind ${payload[0]}`);
    } catch (error) {
      this.#fault(
        offset,
        `the frame is whole but its contents are not: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  #records(payload: Buffer, position: Position): void {
    const { counts } = this;
    const mayWait = this.#rule.mayWait(position);
    const view = this.#view;
    const chain = payload.toString('hex', 2, 18);
    let at = recordsHeaderBytes;
    let left = payload.readUInt32BE(22);
    while (left > 0) {
      view.seek(payload, at);
      const { seq, timeMs, next } = view;
      if (next <= at || next > payload.length) throw new RangeError(`a record is cut off at byte ${at} of the payload`);
      if (view.type === 1) counts.controls += 1;
      else {
        counts.records += 1;
        counts.recordBytes += next - at;
        counts.contentBytes += view.contentLength;
      }
      counts.firstMs = Math.min(counts.firstMs ?? timeMs, timeMs);
      counts.lastMs = Math.max(counts.lastMs ?? timeMs, timeMs);
      this.#follow(chain, seq, position.offset);
      if (mayWait) this.#wait(view, position);
      at = next;
      left -= 1;
    }
    if (at !== payload.length) throw new RangeError(`${payload.length - at} bytes follow its last record`);
  }

  #follow(chain: string, seq: number, offset: number): void {
    const known = this.chains.get(chain);
    if (known === undefined) this.chains.set(chain, { first: seq, last: seq });
    else {
      if (seq !== known.last + 1) this.#fault(offset, `record ${seq} of chain ${chain} follows record ${known.last}`);
      known.last = seq;
    }
  }

  #wait(view: RecordView, position: Position): void {
    const dest = this.#destOf(view);
    if (!this.#rule.waits(dest, position, view.seq)) return;
    const name = this.waiting.has(dest) || this.waiting.size < destinationsMax ? dest : otherDestinations;
    const bytes = view.next - view.at;
    addWaiting(this.waiting, name, { records: 1, bytes, oldestMs: view.timeMs });
  }

  /** Neighbours mostly have the same destination. */
  #destOf(view: RecordView): string {
    const { payload, destAt, idAt } = view;
    const last = this.#lastDest;
    if (last?.bytes.length === idAt - destAt && last.bytes.compare(payload, destAt, idAt) === 0) return last.name;
    this.#lastDest = { bytes: Buffer.from(payload.subarray(destAt, idAt)), name: view.dest };
    return this.#lastDest.name;
  }

  #seal(payload: Buffer, position: Position): void {
    const { entry, seal } = decodeSealEntry(payload);
    this.counts.seals += 1;
    if (this.#rule.sealWaits(position)) this.counts.sealsWaiting += 1;
    this.seals.push([entry, crc32(seal)]);
  }

  /** The first of them say enough. */
  #fault(offset: number, what: string): void {
    if (this.faults.length < 10) this.faults.push({ offset, what });
  }
}

/** Adds to what waits for `name`. */
export function addWaiting(waiting: Map<string, Waiting>, name: string, more: Waiting): void {
  const sum = waiting.get(name);
  if (sum === undefined) waiting.set(name, { ...more });
  else {
    sum.records += more.records;
    sum.bytes += more.bytes;
    sum.oldestMs = Math.min(sum.oldestMs, more.oldestMs);
  }
}
