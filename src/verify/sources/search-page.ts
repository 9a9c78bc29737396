/**
 * Takes documents out of the bytes of a search answer. `_source` is a view of them: parsing and writing anew would change it.
 *
 * Owns one pass over an answer. Assumes it was asked for without `pretty` and `filter_path`, which write `_source` anew. An answer that
 * is not whole (failed shards, timed out) is an error: what is missing in it would look deleted.
 */
import { LogsealError } from '../../errors.ts';
import { skipBlanks, skipString, skipValue } from '../../lib/json-bytes.ts';
import type { SourceDocument } from '../source.ts';
import { LastName } from './last-name.ts';

export interface SearchPage {
  documents: SourceDocument[];
  /** JSON of the last hit's sort values; undefined on an empty page. */
  after: string | undefined;
  /** The point in time to go on with, if the answer names it. */
  pit: string | undefined;
}

/** A stored document may nest deeper than we would ever sign, and is stepped over all the same. */
const depthMax = 2000;

export class SearchPageReader {
  readonly #names: LastName = new LastName();
  #body: Buffer = Buffer.alloc(0);

  /** Errors: UPSTREAM_DENIED for an answer that is not whole, or no answer of a search. */
  read(body: Buffer): SearchPage {
    this.#body = body;
    const page: SearchPage = { documents: [], after: undefined, pit: undefined };
    let whole = 0;
    this.#members(skipBlanks(body, 0), (name, at) => {
      if (name === 'hits') {
        return this.#members(at, (inner, from) => {
          if (inner !== 'hits') return this.#skip(from);
          whole += 1;
          return this.#hits(from, page);
        });
      }
      const end = this.#skip(at);
      if (name === 'timed_out') {
        if (body[at] !== 0x66) throw broken('it timed out');
        whole += 1;
      } else if (name === '_shards') {
        checkShards(body.utf8Slice(at, end));
        whole += 1;
      } else if (name === 'pit_id') page.pit = this.#text(at, end);
      return end;
    });
    if (whole !== 3) throw broken('it lacks hits, _shards or timed_out');
    return page;
  }

  #hits(from: number, page: SearchPage): number {
    const body = this.#body;
    if (body[from] !== 0x5b) throw broken('hits is no list');
    let at = skipBlanks(body, from + 1);
    while (body[at] !== 0x5d) {
      at = skipBlanks(body, this.#hit(at, page));
      if (body[at] === 0x2c) at = skipBlanks(body, at + 1);
      else if (body[at] !== 0x5d) throw broken('it is not JSON');
    }
    return at + 1;
  }

  #hit(from: number, page: SearchPage): number {
    const document: SourceDocument = { index: '', id: '', source: emptyObject };
    // Without _source (disabled in the mapping) the document is there and holds nothing: an empty object says so.
    const end = this.#members(from, (name, at) => {
      const valueEnd = this.#skip(at);
      if (name === '_index') document.index = this.#names.name(this.#body, at + 1, valueEnd - 1);
      else if (name === '_id') document.id = this.#text(at, valueEnd);
      else if (name === '_routing') document.routing = this.#text(at, valueEnd);
      else if (name === '_source') document.source = this.#body.subarray(at, valueEnd);
      else if (name === 'sort') page.after = this.#body.utf8Slice(at, valueEnd);
      return valueEnd;
    });
    page.documents.push(document);
    return end;
  }

  /** Visits the members of an object, each visit says where its value ends; returns the offset after the object. */
  #members(from: number, visit: (name: string, at: number) => number): number {
    const body = this.#body;
    if (body[from] !== 0x7b) throw broken('it is not JSON');
    let at = skipBlanks(body, from + 1);
    if (body[at] === 0x7d) return at + 1;
    for (;;) {
      const nameEnd = body[at] === 0x22 ? skipString(body, at) : -1;
      const colon = nameEnd < 0 ? -1 : skipBlanks(body, nameEnd);
      if (colon < 0 || body[colon] !== 0x3a) throw broken('it is not JSON');
      at = skipBlanks(body, visit(memberName(body, at + 1, nameEnd - 1), skipBlanks(body, colon + 1)));
      if (body[at] === 0x7d) return at + 1;
      if (body[at] !== 0x2c) throw broken('it is not JSON');
      at = skipBlanks(body, at + 1);
    }
  }

  #skip(at: number): number {
    const end = skipValue(this.#body, at, depthMax);
    if (end < 0) throw broken('it is not JSON');
    return end;
  }

  #text(at: number, end: number): string {
    const text = this.#body.utf8Slice(at + 1, end - 1);
    if (!text.includes('\\')) return text;
    return String(JSON.parse(this.#body.utf8Slice(at, end)));
  }
}

const emptyObject = Buffer.from('{}');
const known = ['_index', '_id', '_score', '_source', 'sort', '_routing', '_ignored'];
const knownBytes = known.map((name) => Buffer.from(name));

/** Names of hits come again and again: no string is made for them. */
function memberName(body: Buffer, start: number, end: number): string {
  const length = end - start;
  for (let n = 0; n < knownBytes.length; n++) {
    const name = knownBytes[n];
    if (name === undefined || name.length !== length || name[1] !== body[start + 1]) continue;
    let at = 0;
    while (at < length && name[at] === body[start + at]) at += 1;
    if (at === length) return known[n] ?? '';
  }
  return body.utf8Slice(start, end);
}

function checkShards(json: string): void {
  const shards: unknown = JSON.parse(json);
  const failed = typeof shards === 'object' && shards !== null && 'failed' in shards ? shards.failed : undefined;
  if (failed !== 0) throw broken(`${String(failed)} shards failed`);
}

function broken(why: string): LogsealError {
  return new LogsealError('UPSTREAM_DENIED', `a page of documents cannot be used: ${why}`);
}
