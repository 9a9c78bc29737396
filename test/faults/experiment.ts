/**
 * One row of the table: the real proxy before a real Elasticsearch, under load, hurt so many times, restarted where it died, drained,
 * judged. A run of the whole proxy must show zeros; a control run, without one protection, must show the damage.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Engine } from '../helpers/engine.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { freePort, startProxy } from '../helpers/proxy.ts';
import type { Relay } from '../helpers/relay.ts';
import { startRelay } from '../helpers/relay.ts';
import type { Counts, Judgement, JudgeOptions } from './judge.ts';
import { judge } from './judge.ts';
import type { LedgerOptions } from './ledger.ts';
import { Ledger } from './ledger.ts';
import type { ProtectionName } from './protections.ts';
import { protections, withoutProtection } from './protections.ts';
import type { Row } from './row.ts';
import { record } from './row.ts';
import { emptyEngine } from './stored.ts';

/**
 * Damage that a control run can show. `verify`: verification finds something. `start`: the proxy does not start or go on any more.
 * `other`: what the class looks for itself.
 */
export type Damage = 'lost' | 'twice' | 'outOfPlace' | 'verify' | 'start' | 'other';

/** What stands while an experiment runs. */
export interface Scene {
  readonly engine: Pick<Engine, 'url'>;
  /** Between proxy and search engine. */
  readonly upstream: Relay;
  /** Between shipper and proxy. */
  readonly intake: Relay;
  readonly ledger: Ledger;
  readonly dataDir: string;
  /** The newest. */
  readonly proxy: RunningProxy;
  /** Starts the proxy again, with other settings if given; the one before has ended. Time to recover runs from here. */
  restart(changed?: { environment?: Record<string, string>; nodeFlags?: string[] }): Promise<RunningProxy>;
}

export interface Fault {
  name: string;
  /**
   * One injection, under load. Over when it resolves: either the proxy has ended, and is started again afterwards, or the
   * fault has.
   */
  inject(scene: Scene, time: number): Promise<void>;
  /** How long that may last. Default two minutes. */
  msMax?: number;
}

export interface ExperimentOptions extends Pick<JudgeOptions, 'inPlace' | 'rejected' | 'foreign' | 'verifyArguments'> {
  class: string;
  /** One row each, taken in turn on one data directory under one load; a record counts for the fault before it. */
  faults: readonly Fault[];
  /** Emptied first. */
  engine: Pick<Engine, 'url'>;
  dataDir: string;
  /** How often each fault is injected. */
  times: number;
  /** Before the proxy starts. */
  prepare?(url: string): Promise<void>;
  /** After the load, before everything must be stored. */
  heal?(scene: Scene): Promise<void>;
  ledger?: Partial<LedgerOptions>;
  environment?: Record<string, string>;
  /** Of Node.js, for every start of the proxy. */
  nodeFlags?: string[];
  /** A control run: the proxy runs without these, and `sees` must be the case. */
  without?: readonly ProtectionName[];
  sees?: readonly Damage[];
  /** What the class has seen beside that, a sentence each; nothing in a run of the whole proxy. */
  other?(): readonly string[];
  /** For the table, where a control run lacks something that is no text of the source; with an empty `without`. */
  withoutToo?: string;
  /** Records acknowledged before the first injection and after each. Default 200. */
  recordsBetween?: number;
  /** Until everything acknowledged is stored. Default 120 s; a control run does not wait, it may wait in vain. */
  drainMsMax?: number;
}

/** Small epochs, so that seals and keys change all the time. */
const smallEpochs = { LOGSEAL_EPOCH_RECORDS_MAX: '150', LOGSEAL_EPOCH_AGE_MAX: '1s' };
const stopMsMax = 60_000;
const injectMsMax = 120_000;

/** The rows, one for each fault, which are also recorded. */
export async function experiment(t: Test, options: ExperimentOptions): Promise<Row[]> {
  const bench = await Bench.set(options);
  const names = options.faults.map(({ name }) => name).join(', ');
  try {
    const outcome = await bench.run();
    const rows = rowsOf(options, outcome);
    const { without, other } = options;
    if (without === undefined && other !== undefined) t.strictSame(other(), [], 'what this class looks for itself');
    if (without === undefined) assertWhole(t, bench, outcome, names);
    else assertDamage(t, options, outcome, names);
    rows.forEach(record);
    return rows;
  } catch (error) {
    t.comment(`${names}: the end of what the proxy wrote\n${bench.output().slice(-3000)}`);
    throw error;
  } finally {
    await bench.clear();
  }
}

/** One injection: its records are those from `first` to the next one's. */
interface Injection {
  fault: string;
  first: number;
  recoverMs: number | undefined;
}

interface Outcome {
  judgement: Judgement;
  injections: readonly Injection[];
  drainedMs: number;
  /** Of the last stop. */
  exit: number | string;
  /** Why the proxy could not start again, in a control run. */
  startFailure: string | undefined;
}

class Bench implements Scene {
  readonly engine: Pick<Engine, 'url'>;
  readonly upstream: Relay;
  readonly intake: Relay;
  readonly ledger: Ledger;
  readonly dataDir: string;
  readonly #options: ExperimentOptions;
  readonly #port: number;
  #proxy: RunningProxy | undefined;
  #startFailure: string | undefined;
  #recoverMs: number | undefined;

  static async set(options: ExperimentOptions): Promise<Bench> {
    await emptyEngine(options.engine.url);
    await options.prepare?.(options.engine.url);
    const port = await freePort();
    const upstream = await startRelay(options.engine.url);
    return new Bench(options, port, upstream, await startRelay(`http://127.0.0.1:${port}`));
  }

  private constructor(options: ExperimentOptions, port: number, upstream: Relay, intake: Relay) {
    this.engine = options.engine;
    this.dataDir = options.dataDir;
    this.#options = options;
    this.#port = port;
    this.upstream = upstream;
    this.intake = intake;
    this.ledger = new Ledger({ dest: 'logs-fault', ...options.ledger });
  }

  get proxy(): RunningProxy {
    if (this.#proxy === undefined) throw new Error('the proxy has not been started');
    return this.#proxy;
  }

  output(): string {
    return this.#proxy?.output() ?? '';
  }

  async #start(changed: { environment?: Record<string, string>; nodeFlags?: string[] } = {}): Promise<RunningProxy> {
    const { environment, nodeFlags = [], without = [] } = this.#options;
    this.#proxy = await startProxy({
      dataDir: this.dataDir,
      elasticsearchUrl: this.upstream.url,
      port: this.#port,
      environment: { ...smallEpochs, ...environment, ...changed.environment },
      nodeFlags: [...withoutProtection(...without), ...nodeFlags, ...(changed.nodeFlags ?? [])],
    });
    return this.#proxy;
  }

  async restart(changed?: { environment?: Record<string, string>; nodeFlags?: string[] }): Promise<RunningProxy> {
    await this.#proxy?.ended;
    const fromMs = performance.now();
    const proxy = await this.#start(changed);
    await this.#recovered(fromMs);
    return proxy;
  }

  async #recovered(fromMs: number): Promise<void> {
    await this.#grows(1);
    const tookMs = (this.ledger.acknowledgedAfter(fromMs) ?? performance.now()) - fromMs;
    this.#recoverMs = Math.max(this.#recoverMs ?? 0, tookMs);
  }

  async #grows(records: number): Promise<void> {
    const { proxy } = this;
    let broken: Error | undefined;
    void proxy.ended.then((how) => {
      broken = new Error(`the proxy ended with ${how} by itself`);
    });
    await this.ledger.grows(records, () => broken);
  }

  async run(): Promise<Outcome> {
    const { times, recordsBetween = 200, faults } = this.#options;
    await this.#start();
    this.ledger.start(this.intake.url);
    await this.#grows(recordsBetween);
    const injections: Injection[] = [];
    for (let time = 0; time < times; time += 1) {
      for (const fault of faults) {
        if (this.#startFailure !== undefined) break;
        const first = injections.length === 0 ? 0 : this.ledger.numbered;
        injections.push({ fault: fault.name, first, recoverMs: await this.#hurt(fault, time) });
      }
    }
    await this.ledger.stop(this.#startFailure === undefined ? stopMsMax : 0);
    await this.#options.heal?.(this);
    const fromMs = performance.now();
    if (this.#startFailure === undefined) await this.#drain();
    const drainedMs = performance.now() - fromMs;
    const exit = this.#startFailure === undefined ? await this.proxy.stop(stopMsMax) : -1;
    const sections = injections.map(({ first }) => first);
    const judgement = await judge({ ...this.#options, url: this.engine.url, ledger: this.ledger, sections });
    return { judgement, injections, drainedMs, exit, startFailure: this.#startFailure };
  }

  /** Milliseconds until a record was acknowledged again. */
  async #hurt({ name, inject, msMax = injectMsMax }: Fault, time: number): Promise<number | undefined> {
    const { recordsBetween = 200, sees } = this.#options;
    this.#recoverMs = undefined;
    await inTime(msMax, inject(this, time), `${name}: injection ${time} did not end`);
    const fromMs = performance.now();
    try {
      if (await hasEnded(this.proxy)) await this.restart();
      else if (this.#recoverMs === undefined) await this.#recovered(fromMs);
      await this.#grows(recordsBetween);
    } catch (error) {
      // A control run may have damaged the directory so that nothing goes on with it: that is seen, too.
      if (!sees?.includes('start')) throw error;
      this.#startFailure = String(error);
    }
    return this.#recoverMs;
  }

  /** As many documents as records were acknowledged, or the time is over: then the judge says what is missing. */
  async #drain(): Promise<void> {
    const { drainMsMax = this.#options.without === undefined ? 120_000 : 0 } = this.#options;
    const until = performance.now() + drainMsMax;
    const { dest } = this.ledger.options;
    const path = `${this.engine.url}/*,-logseal-control,-logseal-seals,-logseal-checkpoints`;
    for (;;) {
      await fetch(`${path}/_refresh`, { method: 'POST' });
      const answer = await fetch(`${path}/_count`);
      const { count = 0 } = (await answer.json()) as { count?: number };
      if (count >= this.ledger.acknowledged || performance.now() > until) return;
      if (await hasEnded(this.proxy)) throw new Error(`the proxy ended while ${dest} was drained`);
      await pause(50);
    }
  }

  async clear(): Promise<void> {
    await this.ledger.stop(0);
    await this.#proxy?.kill();
    await this.intake.close();
    await this.upstream.close();
  }
}

async function inTime(msMax: number, work: Promise<void>, message: string): Promise<void> {
  const over = new AbortController();
  const late = pause(msMax, undefined, { signal: over.signal }).then(() => Promise.reject(new Error(message)));
  late.catch(() => undefined);
  try {
    await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

/** Whether the process is gone. */
async function hasEnded({ ended }: RunningProxy): Promise<boolean> {
  const still = Symbol('still running');
  return (await Promise.race([ended, Promise.resolve(still)])) !== still;
}

function rowsOf({ class: name, faults, without, withoutToo }: ExperimentOptions, outcome: Outcome): Row[] {
  const { injections, judgement, startFailure, drainedMs } = outcome;
  const { verify } = judgement;
  return faults.map((fault) => {
    const row: Row = {
      class: name,
      fault: fault.name,
      ...(without === undefined
        ? {}
        : {
            without: without
              .map((one) => protections[one].without)
              .concat(withoutToo ?? [])
              .join(' and '),
          }),
      injected: 0,
      ...{ acknowledged: 0, lost: 0, twice: 0, outOfPlace: 0 },
      verify: startFailure === undefined ? verify : `does not start; ${verify}`,
      drainedMs,
    };
    for (const [at, injection] of injections.entries()) {
      const counts = judgement.sections[at];
      if (injection.fault !== fault.name || counts === undefined) continue;
      row.injected += 1;
      row.acknowledged += counts.acknowledged;
      row.lost += counts.lost;
      row.twice += counts.twice;
      row.outOfPlace += counts.outOfPlace;
      if (injection.recoverMs !== undefined) row.recoverMs = Math.max(row.recoverMs ?? 0, injection.recoverMs);
    }
    return row;
  });
}

function sum(sections: readonly Counts[]): Counts {
  const total: Counts = { acknowledged: 0, lost: 0, twice: 0, outOfPlace: 0, invented: 0 };
  for (const counts of sections) {
    for (const name of Object.keys(total) as (keyof Counts)[]) total[name] += counts[name];
  }
  return total;
}

function assertWhole(t: Test, { ledger }: Bench, { judgement, injections, exit }: Outcome, names: string): void {
  const { acknowledged, ...damage } = sum(judgement.sections);
  const { verify, examples } = judgement;
  t.strictSame(
    { ...damage, verify, examples },
    { lost: 0, twice: 0, outOfPlace: 0, invented: 0, verify: 'clean', examples: [] },
    `${names}: ${acknowledged} acknowledged, ${injections.length} times hurt, all in place once`,
  );
  t.strictSame(ledger.strange, [], 'no answer that a shipper should never get');
  t.equal(exit, 0, 'it ends in order');
  t.ok(acknowledged > 0 && injections.length > 0, 'there was load, and a fault');
}

function assertDamage(
  t: Test,
  { sees = [], other = () => [] }: ExperimentOptions,
  outcome: Outcome,
  names: string,
): void {
  const { lost, twice, outOfPlace } = sum(outcome.judgement.sections);
  const { verify } = outcome.judgement;
  const seen: Record<Damage, boolean> = {
    lost: lost > 0,
    twice: twice > 0,
    outOfPlace: outOfPlace > 0,
    verify: verify !== 'clean',
    start: outcome.startFailure !== undefined,
    other: other().length > 0,
  };
  t.ok(
    sees.some((damage) => seen[damage]),
    `control, ${names}: sees ${sees.join(' or ')} (lost ${lost}, twice ${twice}, out of place ${outOfPlace}, ${verify}, ${other()})`,
  );
}
