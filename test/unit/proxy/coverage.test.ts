import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import { Coverage } from '../../../src/proxy/coverage.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

function rig(describe: (dest: string) => Promise<{ timeSeries: boolean }>) {
  const clock = new ManualClock();
  const notCovered = new Set<string>();
  const asked: string[] = [];
  const events: [string, unknown][] = [];
  const coverage = new Coverage({
    describe: (dest) => {
      asked.push(dest);
      return describe(dest);
    },
    notCovered,
    clock,
    log: { event: (name, fields) => void events.push([name, fields]) },
  });
  return { clock, notCovered, asked, events, coverage };
}

t.test(
  'a time series is found before it is signed, named once, and a known destination costs no question',
  async (t) => {
    const { clock, notCovered, asked, events, coverage } = rig(async (dest) => ({ timeSeries: dest === 'metrics' }));
    const [first, second] = [coverage.learn(['logs', 'metrics']), coverage.learn(['metrics'])];
    t.equal(await first, true, 'the request is read again');
    t.equal(await second, true, 'and the one that came beside it');
    t.strictSame([...notCovered], ['metrics']);
    t.equal(coverage.learn(['logs', 'metrics']), undefined, 'known: not even a promise');
    t.strictSame(asked, ['logs', 'metrics'], 'asked once');
    t.strictSame(events, [['destination-not-covered', { dest: 'metrics', reason: 'time_series mode' }]]);
    await clock.advance(60_001);
    t.equal(await coverage.learn(['logs']), false);
    t.equal(asked.filter((dest) => dest === 'logs').length, 2, 'asked again after a minute');
  },
);

t.test('a destination that is a time series no more is signed again without a restart', async (t) => {
  let timeSeries = true;
  const { clock, notCovered, coverage } = rig(async () => ({ timeSeries }));
  t.equal(await coverage.learn(['metrics']), true);
  timeSeries = false;
  await clock.advance(60_001);
  t.strictSame([...notCovered], []);
});

t.test('without an answer a destination counts as signed, and nobody waits for long or often', async (t) => {
  let answer: Promise<{ timeSeries: boolean }> = Promise.reject(new LogsealError('UPSTREAM_REFUSED', 'away'));
  const { clock, asked, coverage } = rig(() => answer);
  t.equal(await coverage.learn(['a']), false);
  t.equal(coverage.learn(['a', 'b']), undefined, 'away: nobody asks for a while');
  await clock.advance(5_001);
  answer = new Promise(() => undefined);
  const waiting = coverage.learn(['a']);
  await clock.advance(1_000);
  t.equal(await waiting, false, 'one second at most');
  t.equal(coverage.learn(['a']), undefined);
  t.equal(asked.length, 2);
});
