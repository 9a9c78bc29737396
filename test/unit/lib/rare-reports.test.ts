import t from 'tap';
import { RareReports } from '../../../src/lib/rare-reports.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

t.test('the first of a kind passes, then one a minute with the number left out', async (t) => {
  const clock = new ManualClock();
  const reports = new RareReports(clock);
  const passed: string[] = [];
  const offer = (kind: string) => reports.offer(kind, (leftOut) => passed.push(`${kind} ${leftOut}`));
  offer('a');
  offer('a');
  offer('b');
  for (let n = 0; n < 998; n += 1) offer('a');
  clock.advance(59_999);
  offer('a');
  t.strictSame(passed, ['a 0', 'b 0']);
  clock.advance(1);
  offer('a');
  offer('b');
  t.strictSame(passed, ['a 0', 'b 0', 'a 1000', 'b 0']);
});

t.test('kinds without end share one, so that neither memory nor log grows', async (t) => {
  const reports = new RareReports(new ManualClock());
  let passed = 0;
  for (let n = 0; n < 10_000; n += 1) reports.offer(`kind ${n}`, () => (passed += 1));
  t.equal(passed, 101);
});
