/**
 * What the experiments of one test file share: an Elasticsearch of its own (each experiment empties it), a folder, and the seed.
 * The long form is asked for by the laboratory (main.ts); alone, a file runs its short form.
 */
import { join } from 'node:path';
import type { Test } from 'tap';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { Engine } from '../helpers/engine.ts';
import { randomFrom } from '../helpers/simulated-disk.ts';
import type { ExperimentOptions } from './experiment.ts';
import { experiment } from './experiment.ts';
import type { Row } from './row.ts';

export type RunOptions = Omit<ExperimentOptions, 'class' | 'engine' | 'dataDir' | 'times'> &
  Partial<Pick<ExperimentOptions, 'dataDir' | 'times'>>;

export interface FaultClass {
  /** For `{ skip }`: why there is no engine, or false. */
  readonly missing: string | false;
  readonly engine: Engine;
  /** A folder of this file's. */
  readonly root: string;
  readonly long: boolean;
  /** 0 ≤ … < 1; the same for the same LOGSEAL_TEST_SEED. */
  random(): number;
  /** Each on a data directory of its own unless one is given; each fault once unless `times` says more. */
  run(t: Test, options: RunOptions): Promise<Row[]>;
}

/** `t` is the test of the whole file. */
export async function openFaultClass(t: Test, name: string): Promise<FaultClass> {
  const missing = ownElasticsearchMissing();
  const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.comment(missing || `LOGSEAL_TEST_SEED=${seed}`);
  const root = t.testdir();
  const engine = missing ? undefined : await startElasticsearch();
  t.teardown(() => engine?.remove());
  const started = (): Engine => {
    if (engine === undefined) throw new Error(String(missing));
    return engine;
  };
  let runs = 0;
  return {
    missing,
    get engine() {
      return started();
    },
    root,
    long: process.env.LOGSEAL_TEST_FAULTS_LONG !== undefined,
    random: randomFrom(seed),
    run(t, options) {
      runs += 1;
      return experiment(t, {
        class: name,
        engine: started(),
        dataDir: join(root, `data-${runs}`),
        times: 1,
        ...options,
      });
    },
  };
}
