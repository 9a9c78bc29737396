/** Each change is told once. */
import t from 'tap';
import { StateWatch } from '../../../src/proxy/state-watch.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const none = { mapping: 0, conflict: 0, dropped: 0, 'failure-store': 0, blocked: 0 };

function open() {
  const told: [string, unknown][] = [];
  const state = { free: 1, chains: [{ id22: 'c0', name: 'control' }], wallMs: 0 };
  const clock = new ManualClock();
  const watch = new StateWatch({
    freeBytes: () => state.free,
    chains: () => state.chains,
    chainsMax: 3,
    clock: {
      now: () => clock.now() + state.wallMs,
      monotonic: () => clock.monotonic(),
      after: (ms, fn) => clock.after(ms, fn),
    },
    log: { event: (name, fields = {}) => told.push([name, fields]) },
  });
  const look = (rejected = none, published?: number) => {
    watch.look({ rejected, published });
    watch.look({ rejected, published });
    return told.splice(0);
  };
  return { state, clock, look };
}

t.test('a log that is full, and has room again', async (t) => {
  const { state, look } = open();
  t.strictSame(look(), []);
  state.free = 0;
  t.match(look(), [['log-full']]);
  state.free = 5;
  t.match(look(), [['log-has-room']]);
});

t.test('chains that come, are replaced, and are too many', async (t) => {
  const { state, look } = open();
  state.chains.push({ id22: 'a0', name: 'a' });
  t.strictSame(look(), [['chain-created', { name: 'a', chain: 'a0' }]]);
  state.chains[1] = { id22: 'a1', name: 'a' };
  t.strictSame(look(), [['chain-rotated', { name: 'a', chain: 'a1', before: 'a0' }]]);
  state.chains.push({ id22: 'b0', name: 'b' });
  t.match(look(), [['chain-created'], ['chains-exhausted', { chains: 3 }]]);
});

t.test('a wall clock that jumps, either way, and not one that is set by seconds', async (t) => {
  const { state, look, clock } = open();
  clock.advance(3_600_000);
  state.wallMs = 30_000;
  t.strictSame(look(), []);
  state.wallMs = -3_600_000;
  t.strictSame(look(), [['clock-jumped', { jumpedMs: -3_600_000 }]]);
});

t.test('rejects are told together, seldom; a checkpoint when it is out', async (t) => {
  const { look, clock } = open();
  t.strictSame(look({ ...none, mapping: 2 }), [['records-rejected', { records: { mapping: 2 } }]]);
  t.strictSame(look({ ...none, mapping: 5 }), []);
  clock.advance(10_000);
  t.strictSame(look({ ...none, mapping: 6, dropped: 1 }), [
    ['records-rejected', { records: { mapping: 4, dropped: 1 } }],
  ]);
  t.strictSame(look({ ...none, mapping: 6, dropped: 1 }, 9), [
    ['checkpoint-published', { anchor: 'search-engine', entry: 9 }],
  ]);
});
