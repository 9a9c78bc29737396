import { join } from 'node:path';
import t from 'tap';
import { redeliver } from '../../../src/delivery/redeliver.ts';
import { DeliveryRig } from '../../helpers/delivery-rig.ts';
import { FakeStore } from '../../helpers/fake-store.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

async function delivered(dir: string, store: FakeStore): Promise<DeliveryRig> {
  store.refuse = ({ text, dest }) =>
    text.includes('"poison"') && dest !== 'logseal-rejects'
      ? { status: 400, type: 'document_parsing_exception', reason: 'failed to parse' }
      : undefined;
  const rig = await DeliveryRig.open(dir, store);
  await rig.start();
  await rig.log.records([1, 2, 3].map((n) => ({ dest: 'a', content: `{"n":${n}}`, timeMs: 1000 * n })));
  await rig.log.records([{ dest: 'a', content: '{"poison":1}', timeMs: 4000 }]);
  await rig.log.seal(0);
  await rig.idle();
  await rig.finish();
  return rig;
}

function again(rig: DeliveryRig, dir: string, store: FakeStore, fromMs: number, triesMax = 3) {
  const clock = new ManualClock();
  const moving = setInterval(() => clock.advance(1000), 1);
  return redeliver({
    walDir: rig.log.dir,
    upstream: store,
    host: {
      control: async () => {
        throw new Error('nothing new is to be recorded');
      },
      settled: () => undefined,
      trim: () => undefined,
      event: () => undefined,
    },
    clock,
    random: () => 0,
    batch: { hash: true, rawAlways: false },
    placesPath: join(dir, 'delivery', 'places'),
    fromMs,
    until: rig.log.wal.durable,
    triesMax,
    signal: new AbortController().signal,
  }).finally(() => clearInterval(moving));
}

t.test(
  'what a restored search engine lacks is there again, once, and where it was: records, rejects and seals',
  async (t) => {
    const dir = t.testdir();
    const store = new FakeStore();
    const rig = await delivered(dir, store);
    const whole = new Map(store.documents);
    t.match(await again(rig, dir, store, 0), { sent: 0, seals: 1, failed: 0 });
    t.strictSame(new Map(store.documents), whole, 'nothing was missing, nothing changes');

    const texts = [...store.documents.values()].map(({ index, id, text }) => [index, id, text].join(' ')).sort();
    store.documents.clear();
    let lost = 2;
    store.fault = (items) => (items > 0 && lost-- > 0 ? 'lost' : 'none');
    const report = await again(rig, dir, store, 0);
    t.match(report, { failed: 0, seals: 1, reasons: [] });
    t.equal(report.records, rig.log.written.length);
    t.strictSame([...store.documents.values()].map(({ index, id, text }) => [index, id, text].join(' ')).sort(), texts);
  },
);

t.test('records from before the given time are left alone', async (t) => {
  const dir = t.testdir();
  const store = new FakeStore();
  const rig = await delivered(dir, store);
  store.documents.clear();
  await again(rig, dir, store, 2000);
  t.strictSame(
    store.in('a').map(({ text }) => (JSON.parse(text) as { n: number }).n),
    [2, 3],
  );
});

t.test('what cannot be sent is counted, with the reason', async (t) => {
  const dir = t.testdir();
  const store = new FakeStore();
  const rig = await delivered(dir, store);
  store.documents.clear();
  store.refuse = ({ dest }) =>
    dest === 'a' ? { status: 403, type: 'cluster_block_exception', reason: 'locked' } : undefined;
  t.match(await again(rig, dir, store, 0, 2), { failed: 3, reasons: ['locked'] });
});
