import t from 'tap';
import type { Outcome } from '../../../src/bulk/intake.ts';
import { Watchers } from '../../../src/sequencer/watchers.ts';

const stored: Outcome = { status: 201, index: 'web', version: 1, seqNo: 1, primaryTerm: 1 };

function setUp() {
  const told: unknown[][] = [];
  const watchers = new Watchers({
    watch: (...range) => told.push(['watch', ...range]),
    unwatch: (...range) => told.push(['unwatch', ...range]),
  });
  return { watchers, told };
}

t.test('outcomes come in batch order, whatever their chains and the order of delivery', async (t) => {
  const { watchers, told } = setUp();
  const { promise, watch, forget } = watchers.expect(3);
  watch('a', 7, Int32Array.of(0, 2));
  watch('b', 0, Int32Array.of(1));
  watchers.settle([{ chain: 'b', seq: 0, outcome: { ...stored, index: 'b' } }]);
  watchers.settle([
    { chain: 'a', seq: 8, outcome: { ...stored, status: 409 } },
    { chain: 'a', seq: 7, outcome: stored },
    { chain: 'a', seq: 99, outcome: stored },
  ]);
  t.strictSame(await promise, [stored, { ...stored, index: 'b' }, { ...stored, status: 409 }]);
  forget();
  t.strictSame(told, [
    ['watch', 'a', 7, 2],
    ['watch', 'b', 0, 1],
  ]);
});

t.test('who stops waiting leaves nothing behind, here and with delivery', (t) => {
  const { watchers, told } = setUp();
  for (let request = 0; request < 3; request += 1) {
    const { watch, forget } = watchers.expect(2);
    watch('a', request * 2, Int32Array.of(0, 1));
    watchers.settle([{ chain: 'a', seq: request * 2, outcome: stored }]);
    forget();
    forget();
  }
  t.equal(watchers.size, 0);
  t.strictSame(
    told.filter(([kind]) => kind === 'unwatch'),
    [0, 2, 4].map((from) => ['unwatch', 'a', from, 2]),
  );
  watchers.settle([{ chain: 'a', seq: 1, outcome: stored }]);
  t.end();
});
