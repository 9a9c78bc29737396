/**
 * Examines one document by itself: is it signed, readable, ours, unchanged, where it belongs?
 *
 * Owns the order "judged so, first match" of the format page, section 9, up to what only the neighbours can say. Each document ends
 * in a finding, in a row for the judging of its chain, or in both. Runs once a document: nothing is kept of it but the row.
 */
import { hash } from 'node:crypto';
import { headerAt } from '../chain/header.ts';
import { suiteOf } from '../chain/suite.ts';
import type { ChainBook, TrustedChain } from './chain-book.ts';
import type { ContentReader } from './content-reader.ts';
import type { ControlFacts } from './control-facts.ts';
import { mark } from './entry.ts';
import type { EntryNames } from './entry-writer.ts';
import { EntryWriter } from './entry-writer.ts';
import { FieldReader } from './field-reader.ts';
import type { Finding, PlainVerdict } from './finding.ts';
import type { PartitionPlan } from './partition-plan.ts';
import type { Places } from './places.ts';
import type { SourceDocument, ViewJudge } from './source.ts';
import type { Spill, Spool } from './spill.ts';
import type { Tally } from './tally.ts';

export interface ExamineOptions {
  book: ChainBook;
  facts: ControlFacts;
  places: Places;
  plan: PartitionPlan;
  tally: Tally;
  spill: Spill;
  ids: Spool;
  /** A document without signature field. */
  unsigned: (index: string, id: string) => void;
  /** Only records of this chain (22 characters), signed from `from` and before `to`. */
  selected: { chain?: string; from?: number; to?: number };
  view: ViewJudge | undefined;
  /** A chain that nobody knows may be one made after this time, ms since 1970: after the control records were read. */
  trustedUntil: number;
  uncompared: (index: string, fields: readonly string[]) => void;
}

/** What a control record's reader is told after its examination. */
export interface Examined {
  chain: TrustedChain;
  epoch: number;
  seq: number;
  time: number;
  type: number;
  verdict: 'verified' | 'damaged' | 'forged';
  /** A view into a buffer that the next examination overwrites. */
  content: Buffer;
  index: number;
}

export class Examiner {
  readonly #options: ExamineOptions;
  readonly #field: FieldReader = new FieldReader();
  readonly #content: ContentReader = this.#field.content;
  readonly #writer: EntryWriter;
  readonly #computed: Buffer = Buffer.alloc(32);
  #lastChain: TrustedChain | undefined;
  #document: SourceDocument = { index: '', id: '', source: Buffer.alloc(0) };

  constructor(options: ExamineOptions) {
    this.#options = options;
    this.#writer = new EntryWriter(this.#field, options);
  }

  /** What the rows' numbers stand for, and which chains' records name which destination. */
  get names(): EntryNames {
    return this.#writer;
  }

  /** Judges one document and says what a control record would need to know; undefined if it holds no record of ours. */
  examine(document: SourceDocument): Examined | undefined {
    this.#document = document;
    const { source } = document;
    const field = this.#field;
    const outcome = field.read(source);
    if (outcome === 'no field') {
      this.#options.unsigned(document.index, document.id);
      return undefined;
    }
    if (outcome !== 'read') {
      this.#found(outcome === 'malformed' ? 'MALFORMED' : 'UNSUPPORTED', `It cannot be read: ${field.reason}.`);
      return undefined;
    }
    if (!this.#isSelected()) return undefined;
    const chain = this.#chainOf();
    if (chain === undefined) {
      if (field.time > this.#options.trustedUntil) {
        this.#options.tally.good('PENDING', 1);
        return undefined;
      }
      this.#judged('FOREIGN', 'It names a chain that no trust file and no verified control record knows.');
      return undefined;
    }
    chain.documents += 1;
    if (field.type === 0) this.#options.tally.records += 1;
    return this.#check(chain);
  }

  #isSelected(): boolean {
    const { chain, from, to } = this.#options.selected;
    const { time } = this.#field;
    if ((from !== undefined && time < from) || (to !== undefined && time >= to)) return false;
    return chain === undefined || chain === this.#chainId();
  }

  #chainId(): string {
    const at = this.#field.headerOffset + headerAt.chain;
    return this.#field.scratch.toString('base64url', at, at + 16);
  }

  #chainOf(): TrustedChain | undefined {
    const at = this.#field.headerOffset + headerAt.chain;
    const last = this.#lastChain;
    if (last !== undefined && this.#field.scratch.compare(last.idBytes, 0, 16, at, at + 16) === 0) return last;
    this.#lastChain = this.#options.book.get(this.#chainId());
    return this.#lastChain;
  }

  /** Suite, tag and content. */
  #check(chain: TrustedChain): Examined | undefined {
    const field = this.#field;
    const suite = suiteOf(field.suite);
    chain.suite ??= suite;
    if (suite === undefined || suite !== chain.suite) {
      this.#judged(
        'FORGED',
        `It names suite ${field.suite}; the chain has suite ${chain.suite?.id ?? 'of another number'}.`,
      );
      return this.#keep(chain, 'forged', 0);
    }
    const readable = this.#content.read(this.#document.source, field);
    if (readable) this.#computed.latin1Write(hash(suite.algorithm, this.#content.hashed(), 'latin1'), 0);
    const matches = readable && field.hasHash ? this.#computed.equals(field.hash) : readable;
    return this.#checkTag(chain, readable, matches);
  }

  #checkTag(chain: TrustedChain, readable: boolean, matches: boolean): Examined | undefined {
    const field = this.#field;
    const tagged = field.hasHash ? this.#verifiesWith(chain, field.hash) : this.#verifiesWith(chain, this.#computed);
    if (tagged) return this.#checkContent(chain, readable, matches);
    if (!field.hasHash) {
      this.#judged(
        'MODIFIED',
        'Content or header differ from what was signed; without hash the two cannot be told apart.',
      );
      return this.#keep(chain, 'forged', 0);
    }
    if (readable && !matches && this.#verifiesWith(chain, this.#computed)) {
      this.#judged('MODIFIED', 'The stored hash was changed; content and header are as they were signed.');
      return this.#keep(chain, 'damaged', mark.judged);
    }
    this.#judged('FORGED', 'Its tag does not verify: nobody with the key of its epoch has signed this header.');
    return this.#keep(chain, 'forged', 0);
  }

  #checkContent(chain: TrustedChain, readable: boolean, matches: boolean): Examined | undefined {
    const field = this.#field;
    if (this.#options.facts.isErased(chain.id, field.seq)) return this.#checkErased(chain);
    if (!readable) {
      this.#judged('MODIFIED', 'Salt and content were taken out, and no erase record orders that.');
      return this.#keep(chain, 'damaged', mark.judged);
    }
    if (!matches) {
      this.#judged('MODIFIED', 'The content differs from what was signed; header and place are unchanged.');
      return this.#keep(chain, 'damaged', mark.judged);
    }
    return this.#keep(chain, 'verified', this.#checkView(chain) ? mark.judged : 0);
  }

  #checkErased(chain: TrustedChain): Examined | undefined {
    const field = this.#field;
    const { index, source } = this.#document;
    const visible = !this.#options.places.isRejects(index) && this.#content.visibleRest(source, field);
    const left = field.hasSalt ? 'its salt' : visible ? 'visible fields' : '';
    if (left === '') return this.#keep(chain, 'damaged', mark.erased);
    this.#judged('ERASE-INCOMPLETE', `An erase record names it, and ${left} can still be read.`);
    return this.#keep(chain, 'damaged', mark.judged);
  }

  /** True if what people see differs. */
  #checkView(chain: TrustedChain): boolean {
    const { view, facts, places, uncompared } = this.#options;
    const { index, source } = this.#document;
    if (view === undefined || places.isRejects(index)) return false;
    if (!this.#field.hasRaw) {
      view.signed(index, this.#content.content());
      return false;
    }
    const pipelinePaths = facts.pipelinePaths(chain.id, this.#field.time);
    const fieldEnd = this.#field.spliced ? this.#field.fieldEnd : undefined;
    const outcome = view.compare({ index, source, fieldEnd, signed: this.#content.content(), pipelinePaths });
    if (outcome?.uncompared !== undefined) uncompared(index, outcome.uncompared);
    if (outcome?.drift === undefined) return false;
    this.#judged('VIEW-DRIFT', outcome.drift);
    return true;
  }

  /** Puts C into the header and asks the key; without key tags are taken as given. */
  #verifiesWith(chain: TrustedChain, commitment: Buffer): boolean {
    const { scratch, headerOffset, header, epoch, tag } = this.#field;
    commitment.copy(scratch, headerOffset + headerAt.contentHash);
    if (chain.key === 'public') return true;
    const epochMac = chain.epochMac(epoch);
    return epochMac?.verifiesTag(header, tag) === true;
  }

  #keep(chain: TrustedChain, verdict: Examined['verdict'], marks: number): Examined {
    const { epoch, seq, time, type, index } = this.#field;
    this.#writer.write(chain, this.#document, marks, verdict !== 'forged');
    return { chain, epoch, seq, time, type, index, verdict, content: this.#content.content() };
  }

  #found(verdict: PlainVerdict, detail: string): void {
    const { index, id } = this.#document;
    this.#options.tally.find({ verdict, found: { _index: index, _id: id }, detail });
  }

  #judged(verdict: PlainVerdict, detail: string): void {
    const field = this.#field;
    const { index, id } = this.#document;
    const finding: Finding = {
      verdict,
      chain: this.#chainId(),
      epoch: field.epoch,
      index: field.index,
      seq: field.seq,
      dest: field.scratch.toString('utf8', field.destStart, field.destEnd),
      id: field.scratch.toString('utf8', field.idStart, field.idEnd),
      found: { _index: index, _id: id },
      time: field.time,
      detail,
    };
    this.#options.tally.find(finding);
  }
}
