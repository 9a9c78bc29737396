/** How many records wait, as delivery knows it: in the main reader, in lanes, and after a restart. */
import t from 'tap';
import type { Delivery } from '../../../src/delivery/delivery.ts';
import type { DeliveryStats } from '../../../src/delivery/port.ts';
import { waitingNow } from '../../../src/proxy/delivery-metrics.ts';
import { DeliveryRig } from '../../helpers/delivery-rig.ts';
import { FakeStore } from '../../helpers/fake-store.ts';

const records = (count: number, dest: string) =>
  Array.from({ length: count }, (_, n) => ({ dest, content: `{"n":${n}}` }));

function waitingIn(rig: DeliveryRig): number | undefined {
  return waitingNow({ wal: rig.log.wal, stats: rig.delivery?.stats(), signed: 0 }).records;
}

t.test(
  'records of a destination that refuses are counted, over a restart too, and none when all is delivered',
  async (t) => {
    const store = new FakeStore();
    let blocked = true;
    store.refuse = ({ dest }) =>
      dest === 'sick' && blocked ? { status: 403, type: 'cluster_block_exception', reason: 'read-only' } : undefined;
    const rig = await DeliveryRig.open(t.testdir(), store);
    rig.limits = { parkedMax: 4 };
    for (let i = 0; i < 20; i += 1) await rig.log.records([...records(10, 'sick'), ...records(10, 'well')]);
    await rig.start();
    const { backlog } = rig.delivery?.stats() ?? {};
    t.equal(backlog?.records, 400, 'what the log holds at the start');
    t.ok((backlog?.oldestMs ?? 0) > 0);
    await rig.until(() => store.in('well').length === 200 && waitingIn(rig) === 200);
    await rig.until(() => rig.saved.at(-1)?.lanes.length === 1);
    t.ok((rig.delivery?.stats().oldestMs ?? 0) > 0, 'the lane has the oldest');
    const bytesFrom = (at: 'needed' | 'main') => rig.log.wal.bytesFrom((rig.delivery as Delivery).stats()[at]);
    t.ok(bytesFrom('needed') > bytesFrom('main'));

    rig.kill();
    await rig.start();
    t.ok((rig.delivery?.stats().backlog?.inLanes ?? 0) > 0);
    await rig.until(() => waitingIn(rig) === 200);
    blocked = false;
    await rig.idle();
    t.equal(waitingIn(rig), 0);
    t.match(rig.delivery?.stats(), { pending: 0, inLanes: 0, oldestMs: undefined });
    await rig.finish();
  },
);

t.test('before the log was looked through the number is not known, and none is made up', async (t) => {
  const wal = { bytesFrom: () => 7 };
  t.strictSame(waitingNow({ wal, stats: undefined, signed: 3 }), { records: undefined, bytes: 0, oldestMs: undefined });
  const stats = { backlog: undefined, needed: { segment: 0, offset: 0 } } as DeliveryStats;
  t.strictSame(waitingNow({ wal, stats, signed: 3 }), { records: undefined, bytes: 7, oldestMs: undefined });
});
