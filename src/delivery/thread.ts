/** The delivery thread: builds the stage from what it was given and passes messages. Decides nothing. */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../lib/clock.ts';
import { Upstream } from '../upstream/upstream.ts';
import { CursorFile } from '../wal/cursor.ts';
import type { Position } from '../wal/position.ts';
import { readCursorValue, sentAtLeast } from './cursor-keeper.ts';
import { Delivery } from './delivery.ts';
import type { ControlCall, FromDelivery, ThreadStart, ToDelivery } from './message.ts';
import { cursorName } from './message.ts';
import { messageOf } from './message-of.ts';
import type { DeliveryHost } from './port.ts';
import { SearchEngine } from './search-engine.ts';

const statsIntervalMs = 100;

const start = (workerData as { logsealDelivery?: ThreadStart } | null)?.logsealDelivery;
if (parentPort !== null && start !== undefined) await run(parentPort, start);

async function run(port: NonNullable<typeof parentPort>, options: ThreadStart): Promise<void> {
  const say = (message: FromDelivery) => port.postMessage(message);
  const calls = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  let durable = options.durable;
  const event: DeliveryHost['event'] = (level, name, fields) => say({ kind: 'event', level, name, fields });
  const upstream = new Upstream({
    ...options.upstream,
    clock: systemClock,
    advise: (template, text) => event('warn', 'template-advised', { template, text }),
  });
  const { cursor: store, value } = await CursorFile.open(join(options.dir, cursorName), readCursorValue);
  const host: DeliveryHost = {
    control: (kind: ControlCall['kind'], body: ControlCall['body'], details: ControlCall['details'] = []) => {
      const call = calls.size === 0 ? 0 : Math.max(...calls.keys()) + 1;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      calls.set(call, { resolve, reject });
      say({ kind: 'control', call, control: { kind, body, details } as ControlCall });
      return promise;
    },
    settled: (outcomes) => say({ kind: 'settled', outcomes }),
    trim: (before) => say({ kind: 'trim', before }),
    event,
  };
  const engine = new SearchEngine(upstream, options.upstream.embedded);
  const delivery = new Delivery({
    walDir: options.walDir,
    dir: options.dir,
    durable,
    cursor: options.lookUpUntil === undefined ? value : sentAtLeast(value, options.lookUpUntil),
    store,
    upstream: engine,
    rejected: (ids) => engine.rejected(ids),
    host,
    clock: systemClock,
    random: Math.random,
    batch: options.batch,
    limits: options.limits,
    fatal: (error) => say({ kind: 'fatal', error }),
  });
  const tell = () => say({ kind: 'stats', ...stateOf(delivery, engine, upstream), durable: copyOf(durable) });
  const ticking = setInterval(tell, statsIntervalMs);
  // While the search engine is away it is known what waits all the same. Whatever is wrong is said by the start.
  delivery.look().then(tell, () => undefined);

  const stop = async (graceMs: number) => {
    // What is under way then is of unknown outcome, as after a crash: the next start looks it up.
    const cut = setTimeout(() => void upstream.close(), graceMs);
    await delivery.stop();
    clearTimeout(cut);
    clearInterval(ticking);
    tell();
    await store.close();
    await upstream.close();
    say({ kind: 'stopped' });
    port.close();
  };
  port.on('message', (message: ToDelivery) => {
    if (message.kind === 'grew') {
      durable = message.durable;
      delivery.grew(message.durable);
    } else if (message.kind === 'watch') delivery.watch(message.chain, message.from, message.count);
    else if (message.kind === 'unwatch') delivery.unwatch(message.chain, message.from);
    else if (message.kind === 'credentials') upstream.replaceCredentials(message.credentials);
    else if (message.kind === 'controlled') {
      const call = calls.get(message.call);
      calls.delete(message.call);
      if (message.error === undefined) call?.resolve();
      else call?.reject(new Error(message.error));
    } else if (message.kind === 'retry') {
      const { call } = message;
      delivery.retry(message.request).then(
        (records) => say({ kind: 'retried', call, records, error: '' }),
        (error) => say({ kind: 'retried', call, records: undefined, error: messageOf(error) }),
      );
    } else if (message.kind === 'start') {
      delivery.start().then(
        () => say({ kind: 'started' }),
        (error) => say({ kind: 'fatal', error }),
      );
    } else void stop(message.graceMs);
  });
}

function stateOf(delivery: Delivery, engine: SearchEngine, { connection }: Upstream) {
  return { stats: delivery.stats(), timings: engine.takeTimings(), nodesOut: connection.out };
}

function copyOf({ segment, offset }: Position): Position {
  return { segment, offset };
}
