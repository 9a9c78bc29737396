import t from 'tap';
import { judge, told } from '../../helpers/judge.ts';
import type { BuiltChain } from '../../helpers/log-builder.ts';
import { LogBuilder } from '../../helpers/log-builder.ts';

const minute = 60_000;

/** As the proxy begins: creation records, then a boot record that knows both chains. The trust file names the control chain only. */
function start(): { log: LogBuilder; chain: BuiltChain; trust: ReturnType<typeof trustOf>[] } {
  const log = new LogBuilder();
  const trust = [trustOf(log)];
  const chain = log.chain('logs');
  log.boot();
  return { log, chain, trust };
}

const trustOf = (log: LogBuilder) => ({ ...log.trust, chains: [log.control.id] });

function take(
  log: LogBuilder,
  ...gone: ((document: { index: string; id: string; source: string }) => boolean)[]
): void {
  const kept = log.documents.filter((document) => !gone.some((isGone) => isGone(document)));
  log.documents.splice(0, log.documents.length, ...kept);
}

const inCheckpoints = ({ index }: { index: string }): boolean => index === 'logseal-checkpoints';
const sealOf = (chain: BuiltChain, epoch?: number) => (document: { index: string; id: string }) =>
  document.index === 'logseal-seals' && document.id.startsWith(`${chain.id}-${epoch ?? ''}`);
const inDest = ({ index }: { index: string }): boolean => index === 'logs';

/** Used, closed, and a minute of silence after it: three control epochs in all. */
function used(withPlace = true): ReturnType<typeof start> {
  const made = start();
  const { log, chain } = made;
  log.records(chain, 3);
  if (withPlace) log.place('logs');
  log.seal(chain);
  log.seal(log.control);
  for (let at = 0; at < 2; at++) {
    log.now += minute;
    log.seal(log.control, 'idle');
  }
  log.checkpoint();
  return made;
}

t.test('a chain whose records and seals went together with all checkpoints is missing', async (t) => {
  for (const withPlace of [true, false]) {
    const { log, chain, trust } = used(withPlace);
    t.same(told(await judge(log, { trust })), [], 'nothing is found while all is there');
    take(log, inCheckpoints, inDest, sealOf(chain));
    const run = await judge(log, { trust });
    t.same(told(run), ['MISSING'], `the holes in the log tell, place ${withPlace}`);
    t.equal(run.findings[0]?.chain, chain.id);
    t.equal(run.summary.exit, 1);
  }
});

t.test('hints that were made to fit do not hide it: a place was filled, or there should be a checkpoint', async (t) => {
  for (const [withPlace, epochsLeft] of [
    [true, 3],
    [false, 3],
  ] as const) {
    const { log, chain, trust } = used(withPlace);
    take(log, inCheckpoints, inDest, sealOf(chain));
    for (let epoch = 0; epoch < epochsLeft; epoch++) {
      const seal = log.documents.find(sealOf(log.control, epoch))!;
      seal.source = seal.source.replace(/"entry":\d+/, `"entry":${epoch}`);
    }
    t.same(told(await judge(log, { trust })), ['MISSING'], `place ${withPlace}`);
  }
});

t.test('with its checkpoint a chain that is gone is missing, and the log truncated', async (t) => {
  const { log, chain, trust } = used();
  take(log, inDest, sealOf(chain));
  t.same(told(await judge(log, { trust })), ['TRUNCATED', 'MISSING']);
  t.same(told(await judge(log, { trust, withoutKey: true })).includes('TRUNCATED'), true);
});

t.test('a chain whose only trace is a reject record is missing', async (t) => {
  const { log, chain, trust } = start();
  log.reject(chain);
  log.seal(chain);
  log.now += 2 * minute;
  log.seal(log.control);
  log.checkpoint();
  take(log, inCheckpoints, ({ index }) => index === 'logseal-rejects', sealOf(chain));
  const last = log.documents.find(sealOf(log.control))!;
  last.source = last.source.replace('"entry":1', '"entry":0');
  t.same(told(await judge(log, { trust })), ['MISSING']);
});

t.test('a chain that never signed anything is not missed: the log is whole, or has just begun', async (t) => {
  const { log, trust } = start();
  const none = async (why: string, now = log.now): Promise<void> => {
    for (const live of [false, true]) {
      for (const withoutKey of [false, true]) {
        const run = await judge(log, { trust, live, now, withoutKey });
        const told = run.findings.filter(({ verdict }) => verdict !== 'UNKNOWN-KEY');
        t.same(told, [], `${why}, ${live ? 'live' : 'export'}, ${withoutKey ? 'without' : 'with'} key`);
      }
    }
  };
  await none('before the first seal');
  log.seal(log.control);
  await none('before the first checkpoint');
  for (let at = 0; at < 5; at++) {
    log.now += minute;
    log.seal(log.control, 'idle');
    log.checkpoint();
  }
  await none('after minutes of silence');
  const [without] = log.documents.splice(log.documents.findIndex(sealOf(log.control, 2)), 1);
  t.ok(without);
  t.same(told(await judge(log, { trust })), ['TRUNCATED', 'MISSING-SEAL epoch 2'], 'nor for a seal of another chain');
});

t.test('the first record of a live instance may still be on its way when its place is known', async (t) => {
  const { log, chain, trust } = start();
  log.record(chain);
  log.place('logs');
  log.seal(log.control);
  log.checkpoint();
  take(log, inDest);
  t.same(told(await judge(log, { trust, live: true, now: log.now + 1000 })), []);
  const reject = start();
  reject.log.reject(reject.chain);
  take(reject.log, ({ index }) => index === 'logseal-rejects');
  t.same(told(await judge(reject.log, { trust: reject.trust, live: true, now: reject.log.now + 1000 })), []);
});
