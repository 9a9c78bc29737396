/**
 * The third phase: judges every trusted chain, then what only the whole shows: chains and indices that are gone, silence, retirement.
 *
 * Owns the verdicts about chains and instances as wholes. Assumes all records have been examined.
 */
import { suites } from '../chain/suite.ts';
import type { TrustedChain } from './chain-book.ts';
import { isEmpty, isExpected } from './gone-chains.ts';
import { judgeChain } from './judge-chain.ts';
import type { JudgeContext } from './judge-context.ts';
import type { GonePlace } from './missing-runs.ts';
import { sealMark } from './seal-table.ts';
import type { Run } from './verification.ts';

const silenceMs = 60_000;

export function judgeAll(run: Run): void {
  const { options, system, tally } = run;
  const newest = system.instances.map((instance) => newestClosed(run, instance.number));
  const context = makeContext(run, newest);
  const chains = system.book.trusted();
  for (const [done, chain] of chains.entries()) {
    options.onProgress({ phase: 'chains', done, total: chains.length });
    if (isGone(run, context, chain, newest[chain.instance] ?? 0)) continue;
    if (chain.lacks !== undefined) withoutKey(run, chain, chain.lacks);
    judgeOne(run, context, chain);
  }
  options.onProgress({ phase: 'chains', done: chains.length, total: chains.length });
  judgeRetirements(run);
  if (options.unwrap === undefined) unprovenLogs(run);
  if (options.source.live) judgeSilence(run, newest);
  for (const { index, detail } of options.view?.finish() ?? []) {
    tally.find({ verdict: 'VIEW-DRIFT', found: { _index: index }, detail });
  }
  run.notes.finish();
  tally.finish();
}

function makeContext(run: Run, newest: readonly number[]): JudgeContext {
  const { options, tally, documents, plan, facts, spill, ids, examiner, system, notes } = run;
  const { index, chain, from, to } = options.selection;
  const gapsJudged = [index, chain, from, to].every((choice) => choice === undefined);
  const gone = gapsJudged ? gonePlaces(run) : [];
  return {
    tally,
    seals: documents.seals,
    plan,
    facts,
    spill,
    ids,
    indexNames: examiner.names.indices.names,
    destNames: examiner.names.dests.names,
    partitions: new Set(spill.names()),
    namedSeals: system.namedSeals,
    gonePlaces: (id) => gone.filter((place) => place.chains.has(id)),
    gapsJudged,
    live: options.source.live,
    now: options.source.live ? options.now : Math.max(0, ...newest),
    graceMs: options.graceMs,
    forked: (instance) => system.logs[instance]?.forked === true,
    newestClosed: (instance) => newest[instance] ?? 0,
    stopped: (instance, since) => notes.stop(instance, since),
    unprovable: (count) => {
      notes.unprovable += count;
    },
  };
}

/** A chain without any record or seal: reported if it should have some. */
function isGone(run: Run, context: JudgeContext, chain: TrustedChain, newest: number): boolean {
  if (!isEmpty(run, chain)) return false;
  if (context.gapsJudged && isExpected(run, chain, newest)) {
    run.tally.find({
      verdict: 'MISSING',
      chain: chain.id,
      ...(chain.createdAt === undefined ? {} : { time: chain.createdAt }),
      detail: `Nothing is left of chain ${chain.name === '' ? chain.id : chain.name}: no record and no seal.`,
    });
  }
  return true;
}

function judgeOne({ options, system }: Run, context: JudgeContext, chain: TrustedChain): void {
  const { number, id, idBytes, instance } = chain;
  const selected = options.selection.chain;
  if (selected !== undefined && selected !== id) return;
  const suite = chain.suite ?? suites[0];
  if (suite === undefined || system.instances[instance] === undefined) return;
  judgeChain(context, {
    number,
    id,
    idBytes,
    instance,
    suite,
    withKey: chain.key === 'ready',
    lacksKey: chain.lacks !== undefined,
  });
}

/** A missing or wrong key is not tampering, and hides none: what needs no key is judged all the same. */
function withoutKey({ tally }: Run, chain: TrustedChain, lacks: 'none' | 'bad'): void {
  if (chain.documents === 0) return;
  const bad = lacks === 'bad';
  tally.find({
    verdict: bad ? 'BAD-KEY' : 'UNKNOWN-KEY',
    chain: chain.id,
    count: chain.documents,
    detail: bad
      ? `The key that was opened for this chain makes another chain; the tags of its ${chain.documents} records were not checked.`
      : `No key for this chain was brought; the tags of its ${chain.documents} records were not checked.`,
  });
}

interface GoneIndex extends GonePlace {
  chains: ReadonlySet<string>;
}

/** Places that records were put into and of which no document was read. */
function gonePlaces({ facts, indicesSeen, examiner, system }: Run): GoneIndex[] {
  const byTime = facts.placeTimes.toSorted((a, b) => a.time - b.time);
  const gone: GoneIndex[] = [];
  for (const [at, { dest, index }] of byTime.entries()) {
    if (indicesSeen.has(index) || gone.some((place) => place.index === index)) continue;
    const same = (place: { dest: string }): boolean => place.dest === dest;
    const from = byTime.slice(0, at).findLast(same)?.time ?? 0;
    const to = byTime.slice(at + 1).find(same)?.time ?? Number.POSITIVE_INFINITY;
    gone.push({ dest, index, from, to, chains: chainsOf(dest, examiner, system.book.trusted()) });
  }
  return gone;
}

function chainsOf(dest: string, examiner: Run['examiner'], chains: readonly TrustedChain[]): Set<string> {
  const seen = chains.filter((chain) => examiner.names.namesDest(chain.number, dest));
  const named = chains.filter(({ name }) => name !== '' && (dest === name || dest.startsWith(`${name}-`)));
  return new Set((seen.length > 0 ? seen : named).map(({ id }) => id));
}

function newestClosed({ documents }: Run, instance: number): number {
  const { seals } = documents;
  let newest = 0;
  for (let row = 0; row < seals.length; row++) {
    if (seals.word(row, 'instance') !== instance || seals.has(row, sealMark.rejected)) continue;
    newest = Math.max(newest, seals.number(row, 'closed'));
  }
  return newest;
}

/** Retired before the age that the policy of that time demands. */
function judgeRetirements({ facts, system, plan, documents, tally }: Run): void {
  for (const { chain: id, seqs, time, ageMin, fact } of facts.retirements) {
    const chain = system.book.get(id);
    if (chain === undefined || ageMin === 0) continue;
    const { seals } = documents;
    const young = plan.seals(chain.number).find((seal) => {
      const first = seals.number(seal, 'first');
      const last = first + seals.word(seal, 'count') - 1;
      return seals.number(seal, 'closed') + ageMin > time && seqs.some(([from, to]) => from <= last && to >= first);
    });
    if (young === undefined) continue;
    const epoch = seals.word(young, 'epoch');
    const days = (ageMin / 86_400_000).toFixed(1);
    const detail = `Records of epoch ${epoch} were retired before they were ${days} days old, which the policy of that time forbids.`;
    tally.find({
      verdict: 'RETIRED-EARLY',
      chain: id,
      epoch,
      seq: seals.number(young, 'first'),
      time,
      found: fact.found,
      detail,
    });
  }
}

/** Without a key nothing can be proven where no checkpoint stands over the seals. */
function unprovenLogs({ system, documents, tally }: Run): void {
  for (const instance of system.instances) {
    const log = system.logs[instance.number];
    if (log === undefined || log.order.length === 0 || log.newest !== undefined) continue;
    const detail = `No valid checkpoint of ${instance.origin} is there: without the key its ${log.order.length} seals prove nothing.`;
    tally.find({ verdict: 'UNKNOWN-KEY', count: documents.seals.length, detail });
  }
}

function judgeSilence(run: Run, newest: readonly number[]): void {
  const { options, system, documents, notes, tally, plan } = run;
  for (const instance of system.instances) {
    const closed = newest[instance.number] ?? 0;
    const since = notes.stopped.get(instance.number);
    const silent = closed > 0 && options.now - closed > silenceMs + options.graceMs;
    const shut = [...instance.controls].some((id) => {
      const last = plan.seals(system.book.get(id)?.number ?? -1).at(-1);
      return (
        last !== undefined &&
        documents.seals.has(last, sealMark.shutdown) &&
        documents.seals.number(last, 'closed') >= closed - silenceMs
      );
    });
    if (since === undefined && (!silent || shut)) continue;
    const last = closed > 0 ? new Date(closed).toISOString() : 'never';
    const detail = `${instance.origin} has sealed nothing since ${last}, and has not said that it stopped: is the proxy running?`;
    tally.find({ verdict: 'STALE', ...(closed > 0 ? { time: closed } : {}), detail });
  }
}
