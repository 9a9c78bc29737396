/**
 * Builds the body of a bulk request from items: an action line and the signed document for each. Decides for each whether
 * the signature field holds the content (`raw`), from what is known about its destination and about its own bytes.
 * Body buffers are lent: one that may still be read by a socket is never used again.
 */
import type { Config } from '../config/config.ts';
import { RecordView, recordFlags } from '../journal/records-entry.ts';
import type { Item, RecordsFrame } from './item.ts';
import { viewOf } from './item.ts';
import type { FrameText, SpliceOptions } from './splice.ts';
import {
  documentBytesMax,
  frameText,
  isPlain,
  put,
  putRange,
  putText,
  spliceDocument,
  writeSignature,
} from './splice.ts';

export interface BatchOptions extends SpliceOptions {
  /** Write raw into every document, whatever the destination would allow. */
  rawAlways: boolean;
}

/** As the settings say. */
export function batchOptions({ hash, raw, digests }: Config['signature']): BatchOptions {
  return { hash, rawAlways: raw === 'always', digests };
}

const createOpen = Buffer.from('{"create":{"_index":"');
const idOpen = Buffer.from('","_id":"');
const quotedEnd = Buffer.from('"');
const noPipeline = Buffer.from(',"pipeline":"_none"');
const actionEnd = Buffer.from('}}\n');
const lineFeed = 0x0a;
const actionBytesMax = 256;

/** Whether this record's signature field must hold its content. */
export function needsRaw(item: Item, flags: number, options: BatchOptions): boolean {
  const { raw } = item.destination.facts;
  if (options.rawAlways || raw === 'always' || (flags & recordFlags.lineFeed) !== 0) return true;
  if (raw === 'if-long-arrays' && (flags & recordFlags.longNumberArray) !== 0) return true;
  return item.meta.pipeline !== undefined && item.meta.pipeline !== '_none';
}

/** Bytes that grow by doubling; the same buffer serves one batch after another. */
export class BodyBuffer {
  bytes: Buffer;
  length = 0;

  constructor(size = 1024 * 1024) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  /** Makes room for `more` bytes after what is written. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + more));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  written(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}

export class BatchEncoder {
  readonly #options: BatchOptions;
  readonly #view = new RecordView();
  #frame: RecordsFrame | undefined;
  #text: FrameText | undefined;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  /** Writes `create` lines into `body`; sets `raw` on each item. */
  encode(items: readonly Item[], body: BodyBuffer): void {
    body.length = 0;
    for (const item of items) this.#add(item, body);
  }

  /** Bytes of one item's line and document, as raw or not: for tests and for what is written alone. */
  #add(item: Item, body: BodyBuffer): void {
    const record = this.#view.seek(item.frame.payload, item.at);
    const { flags, destLength, idLength, contentLength } = record;
    const raw = needsRaw(item, flags, this.#options);
    item.raw = raw;
    const { meta } = item;
    body.reserve(
      actionBytesMax +
        destLength +
        6 * idLength +
        3 * meta.suffix.length +
        3 * (meta.pipeline?.length ?? 0) +
        documentBytesMax(destLength, idLength, contentLength, raw),
    );
    const out = body.bytes;
    let at = put(out, body.length, createOpen);
    at = putRange(out, at, record.payload, record.destAt, record.idAt);
    at = this.#id(out, put(out, at, idOpen), record, flags);
    if (meta.suffix !== '') at = putText(out, at, meta.suffix);
    if (!raw) at = put(out, at, noPipeline);
    else if (meta.pipeline !== undefined) at = putText(out, at, `,"pipeline":${JSON.stringify(meta.pipeline)}`);
    at = put(out, at, actionEnd);
    at = spliceDocument(out, at, this.#textOf(item.frame), record, raw, this.#options);
    out[at++] = lineFeed;
    body.length = at;
  }

  #id(out: Buffer, at: number, record: RecordView, flags: number): number {
    const { payload, idAt, metaAt } = record;
    if ((flags & recordFlags.idGiven) === 0 || isPlain(payload, idAt, metaAt)) {
      return put(out, putRange(out, at, payload, idAt, metaAt), quotedEnd);
    }
    return putText(out, at, JSON.stringify(record.id).slice(1));
  }

  #textOf(frame: RecordsFrame): FrameText {
    if (this.#text === undefined || this.#frame !== frame) {
      this.#frame = frame;
      this.#text = frameText(frame);
    }
    return this.#text;
  }
}

/** Line and document that write a stored record again, with its content in the field, if nobody has changed it since. */
export function encodeRewrite(item: Item, index: string, seqNo: number, term: number, options: SpliceOptions): Buffer {
  const record = viewOf(item);
  const action = {
    index: {
      _index: index,
      _id: record.id,
      ...(item.meta.routing === undefined ? {} : { routing: item.meta.routing }),
      if_seq_no: seqNo,
      if_primary_term: term,
      pipeline: '_none',
    },
  };
  const line = Buffer.from(`${JSON.stringify(action)}\n`);
  const out = Buffer.allocUnsafe(documentBytesMax(record.destLength, record.idLength, record.contentLength, true));
  const end = spliceDocument(out, 0, frameText(item.frame), record, true, options);
  return Buffer.concat([line, out.subarray(0, end), Buffer.from('\n')]);
}

export interface RejectCause {
  status: number;
  type: string;
  reason: string;
  /** The search engine's whole error, for a shipper that waits for the answer. */
  detail?: Readonly<Record<string, unknown>> | undefined;
}

/** Line and document for the rejects index: the signature field with its content, and why. */
export function encodeReject(item: Item, id: string, cause: RejectCause, options: SpliceOptions): Buffer {
  const record = viewOf(item);
  const out = Buffer.allocUnsafe(documentBytesMax(record.destLength, record.idLength, record.contentLength, true));
  const end = writeSignature(out, 0, frameText(item.frame), record, true, options);
  const action = JSON.stringify({ create: { _index: 'logseal-rejects', _id: id } });
  const head = `${action}\n{"@timestamp":"${new Date(record.timeMs).toISOString()}",`;
  const { status, type, reason } = cause;
  const tail = `,"reject":${JSON.stringify({ status, type, reason })}}\n`;
  // The field's own opening brace is the one that `head` has written already.
  return Buffer.concat([Buffer.from(head), out.subarray(1, end), Buffer.from(tail)]);
}
