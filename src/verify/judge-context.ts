/**
 * What the judging of one chain needs to know of the rest of the run, and how a row becomes a finding.
 *
 * Owns no state of its own. Assumes all records have been read before the first chain is judged.
 */
import { generatedId } from '../chain/record-id.ts';
import type { Suite } from '../chain/suite.ts';
import type { ControlFacts } from './control-facts.ts';
import type { EntryTable } from './entry.ts';
import { mark } from './entry.ts';
import type { Finding, PlainVerdict } from './finding.ts';
import type { GonePlace } from './missing-runs.ts';
import type { PartitionPlan } from './partition-plan.ts';
import type { SealTable } from './seal-table.ts';
import type { Spill, Spool } from './spill.ts';
import type { Tally } from './tally.ts';

/** The chain that is judged. */
export interface JudgedChain {
  number: number;
  /** 22 characters. */
  id: string;
  idBytes: Buffer;
  instance: number;
  suite: Suite;
  /** Without the key tags are taken as given, and the epoch's root decides. */
  withKey: boolean;
  /** No key in a run with keys: none of its records counts as good. */
  lacksKey: boolean;
}

export interface JudgeContext {
  tally: Tally;
  seals: SealTable;
  plan: PartitionPlan;
  facts: ControlFacts;
  spill: Spill;
  ids: Spool;
  indexNames: readonly string[];
  destNames: readonly string[];
  /** Partition numbers that have rows. */
  partitions: ReadonlySet<number>;
  /** Epochs that a seal which does not verify names: it stands for the missing one. */
  namedSeals: ReadonlySet<string>;
  gonePlaces: (chain: string) => readonly GonePlace[];
  /** False where only a part was selected: gaps are not judged then. */
  gapsJudged: boolean;
  live: boolean;
  /** The verifier's clock, or for an export the newest seal's; ms since 1970. */
  now: number;
  graceMs: number;
  /** Whether two statements about an instance's log differ. */
  forked: (instance: number) => boolean;
  /** Newest `closed` among the seals of an instance. */
  newestClosed: (instance: number) => number;
  /** An open epoch that should have been sealed, with nothing sealed after it: the instance has stopped. */
  stopped: (instance: number, since: number) => void;
  /** Records whose epoch cannot be rebuilt from what was selected, without a key. */
  unprovable: (count: number) => void;
}

/** Everything that is known of one row, as a finding. */
export function findingAt(
  context: JudgeContext,
  chain: JudgedChain,
  table: EntryTable,
  row: number,
  verdict: PlainVerdict,
  detail: string,
): Finding {
  const seq = table.number(row, 'seq');
  const found = foundId(context, chain, table, row);
  const id = table.has(row, mark.idMatches) && !table.has(row, mark.inRejects) ? found : undefined;
  return {
    verdict,
    chain: chain.id,
    epoch: table.word(row, 'epoch'),
    index: table.word(row, 'index'),
    seq,
    dest: context.destNames[table.word(row, 'dest')] ?? '',
    ...(id === undefined ? {} : { id }),
    found: { _index: context.indexNames[table.word(row, 'foundIndex')] ?? '', _id: found },
    time: table.number(row, 'time'),
    detail,
  };
}

/** Where a row was found, for a sentence. */
export function placeOf(context: JudgeContext, chain: JudgedChain, table: EntryTable, row: number): string {
  return `${context.indexNames[table.word(row, 'foundIndex')] ?? ''}/${foundId(context, chain, table, row)}`;
}

function foundId(context: JudgeContext, chain: JudgedChain, table: EntryTable, row: number): string {
  const length = table.word(row, 'idLength');
  if (length === 0) return generatedId(chain.idBytes, table.number(row, 'seq'));
  return context.ids.read(table.number(row, 'idOffset'), length).toString();
}
