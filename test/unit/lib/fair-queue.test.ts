import t from 'tap';
import { FairQueue } from '../../../src/lib/fair-queue.ts';

function filled(...entries: [source: string, entry: number][]): FairQueue<number> {
  const queue = new FairQueue<number>(1000);
  for (const [source, entry] of entries) queue.push(source, entry);
  return queue;
}

t.test('sources take turns, and within one the order of coming holds', async (t) => {
  const queue = filled(['a', 1], ['a', 2], ['a', 3], ['b', 10], ['a', 4], ['c', 20], ['b', 11]);
  const served: number[] = [];
  queue.serve((entry) => {
    if (served.length === 4) return 'stop';
    served.push(entry);
    return 'taken';
  });
  t.strictSame(served, [1, 10, 20, 2]);
  t.equal(queue.size, 3);
  t.strictSame(queue.first(), { source: 'b', entry: 11 }, 'the turn goes on where it stopped');
  for (let next = queue.first(); next !== undefined; next = queue.first()) {
    served.push(next.entry);
    t.ok(queue.remove(next.source, next.entry, true));
  }
  t.strictSame(served, [1, 10, 20, 2, 11, 3, 4]);
  t.notOk(queue.remove('a', 4));
});

t.test('one that waits does not hold up its source; a whole source can be passed over', async (t) => {
  const queue = filled(['a', 1], ['a', 2], ['b', 10], ['b', 11]);
  const asked: number[] = [];
  queue.serve((entry, source) => {
    asked.push(entry);
    return source === 'b' ? 'next-source' : entry === 1 ? 'waits' : 'taken';
  });
  t.strictSame(asked, [1, 10, 2]);
  t.equal(queue.size, 3);
});

t.test('where it is full, the source that has most gives up its newest', async (t) => {
  const queue = new FairQueue<number>(4);
  for (const entry of [1, 2, 3, 4]) t.equal(queue.push('greedy', entry), undefined);
  t.equal(queue.push('small', 10), 4);
  t.equal(queue.push('greedy', 5), 5, 'itself');
  t.equal(queue.size, 4);
  let in100 = 0;
  for (let n = 100; n < 200; n += 1) if (queue.push(`s${n}`, n) !== undefined) in100 += 1;
  t.equal(queue.size, 4, 'bounded whatever comes');
  t.equal(in100, 100);
});
