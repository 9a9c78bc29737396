import t from 'tap';
import { systemClock } from '../../../src/lib/clock.ts';

t.test('a delay of months is not over at once', async (t) => {
  let over = false;
  const timer = systemClock.after(100 * 86_400_000, () => {
    over = true;
  });
  await new Promise<void>((resolve) => {
    systemClock.after(10, resolve);
    setTimeout(resolve, 20);
  });
  timer.cancel();
  t.equal(over, false);
});
