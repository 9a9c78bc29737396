/**
 * Gives every seal to its instance and chain, checks its mac, and leaves one seal an epoch.
 *
 * Owns FOREIGN, FORGED, DUPLICATED and EQUIVOCATION of seals, and CLOCK and REORDERED of the log. A seal that does not verify is no entry
 * of the log; it still stands for the one it names.
 */
import { verifySealMac } from '../chain/seal.ts';
import type { ChainBook, TrustedChain } from './chain-book.ts';
import type { Finding, PlainVerdict } from './finding.ts';
import { sealMark } from './seal-table.ts';
import type { SystemDocuments } from './system-documents.ts';
import type { Tally } from './tally.ts';
import type { Instance } from './trust.ts';

export interface SealQuestion {
  documents: SystemDocuments;
  instances: readonly Instance[];
  book: ChainBook;
  tally: Tally;
  /** The verifier's own clock, ms since 1970. */
  clockNow: number;
}

/** No chain of the book. */
const nobody = 0xffff_ffff;

/** Sets instance and chain of every row. Returns what rejected seals name: `<chain number> <epoch>`. */
export function attributeSeals(question: SealQuestion): Set<string> {
  const { documents, instances, book } = question;
  const { seals } = documents;
  const byOrigin = documents.origins.map((origin) => instances.findIndex((instance) => instance.origin === origin));
  const byChain = documents.chainIds.map((id) => book.get(id));
  const named = new Set<string>();
  const seen = new Map<string, number>();
  for (let row = 0; row < seals.length; row++) {
    const chain = byChain[seals.word(row, 'chain')];
    const instance = byOrigin[seals.word(row, 'instance')] ?? -1;
    seals.setWord(row, 'chain', chain?.number ?? nobody);
    seals.setWord(row, 'instance', instance < 0 ? nobody : instance);
    const refusal = refusalOf(question, row, chain, instance);
    if (refusal !== undefined) {
      reject(question, row, refusal.verdict, refusal.detail);
      if (chain !== undefined) named.add(`${chain.number} ${seals.word(row, 'epoch')}`);
      continue;
    }
    const leaf = seals.part(row, 'leaf').toString('latin1');
    if (seen.has(leaf)) reject(question, row, 'DUPLICATED', 'A second copy of the same seal.');
    else seen.set(leaf, row);
  }
  return named;
}

/** Rows of an instance that are entries of its log. */
export function entriesOf(question: SealQuestion, instance: number): number[] {
  const { seals } = question.documents;
  const rows: number[] = [];
  for (let row = 0; row < seals.length; row++) {
    if (seals.word(row, 'instance') === instance && !seals.has(row, sealMark.rejected)) rows.push(row);
  }
  return rows;
}

/** One seal an epoch for each chain; a second valid one is reported. */
export function sealsByChain(question: SealQuestion): Map<number, number[]> {
  const { seals } = question.documents;
  const chains = seals.byChain();
  for (const [number, rows] of chains) {
    const chain = question.book.chains[number];
    const kept: number[] = [];
    for (const row of rows) {
      const before = kept.at(-1);
      if (before === undefined || seals.word(before, 'epoch') !== seals.word(row, 'epoch')) {
        kept.push(row);
        continue;
      }
      const better = seals.has(row, sealMark.proven) && !seals.has(before, sealMark.proven);
      if (better) kept[kept.length - 1] = row;
      const loser = better ? before : row;
      const verdict = chain?.key === 'ready' ? 'EQUIVOCATION' : 'FORGED';
      reject(question, loser, verdict, 'A second seal of an epoch that another seal closes.');
    }
    chains.set(number, kept);
  }
  return chains;
}

/** Order and times of the log: epochs of a chain ascend, and the clock does not run backwards. */
export function checkOrder(question: SealQuestion, order: readonly number[]): void {
  const { documents, clockNow, tally } = question;
  const { seals } = documents;
  const lastEpoch = new Map<number, number>();
  let closedBefore = 0;
  let early = 0;
  for (const row of order) {
    const chain = seals.word(row, 'chain');
    const epoch = seals.word(row, 'epoch');
    const closed = seals.number(row, 'closed');
    if (epoch < (lastEpoch.get(chain) ?? 0)) {
      tally.find(sealFinding(question, row, 'REORDERED', 'It stands in the log behind the seal of a later epoch.'));
    }
    lastEpoch.set(chain, Math.max(epoch, lastEpoch.get(chain) ?? 0));
    if (closed < closedBefore - 60_000) {
      const seconds = Math.round((closedBefore - closed) / 1000);
      tally.find(sealFinding(question, row, 'CLOCK', `The clock was ${seconds} s behind that of the seal before it.`));
    }
    closedBefore = closed;
    if (closed > clockNow + 1000 && early++ === 0) {
      tally.find(
        sealFinding(question, row, 'CLOCK', "It was closed at a time that this verifier's clock has not reached."),
      );
    }
  }
}

function refusalOf(
  question: SealQuestion,
  row: number,
  chain: TrustedChain | undefined,
  instance: number,
): { verdict: PlainVerdict; detail: string } | undefined {
  const { documents } = question;
  if (chain === undefined || instance < 0) {
    return {
      verdict: 'FOREIGN',
      detail: 'A seal of an instance or chain that no trust file and no verified control record knows.',
    };
  }
  if (chain.key !== 'ready') {
    return chain.instance === instance ? undefined : twoOrigins(documents, row);
  }
  const stored = documents.seal(row);
  const epochMac = stored === undefined ? undefined : chain.epochMac(stored.seal.epoch);
  if (stored === undefined || epochMac === undefined || stored.seal.suite !== chain.suite?.id) {
    return { verdict: 'FORGED', detail: 'Its suite or epoch cannot be one of this chain.' };
  }
  if (!verifySealMac(stored.seal, epochMac)) {
    return {
      verdict: 'FORGED',
      detail: `The seal of epoch ${stored.seal.epoch} does not verify: it was changed, or made without the key.`,
    };
  }
  documents.seals.mark(row, sealMark.verified);
  return chain.instance === instance ? undefined : twoOrigins(documents, row);
}

function twoOrigins(documents: SystemDocuments, row: number): { verdict: PlainVerdict; detail: string } {
  const origin = documents.seal(row)?.seal.origin ?? '';
  return {
    verdict: 'EQUIVOCATION',
    detail: `The chain belongs to another instance, and this seal of it is of origin ${origin}.`,
  };
}

function reject(question: SealQuestion, row: number, verdict: PlainVerdict, detail: string): void {
  question.documents.seals.mark(row, sealMark.rejected);
  question.tally.find(sealFinding(question, row, verdict, detail));
}

function sealFinding({ documents }: SealQuestion, row: number, verdict: PlainVerdict, detail: string): Finding {
  const { seals } = documents;
  const stored = documents.seal(row);
  return {
    verdict,
    ...(stored === undefined ? {} : { chain: stored.seal.chain.toString('base64url') }),
    epoch: seals.word(row, 'epoch'),
    ...(stored === undefined ? {} : { found: { _index: stored.index, _id: stored.id } }),
    time: seals.number(row, 'closed'),
    detail,
  };
}
