/** How long delivery waits between two tries, by what it met. */
import t from 'tap';
import { DeliveryRig } from '../../helpers/delivery-rig.ts';
import { FakeStore } from '../../helpers/fake-store.ts';

const tries = 12;

/** The longest pause that was asked for while so many tries failed. */
async function longestPause(dir: string, fault: 'away' | 'busy'): Promise<number> {
  const store = new FakeStore();
  const rig = await DeliveryRig.open(dir, store);
  rig.limits = { backoffMsMax: 30_000 };
  let failed = 0;
  store.fault = () => {
    failed += 1;
    return fault;
  };
  let longest = 0;
  const after = rig.clock.after.bind(rig.clock);
  rig.clock.after = (ms, fn) => {
    longest = Math.max(longest, ms);
    return after(ms, fn);
  };
  await rig.start();
  await rig.log.records([{ dest: 'a', content: '{}' }]);
  await rig.until(() => failed >= tries, `${tries} tries`, 5000);
  store.fault = () => 'none';
  await rig.idle();
  await rig.finish();
  return longest;
}

t.test('where no connection can be made it knocks each second, so that it begins when somebody is there', async (t) => {
  t.equal(await longestPause(t.testdir(), 'away'), 1000);
});

t.test('who answers that there is too much is left alone for longer and longer', async (t) => {
  t.ok((await longestPause(t.testdir(), 'busy')) > 10_000);
});
