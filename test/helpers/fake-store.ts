/**
 * A search engine in memory for delivery's tests: creates as Elasticsearch does (an id once an index and routing), answers
 * through the real parser, and fails when it is told to.
 */

import type { DeliveryUpstream, DestinationFacts, RawNeed } from '../../src/delivery/port.ts';
import { LogsealError } from '../../src/errors.ts';
import type { BulkQuery } from '../../src/upstream/bulk-client.ts';
import type { BulkAnswer } from '../../src/upstream/item-result.ts';
import { parseBulkAnswer } from '../../src/upstream/item-result.ts';
import type { StoredRecord, WantedRecord } from '../../src/upstream/lookup.ts';

export interface StoredDocument {
  index: string;
  id: string;
  routing: string | undefined;
  /** The document's text, as it was sent. */
  text: string;
  seqNo: number;
  version: number;
  pipeline: string | undefined;
}

export interface ItemFault {
  status: number;
  type: string;
  reason: string;
}

/** `lost`: carried out, answer lost. `reversed`: carried out, answered from the last to the first. `away`: not carried out. `half`: some of it carried out, answer lost. */
export type Fault =
  | 'none'
  | 'lost'
  | 'away'
  | 'half'
  | 'fewer'
  | 'reversed'
  | 'html'
  | 'busy'
  | 'bad'
  | 'unreachable-lookup';

interface Action {
  op: 'create' | 'index';
  dest: string;
  id: string;
  routing: string | undefined;
  pipeline: string | undefined;
  ifSeqNo: number | undefined;
  text: string;
}

export class FakeStore implements DeliveryUpstream {
  readonly documents = new Map<string, StoredDocument>();
  /** Where a destination writes; its own name where absent. */
  readonly writeIndex = new Map<string, string>();
  /** All indices that ever were behind a destination. */
  readonly behind = new Map<string, Set<string>>();
  readonly raw = new Map<string, RawNeed>();
  readonly held = new Map<string, string>();
  readonly documentsBefore = new Map<string, number>();
  /** Indices that cannot be read at the moment. */
  readonly closed = new Set<string>();
  /** Decides about the next bulk request. */
  fault: (items: number) => Fault = () => 'none';
  /** Refuses single documents. */
  refuse: (action: Action) => ItemFault | 'dropped' | 'failure-store' | undefined = () => undefined;
  /** A pipeline that runs although none should. */
  finalPipeline = new Set<string>();
  /** Awaited at the start of every call. */
  gate: () => Promise<void> = async () => undefined;
  bulks = 0;
  lookups = 0;
  mappingsAsked = 0;
  #seqNo = 0;

  in(index: string): StoredDocument[] {
    return [...this.documents.values()].filter((document) => document.index === index);
  }

  async send(body: readonly Buffer[], { count, versions }: BulkQuery): Promise<BulkAnswer> {
    await this.gate();
    this.bulks += 1;
    const actions = parseBody(Buffer.concat(body).toString());
    if (actions.length !== count) throw new Error(`a body of ${actions.length} actions, said to be ${count}`);
    const fault = this.fault(count);
    if (fault === 'away') throw new LogsealError('UPSTREAM_REFUSED', 'connection refused');
    if (fault === 'bad') throw new LogsealError('UPSTREAM_REFUSED', 'malformed action', { status: 400 });
    if (fault === 'busy') throw new LogsealError('UPSTREAM_REFUSED', 'too many requests', { status: 429 });
    const done = fault === 'half' ? actions.slice(0, Math.ceil(actions.length / 2)) : actions;
    const items = done.map((action) => this.#carryOut(action, versions === true));
    if (fault === 'reversed') items.reverse();
    const ran = actions.some(({ dest, pipeline }) => this.finalPipeline.has(dest) || (pipeline ?? '_none') !== '_none');
    if (fault === 'lost' || fault === 'half') throw new LogsealError('UPSTREAM_UNKNOWN', 'socket closed');
    const text =
      fault === 'html'
        ? '<html><body>502 Bad Gateway</body></html>'
        : `{"errors":${items.some((item) => item.includes('"error"'))},${ran ? '"ingest_took":1,' : ''}"items":[${(fault === 'fewer' ? items.slice(1) : items).join(',')}]}`;
    await this.gate();
    const answer = parseBulkAnswer(Buffer.from(text));
    if (answer === undefined || answer.items.length !== count) {
      throw new LogsealError('UPSTREAM_UNKNOWN', 'an answer that is no bulk answer');
    }
    return answer;
  }

  async describe(dest: string, fresh: boolean): Promise<DestinationFacts> {
    await this.gate();
    const writeIndex = this.writeIndex.get(dest) ?? dest;
    const exists = this.writeIndex.has(dest) || this.in(dest).length > 0 || this.documentsBefore.has(dest);
    return {
      writeIndex: exists ? writeIndex : undefined,
      // A cache does not know of the pipeline.
      raw: this.raw.get(dest) ?? (fresh && this.finalPipeline.has(dest) ? 'always' : 'never-needed'),
      documents: this.documentsBefore.get(writeIndex) ?? 0,
      held: this.held.get(dest),
    };
  }

  async find(wanted: readonly WantedRecord[]): Promise<StoredRecord[][]> {
    await this.gate();
    this.lookups += 1;
    if (this.fault(0) === 'unreachable-lookup') throw new LogsealError('UPSTREAM_UNKNOWN', 'no answer to a lookup');
    return wanted.map(({ dest, id, routing, index, formerIndices }) => {
      const behind = [...(this.behind.get(dest) ?? []), this.writeIndex.get(dest) ?? dest, ...(formerIndices ?? [])];
      const indices = new Set(index === undefined ? behind : [index]);
      return Array.from(indices).flatMap((name) => {
        if (this.closed.has(name)) throw new LogsealError('UPSTREAM_DENIED', `index ${name} is closed`, { dest });
        const document = this.documents.get(keyOf(name, id, routing));
        return document === undefined ? [] : [storedRecord(document)];
      });
    });
  }

  async haveRaw(stored: readonly { index: string; id: string; routing: string | undefined }[]): Promise<boolean[]> {
    await this.gate();
    return stored.map(({ index, id, routing }) => {
      const text = this.documents.get(keyOf(index, id, routing))?.text ?? '{}';
      return (JSON.parse(text) as { logseal?: { raw?: string } }).logseal?.raw !== undefined;
    });
  }

  async texts(index: string, member: string, ids: readonly string[]): Promise<(string | undefined)[]> {
    await this.gate();
    return ids.map((id) => {
      const document = this.documents.get(keyOf(index, id, undefined));
      return document === undefined ? undefined : (JSON.parse(document.text) as Record<string, string>)[member];
    });
  }

  async ensureMapping(): Promise<string | undefined> {
    await this.gate();
    this.mappingsAsked += 1;
    return undefined;
  }

  async countUnsigned(index: string): Promise<number> {
    await this.gate();
    return this.documentsBefore.get(index) ?? 0;
  }

  /** From now on the destination writes to another index. */
  rollOver(dest: string, index: string): void {
    const behind = this.behind.get(dest) ?? new Set([this.writeIndex.get(dest) ?? dest]);
    this.behind.set(dest, behind.add(index));
    this.writeIndex.set(dest, index);
  }

  #carryOut(action: Action, versions: boolean): string {
    const { op, dest, id, routing, text, pipeline } = action;
    const named = versions ? { _id: id } : {};
    const concrete = this.writeIndex.get(dest) ?? dest;
    const refused = this.refuse(action);
    if (refused === 'dropped') return itemText(op, { _index: concrete, result: 'noop', status: 200 });
    if (refused === 'failure-store') return itemText(op, { _index: `.fs-${dest}`, failure_store: 'used', status: 201 });
    if (refused !== undefined) {
      const { status, type, reason } = refused;
      return itemText(op, { _index: concrete, ...named, status, error: { type, reason } });
    }
    const key = keyOf(concrete, id, routing);
    const there = this.documents.get(key);
    const conflict = op === 'create' ? there !== undefined : there?.seqNo !== action.ifSeqNo;
    if (conflict) {
      const error = { type: 'version_conflict_engine_exception', reason: `[${id}]: version conflict` };
      return itemText(op, { _index: concrete, ...named, status: 409, error });
    }
    const version = (there?.version ?? 0) + 1;
    const stored = { index: concrete, id, routing, text, seqNo: this.#seqNo++, version, pipeline };
    this.documents.set(key, stored);
    if (this.finalPipeline.has(dest)) stored.text = text.replace(/\}$/, ',"added":"by a pipeline"}');
    return itemText(op, {
      _index: concrete,
      ...named,
      status: version === 1 ? 201 : 200,
      result: version === 1 ? 'created' : 'updated',
    });
  }
}

function keyOf(index: string, id: string, routing: string | undefined): string {
  return `${index} ${routing ?? id} ${id}`;
}

function itemText(op: string, value: object): string {
  return JSON.stringify({ [op]: value });
}

function storedRecord({ index, text, seqNo, version }: StoredDocument): StoredRecord {
  const { logseal } = JSON.parse(text) as { logseal?: { tag?: string; chain?: string; seq?: number } };
  return { index, tag: logseal?.tag, chain: logseal?.chain, seq: logseal?.seq, version, seqNo, primaryTerm: 1 };
}

function parseBody(text: string): Action[] {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('a body without its last line feed');
  const actions: Action[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const action = JSON.parse(lines[i] ?? '') as Record<string, Record<string, string>>;
    const op = action.create === undefined ? 'index' : 'create';
    const meta = action[op] ?? {};
    const document = lines[i + 1] ?? '';
    JSON.parse(document);
    actions.push({
      op,
      dest: meta._index ?? '',
      id: meta._id ?? '',
      routing: meta.routing,
      pipeline: meta.pipeline,
      ifSeqNo: meta.if_seq_no === undefined ? undefined : Number(meta.if_seq_no),
      text: document,
    });
  }
  return actions;
}
