/** Fault class *process*: killed at named points, told to end under load, out of memory, two on one directory. */
import { join } from 'node:path';
import t from 'tap';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { Exchange, TrapPoint } from '../helpers/relay.ts';
import type { ExperimentOptions, Scene } from './experiment.ts';
import { experiment } from './experiment.ts';

const missing = ownElasticsearchMissing();
if (missing) t.comment(missing);

const bulkOf = (index: string) => (exchange: Exchange) =>
  exchange.path.startsWith('/_bulk') && exchange.body.includes(`"_index":"${index}"`);

/** kill -9 when an exchange with the search engine that matches is at a point; the exchange is cut there. */
const killedAt = (at: TrapPoint, index: string) => async (scene: Scene) => {
  await scene.upstream.trap({ at, matches: bulkOf(index), act: () => scene.proxy.kill(), cut: true });
};

t.test('kill -9 at points of the network', { skip: missing }, async (t) => {
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  const root = t.testdir();
  let runs = 0;
  const run = (options: Omit<ExperimentOptions, 'class' | 'engine' | 'dataDir'>) => {
    runs += 1;
    return experiment(t, { class: 'process', engine, dataDir: join(root, `data-${runs}`), ...options });
  };

  await run({ fault: 'kill -9 before send', times: 2, inject: killedAt('request', 'logs-fault') });
  await run({
    fault: 'kill -9 before send',
    times: 1,
    inject: killedAt('request', 'logs-fault'),
    without: ['cursor-behind-answers'],
    sees: ['lost'],
  });
  await run({ fault: 'kill -9 after send, before the answer', times: 2, inject: killedAt('answer', 'logs-fault') });
  await run({
    fault: 'kill -9 after send, before the answer',
    times: 1,
    inject: killedAt('answer', 'logs-fault'),
    without: ['fixed-id'],
    sees: ['twice'],
  });
});
