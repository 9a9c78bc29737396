/** Fault class *client*: a shipper that is gone before its answer, and sends the same bulk again, with ids of its own and without. */
import t from 'tap';
import type { Scene } from './experiment.ts';
import { openFaultClass } from './fault-class.ts';
import { toDest } from './process-faults.ts';

const lab = await openFaultClass(t, 'client');
const skip = lab.missing;

t.test('the same bulk again without ids: what was acknowledged is there, once each', { skip }, async (t) => {
  const again = { name: 'disconnect before the answer, the same bulk again without ids', inject: loseAnswer };
  await lab.run(t, { recordsBetween: 100, faults: [again] });
});

t.test('without a fixed id for each record the second sending is there beside the first', { skip }, async (t) => {
  await lab.run(t, {
    ledger: { ids: 'given' },
    recordsBetween: 100,
    faults: [{ name: 'disconnect before the answer, the same bulk again with ids', inject: loseAnswer }],
    without: ['fixed-id'],
    sees: ['twice'],
  });
});

/** The shipper's connection ends when the proxy has answered; it sends the bulk again. */
function loseAnswer({ intake }: Scene): Promise<void> {
  return intake.trap({ at: 'answer', matches: ({ body }) => body.includes(toDest), cut: true });
}
