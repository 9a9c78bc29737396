/**
 * Reads checkpoints, seals and control documents off a source, in whatever order they come, and keeps them compactly.
 *
 * Owns the seal table and the temporary files of texts. Judges only whether a document can be read at all: whom it belongs to and
 * whether it verifies is not known yet.
 */
import { isUtf8 } from 'node:buffer';
import { isObject } from '../chain/json-form.ts';
import { leafHash } from '../chain/merkle.ts';
import type { Seal } from '../chain/seal.ts';
import { decodeSeal } from '../chain/seal.ts';
import { logSuite } from '../chain/suite.ts';
import { SealTable, sealMark } from './seal-table.ts';
import type { SourceDocument } from './source.ts';
import { systemIndices } from './source.ts';
import { Spool } from './spill.ts';
import type { Tally } from './tally.ts';

interface Stored {
  offset: number;
  idLength: number;
  indexLength: number;
  textLength: number;
}

/** One byte string in a spool, with the index and id it was found under. */
export interface StoredText {
  index: string;
  id: string;
  text: Buffer;
}

export class SystemDocuments {
  readonly seals: SealTable = new SealTable();
  /** Origins and chain ids by the numbers that the seal table has for them. */
  readonly origins: string[] = [];
  readonly chainIds: string[] = [];
  readonly #spool: Spool;
  readonly #tally: Tally;
  readonly #checkpoints: Stored[] = [];
  readonly #control: Stored[] = [];
  readonly #sealTexts: Stored[] = [];
  readonly #originNumbers: Map<string, number> = new Map();
  readonly #chainNumbers: Map<string, number> = new Map();

  constructor(directory: string, tally: Tally) {
    this.#spool = Spool.open(directory);
    this.#tally = tally;
  }

  get isEmpty(): boolean {
    return this.#checkpoints.length + this.#control.length + this.#sealTexts.length === 0;
  }

  add(document: SourceDocument): void {
    if (document.index === systemIndices.control) this.#control.push(this.#store(document, document.source));
    else if (document.index === systemIndices.seals) this.#addSeal(document);
    else if (document.index === systemIndices.checkpoints) this.#addCheckpoint(document);
  }

  /** Notes as they were stored, not verified. */
  *checkpoints(): Generator<StoredText> {
    for (const stored of this.#checkpoints) yield this.#read(stored);
  }

  /** Control documents: `text` is `_source`. */
  *control(): Generator<StoredText> {
    for (const stored of this.#control) yield this.#read(stored);
  }

  /** The seal of a row of the table, with where it was found. */
  seal(row: number): { seal: Seal; index: string; id: string } | undefined {
    const stored = this.#sealTexts[row];
    if (stored === undefined) return undefined;
    const { index, id, text } = this.#read(stored);
    const decoded = decodeSeal(text);
    return decoded.ok ? { seal: decoded.seal, index, id } : undefined;
  }

  close(): void {
    this.#spool.close();
  }

  #addCheckpoint(document: SourceDocument): void {
    const note = textMember(document.source, 'checkpoint');
    if (note === undefined) this.#malformed(document, 'it holds no checkpoint');
    else this.#checkpoints.push(this.#store(document, Buffer.from(note)));
  }

  #addSeal(document: SourceDocument): void {
    const text = textMember(document.source, 'seal');
    const decoded = text === undefined ? undefined : decodeSeal(Buffer.from(text));
    if (text === undefined || decoded === undefined || !decoded.ok) {
      this.#malformed(document, decoded?.ok === false ? `the seal ${decoded.reason}` : 'it holds no seal');
      return;
    }
    const { seal } = decoded;
    const bytes = Buffer.from(text);
    this.#sealTexts.push(this.#store(document, bytes));
    this.seals.add({
      first: seal.first,
      opened: seal.opened,
      closed: seal.closed,
      entry: entryHint(document.source),
      chain: number(this.#chainNumbers, this.chainIds, seal.chain.toString('base64url')),
      epoch: seal.epoch,
      count: seal.count,
      instance: number(this.#originNumbers, this.origins, seal.origin),
      marks: reasonMarks(seal),
      root: seal.root,
      leaf: leafHash(logSuite, bytes),
      mac: seal.mac,
      prev: seal.prev,
    });
  }

  #malformed({ index, id }: SourceDocument, why: string): void {
    this.#tally.find({ verdict: 'MALFORMED', found: { _index: index, _id: id }, detail: `It cannot be read: ${why}.` });
  }

  #store({ index, id }: SourceDocument, text: Buffer): Stored {
    const indexBytes = Buffer.from(index);
    const idBytes = Buffer.from(id);
    const offset = this.#spool.append(indexBytes);
    this.#spool.append(idBytes);
    this.#spool.append(text);
    return { offset, indexLength: indexBytes.length, idLength: idBytes.length, textLength: text.length };
  }

  #read({ offset, indexLength, idLength, textLength }: Stored): StoredText {
    const bytes = this.#spool.read(offset, indexLength + idLength + textLength);
    return {
      index: bytes.toString('utf8', 0, indexLength),
      id: bytes.toString('utf8', indexLength, indexLength + idLength),
      text: bytes.subarray(indexLength + idLength),
    };
  }
}

function reasonMarks({ reason }: Seal): number {
  if (reason === 'recovery') return sealMark.recovery;
  if (reason === 'rotate') return sealMark.rotate;
  return reason === 'shutdown' ? sealMark.shutdown : 0;
}

function number(numbers: Map<string, number>, names: string[], name: string): number {
  const known = numbers.get(name);
  if (known !== undefined) return known;
  numbers.set(name, names.length);
  return names.push(name) - 1;
}

function parsed(source: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = isUtf8(source) ? JSON.parse(source.toString()) : undefined;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function textMember(source: Buffer, name: string): string | undefined {
  const value = parsed(source)?.[name];
  return typeof value === 'string' && value.isWellFormed() ? value : undefined;
}

/** Where the seal says it stands in the log: a hint, that only the root proves. */
function entryHint(source: Buffer): number {
  const entry = parsed(source)?.entry;
  return typeof entry === 'number' && Number.isSafeInteger(entry) && entry >= 0 ? entry : -1;
}
