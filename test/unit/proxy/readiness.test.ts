/** When readyz says no, and what it says beside a yes. */
import t from 'tap';
import { describeRefusal } from '../../../src/delivery/describe-refusal.ts';
import type { ReadinessSources } from '../../../src/proxy/readiness.ts';
import { readinessOf, readyCodes } from '../../../src/proxy/readiness.ts';

const well: ReadinessSources = {
  stopping: false,
  freeBytes: 1,
  problem: undefined,
  nodesOut: new Set<string>(),
  stats: { unreachable: undefined, held: [] },
  transport: [],
  inClear: [],
  notCovered: new Set(),
};

t.test('nothing amiss is ready, without a reason', async (t) => {
  t.strictSame(readinessOf(well), { ready: true, reasons: [], notCovered: [] });
  t.match(readinessOf({ ...well, stats: undefined, notCovered: new Set(['metrics']) }), { notCovered: ['metrics'] });
});

t.test('only what keeps records out makes it not ready', async (t) => {
  const cases: Record<keyof typeof readyCodes, Partial<ReadinessSources>> = {
    stopping: { stopping: true },
    'log-full': { freeBytes: 0 },
    'upstream-not-contacted': { problem: { code: 'upstream-not-contacted', reason: 'not yet' } },
    'upstream-node-out': { nodesOut: new Set(['http://node-2:9200']) },
    'upstream-unreachable': { stats: { unreachable: 'refused', held: [] } },
    'rolled-back': { problem: { code: 'rolled-back', reason: 'ROLLED-BACK' } },
    'destination-held': { stats: { unreachable: undefined, held: [{ dest: 'a', reason: 'b', sinceMs: 0 }] } },
    'log-in-clear': { inClear: ['a segment'] },
    'transport-insecure': { transport: ['no TLS'] },
  };
  for (const [code, change] of Object.entries(cases)) {
    const { ready, reasons } = readinessOf({ ...well, ...change });
    t.equal(ready, code !== 'stopping' && code !== 'log-full', code);
    t.strictSame(
      reasons.map((reason) => reason.code),
      [code],
    );
    t.match(readyCodes[code as keyof typeof readyCodes], / no: 503$|^(?!.*503)/);
  }
});

t.test('a reason that may quote a document is not passed on', async (t) => {
  const reason = "failed to parse field [a]. Preview of field's value: 'canary'";
  t.equal(
    describeRefusal({ kind: 'refused', status: 400, type: 'illegal_argument_exception', reason }),
    '400 illegal_argument_exception',
  );
  const blocked = { status: 403, type: 'cluster_block_exception', reason: 'index [i] blocked by: [FORBIDDEN/8]' };
  t.match(describeRefusal({ kind: 'refused', ...blocked }), /blocked by/);
  t.equal(describeRefusal({ kind: 'held', status: 0, type: 'held', reason: 'no _source' }), 'no _source');
});
