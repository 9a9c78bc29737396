import t from 'tap';
import { Adaptive } from '../../../src/delivery/adaptive.ts';
import { InFlight } from '../../../src/delivery/in-flight.ts';
import type { RecordsFrame } from '../../../src/delivery/item.ts';
import { RejectRegister, runsOf } from '../../../src/delivery/rejects.ts';
import { Backoff, BlockedTime, pause } from '../../../src/delivery/retry-policy.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

t.test(
  'waits double up to their bound, between half and all of it, and never fall below what was asked for',
  async (t) => {
    const backoff = new Backoff({ minMs: 100, maxMs: 1000, random: () => 0 });
    t.strictSame(
      [1, 2, 3, 4, 5, 6].map(() => backoff.next()),
      [50, 100, 200, 400, 500, 500],
    );
    t.equal(backoff.next(5000), 5000);
    backoff.reset();
    t.equal(new Backoff({ minMs: 100, maxMs: 1000, random: () => 0.999_999 }).next() <= 100, true);
    t.equal(backoff.next(), 50);
  },
);

t.test('a pause ends with its time or with the stop, whichever is first', async (t) => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const ended: string[] = [];
  const first = pause(clock, 100, stop.signal).then(() => ended.push('first'));
  clock.advance(100);
  await first;
  const second = pause(clock, 1e9, stop.signal).then(() => ended.push('second'));
  stop.abort();
  await second;
  await pause(clock, 1e9, stop.signal);
  t.strictSame(ended, ['first', 'second']);
});

t.test(
  'time counts as blocked only while the cluster answers others, and an outage of a day hardly at all',
  async (t) => {
    const clock = new ManualClock();
    const blocked = new BlockedTime(1000);
    blocked.refused(clock, 5);
    clock.advance(60_000);
    blocked.refused(clock, 5);
    t.equal(blocked.ms, 1000, 'nobody was answered');
    clock.advance(60_000);
    blocked.refused(clock, 6);
    t.equal(blocked.ms, 121_000);
    clock.advance(24 * 3_600_000);
    blocked.refused(clock, 7);
    t.equal(blocked.ms, 121_000 + 300_000);
    blocked.reset();
    t.equal(blocked.ms, 0);
  },
);

t.test(
  'concurrency and batch size grow while answers are quick, and are cut when the cluster has too much',
  async (t) => {
    const options = { concurrencyMax: 4, batchBytesMin: 1000, batchBytesMax: 2_000_000, latencyMsAim: 100 };
    const adaptive = new Adaptive(options);
    for (let i = 0; i < 100; i += 1) adaptive.answered(10, adaptive.batchBytes);
    t.equal(adaptive.concurrency, 4);
    t.equal(adaptive.batchBytes, 2_000_000);
    adaptive.answered(1000, adaptive.batchBytes);
    t.equal(adaptive.batchBytes, 1_500_000);
    adaptive.answered(1000, 10);
    t.equal(adaptive.batchBytes, 1_500_000, 'a small batch says nothing about the size');
    adaptive.overloaded();
    t.strictSame([adaptive.concurrency, adaptive.batchBytes], [2, 750_000]);
    for (let i = 0; i < 20; i += 1) adaptive.overloaded();
    t.strictSame([adaptive.concurrency, adaptive.batchBytes], [1, 1000]);
    await adaptive.enter();
    let entered = false;
    const waiting = adaptive.enter().then(() => {
      entered = true;
    });
    await Promise.resolve();
    t.equal(entered, false);
    adaptive.leave();
    await waiting;
    t.equal(adaptive.active, 1);
  },
);

function frame(segment: number, offset: number, pending: number): RecordsFrame {
  const header = { suite: 1, chain: Buffer.alloc(16), epoch: 0, count: pending };
  const [position, next] = [offset, offset + 10].map((at) => ({ segment, offset: at }));
  return { payload: Buffer.alloc(10), position: position!, next: next!, header, chain: '', pending };
}

t.test('the cursor stands at the first frame that is not answered for, whatever is answered behind it', async (t) => {
  const flight = new InFlight({ segment: 1, offset: 0 });
  const frames = Array.from({ length: 600 }, (_, i) => frame(1, 10 * i, 2));
  for (const one of frames) flight.add(one);
  for (const one of frames.slice(1)) {
    flight.settle(one);
    flight.settle(one);
  }
  t.strictSame(flight.position, { segment: 1, offset: 0 });
  t.equal(flight.bytes, 6000);
  flight.settle(frames[0]!);
  t.equal(flight.oldest, frames[0]);
  flight.settle(frames[0]!);
  t.strictSame(flight.position, { segment: 1, offset: 6000 });
  t.equal(flight.bytes, 0);
  flight.add(frame(2, 0, 0));
  flight.pass({ segment: 2, offset: 20 });
  t.strictSame(flight.position, { segment: 2, offset: 20 });
});

t.test(
  'the register knows exactly the seqs that were named and not taken back, and forgets what nobody reads again',
  async (t) => {
    const register = new RejectRegister();
    const at = (offset: number) => ({ segment: 1, offset });
    t.ok(register.empty);
    register.add('a', [[10, 12]], 'mapping', at(5));
    register.add('a', [[3, 3]], 'conflict', at(1));
    register.add('a', [[13, 13]], 'mapping', at(9));
    register.add('b', [[0, 0]], 'mapping', at(9));
    const named = (chain: string) =>
      Array.from({ length: 20 }, (_, seq) => seq).filter((seq) => register.has(chain, seq));
    t.strictSame(named('a'), [3, 10, 11, 12, 13]);
    register.remove('a', [[11, 12]]);
    t.strictSame(named('a'), [3, 10, 13]);
    t.match(register.causeOf('a', 3), { status: 409, type: 'conflict' });
    register.addDetail({ chain: 'a', seq: 3, status: 400, type: 't', reason: 'r' });
    t.match(register.causeOf('a', 3), { status: 400, type: 't', reason: 'r' });
    register.forgetDetail('a', 3);
    register.prune(at(5));
    t.strictSame(named('a'), [10, 13]);
    register.remove('a', [[0, 100]]);
    register.prune(at(100));
    t.ok(register.empty);
    t.strictSame(runsOf([1, 2, 2, 3, 7]), [
      [1, 3],
      [7, 7],
    ]);
  },
);
