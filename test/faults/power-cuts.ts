/**
 * Cuts a recorded run where the power could have gone, and starts on what the disk may hold then. `cutInProcess` opens what
 * signs in this process, thousands of times; `cutUnderProxy` starts the real proxy and asks `logseal verify`.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leanMapping } from '../../src/upstream/signature-mapping.ts';
import { startProxy } from '../helpers/proxy.ts';
import { randomFrom } from '../helpers/simulated-disk.ts';
import { verifyCommand } from '../helpers/verify-command.ts';
import type { Change } from './changes.ts';
import type { Problem, Promises } from './crash-check.ts';
import { brokenPromises } from './crash-check.ts';
import type { EngineDocument } from './memory-engine.ts';
import { startMemoryEngine } from './memory-engine.ts';
import { anyPart, RecordedDisk } from './recorded-disk.ts';
import type { RecordedRun } from './recorded-run.ts';
import { dest } from './recorded-run.ts';

/** After which change, and with which draw of what the disk then holds. */
export interface Cut {
  after: number;
  draw: number;
}

export interface Outcome {
  states: number;
  /** Records that had been acknowledged before the last of the cuts. */
  acknowledged: number;
  problems: (Problem & Cut)[];
}

/** In memory where the machine has such a place: a state is written, read and thrown away. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Each change `draws` times. */
export function everyCut(changes: readonly Change[], draws: number): Cut[] {
  return changes.flatMap(({ number }) => Array.from({ length: draws }, (_, draw) => ({ after: number, draw })));
}

/** `count` of them, in order: names, keys, seals and cursors more often than the rest; what only fills files, seldom. */
export function someCuts(changes: readonly Change[], count: number, random: () => number): Cut[] {
  const step = changes.reduce((sum, change) => sum + weightOf(change), 0) / count;
  const cuts: Cut[] = [];
  let sum = 0;
  let next = random() * step;
  for (const change of changes) {
    sum += weightOf(change);
    for (; next < sum; next += step) cuts.push({ after: change.number, draw: Math.floor(random() * 2 ** 20) });
  }
  return cuts;
}

const filler = /(^|\/)(reserve|next\.tmp|unsealed\.tmp|cursor\.tmp|lock\.pid)$/;
const telling = /(^|\/)(keys|log|delivery)\/|instance\.json|unsealed$/;

function weightOf({ kind, path }: Change): number {
  if (kind === 'write' && filler.test(path)) return 0.05;
  const names = kind === 'rename' || kind === 'create' || kind === 'remove' || kind === 'mkdir';
  return (names ? 3 : 1) * (telling.test(path) ? 2 : 1);
}

/** `until`: the first problem of that kind ends it. `keep`: as of a draw. */
export interface CutOptions {
  until?: Problem['kind'] | undefined;
  keep?: readonly number[];
}

/** Walks through the run once; the cuts are in its order. */
export async function cutInProcess(
  run: RecordedRun,
  cuts: readonly Cut[],
  seed: number,
  options: CutOptions = {},
): Promise<Outcome> {
  const { until, keep = anyPart } = options;
  const dir = await mkdtemp(join(scratch, 'logseal-power-'));
  const outcome: Outcome = { states: 0, acknowledged: 0, problems: [] };
  try {
    await eachState(run, cuts, { seed, keep, dir }, async (cut, dataDir) => {
      const promises = promisesAt(run, cut.after);
      outcome.states += 1;
      outcome.acknowledged = promises.acknowledged.length;
      for (const problem of await brokenPromises(dataDir, promises)) outcome.problems.push({ ...problem, ...cut });
      return outcome.problems.some(({ kind }) => kind === until);
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return outcome;
}

async function eachState(
  run: RecordedRun,
  cuts: readonly Cut[],
  { seed, keep, dir }: { seed: number; keep: readonly number[]; dir: string },
  /** True: enough. */
  visit: (cut: Cut, dataDir: string) => Promise<boolean>,
): Promise<void> {
  const disk = new RecordedDisk();
  let next = 0;
  for (const cut of cuts) {
    for (; next < run.changes.length && (run.changes[next]?.number ?? 0) <= cut.after; next += 1) {
      disk.apply(run.changes[next] as Change);
    }
    const state = join(dir, 'state');
    await disk.writeState(state, { random: randomFrom(seed + cut.after * 1009 + cut.draw), keep });
    const enough = await visit(cut, join(state, 'data'));
    await rm(state, { recursive: true });
    if (enough) return;
  }
}

function promisesAt(run: RecordedRun, after: number): Promises {
  return {
    acknowledged: run.acknowledged.filter(({ at }) => at <= after).map(({ n }) => n),
    connectionOf: run.connectionOf,
    sent: run.documents.filter(({ cameAt }) => cameAt <= after),
    stored: run.documents.filter(({ answeredAt }) => answeredAt <= after),
  };
}

/** Of one state: what the real process makes of it, and verification of what is stored in the end. */
export interface ProxyOutcome {
  problems: string[];
  verify: string;
  recoverMs: number;
}

/** The real proxy, before a search engine that holds what it held at the cut; what was on its way then is there or not. */
export async function cutUnderProxy(run: RecordedRun, cuts: readonly Cut[], seed: number): Promise<ProxyOutcome[]> {
  const dir = await mkdtemp(join(scratch, 'logseal-power-'));
  const outcomes: ProxyOutcome[] = [];
  try {
    await eachState(run, cuts, { seed, keep: anyPart, dir }, async (cut, dataDir) => {
      outcomes.push(await underProxy(run, cut, dataDir, randomFrom(seed + cut.after)));
      return false;
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return outcomes;
}

const newRecords = 20;

async function underProxy(run: RecordedRun, cut: Cut, dataDir: string, random: () => number): Promise<ProxyOutcome> {
  const { acknowledged, sent } = promisesAt(run, cut.after);
  const held = sent.filter(({ answeredAt }) => answeredAt <= cut.after || random() < 0.5);
  const engine = await startMemoryEngine(() => 0, [dest], held);
  try {
    const fromMs = performance.now();
    const proxy = await startProxy({ dataDir, elasticsearchUrl: engine.url, environment: run.environment });
    const body = '{"create":{}}\n{"later":true}\n'.repeat(newRecords);
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await fetch(`${proxy.url}/${dest}/_bulk`, { method: 'POST', headers, body });
    const recoverMs = performance.now() - fromMs;
    const problems = answer.status === 200 ? [] : [`a new record is answered ${answer.status}`];
    const exit = await proxy.stop(60_000);
    if (exit !== 0) problems.push(`the stop ends with ${exit}: ${proxy.output()}`);
    problems.push(...compare(engine.documents, acknowledged));
    return { problems, verify: await verified(engine.documents, dataDir), recoverMs };
  } finally {
    await engine.close();
  }
}

function compare(documents: readonly EngineDocument[], acknowledged: readonly number[]): string[] {
  const problems: string[] = [];
  const numbers = new Set<number>();
  let later = 0;
  for (const { index, text } of documents) {
    if (index !== dest) continue;
    const { n, later: isLater } = JSON.parse(text) as { n?: number; later?: boolean };
    if (isLater === true) later += 1;
    else if (n === undefined || numbers.has(n)) problems.push(`record ${n} is stored twice`);
    else numbers.add(n);
  }
  const lost = acknowledged.filter((n) => !numbers.has(n));
  if (lost.length > 0) problems.push(`${lost.length} acknowledged records are lost, the first is ${lost[0]}`);
  if (later !== newRecords) problems.push(`of ${newRecords} new records ${later} are stored`);
  return problems;
}

/** `clean`, or what `logseal verify` tells of the documents as an export would have them. */
async function verified(documents: readonly EngineDocument[], dataDir: string): Promise<string> {
  const indices = [...new Set(documents.map(({ index }) => index))];
  const lines = [
    ...indices.map((_index) => JSON.stringify({ _index, _mappings: leanMapping })),
    ...documents.map(({ index, id, text }) => `{"_index":"${index}","_id":${JSON.stringify(id)},"_source":${text}}`),
  ];
  const file = join(dataDir, '..', 'export.ndjson');
  await writeFile(file, `${lines.join('\n')}\n`);
  const key = ['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')];
  const trust = ['--trust', join(dataDir, 'trust.json'), '--no-state', '--grace', '0'];
  const { exit, told, stderr } = await verifyCommand(file, ...key, ...trust);
  return exit === 0 ? 'clean' : `exit ${exit}: ${told.slice(0, 5).join(', ')} ${stderr.slice(-300)}`;
}
