/**
 * Makes the row of an examined record and puts it into its partition.
 *
 * Owns one row that is filled again and again, and the numbers of the names in it. Assumes the header in the reader's buffer is
 * complete, C included.
 */
import { hash } from 'node:crypto';
import { headerAt } from '../chain/header.ts';
import type { TrustedChain } from './chain-book.ts';
import { EntryTable, entryAt, entryBytes, mark } from './entry.ts';
import type { FieldReader } from './field-reader.ts';
import { Interner } from './interner.ts';
import type { PartitionPlan } from './partition-plan.ts';
import type { Places } from './places.ts';
import type { SourceDocument } from './source.ts';
import type { Spill, Spool } from './spill.ts';

export interface EntryNames {
  readonly indices: Interner;
  readonly dests: Interner;
  /** Whether records of this chain name a destination. */
  namesDest(chain: number, dest: string): boolean;
}

export interface EntryPlaces {
  places: Places;
  plan: PartitionPlan;
  spill: Spill;
  ids: Spool;
}

export class EntryWriter implements EntryNames {
  readonly indices: Interner = new Interner();
  readonly dests: Interner = new Interner();
  readonly #field: FieldReader;
  readonly #to: EntryPlaces;
  readonly #row: Buffer = Buffer.alloc(entryBytes);
  readonly #entry: EntryTable = new EntryTable(this.#row);
  /** dest number × 65,536 + chain number. */
  readonly #destChains: Set<number> = new Set();
  #lastDestChain = -1;

  constructor(field: FieldReader, to: EntryPlaces) {
    this.#field = field;
    this.#to = to;
  }

  namesDest(chain: number, dest: string): boolean {
    const number = this.dests.names.indexOf(dest);
    return number > 0 && this.#destChains.has(number * 65_536 + (chain % 65_536));
  }

  /** `holds`: the record holds the place that its header names; otherwise the row only says that it was named. */
  write(chain: TrustedChain, document: SourceDocument, marks: number, holds: boolean): void {
    const { epoch, seq } = this.#field;
    const leaf = hash(chain.suite?.algorithm ?? 'sha256', this.#field.leafInput(), 'latin1');
    this.#row.latin1Write(leaf, entryAt.leaf);
    this.#fill(chain, document, marks | (holds ? mark.holds : 0));
    const { plan, spill } = this.#to;
    spill.append(holds ? plan.ofEpoch(chain.number, epoch) : plan.ofSeq(chain.number, seq), this.#row);
  }

  #fill(chain: TrustedChain, { index, id }: SourceDocument, marks: number): void {
    const { scratch, headerOffset, destStart, destEnd, seq, time, epoch, index: position, type, tag } = this.#field;
    const entry = this.#entry;
    const foundIndex = this.indices.numberOf(index);
    const dest = this.dests.number(scratch, destStart, destEnd);
    const location = this.#to.places.located(foundIndex, index, dest, this.dests.names);
    const place = location === 'in place' ? mark.inPlace : location === 'rejects' ? mark.inRejects : 0;
    const idMatches = this.#keepId(id, location === 'rejects');
    this.#noteDest(dest, chain.number);
    entry.setNumber(0, 'seq', seq);
    entry.setNumber(0, 'time', time);
    entry.setWord(0, 'epoch', epoch);
    entry.setWord(0, 'index', position);
    entry.setWord(0, 'foundIndex', foundIndex);
    entry.setWord(0, 'dest', dest);
    entry.setWord(0, 'chain', chain.number);
    entry.setWord(0, 'marks', marks | place | (idMatches ? mark.idMatches : 0) | (type === 1 ? mark.control : 0));
    tag.copy(this.#row, entryAt.tag);
    const prev = headerOffset + headerAt.prev;
    scratch.copy(this.#row, entryAt.prev, prev, prev + 16);
  }

  #noteDest(dest: number, chain: number): void {
    const destChain = dest * 65_536 + (chain % 65_536);
    if (destChain !== this.#lastDestChain) this.#destChains.add(destChain);
    this.#lastDestChain = destChain;
  }

  /** Keeps the `_id` unless it is the generated one; says whether it is the one that was signed. */
  #keepId(id: string, inRejects: boolean): boolean {
    const field = this.#field;
    const generated = field.isGeneratedId(id);
    this.#entry.setWord(0, 'idLength', 0);
    if (!generated) {
      const bytes = Buffer.from(id);
      this.#entry.setNumber(0, 'idOffset', this.#to.ids.append(bytes));
      this.#entry.setWord(0, 'idLength', bytes.length);
    }
    return inRejects || field.flags === 0 ? generated : field.isHeaderId(id);
  }
}
