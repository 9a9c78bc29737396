import t from 'tap';
import type { AdmissionOptions } from '../../../src/sequencer/admission.ts';
import { Admission } from '../../../src/sequencer/admission.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

function setUp(change: Partial<AdmissionOptions> = {}) {
  const clock = new ManualClock();
  const state = { free: 1000, holds: 0 };
  const admission = new Admission({
    room: (bytes) => bytes <= state.free,
    largestBytes: 5000,
    pendingBytesMax: 300,
    holdMaxMs: 45_000,
    clock,
    onHold: () => {
      state.holds += 1;
    },
    ...change,
  });
  return { clock, state, admission };
}

const open = new AbortController().signal;

t.test('a request enters at once while there is room', async (t) => {
  const { admission, state } = setUp();
  await t.resolves(admission.admit(100, open));
  t.equal(state.holds, 0);
});

t.test('a request that the log can never take is refused for good, and not held', async (t) => {
  const { admission, state } = setUp();
  await t.rejects(admission.admit(5001, open), {
    code: 'REQUEST_REFUSED',
    details: { status: 413, type: 'content_too_long_exception' },
  });
  t.equal(state.holds, 0);
  state.free = 5000;
  await t.resolves(admission.admit(5000, open));
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
  t.equal(state.holds, 1);
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

t.test('requests that come together share the bound on what is pending', async (t) => {
  const { admission, state } = setUp();
  state.free = 0;
  const entered: number[] = [];
  const all = [1, 2, 3].map((n) => admission.admit(150, open).then(() => entered.push(n)));
  state.free = 1000;
  admission.recheck();
  await Promise.all(all.slice(0, 2));
  t.same(entered, [1, 2]);
  admission.ended(150);
  await all[2];
  t.same(entered, [1, 2, 3]);
});

t.test('one that waits for others to be durable is not overtaken, one that waits for room in the log is', async (t) => {
  const { admission, state } = setUp();
  await admission.admit(200, open);
  const entered: string[] = [];
  const large = admission.admit(2000, open).then(() => entered.push('large'));
  const second = admission.admit(200, open).then(() => entered.push('second'));
  const small = admission.admit(50, open).then(() => entered.push('small'));
  await Promise.resolve();
  t.same(entered, [], 'the second is first');
  admission.ended(200);
  await Promise.all([second, small]);
  t.same(entered, ['second', 'small']);
  admission.ended(250);
  state.free = 5000;
  admission.recheck();
  await large;
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

t.test('room that the log gets is given by turns, not to whoever asks most', async (t) => {
  const { admission, state } = setUp({ pendingBytesMax: 30 });
  state.free = 0;
  const entered: string[] = [];
  const hold = (source: string) => admission.admit(10, open, source).then(() => entered.push(source));
  const greedy = Array.from({ length: 100 }, () => hold('greedy'));
  const small = [hold('small'), hold('small')];
  t.equal(state.holds, 102);
  state.free = 1000;
  admission.recheck();
  await Promise.all([greedy[0], greedy[1], small[0]]);
  t.strictSame(entered, ['greedy', 'small', 'greedy'], 'three have room');
  admission.ended(10);
  await small[1];
  t.strictSame(entered, ['greedy', 'small', 'greedy', 'small']);
  for (let n = 0; n < 99; n += 1) admission.ended(10);
  await Promise.all(greedy);
  t.equal(entered.length, 102);
});
