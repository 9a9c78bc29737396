/**
 * Compares what a ledger says was acknowledged with what lies in the search engine, and asks the real `logseal verify`.
 * Knows nothing of how Logseal works but where the signature field stands and that rejects are an index.
 */
import { join } from 'node:path';
import { verifyCommand } from '../helpers/verify-command.ts';
import type { Ledger } from './ledger.ts';
import { endOfValue, storedDocuments } from './stored.ts';

export interface JudgeOptions {
  url: string;
  dataDir: string;
  ledger: Ledger;
  /** Whether a document of `index` is in its place. Default: the index is the ledger's destination. */
  inPlace?: ((index: string, n: number) => boolean) | undefined;
  /** Records that the search engine does not take, so that their place is the rejects. Default none. */
  rejected?: ((n: number) => boolean) | undefined;
  /** Documents that lay there before, by id: no record of the ledger. */
  foreign?: ((id: string, index: string) => boolean) | undefined;
  /** Numbers of the first records of sections that are counted apart, ascending. Default one section. */
  sections?: readonly number[] | undefined;
  /** More arguments for `verify`. */
  verifyArguments?: readonly string[] | undefined;
}

export interface Counts {
  acknowledged: number;
  /** Acknowledged, and nowhere with the bytes that were sent. */
  lost: number;
  /** Records in two documents, or with a signed place that another document has too. */
  twice: number;
  /** In a wrong index, with a seq that contradicts the order of the answers on its connection, or timed before its predecessor. */
  outOfPlace: number;
  /** Stored although refused with 429, or with bytes that nobody sent. */
  invented: number;
}

export interface Judgement {
  /** One for each section. */
  sections: readonly Counts[];
  /** `clean`, or the exit code and the verdicts with their numbers. */
  verify: string;
  /** The first few of each kind, for whoever has to find out. */
  examples: string[];
}

const rejectsIndex = 'logseal-rejects';
const ownIndices: ReadonlySet<string> = new Set(['logseal-control', 'logseal-seals', 'logseal-checkpoints']);
const examplesMax = 5;

interface Found {
  /** Documents outside the rejects. */
  placed: number;
  rejects: number;
  chain: string;
  seq: number;
}

type Damaged = Exclude<keyof Counts, 'acknowledged'>;

/** Without verification. `signed`: data records with a signature field. */
export async function compareStored(
  options: Omit<JudgeOptions, 'dataDir'>,
): Promise<Omit<Judgement, 'verify'> & { signed: number }> {
  const search = new Search(options);
  await search.read();
  search.compare();
  const { sections, examples, signed } = search;
  return { sections, examples, signed };
}

export async function judge(options: JudgeOptions): Promise<Judgement> {
  const { sections, examples, signed } = await compareStored(options);
  const { url, dataDir, verifyArguments = [] } = options;
  const key = ['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')];
  const trust = ['--trust', join(dataDir, 'trust.json'), '--no-state', '--grace', '0'];
  try {
    const { exit, summary, told } = await verifyCommand(url, ...key, ...trust, ...verifyArguments);
    examples.push(...told.slice(0, examplesMax));
    return { sections, verify: wordOf(exit, told, summary.records, signed), examples };
  } catch (error) {
    // There may be nothing to verify, or no key: only a control run does such damage.
    examples.push(String(error));
    return { sections, verify: 'cannot run', examples };
  }
}

function wordOf(exit: number, told: readonly string[], seen: number, signed: number): string {
  const counts = new Map<string, number>();
  for (const line of told) {
    const verdict = line.split(' ')[0] ?? '';
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  }
  if (seen !== signed && told.length === 0) return `exit ${exit}: saw ${seen} records of ${signed}`;
  const verdicts = Array.from(counts, ([verdict, count]) => `${verdict} ${count}`).join(', ');
  return exit === 0 && verdicts === '' ? 'clean' : `exit ${exit}: ${verdicts}`;
}

class Search {
  readonly #options: Omit<JudgeOptions, 'dataDir'>;
  readonly sections: Counts[];
  readonly examples: string[] = [];
  /** Signed data records that were read. */
  signed = 0;
  /** By `n.attempt`. */
  readonly #found = new Map<string, Found>();
  readonly #places = new Set<string>();
  readonly #twice = new Set<string>();
  /** Of each chain, in any order. */
  readonly #times = new Map<string, { seq: number; time: number; n: number }[]>();

  constructor(options: Omit<JudgeOptions, 'dataDir'>) {
    this.#options = options;
    this.sections = this.#starts.map(() => ({ acknowledged: 0, lost: 0, twice: 0, outOfPlace: 0, invented: 0 }));
  }

  get #starts(): readonly number[] {
    return this.#options.sections ?? [0];
  }

  async read(): Promise<void> {
    const { url, foreign } = this.#options;
    for await (const documents of storedDocuments(url)) {
      for (const { index, id, text } of documents) {
        if (!ownIndices.has(index) && foreign?.(id, index) !== true) this.#add(index, id, text);
      }
    }
  }

  #add(index: string, id: string, text: string): void {
    const { ledger, inPlace = (place) => place === ledger.options.dest } = this.#options;
    const { logseal } = JSON.parse(text) as { logseal?: { chain: string; seq: number; time: number; raw?: string } };
    if (logseal === undefined) {
      this.#count('invented', 0, `${index}/${id} has no signature field`);
      return;
    }
    this.signed += 1;
    const content = logseal.raw ?? withoutField(text);
    const { n, attempt } = JSON.parse(content) as { n: number; attempt: number };
    if (n >= ledger.numbered || content !== ledger.document(n, attempt)) {
      this.#count('invented', 0, `${index}/${id} has bytes that nobody sent: ${content.slice(0, 200)}`);
      return;
    }
    const key = `${n}.${attempt}`;
    const place = `${logseal.chain} ${logseal.seq}`;
    if (this.#places.has(place)) this.#isTwice(key, n, `place ${place}, record ${key}`);
    this.#places.add(place);
    const times = this.#times.get(logseal.chain) ?? [];
    this.#times.set(logseal.chain, times);
    times.push({ seq: logseal.seq, time: logseal.time, n });
    const found = this.#found.get(key) ?? { placed: 0, rejects: 0, chain: logseal.chain, seq: logseal.seq };
    this.#found.set(key, found);
    if (index === rejectsIndex) found.rejects += 1;
    else {
      if (found.placed === 0 || logseal.seq < found.seq) {
        found.chain = logseal.chain;
        found.seq = logseal.seq;
      }
      found.placed += 1;
      if (!inPlace(index, n)) this.#count('outOfPlace', n, `record ${key} is in ${index}`);
    }
  }

  compare(): void {
    for (const [key, { placed }] of this.#found) {
      if (placed > 1) this.#isTwice(key, Number.parseInt(key, 10), `record ${key}`);
    }
    const { ledger, rejected = () => false } = this.#options;
    const given = ledger.options.ids === 'given';
    /** The newest place on each connection, by chain. */
    const last = new Map<string, number>();
    for (const bulk of ledger.bulks) {
      for (let n = bulk.first; n < bulk.first + bulk.count; n += 1) {
        const key = `${n}.${bulk.attempt}`;
        const found = this.#found.get(key);
        if (bulk.outcome === 'refused' && !given && found !== undefined)
          this.#count('invented', n, `${key} was refused`);
        if (bulk.outcome !== 'acknowledged' || bulk.failed.has(n)) continue;
        this.#section(n).acknowledged += 1;
        if (found === undefined) this.#count('lost', n, `record ${key}`);
        else if (rejected(n) ? found.placed > 0 : found.placed === 0)
          this.#count('outOfPlace', n, `${key}: wrong side`);
        else if (found.placed > 0 && !inOrder(found, `${bulk.connection} ${found.chain}`, last)) {
          this.#count('outOfPlace', n, `record ${key} stands before an earlier answer`);
        }
      }
    }
    this.#compareTimes();
  }

  /** Times of a chain never go back. */
  #compareTimes(): void {
    for (const [chain, times] of this.#times) {
      times.sort((a, b) => a.seq - b.seq);
      let newest = 0;
      for (const { seq, time, n } of times) {
        if (time < newest) this.#count('outOfPlace', n, `${chain} ${seq} is ${newest - time} ms before an earlier one`);
        newest = Math.max(newest, time);
      }
    }
  }

  #isTwice(key: string, n: number, example: string): void {
    if (this.#twice.has(key)) return;
    this.#twice.add(key);
    this.#count('twice', n, example);
  }

  #section(n: number): Counts {
    const at = this.#starts.findLastIndex((start) => start <= n);
    return this.sections[Math.max(0, at)] as Counts;
  }

  #count(what: Damaged, n: number, example: string): void {
    this.#section(n)[what] += 1;
    const told = this.examples.filter((line) => line.startsWith(what)).length;
    if (told < examplesMax) this.examples.push(`${what}: ${example}`);
  }
}

function inOrder({ seq }: Found, line: string, last: Map<string, number>): boolean {
  const before = last.get(line) ?? -1;
  last.set(line, seq);
  return seq > before;
}

const fieldStart = '{"logseal":';

/** The document as it was sent: the field stands right behind the brace. */
function withoutField(text: string): string {
  if (!text.startsWith(fieldStart)) return text;
  const end = endOfValue(text, fieldStart.length);
  return `{${text.slice(text[end] === ',' ? end + 1 : end)}`;
}
