import t from 'tap';
import type { AdmissionOptions } from '../../../src/sequencer/admission.ts';
import { Admission } from '../../../src/sequencer/admission.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

function setUp(change: Partial<AdmissionOptions> = {}) {
  const clock = new ManualClock();
  const state = { free: 1000 };
  const admission = new Admission({
    room: (bytes) => bytes <= state.free,
    pendingBytesMax: 300,
    holdMaxMs: 45_000,
    clock,
    ...change,
  });
  return { clock, state, admission };
}

const open = new AbortController().signal;

t.test('a request enters at once while there is room', async (t) => {
  const { admission } = setUp();
  await t.resolves(admission.admit(100, open));
});

t.test('a held request enters when the log gets room', async (t) => {
  const { admission, state } = setUp();
  state.free = 0;
  let entered = false;
  const held = admission.admit(100, open).then(() => {
    entered = true;
  });
  admission.recheck();
  await Promise.resolve();
  t.notOk(entered, 'not before');
  state.free = 1000;
  admission.recheck();
  await held;
  t.ok(entered);
});

t.test('a request that was held too long is refused whole, with the code that becomes 429', async (t) => {
  const { admission, state, clock } = setUp();
  state.free = 0;
  const held = admission.admit(100, open);
  clock.advance(45_000);
  await t.rejects(held, { code: 'LOG_FULL' });
});

t.test(
  'what is being written bounds what comes in, but one large request alone is never refused for that',
  async (t) => {
    const { admission } = setUp({ room: () => true });
    await admission.admit(5000, open);
    admission.began(5000);
    let entered = false;
    const second = admission.admit(10, open).then(() => {
      entered = true;
    });
    await Promise.resolve();
    t.notOk(entered);
    admission.ended(5000);
    await second;
    t.ok(entered);
  },
);

t.test('requests enter in the order of coming, no more than fit', async (t) => {
  const { admission, state } = setUp();
  state.free = 0;
  const entered: number[] = [];
  const first = admission.admit(100, open).then(() => entered.push(1));
  const second = admission.admit(100, open).then(() => entered.push(2));
  state.free = 250;
  admission.recheck();
  await first;
  t.same(entered, [1]);
  state.free = 1000;
  admission.recheck();
  await second;
  t.same(entered, [1, 2]);
});

t.test('a client that goes away leaves the queue', async (t) => {
  const { admission, state } = setUp();
  state.free = 0;
  const gone = new AbortController();
  const held = admission.admit(100, gone.signal);
  gone.abort();
  await t.rejects(held, { code: 'STOPPING' });
});

t.test('stopping refuses who is held and who comes', async (t) => {
  const { admission, state } = setUp();
  state.free = 0;
  const held = admission.admit(100, open);
  admission.close();
  await t.rejects(held, { code: 'STOPPING' });
  await t.rejects(admission.admit(1, open), { code: 'STOPPING' });
});
