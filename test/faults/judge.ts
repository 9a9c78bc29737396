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
  /** More arguments for `verify`. */
  verifyArguments?: readonly string[] | undefined;
}

export interface Judgement {
  acknowledged: number;
  /** Acknowledged, and nowhere with the bytes that were sent. */
  lost: number;
  /** Records in two documents, and signed places in two documents. */
  twice: number;
  /** In a wrong index, or with a seq that contradicts the order of the answers on its connection. */
  outOfPlace: number;
  /** Stored although refused with 429, or with bytes that nobody sent. */
  invented: number;
  verifyExit: number;
  /** `clean`, or the verdicts with their numbers. */
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

type Counted = 'lost' | 'twice' | 'outOfPlace' | 'invented';

export async function judge(options: JudgeOptions): Promise<Judgement> {
  const search = new Search(options);
  await search.read();
  search.compare();
  const { counts, examples, acknowledged, signed } = search;
  const { url, dataDir, verifyArguments = [] } = options;
  const key = ['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')];
  const trust = ['--trust', join(dataDir, 'trust.json'), '--no-state', '--grace', '0'];
  const { exit, summary, told } = await verifyCommand(url, ...key, ...trust, ...verifyArguments);
  examples.push(...told.slice(0, examplesMax));
  let verify = verdictsOf(told);
  if (summary.records !== signed && told.length === 0) verify = `exit ${exit}: saw ${summary.records} of ${signed}`;
  else if (exit !== 0) verify = `exit ${exit}: ${verify}`;
  return { acknowledged, ...counts, verifyExit: exit, verify, examples };
}

function verdictsOf(told: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const line of told) {
    const verdict = line.split(' ')[0] ?? '';
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  }
  return counts.size === 0 ? 'clean' : Array.from(counts, ([verdict, count]) => `${verdict} ${count}`).join(', ');
}

class Search {
  readonly #options: JudgeOptions;
  readonly counts = { lost: 0, twice: 0, outOfPlace: 0, invented: 0 };
  readonly examples: string[] = [];
  acknowledged = 0;
  /** Signed data records that were read. */
  signed = 0;
  /** By `n.attempt`. */
  readonly #found = new Map<string, Found>();
  readonly #places = new Set<string>();

  constructor(options: JudgeOptions) {
    this.#options = options;
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
    const { logseal } = JSON.parse(text) as { logseal?: { chain: string; seq: number; raw?: string } };
    if (logseal === undefined) {
      this.#count('invented', `${index}/${id} has no signature field`);
      return;
    }
    this.signed += 1;
    const place = `${logseal.chain} ${logseal.seq}`;
    if (this.#places.has(place)) this.#count('twice', `place ${place}`);
    this.#places.add(place);
    const content = logseal.raw ?? withoutField(text);
    const { n, attempt } = JSON.parse(content) as { n: number; attempt: number };
    if (n >= ledger.numbered || content !== ledger.document(n, attempt)) {
      this.#count('invented', `${index}/${id} has bytes that nobody sent: ${content.slice(0, 200)}`);
      return;
    }
    const key = `${n}.${attempt}`;
    const found = this.#found.get(key) ?? { placed: 0, rejects: 0, chain: logseal.chain, seq: logseal.seq };
    this.#found.set(key, found);
    if (index === rejectsIndex) found.rejects += 1;
    else {
      found.placed += 1;
      found.chain = logseal.chain;
      found.seq = logseal.seq;
      if (!inPlace(index, n)) this.#count('outOfPlace', `record ${key} is in ${index}`);
    }
  }

  compare(): void {
    for (const [key, { placed }] of this.#found) if (placed > 1) this.#count('twice', `record ${key}`);
    const { ledger, rejected = () => false } = this.#options;
    const given = ledger.options.ids === 'given';
    /** The newest place on each connection, by chain. */
    const last = new Map<string, number>();
    for (const bulk of ledger.bulks) {
      for (let n = bulk.first; n < bulk.first + bulk.count; n += 1) {
        const key = `${n}.${bulk.attempt}`;
        const found = this.#found.get(key);
        if (bulk.outcome === 'refused' && !given && found !== undefined) this.#count('invented', `${key} was refused`);
        if (bulk.outcome !== 'acknowledged' || bulk.failed.has(n)) continue;
        this.acknowledged += 1;
        if (found === undefined) this.#count('lost', `record ${key}`);
        else if (rejected(n) ? found.placed > 0 : found.placed === 0) this.#count('outOfPlace', `${key}: wrong side`);
        else if (found.placed > 0) this.#ordered(found, `${bulk.connection} ${found.chain}`, key, last);
      }
    }
  }

  #ordered({ seq }: Found, line: string, key: string, last: Map<string, number>): void {
    if (seq <= (last.get(line) ?? -1)) this.#count('outOfPlace', `record ${key} stands before an earlier answer`);
    last.set(line, seq);
  }

  #count(what: Counted, example: string): void {
    this.counts[what] += 1;
    if (this.counts[what] <= examplesMax) this.examples.push(`${what}: ${example}`);
  }
}

const fieldStart = '{"logseal":';

/** The document as it was sent: the field stands right behind the brace. */
function withoutField(text: string): string {
  if (!text.startsWith(fieldStart)) return text;
  const end = endOfValue(text, fieldStart.length);
  return `{${text.slice(text[end] === ',' ? end + 1 : end)}`;
}
