/**
 * One chain while the proxy writes it: the key of its open epoch, its place, its running Merkle tree.
 * Gives each record its place and its tag, into the bytes that go to the write-ahead log.
 * Never goes back: the key of a closed epoch is gone once `advance` returns.
 */
import { randomFillSync } from 'node:crypto';
import type { Batch } from '../bulk/batch.ts';
import { descriptorWidth } from '../bulk/batch.ts';
import { writeSafeInteger } from '../chain/header.ts';
import type { EpochKeys } from '../chain/key-tree.ts';
import { CompactRange } from '../chain/merkle.ts';
import type { SealReason } from '../chain/seal.ts';
import { encodeSeal } from '../chain/seal.ts';
import type { Suite } from '../chain/suite.ts';
import type { TagFields } from '../chain/tag.ts';
import { Tagger } from '../chain/tag.ts';
import { LogsealError } from '../errors.ts';
import {
  recordBytes,
  recordFixedBytes,
  recordFlags,
  recordsHeaderBytes,
  saltBytes,
  writeRecordsHeader,
} from '../journal/records-entry.ts';
import type { BufferPool } from '../lib/buffer-pool.ts';
import type { Position } from '../wal/position.ts';

/** Characters of a generated id. */
export const generatedIdBytes = 22;

const saltPool = Buffer.alloc(4096 * saltBytes);
let saltPoolAt = saltPool.length;

/** Where a chain continues: nothing of it is secret. */
export interface ChainHead {
  nextSeq: number;
  /** P of the next epoch's first record: 16 bytes. */
  prev: Buffer;
  /** Time of the newest record or seal, milliseconds. */
  lastTimeMs: number;
}

/** An epoch that another process began: its records are on disk, its seal is not. It is only closed, never continued. */
export interface OpenEpoch {
  range: CompactRange;
  firstSeq: number;
  openedMs: number;
}

/** The encoded parts that the records of one batch share. */
export interface EncodedBatch {
  batch: Batch;
  type: 0 | 1;
  dests: Buffer[];
  metas: Buffer[];
}

export class LiveChain {
  readonly id: Buffer;
  readonly id22: string;
  readonly name: string;
  readonly createdMs: number;
  /** The chain that goes on in its place, once this one has ended. */
  successor: LiveChain | undefined;
  readonly #suite: Suite;
  readonly #keys: EpochKeys;
  #tagger: Tagger;
  #range: CompactRange;
  #nextSeq: number;
  #lastTimeMs: number;
  #openedMs = 0;
  #firstSeq: number;
  #queue: Promise<unknown> = Promise.resolve();
  #unsealedFrom: Position | undefined;
  #ended = false;
  readonly #leaf = Buffer.alloc(32);
  readonly #idBytes = Buffer.alloc(16);
  readonly #fields: TagFields;

  constructor(name: string, createdMs: number, suite: Suite, keys: EpochKeys, head: ChainHead, open?: OpenEpoch) {
    this.id = keys.chain;
    this.id22 = keys.chain.toString('base64url');
    this.name = name;
    this.createdMs = createdMs;
    this.#suite = suite;
    this.#keys = keys;
    this.#nextSeq = head.nextSeq;
    this.#firstSeq = open?.firstSeq ?? head.nextSeq;
    this.#openedMs = open?.openedMs ?? 0;
    this.#lastTimeMs = head.lastTimeMs;
    this.#range = open?.range ?? new CompactRange(suite);
    this.#tagger = this.#openEpoch(head.prev);
    this.id.copy(this.#idBytes, 0, 0, 8);
    const empty = Buffer.alloc(0);
    this.#fields = { type: 0, flags: 0, index: 0, seq: 0, timeMs: 0, dest: empty, id: empty, idAt: 0, idLength: 0 };
  }

  get suite(): number {
    return this.#suite.id;
  }

  get epoch(): number {
    return this.#keys.epoch;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** Its keys are gone: nothing can be signed or sealed on it any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Records in the open epoch. */
  get count(): number {
    return this.#nextSeq - this.#firstSeq;
  }

  get keys(): EpochKeys {
    return this.#keys;
  }

  /** Position of the first frame of the open epoch; undefined while it has none on disk. */
  get unsealedFrom(): Position | undefined {
    return this.#unsealedFrom;
  }

  /** A frame of that epoch, its seal included, is durable; called in the order of the frames. */
  noteFrame(epoch: number, position: Position): void {
    if (epoch === this.#keys.epoch) this.#unsealedFrom ??= position;
  }

  /** Runs what must not interleave on this chain: signing across an epoch's end, sealing, rotation. */
  exclusive<T>(act: () => Promise<T> | T): Promise<T> {
    const turn = this.#queue.then(act);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Signs the picked operations of a batch and returns the payload for the log.
   * The payload is lent by `frames`. `ids` receives the generated ids, 22 bytes at 22 × the operation's place in the batch.
   * Throws STOPPING when the keys are gone.
   */
  sign(encoded: EncodedBatch, picks: Int32Array, nowMs: number, ids: Buffer, frames: BufferPool): Buffer {
    if (this.#ended) throw new LogsealError('STOPPING', 'the chain has ended');
    const timeMs = Math.max(nowMs, this.#lastTimeMs);
    this.#lastTimeMs = timeMs;
    if (this.count === 0) this.#openedMs = timeMs;
    let bytes = recordsHeaderBytes;
    for (const pick of picks) bytes += bytesOf(encoded, pick);
    const payload = frames.lend(bytes);
    const epoch = this.#keys.epoch;
    writeRecordsHeader(payload, { suite: this.#suite.id, chain: this.id, epoch, count: picks.length });
    let at = recordsHeaderBytes;
    for (const pick of picks) at = this.#signRecord(payload, at, encoded, pick, timeMs, ids);
    return payload;
  }

  /** The seal of the open epoch, LF-terminated, and nothing after it may be signed before `advance`. */
  seal(
    origin: string,
    reason: SealReason,
    nowMs: number,
    anchor: Buffer | undefined,
  ): { text: Buffer; closedMs: number } {
    const closedMs = Math.max(nowMs, this.#lastTimeMs);
    const text = encodeSeal(
      {
        origin,
        suite: this.#suite.id,
        chain: this.id,
        epoch: this.#keys.epoch,
        first: this.#firstSeq,
        count: this.count,
        root: this.#range.root(),
        prev: this.#tagger.prev,
        opened: this.count === 0 ? closedMs : this.#openedMs,
        closed: closedMs,
        reason,
        anchor,
      },
      (lines) => this.#tagger.sealMac(lines),
    );
    return { text, closedMs };
  }

  /** Destroys the key of the closed epoch and opens the next; `mac` is the mac of the seal that closed it. */
  advance(mac: Buffer, closedMs: number): void {
    this.#tagger.wipe();
    this.#keys.advance();
    this.#unsealedFrom = undefined;
    this.#lastTimeMs = closedMs;
    this.#firstSeq = this.#nextSeq;
    this.#range = new CompactRange(this.#suite);
    this.#tagger = this.#openEpoch(mac.subarray(0, 16));
  }

  /** Destroys all keys: the chain has ended. */
  wipe(): void {
    this.#ended = true;
    this.#tagger.wipe();
    this.#keys.wipe();
  }

  #openEpoch(prev: Buffer): Tagger {
    const key = this.#keys.macKey();
    const tagger = new Tagger(this.#suite, this.id, this.#keys.epoch, key, Buffer.from(prev));
    key.fill(0);
    return tagger;
  }

  #signRecord(payload: Buffer, at: number, encoded: EncodedBatch, pick: number, timeMs: number, ids: Buffer): number {
    const { batch, dests, metas, type } = encoded;
    const base = pick * descriptorWidth;
    const d = batch.descriptors;
    const contentStart = d[base] as number;
    const contentEnd = d[base + 1] as number;
    const dest = dests[d[base + 2] as number] as Buffer;
    const given = batch.ids[d[base + 3] as number];
    const meta = metas[d[base + 4] as number];
    const seq = this.#nextSeq;
    const index = this.count;

    dest.copy(payload, at + recordFixedBytes);
    const idAt = at + recordFixedBytes + dest.length;
    const idLength = given === undefined ? this.#writeId(payload, idAt, seq) : payload.write(given, idAt, 'utf8');
    if (given === undefined) payload.copy(ids, pick * generatedIdBytes, idAt, idAt + idLength);
    const metaAt = idAt + idLength;
    meta?.copy(payload, metaAt);
    const saltAt = metaAt + (meta?.length ?? 0);
    writeSalt(payload, saltAt);
    batch.body.copy(payload, saltAt + saltBytes, contentStart, contentEnd);
    const end = saltAt + saltBytes + contentEnd - contentStart;

    payload.writeUInt32BE(end - at, at);
    payload.writeUInt32BE(index, at + 4);
    writeSafeInteger(payload, seq, at + 8);
    writeSafeInteger(payload, timeMs, at + 16);
    payload[at + 24] = type;
    payload[at + 25] = (given === undefined ? 0 : recordFlags.idGiven) | ((d[base + 5] as number) << 1);
    payload.writeUInt16BE(dest.length, at + 26);
    payload.writeUInt16BE(idLength, at + 28);
    payload.writeUInt16BE(meta?.length ?? 0, at + 30);
    payload.writeUInt32BE(contentEnd - contentStart, at + 32);

    const fields = this.#fields;
    fields.type = type;
    fields.flags = given === undefined ? 0 : 1;
    fields.index = index;
    fields.seq = seq;
    fields.timeMs = timeMs;
    fields.dest = dest;
    fields.id = payload;
    fields.idAt = idAt;
    fields.idLength = idLength;
    this.#tagger.tag(payload, saltAt, end, at + 36, fields, this.#leaf, 0);
    this.#range.append(this.#leaf);
    this.#nextSeq = seq + 1;
    return end;
  }

  #writeId(payload: Buffer, at: number, seq: number): number {
    writeSafeInteger(this.#idBytes, seq, 8);
    return payload.latin1Write(this.#idBytes.base64urlSlice(0, 16), at);
  }
}

/** Bytes that one operation takes in the log, once it is signed. */
export function bytesOf({ batch, dests, metas }: EncodedBatch, pick: number): number {
  const d = batch.descriptors;
  const base = pick * descriptorWidth;
  const id = batch.ids[d[base + 3] as number];
  return recordBytes(
    (dests[d[base + 2] as number] as Buffer).length,
    id === undefined ? generatedIdBytes : Buffer.byteLength(id),
    metas[d[base + 4] as number]?.length ?? 0,
    (d[base + 1] as number) - (d[base] as number),
  );
}

function writeSalt(payload: Buffer, at: number): void {
  if (saltPoolAt === saltPool.length) {
    randomFillSync(saltPool);
    saltPoolAt = 0;
  }
  saltPool.copy(payload, at, saltPoolAt, saltPoolAt + saltBytes);
  saltPoolAt += saltBytes;
}
