/**
 * One run of verification: reads the system documents, streams the records, judges chain by chain, sums up.
 *
 * Owns the three phases and what lives between them. Never throws for what it finds; throws LogsealError if it cannot run, with
 * NOTHING_TO_VERIFY where there is nothing signed at all. Writes nothing but temporary files and the verifier's own memory.
 */
import { LogsealError } from '../errors.ts';
import { ControlFacts } from './control-facts.ts';
import { ControlReader } from './control-reader.ts';
import { Examiner } from './examine.ts';
import { judgeAll } from './judge-all.ts';
import type { Summary, VerifyOptions } from './options.ts';
import { PartitionPlan } from './partition-plan.ts';
import { Places } from './places.ts';
import { RunNotes } from './run-notes.ts';
import { Spill, Spool } from './spill.ts';
import { readState } from './state-file.ts';
import { summarise } from './summarise.ts';
import { SystemDocuments } from './system-documents.ts';
import type { SystemAnswer } from './system-phase.ts';
import { judgeSystem } from './system-phase.ts';
import { Tally } from './tally.ts';

/** Clocks of verifier and proxy may differ by so much when a chain is made while the run is on. */
const clockSlackMs = 5_000;

/** Rows of one partition: 160,000 × 120 bytes are 19 MB. */
const partitionRowsMax = 160_000;

/** Everything that one run holds. */
export interface Run {
  options: VerifyOptions;
  tally: Tally;
  notes: RunNotes;
  documents: SystemDocuments;
  system: SystemAnswer;
  facts: ControlFacts;
  places: Places;
  plan: PartitionPlan;
  spill: Spill;
  ids: Spool;
  examiner: Examiner;
  /** Documents read. */
  read: number;
  /** Indices of which at least one document was read. */
  indicesSeen: Set<string>;
}

export async function verify(options: VerifyOptions): Promise<Summary> {
  const startedAt = performance.now();
  const tally = new Tally(options.onFinding);
  const documents = new SystemDocuments(options.temporaryDirectory, tally);
  const spill = Spill.open(options.temporaryDirectory);
  const ids = Spool.open(options.temporaryDirectory);
  try {
    await options.source.open();
    const statePath = options.stateFile(options.source);
    const known = statePath === undefined ? [] : readState(statePath);
    const run = await readSystem(options, tally, documents, known, spill, ids);
    try {
      await readRecords(run);
      if (run.read === 0 && documents.isEmpty && run.system.instances.length === 0) throw nothing(options);
      judgeAll(run);
      return summarise(run, { path: statePath, known }, (performance.now() - startedAt) / 1000);
    } finally {
      run.system.book.wipe();
    }
  } finally {
    await options.source.close();
    documents.close();
    spill.close();
    ids.close();
  }
}

function nothing({ source }: VerifyOptions): LogsealError {
  return new LogsealError('NOTHING_TO_VERIFY', `${source.description} holds nothing that Logseal has signed`);
}

async function readSystem(
  options: VerifyOptions,
  tally: Tally,
  documents: SystemDocuments,
  known: ReturnType<typeof readState>,
  spill: Spill,
  ids: Spool,
): Promise<Run> {
  const places = new Places(options.placePatterns);
  for (const index of await options.source.indices()) {
    if (index.dataStream !== undefined) places.giveDataStream(index.name, index.dataStream);
    options.view?.describe(index);
  }
  let done = 0;
  for await (const batch of options.source.system()) {
    for (const document of batch) documents.add(document);
    done += batch.length;
    options.onProgress({ phase: 'seals', done });
  }
  const system = judgeSystem(options, documents, known, tally);
  const plan = new PartitionPlan();
  for (const [chain, seals] of system.seals) plan.add(chain, seals, documents.seals, partitionRowsMax);
  const facts = new ControlFacts({
    places,
    operatorKeys: options.operatorKeys,
    pipelinePaths: options.pipelinePaths,
    find: (finding) => tally.find(finding),
  });
  const notes = new RunNotes(places, tally);
  const examiner = new Examiner({
    book: system.book,
    facts,
    places,
    plan,
    tally,
    spill,
    ids,
    unsigned: (index, id) => notes.unsigned(index, id),
    selected: options.selection,
    view: options.view,
    trustedUntil: options.source.live ? options.now - clockSlackMs : Number.POSITIVE_INFINITY,
    uncompared: (index, fields) => notes.uncompared(index, fields),
  });
  const run = { options, tally, notes, documents, system, facts, places, plan, spill, ids, examiner, read: 0 };
  const reader = new ControlReader(examiner, facts, system.instances, tally);
  reader.read(documents.control());
  facts.settle();
  tally.release(facts.acknowledgements);
  return { ...run, read: done, indicesSeen: new Set() };
}

async function readRecords(run: Run): Promise<void> {
  const { options, examiner, indicesSeen } = run;
  let lastIndex = '';
  let records = 0;
  for await (const batch of options.source.records()) {
    for (const document of batch) {
      if (document.index !== lastIndex) {
        lastIndex = document.index;
        indicesSeen.add(lastIndex);
      }
      examiner.examine(document);
    }
    records += batch.length;
    options.onProgress({ phase: 'records', done: records });
  }
  run.read += records;
}
