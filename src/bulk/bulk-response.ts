/**
 * Owns the body of the answer to a bulk request: `took`, `errors`, `items`, in this order, compact, one item for each operation,
 * in order. The usual case, everything taken, is written from a template into one buffer.
 */
import type { Batch } from './batch.ts';
import { descriptor, descriptorWidth } from './batch.ts';
import type { PathFilter } from './filter-path.ts';
import { filterValue } from './filter-path.ts';
import type { Outcome } from './intake.ts';
import type { ItemError } from './item-error.ts';
import type { Action } from './operation.ts';
import type { ParsedBulk } from './parse-bulk.ts';
import { actionOf, signedBit } from './parse-bulk.ts';

export interface AnswerParts {
  tookMs: number;
  /** 22 bytes a record of the batch. */
  ids: Buffer;
  /** By record; absent when the records wait in the log. */
  outcomes?: readonly Outcome[] | undefined;
  /** Items as another answerer gave them, by operation. */
  forwarded?: ReadonlyMap<number, unknown> | undefined;
  filter?: PathFilter | undefined;
}

/** What stands in an item under the operation's name, and, for a single document, in the whole answer. */
export interface ResponseItem {
  _index: string;
  _id: string | null;
  status: number;
  error?: unknown;
  [member: string]: unknown;
}

const idLength = 22;
/** Stands for an id while a template is made; no filter and no name touches it. */
const idHole = '\u0001id\u0001';
const idHoleJson = JSON.stringify(idHole);

/** The whole body, UTF-8. */
export function bulkResponse(parsed: ParsedBulk, parts: AnswerParts): Buffer {
  if (parts.outcomes === undefined && parsed.errors.size === 0 && parsed.forwarded.length === 0) {
    return new CreatedAnswer(parsed, parts).write();
  }
  return Buffer.from(JSON.stringify(bulkResponseObject(parsed, parts)));
}

/** The same as an object, for clients that want it pretty. */
export function bulkResponseObject(parsed: ParsedBulk, parts: AnswerParts): unknown {
  const items: unknown[] = [];
  let errors = false;
  let record = 0;
  for (let operation = 0; operation < parsed.count; operation++) {
    const kind = parsed.kinds[operation] as number;
    const failure = parsed.errors.get(operation);
    const action = actionOf(kind);
    if (failure !== undefined) {
      errors = true;
      items.push({ [action]: failedItem(failure) });
    } else if ((kind & signedBit) !== 0) {
      const item = recordItem(parsed.batch, record++, parts);
      if (item.error !== undefined) errors = true;
      items.push({ [action]: item });
    } else {
      const item = parts.forwarded?.get(operation);
      if (hasError(item)) errors = true;
      items.push(item);
    }
  }
  const answer = { took: parts.tookMs, errors, items };
  return parts.filter === undefined ? answer : (filterValue(answer, parts.filter) ?? {});
}

function failedItem(failure: ItemError): ResponseItem {
  return { _index: failure.index, _id: failure.id, status: failure.status, error: failure.error };
}

function recordItem(batch: Batch, record: number, parts: AnswerParts): ResponseItem {
  const dest = batch.dests[batch.descriptors[record * descriptorWidth + descriptor.dest] as number] as string;
  const given = batch.ids[batch.descriptors[record * descriptorWidth + descriptor.id] as number];
  const id = given ?? parts.ids.toString('latin1', record * idLength, (record + 1) * idLength);
  const outcome = parts.outcomes?.[record];
  return outcome === undefined ? waitingItem(dest, id) : storedItem(id, outcome);
}

/**
 * A record that is safe on disk, answered as created. The search engine's numbers are not known yet; clients insist on
 * their presence, so they are those of a first write.
 */
export function waitingItem(dest: string, id: string): ResponseItem {
  const shards = { total: 1, successful: 1, failed: 0 };
  const numbers = { _version: 1, result: 'created', _shards: shards, _seq_no: 0, _primary_term: 1 };
  return { _index: dest, _id: id, ...numbers, status: 201 };
}

/** What the search engine answered for a record. */
export function storedItem(id: string, outcome: Outcome): ResponseItem {
  const { index, status, version, seqNo, primaryTerm, error, failureStore } = outcome;
  const store = failureStore === undefined ? {} : { failure_store: failureStore };
  if (error !== undefined) return { _index: index, _id: id, status, ...store, error };
  const shards = { total: 1, successful: 1, failed: 0 };
  const numbers = { _version: version, result: 'created', _shards: shards, _seq_no: seqNo, _primary_term: primaryTerm };
  return { _index: index, _id: id, ...numbers, ...store, status };
}

function hasError(item: unknown): boolean {
  const [inside] = Object.values((item ?? {}) as Record<string, { error?: unknown }>);
  return inside?.error !== undefined;
}

/** One template: what stands before and behind the id of an item; without `after` the item has no id. */
interface ItemTemplate {
  before: Buffer;
  after: Buffer | undefined;
}

/** The answer of a request of which every operation was taken. */
class CreatedAnswer {
  readonly #parsed: ParsedBulk;
  readonly #parts: AnswerParts;
  /** By destination and action; undefined: the filter leaves nothing of such an item. */
  readonly #templates = new Map<number, ItemTemplate | undefined>();

  constructor(parsed: ParsedBulk, parts: AnswerParts) {
    this.#parsed = parsed;
    this.#parts = parts;
  }

  write(): Buffer {
    const { batch, kinds } = this.#parsed;
    const head = this.#head();
    const opening = `{${head}${head === '' ? '' : ','}"items":[`;
    const items = this.#sameForAll() ? this.#repeat(opening) : this.#each(opening, batch, kinds);
    if (items === undefined) return Buffer.from(head === '' ? '{}' : `{${head}}`);
    // The comma behind the last item becomes the end of the array.
    items.write(']}', items.length - 2);
    return items;
  }

  #head(): string {
    const { filter, tookMs } = this.#parts;
    const top = { took: tookMs, errors: false };
    const left = filter === undefined ? top : (filterValue(top, filter) ?? {});
    return JSON.stringify(left).slice(1, -1);
  }

  /** One destination, one action, no id from the shipper: items differ in 22 bytes. */
  #sameForAll(): boolean {
    const { batch, kinds, count } = this.#parsed;
    if (batch.dests.length !== 1 || batch.ids.length > 0) return false;
    for (let i = 1; i < count; i++) if (kinds[i] !== kinds[0]) return false;
    return true;
  }

  /** Opening, items with a comma behind each, and one byte more; undefined when the filter leaves no item. */
  #repeat(opening: string): Buffer | undefined {
    const { count, kinds } = this.#parsed;
    const template = this.#template(kinds[0] as number, 0);
    if (template === undefined) return undefined;
    const { before, after } = template;
    const unit = after === undefined ? before : Buffer.concat([before, Buffer.alloc(idLength), after]);
    const start = Buffer.byteLength(opening);
    const out = Buffer.allocUnsafe(start + count * unit.length + 1);
    out.write(opening);
    out.fill(unit, start, out.length - 1);
    if (after === undefined) return out;
    const { ids } = this.#parts;
    for (let i = 0, at = start + before.length; i < ids.length; i += idLength, at += unit.length) {
      for (let k = 0; k < idLength; k++) out[at + k] = ids[i + k] as number;
    }
    return out;
  }

  /** As `#repeat`. */
  #each(opening: string, batch: Batch, kinds: Uint8Array): Buffer | undefined {
    const { ids } = this.#parts;
    let text = '';
    for (let record = 0; record < batch.count; record++) {
      const at = record * descriptorWidth;
      const template = this.#template(kinds[record] as number, batch.descriptors[at + descriptor.dest] as number);
      if (template === undefined) continue;
      text += template.before.toString('latin1');
      if (template.after === undefined) continue;
      const given = batch.ids[batch.descriptors[at + descriptor.id] as number];
      text += given === undefined ? ids.toString('latin1', record * idLength, (record + 1) * idLength) : escaped(given);
      text += template.after.toString('latin1');
    }
    return text === '' ? undefined : Buffer.from(`${opening}${text} `, 'latin1');
  }

  #template(kind: number, dest: number): ItemTemplate | undefined {
    const key = dest * 8 + kind;
    if (!this.#templates.has(key)) this.#templates.set(key, this.#makeTemplate(actionOf(kind), dest));
    return this.#templates.get(key);
  }

  #makeTemplate(action: Action, dest: number): ItemTemplate | undefined {
    const item = { [action]: waitingItem(this.#parsed.batch.dests[dest] as string, idHole) };
    const { filter } = this.#parts;
    const answer = { items: [item] };
    const left = (filter === undefined ? answer : filterValue(answer, filter)) as { items: [unknown] } | undefined;
    if (left === undefined) return undefined;
    const text = `${JSON.stringify(left.items[0])},`;
    const hole = text.indexOf(idHoleJson);
    if (hole < 0) return { before: Buffer.from(text), after: undefined };
    return {
      before: Buffer.from(text.slice(0, hole + 1)),
      after: Buffer.from(text.slice(hole + idHoleJson.length - 1)),
    };
  }
}

/** The inside of the id as a JSON string, one character for each of its bytes. */
function escaped(id: string): string {
  return Buffer.from(JSON.stringify(id).slice(1, -1)).toString('latin1');
}
