/**
 * Sums a run up: verdict, exit code, counts, what was not covered; and keeps what the verifier should remember of it.
 *
 * Owns the sentences of "not covered". Must never forget a larger log for a smaller one.
 */
import type { Verdict } from './finding.ts';
import { exitCodeOf, worstVerdict } from './finding.ts';
import type { Selection, Summary } from './options.ts';
import { sealMark } from './seal-table.ts';
import type { KnownInstance } from './state-file.ts';
import { writeState } from './state-file.ts';
import type { Run } from './verification.ts';

/** What the verifier remembers, and where; without a path it remembers nothing. */
export interface Memory {
  path: string | undefined;
  known: readonly KnownInstance[];
}

export function summarise(run: Run, memory: Memory, seconds: number): Summary {
  const { options, tally, system, documents, plan } = run;
  const anchored = system.anchored;
  const anchorConfigured = options.anchors.length > 0;
  const notCovered = [
    ...options.remarks,
    ...(options.source.remarks ?? []),
    ...run.notes.sentences,
    ...selectionSentences(options.selection),
    ...logSentences(run, memory.path !== undefined),
  ];
  if (anchored.length === 0) {
    tally.good('UNANCHORED', 1);
    notCovered.push(
      'UNANCHORED: nothing outside the source confirms its newest checkpoint, so a cut-off tail would not show',
    );
  }
  if (options.developmentKey) {
    tally.good('WEAK', 1);
    notCovered.push(
      "WEAK: verified with the development key that lies beside the proxy's data; whoever has that disk can forge",
    );
  }
  const forgotten = remember(run, memory);
  if (forgotten !== undefined) notCovered.push(forgotten);
  const rules = { anchorConfigured };
  const chains = system.book.trusted();
  const { seals } = documents;
  const times = sealTimes(run);
  return {
    verdict: worstVerdict(new Set(tally.counts.keys()), rules),
    exit: exitCodeOf(tally.counts.keys(), rules),
    records: tally.records,
    chains: chains.length,
    epochs: chains.reduce((sum, { number }) => sum + plan.seals(number).length, 0),
    counts: countsOf(tally.counts),
    notCovered,
    seconds,
    checked: {
      source: options.source.description,
      origins: system.instances.map(({ origin }) => origin),
      withKey: options.unwrap !== undefined,
      seals: seals.length,
      documents: run.read,
      asOf: times?.newest,
      since: times?.oldest,
      anchored,
      pinned: system.instances.filter(({ pinned }) => pinned).map(({ origin }) => origin),
    },
    groups: [...tally.groups.values()],
  };
}

function countsOf(counts: ReadonlyMap<Verdict, number>): Partial<Record<Verdict, number>> {
  return { OK: 0, ...Object.fromEntries(counts) };
}

function selectionSentences({ index, chain, from, to }: Selection): string[] {
  const choices = [
    ...(index === undefined ? [] : [`index ${index}`]),
    ...(chain === undefined ? [] : [`chain ${chain}`]),
    ...(from === undefined ? [] : [`from ${new Date(from).toISOString()}`]),
    ...(to === undefined ? [] : [`before ${new Date(to).toISOString()}`]),
  ];
  return choices.length === 0
    ? []
    : [`only ${choices.join(', ')} was read: whether records are missing was not judged`];
}

const discardsShown = 20;

function logSentences({ system, facts }: Run, remembered: boolean): string[] {
  const sentences: string[] = [];
  if (facts.uncheckedActs > 0) {
    sentences.push(
      `no --operator-key was given: the signatures of ${facts.uncheckedActs} operators' acts were not checked`,
    );
  }
  for (const { chain, seqs, reason } of facts.discards.slice(0, discardsShown)) {
    const count = seqs.reduce((sum, [from, to]) => sum + to - from + 1, 0);
    sentences.push(
      `an operator discarded ${count} rejected records of chain ${chain}, seq ${seqs[0]?.[0]} on: ${reason}`,
    );
  }
  const more = facts.discards.length - discardsShown;
  if (more > 0) sentences.push(`operators discarded rejected records ${more} times more`);
  for (const { number, origin, pinned } of system.instances) {
    const log = system.logs[number];
    if (pinned) {
      sentences.push(
        `no trust file was given: the identity of ${origin} was taken from the data, ${remembered ? 'and is remembered from now on' : 'and is not remembered'}`,
      );
    }
    if (log === undefined || log.order.length === 0) continue;
    if (log.newest === undefined)
      sentences.push(`no valid checkpoint of ${origin} is there: the order and end of its log are not proven`);
    else if (log.provenSize < log.order.length) {
      sentences.push(
        `${log.order.length - log.provenSize} of ${log.order.length} seals of ${origin} are not under a checkpoint yet`,
      );
    }
  }
  if (system.instances.length === 0) sentences.push('no instance is trusted: give its trust file with --trust');
  return sentences;
}

function sealTimes({ documents }: Run): { oldest: number; newest: number } | undefined {
  const { seals } = documents;
  let oldest = Number.POSITIVE_INFINITY;
  let newest = 0;
  for (let row = 0; row < seals.length; row++) {
    if (seals.has(row, sealMark.rejected)) continue;
    oldest = Math.min(oldest, seals.number(row, 'opened'));
    newest = Math.max(newest, seals.number(row, 'closed'));
  }
  return newest === 0 ? undefined : { oldest, newest };
}

/** Keeps the newest state of each log that agrees with what was known of it. Says so if it cannot. */
function remember({ options, system }: Run, { path, known }: Memory): string | undefined {
  if (path === undefined) return undefined;
  const states = new Map(known.map((state) => [state.origin, state]));
  for (const { number, origin, vkey, controls, expected } of system.instances) {
    const log = system.logs[number];
    const before = states.get(origin);
    if (log?.newest === undefined || !log.consistent || log.newest.size < (before?.size ?? 0)) continue;
    const chains = system.book.trusted().filter(({ instance }) => instance === number);
    states.set(origin, {
      origin,
      vkey,
      control: [...controls][0] ?? '',
      chains: [...new Set([...expected, ...chains.map(({ id }) => id)])],
      size: log.newest.size,
      root: log.newest.root.toString('base64'),
      time: options.now,
    });
  }
  try {
    if (states.size > 0) writeState(path, [...states.values()]);
    return undefined;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    return `what was seen could not be remembered in ${path} (${code}), so the next run cannot compare with it`;
  }
}
