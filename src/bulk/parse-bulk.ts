/**
 * Owns the reading of a bulk body: lines to operations, each of them signed, passed through, or refused by itself.
 * Assumes that the body is whole and inflated. Must never change a byte of it, and never make an object for a record.
 */
import { isUtf8 } from 'node:buffer';
import type { ObjectScanner } from '../lib/json-scan.ts';
import type { KnownAction } from './action-memo.ts';
import { ActionMemo } from './action-memo.ts';
import type { Batch } from './batch.ts';
import { scanFlag } from './batch.ts';
import { BatchBuilder } from './batch-builder.ts';
import { carriedMetadata } from './carried-metadata.ts';
import { dispositionOf } from './disposition.ts';
import type { IntakeRules } from './intake-rules.ts';
import type { ItemError } from './item-error.ts';
import { invalidUtf8, ownedId, tooLarge, unreadableDocument } from './item-error.ts';
import type { Action, OperationDefaults } from './operation.ts';
import { actions, parseActionLine } from './operation.ts';
import { illegalArgument, refusal, validationFailure } from './refusal.ts';
import { problemsOf } from './validation.ts';

/** One operation of another destination: its lines, line feeds included. */
export interface ForwardedOperation {
  operation: number;
  start: number;
  end: number;
}

export interface ParsedBulk {
  /** What is to be signed, in request order. */
  batch: Batch;
  /** All operations of the request. */
  count: number;
  /** One byte an operation: index into `actions`, plus `signedBit`. */
  kinds: Uint8Array;
  /** By operation. */
  errors: Map<number, ItemError>;
  forwarded: ForwardedOperation[];
  /** Some operation asks for what only the search engine can answer (if_seq_no). */
  wantsStore: boolean;
}

export const signedBit = 4;

export function actionOf(kind: number): Action {
  return actions[kind & 3] as Action;
}

export interface BulkDefaults extends OperationDefaults {
  /** compatible-with=8: trailing data in an action line is not looked at. */
  lenient?: boolean;
}

const lineFeed = 0x0a;
/** A first guess for the tables: a short line and a short document. */
const operationBytesGuess = 400;

/** Throws REQUEST_REFUSED for what Elasticsearch refuses a whole request for; nothing of it is then done. */
export function parseBulk(body: Buffer, defaults: BulkDefaults, rules: IntakeRules): ParsedBulk {
  return new BulkReading(body, defaults, rules).read();
}

/** One request while it is read. */
class BulkReading {
  readonly #body: Buffer;
  readonly #defaults: BulkDefaults;
  readonly #rules: IntakeRules;
  readonly #scanner: ObjectScanner;
  readonly #builder: BatchBuilder;
  readonly #memo = new ActionMemo();
  readonly #errors = new Map<number, ItemError>();
  readonly #forwarded: ForwardedOperation[] = [];
  readonly #problems: string[] = [];
  readonly #allUtf8: boolean;
  #kinds: Uint8Array;
  #count = 0;
  #line = 0;
  #wantsStore = false;
  /** Offset of the line after the one that was read last. */
  #next = 0;
  /** The operation of the last action line; undefined if the line was blank. */
  #known: KnownAction | undefined;

  constructor(body: Buffer, defaults: BulkDefaults, rules: IntakeRules) {
    const expected = Math.min(rules.itemsMax, Math.ceil(body.length / operationBytesGuess));
    this.#body = body;
    this.#defaults = defaults;
    this.#rules = rules;
    this.#scanner = rules.scanner;
    this.#builder = new BatchBuilder(body, expected);
    this.#kinds = new Uint8Array(Math.max(1, expected));
    this.#allUtf8 = isUtf8(body);
  }

  read(): ParsedBulk {
    const body = this.#body;
    let at = 0;
    while (at < body.length) {
      const start = at;
      const id = this.#readAction(start);
      at = this.#next;
      const known = this.#known;
      if (known === undefined) continue;
      if (known.operation.action === 'delete') {
        this.#finish(known, id, start, start, start);
      } else {
        // A last action without its document is no operation.
        if (at >= body.length) break;
        const end = lineEnd(body, at);
        this.#line++;
        this.#next = end + 1;
        this.#finish(known, id, start, at, end);
      }
      at = this.#next;
    }
    if (this.#count === 0) throw validationFailure(['no requests added']);
    if (this.#problems.length > 0) throw validationFailure(this.#problems);
    return {
      batch: this.#builder.build(),
      count: this.#count,
      kinds: this.#kinds,
      errors: this.#errors,
      forwarded: this.#forwarded,
      wantsStore: this.#wantsStore,
    };
  }

  /** Reads the action line at `from`; returns the operation's id. */
  #readAction(from: number): string | undefined {
    const body = this.#body;
    const memo = this.#memo;
    this.#line++;
    const same = memo.match(body, from);
    if (same >= 0) {
      this.#next = same + 1;
      this.#known = memo.known;
      return memo.known?.operation.id;
    }
    const end = lineEnd(body, from);
    this.#next = end + 1;
    if (memo.known !== undefined && memo.matchWithId(body, from, end)) {
      this.#known = memo.known;
      return body.toString('latin1', memo.idStart, memo.idEnd);
    }
    return this.#readNewAction(from, end);
  }

  #readNewAction(from: number, end: number): string | undefined {
    const body = this.#body;
    this.#known = undefined;
    if (end - from > this.#rules.actionBytesMax) {
      throw illegalArgument(
        `Action/metadata line [${this.#line}] is longer than [${this.#rules.actionBytesMax}] bytes`,
      );
    }
    const bytes = body.subarray(from, end);
    if (!this.#allUtf8 && !isUtf8(bytes))
      throw refusal('x_content_parse_exception', `[1:1] Invalid UTF-8 in line [${this.#line}]`);
    const text = bytes.toString('utf8');
    const operation = parseActionLine(text, this.#line, this.#defaults, this.#defaults.lenient);
    if (operation === undefined) return undefined;
    if (text.charCodeAt(0) === 0xfeff) operation.idStart = undefined;
    const disposition = dispositionOf(operation, this.#rules);
    const signed = disposition.kind === 'signed';
    const known: KnownAction = {
      operation,
      disposition,
      dest: signed ? this.#builder.destIndex(disposition.dest) : -1,
      meta: signed ? this.#builder.metaIndex(carriedMetadata(operation)) : -1,
    };
    this.#known = known;
    const problems = problemsOf(operation);
    // What is wrong with one id may be right with the next: such lines are read anew each time.
    if (problems.length === 0 && disposition.kind !== 'refused') this.#memo.remember(known, body, from, end);
    for (const problem of problems) this.#problems.push(problem);
    return operation.id;
  }

  /** The operation at `start` with its document in body[from, end), if it has one. */
  #finish(known: KnownAction, id: string | undefined, start: number, from: number, end: number): void {
    const operation = this.#count++;
    if (operation >= this.#rules.itemsMax) {
      const reason = `bulk request has more than [${this.#rules.itemsMax}] operations`;
      throw refusal('illegal_argument_exception', reason, { status: 413 });
    }
    if (operation === this.#kinds.length) this.#growKinds();
    const { disposition } = known;
    let kind = actions.indexOf(known.operation.action);
    if (disposition.kind === 'refused') {
      this.#errors.set(operation, disposition.error);
    } else if (disposition.kind === 'forwarded') {
      this.#forwarded.push({ operation, start, end: this.#next });
    } else {
      const error = this.#sign(known, disposition.dest, id, from, end);
      if (error === undefined) kind |= signedBit;
      else this.#errors.set(operation, error);
    }
    this.#kinds[operation] = kind;
  }

  /** Puts the record into the batch, or says why not. */
  #sign(known: KnownAction, dest: string, id: string | undefined, from: number, end: number): ItemError | undefined {
    const { documentBytesMax, ownsId } = this.#rules;
    const scanner = this.#scanner;
    const body = this.#body;
    if (id !== undefined && id !== known.operation.id && ownsId(id)) return ownedId(dest, id);
    if (end - from > documentBytesMax) return tooLarge(dest, id, end - from, documentBytesMax);
    if (!this.#allUtf8 && !isUtf8(body.subarray(from, end))) return invalidUtf8(dest, id);
    const code = scanner.scan(body, from, end);
    if (code !== 0) {
      const { errorOffset } = scanner;
      return unreadableDocument(dest, id, {
        code,
        column: errorOffset - from + 1,
        atEnd: errorOffset >= end,
        empty: end === from || (end === from + 1 && body[from] === 0x0d),
      });
    }
    if (known.operation.ifSeqNo !== undefined) this.#wantsStore = true;
    let flags = 0;
    if (scanner.lineFeed) flags |= scanFlag.lineFeed;
    if (scanner.longNumberArray) flags |= scanFlag.longNumberArray;
    if (scanner.emptyObject) flags |= scanFlag.emptyObject;
    this.#builder.add(scanner.contentStart, scanner.contentEnd, known.dest, id, known.meta, flags);
    return undefined;
  }

  #growKinds(): void {
    const larger = new Uint8Array(this.#kinds.length * 2);
    larger.set(this.#kinds);
    this.#kinds = larger;
  }
}

/** Offset of the line feed that ends the line at `from`. */
function lineEnd(body: Buffer, from: number): number {
  const end = body.indexOf(lineFeed, from);
  if (end < 0) throw illegalArgument('The bulk request must be terminated by a newline [\\n]');
  return end;
}
