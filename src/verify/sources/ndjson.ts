/**
 * An export as a source: one JSON object a line, as a search hit `{"_index","_id","_source"}` or `{"_index","_mappings"}`.
 *
 * Owns one pass over the file for the system documents and one for the rest, in a buffer that is used again and again.
 * Assumes the file does not change while it is read. `_source` is a view of the line's bytes, never parsed here.
 */
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { LogsealError } from '../../errors.ts';
import { bracketEnd, findMember, skipBlanks, skipString, skipValue } from '../../lib/json-bytes.ts';
import type { IndexDescription, Source, SourceDocument } from '../source.ts';
import { describeExported } from './index-descriptions.ts';
import { LastName } from './last-name.ts';
import type { SourceSelection } from './selected-indices.ts';
import { indexSelector, systemNames } from './selected-indices.ts';
import { spoolToFile } from './spooled-stream.ts';

const blockBytes = 1024 * 1024;
const lineBytesMax = 128 * 1024 * 1024;
const indexPrefix = Buffer.from('{"_index":"');
const idPrefix = Buffer.from('","_id":"');
const systemPrefix = Buffer.from('logseal-');
const sourcePrefix = Buffer.from('","_source":');

interface NumberedLine {
  bytes: Buffer;
  number: number;
}

type Line = { kind: 'document'; document: SourceDocument } | { kind: 'mappings'; description: IndexDescription };

/** An export in a file, or in a stream that is spooled first. System documents are always read, whatever is selected. */
export class NdjsonSource implements Source {
  readonly kind = 'ndjson';
  readonly live = false;
  readonly description: string;
  readonly #path: string;
  readonly #stream: Readable | undefined;
  readonly #isSelected: (index: string) => boolean;
  readonly #names: LastName = new LastName();
  #file: FileHandle | undefined;
  #buffer: Buffer = Buffer.alloc(0);

  /** With `stream` that is read, and `path` is only its name. */
  constructor(path: string, selection: SourceSelection = {}, stream?: Readable) {
    this.#path = path;
    this.#stream = stream;
    this.#isSelected = indexSelector(selection);
    this.description = path;
  }

  async open(): Promise<void> {
    try {
      this.#file = this.#stream === undefined ? await open(this.#path, 'r') : await spoolToFile(this.#stream);
    } catch (cause) {
      throw new LogsealError('USAGE', `${this.#path}: the export cannot be opened`, { cause });
    }
    this.#buffer = Buffer.allocUnsafe(blockBytes);
  }

  async indices(): Promise<IndexDescription[]> {
    const described: IndexDescription[] = [];
    for await (const { lines } of this.#blocks(isMappings)) {
      for (const { bytes } of lines) {
        const parsed = parseAny(bytes);
        if (parsed?.kind === 'mappings') described.push(parsed.description);
      }
    }
    return described;
  }

  async *system(): AsyncIterable<SourceDocument[]> {
    yield* this.#documents(mayBeSystem, (index) => systemNames.has(index));
  }

  async *records(): AsyncIterable<SourceDocument[]> {
    yield* this.#documents(always, this.#isSelected);
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async *#documents(
    mayMatter: (block: Buffer, start: number, end: number) => boolean,
    isWanted: (index: string) => boolean,
  ): AsyncIterable<SourceDocument[]> {
    for await (const { lines } of this.#blocks(mayMatter)) {
      const documents: SourceDocument[] = [];
      for (const line of lines) {
        const document = this.#parse(line);
        if (document !== undefined && isWanted(document.index)) documents.push(document);
      }
      if (documents.length > 0) yield documents;
    }
  }

  /** All whole lines that lie in the buffer at a time, as far as they may matter. */
  async *#blocks(
    mayMatter: (block: Buffer, start: number, end: number) => boolean,
  ): AsyncIterable<{ lines: NumberedLine[] }> {
    const file = this.#file;
    if (file === undefined) throw new LogsealError('USAGE', `${this.#path}: the export is not open`);
    let kept = 0;
    let position = 0;
    let number = 0;
    for (;;) {
      if (kept === this.#buffer.length) this.#grow(kept, number + 1);
      const buffer = this.#buffer;
      const { bytesRead } = await file.read(buffer, kept, buffer.length - kept, position);
      position += bytesRead;
      const filled = kept + bytesRead;
      const end = bytesRead === 0 ? filled : buffer.subarray(0, filled).lastIndexOf(0x0a) + 1;
      const lines: NumberedLine[] = [];
      for (let at = 0; at < end; ) {
        const feed = buffer.indexOf(0x0a, at);
        const lineEnd = feed < 0 || feed >= end ? end : feed;
        number += 1;
        if (mayMatter(buffer, at, lineEnd) && !isBlank(buffer, at, lineEnd))
          lines.push({ bytes: buffer.subarray(at, lineEnd), number });
        at = lineEnd + 1;
      }
      if (lines.length > 0) yield { lines };
      if (bytesRead === 0) return;
      buffer.copy(buffer, 0, end, filled);
      kept = filled - end;
    }
  }

  #grow(kept: number, line: number): void {
    if (kept >= lineBytesMax) {
      throw new LogsealError('USAGE', `${this.#path}: line ${line} is longer than ${lineBytesMax} bytes`);
    }
    const grown = Buffer.allocUnsafe(this.#buffer.length * 2);
    this.#buffer.copy(grown, 0, 0, kept);
    this.#buffer = grown;
  }

  /** A line that is none of an export is a document that cannot be read: it must not keep the rest from being judged. */
  #parse({ bytes, number }: NumberedLine): SourceDocument | undefined {
    const document = this.#parsePlain(bytes);
    if (document !== undefined) return document;
    const parsed = parseAny(bytes);
    if (parsed?.kind === 'mappings') return undefined;
    return parsed?.document ?? { index: `line ${number} of ${this.#path}`, id: '', source: Buffer.alloc(0) };
  }

  /** The spelling that our own export writes. */
  #parsePlain(line: Buffer): SourceDocument | undefined {
    if (!hasAt(line, 0, indexPrefix)) return undefined;
    const indexEnd = line.indexOf(0x22, indexPrefix.length);
    if (indexEnd < 0 || !hasAt(line, indexEnd, idPrefix)) return undefined;
    const idStart = indexEnd + idPrefix.length;
    const idEnd = skipString(line, idStart - 1) - 1;
    if (idEnd < 0 || !hasAt(line, idEnd, sourcePrefix)) return undefined;
    const sourceStart = idEnd + sourcePrefix.length;
    const last = line[line.length - 1] === 0x0d ? line.length - 2 : line.length - 1;
    if (line[last] !== 0x7d || line[sourceStart] !== 0x7b) return undefined;
    if (bracketEnd(line, sourceStart) !== last) return undefined;
    if (hasEscape(line, indexPrefix.length, idEnd)) return undefined;
    const index = this.#names.name(line, indexPrefix.length, indexEnd);
    return { index, id: line.utf8Slice(idStart, idEnd), source: line.subarray(sourceStart, last) };
  }
}

const always = (): boolean => true;

function hasEscape(line: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (line[at] === 0x5c) return true;
  return false;
}

function isBlank(block: Buffer, start: number, end: number): boolean {
  return block[start] !== 0x7b && skipBlanks(block, start) >= end;
}

/** Anything but a document in our own spelling. */
function isMappings(block: Buffer, start: number, end: number): boolean {
  if (!hasAt(block, start, indexPrefix)) return true;
  const indexEnd = block.indexOf(0x22, start + indexPrefix.length);
  return indexEnd < 0 || indexEnd >= end || !hasAt(block, indexEnd, idPrefix);
}

/** Anything but a document in our own spelling whose index has another name. */
function mayBeSystem(block: Buffer, start: number): boolean {
  return !hasAt(block, start, indexPrefix) || hasAt(block, start + indexPrefix.length, systemPrefix);
}

/** Any order of members, any spelling of JSON. */
function parseAny(line: Buffer): Line | undefined {
  const index = textMember(line, '_index');
  if (index === undefined) return undefined;
  const mappings = memberBytes(line, '_mappings');
  if (mappings !== undefined) return { kind: 'mappings', description: describeExported(index, parseJson(line)) };
  const id = textMember(line, '_id');
  const source = memberBytes(line, '_source');
  if (id === undefined || source === undefined) return undefined;
  const routing = textMember(line, '_routing');
  return { kind: 'document', document: { index, id, source, ...(routing === undefined ? {} : { routing }) } };
}

function memberBytes(line: Buffer, name: string): Buffer | undefined {
  const at = findMember(line, name);
  return at < 0 ? undefined : line.subarray(at, skipValue(line, at));
}

function textMember(line: Buffer, name: string): string | undefined {
  const bytes = memberBytes(line, name);
  const value = bytes === undefined ? undefined : parseJson(bytes);
  return typeof value === 'string' ? value : undefined;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

function hasAt(line: Buffer, at: number, text: Buffer): boolean {
  if (at + text.length > line.length) return false;
  for (let n = 0; n < text.length; n++) if (line[at + n] !== text[n]) return false;
  return true;
}
