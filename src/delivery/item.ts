/**
 * One record on its way: where it stands in the log, and what its carried metadata means. An item holds the frame's bytes in
 * memory until it is answered for, so whoever collects items counts their bytes.
 */
import { generatedId } from '../chain/record-id.ts';
import type { RecordsHeader } from '../journal/records-entry.ts';
import { RecordView, readRecordsHeader, recordFlags, recordsHeaderBytes } from '../journal/records-entry.ts';
import type { Position } from '../wal/position.ts';
import type { Destination } from './destinations.ts';

/** A frame of records, and how many of them are not answered for. */
export interface RecordsFrame {
  payload: Buffer;
  position: Position;
  next: Position;
  header: RecordsHeader;
  /** base64url, 22 characters. */
  chain: string;
  /** Items of it that are in the hands of the reader that made it. */
  pending: number;
}

export interface Item {
  frame: RecordsFrame;
  /** Offset of the record in the frame's payload. */
  at: number;
  seq: number;
  destination: Destination;
  meta: CarriedMeta;
  /** Bytes of the record in the log. */
  bytes: number;
  /** Whether the signature field holds the content; decided when the item is encoded. */
  raw: boolean;
  /** True while it may have been applied without our knowing: it is looked up before it is sent. */
  unknown: boolean;
}

/** What the shipper's action line carries on to the search engine. */
export interface CarriedMeta {
  /** `,"routing":…` and so on: the rest of the action line, without pipeline. */
  suffix: string;
  routing: string | undefined;
  pipeline: string | undefined;
}

const noMeta: CarriedMeta = { suffix: '', routing: undefined, pipeline: undefined };
const carriedNames = ['routing', 'require_alias', 'require_data_stream', 'dynamic_templates'] as const;
const metasMax = 1024;

/** Reads metadata texts; equal texts, which most are, are parsed once. */
export class MetaTable {
  #known = new Map<string, CarriedMeta>();

  of(text: string): CarriedMeta {
    if (text === '') return noMeta;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const meta = parseMeta(text);
    if (this.#known.size >= metasMax) this.#known.clear();
    this.#known.set(text, meta);
    return meta;
  }
}

function parseMeta(text: string): CarriedMeta {
  const carried = JSON.parse(text) as Record<string, unknown>;
  let suffix = '';
  for (const name of carriedNames) {
    const value = carried[name];
    if (value !== undefined && value !== null) suffix += `,"${name}":${JSON.stringify(value)}`;
  }
  const { routing, pipeline } = carried;
  return {
    suffix,
    routing: routing === undefined || routing === null ? undefined : String(routing),
    pipeline: typeof pipeline === 'string' ? pipeline : undefined,
  };
}

export function recordsFrame(payload: Buffer, position: Position, next: Position): RecordsFrame {
  const header = readRecordsHeader(payload);
  return { payload, position, next, header, chain: header.chain.toString('base64url'), pending: 0 };
}

/** Offset of a frame's first record. */
export const firstRecordAt = recordsHeaderBytes;

/** A view of its own: slow paths only. */
export function viewOf(item: Item): RecordView {
  return new RecordView().seek(item.frame.payload, item.at);
}

export function idOf(item: Item): string {
  return viewOf(item).id;
}

/** The id under which its document stands in the rejects index. */
export function generatedIdOf(item: Item): string {
  const view = viewOf(item);
  return (view.flags & recordFlags.idGiven) === 0 ? view.id : generatedId(item.frame.header.chain, item.seq);
}

export function tagOf(item: Item): string {
  return viewOf(item).tag.toString('base64url');
}
