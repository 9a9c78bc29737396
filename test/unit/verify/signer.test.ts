import t from 'tap';
import { begin, end, judge, told } from '../../helpers/judge.ts';
import { LogBuilder, seeded } from '../../helpers/log-builder.ts';
import { runVerify } from '../../helpers/verify-run.ts';

t.test('a signer who gives one place twice is caught in equivocation', async (t) => {
  const { log, chain } = begin();
  log.records(chain, 2);
  log.record(chain, { seq: 1, position: 1, id: 'other', content: '{"a":2}' });
  chain.leaves.pop();
  log.seal(chain);
  end(log);
  const run = await judge(log);
  t.same(told(run).slice(0, 1), ['EQUIVOCATION 1']);
  t.equal(run.summary.exit, 1);
});

t.test(
  'a seal over other records, another count or another last tag than those of its chain is equivocation',
  async (t) => {
    const changes = [
      { root: seeded('x', 'root') },
      { prev: seeded('x', 'prev').subarray(0, 16) },
      { count: 2 },
      { first: 7 },
    ];
    for (const [at, change] of changes.entries()) {
      const { log, chain } = begin();
      log.seal(chain, 'idle');
      log.records(chain, 3);
      log.seal(chain, 'time', change);
      end(log);
      const run = await judge(log);
      t.ok(
        told(run).some((text) => text.startsWith('EQUIVOCATION')),
        `change ${at}: ${told(run)}`,
      );
      t.ok(
        told(run).every((text) => /^(EQUIVOCATION|REORDERED|MISSING)/.test(text)),
        `change ${at}: ${told(run)}`,
      );
    }
  },
);

t.test('two valid seals of one epoch are equivocation', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  log.seal(chain);
  chain.epoch -= 1;
  log.now += 1000;
  chain.leaves = [];
  log.seal(chain, 'idle');
  end(log);
  t.match(told(await judge(log)), ['EQUIVOCATION epoch 0']);
  t.match(told(await judge(log, { withoutKey: true })), [/FORGED epoch 0/]);
});

t.test('a second valid seal that claims the entry of the first is equivocation, not a forgery', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  const first = log.seal(chain);
  log.record(chain);
  end(log);
  Object.assign(chain, { epoch: 0, first: 0 });
  const second = log.seal(chain, 'time', { count: 1 });
  const entry = /"entry":\d+/.exec(first.source)![0];
  second.source = second.source.replace(/"entry":\d+/, entry);
  const run = await judge(log);
  t.same(told(run), ['EQUIVOCATION epoch 0']);
  t.equal(run.summary.counts.OK, 2, 'the seal under the checkpoint is the one that counts');
});

t.test('a valid seal that is not under a checkpoint yet may bear any hint', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  end(log);
  log.record(chain);
  const young = log.seal(chain);
  young.source = young.source.replace(/"entry":\d+/, '"entry":0');
  const run = await judge(log);
  t.same(told(run), []);
  t.equal(run.summary.counts.OK, 2);
});

t.test('a valid record whose index the seal does not count still holds its seq', async (t) => {
  const { log, chain } = begin();
  log.records(chain, 2);
  log.record(chain, { position: 9 });
  log.records(chain, 2);
  end(log);
  log.documents.splice(
    log.documents.findIndex(({ index, source }) => index === 'logs' && source.includes('"seq":3,')),
    1,
  );
  t.same(told(await judge(log)), ['EQUIVOCATION 2', 'MISSING 3']);
});

t.test('a seal or a record after the chain was rotated is equivocation', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  log.seal(chain, 'rotate');
  log.record(chain);
  log.seal(chain, 'time');
  end(log);
  t.match(told(await judge(log)), ['EQUIVOCATION 1']);
  const open = begin();
  open.log.record(open.chain);
  open.log.seal(open.chain, 'rotate');
  open.log.seal(open.log.control);
  open.log.checkpoint();
  open.log.record(open.chain);
  t.same(told(await judge(open.log)), ['EQUIVOCATION 1']);
});

t.test('a chain under two origins is equivocation', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  end(log);
  const other = new LogBuilder({ origin: 'other/logseal', seed: 'other' });
  end(other);
  const seal = log.seal(chain, 'idle');
  const trust = [{ ...other.trust, chains: [...other.trust.chains, chain.id] }, log.trust];
  log.documents.splice(log.documents.indexOf(seal), 1);
  log.checkpoint();
  const secrets = { ...log.secrets, ...other.secrets };
  const run = await runVerify([...log.documents, ...other.documents], { trust, secrets });
  t.ok(told(run).includes('EQUIVOCATION epoch 0'), String(told(run)));
});

t.test('records that do not link, and seqs that do not follow, are reordered', async (t) => {
  const { log, chain } = begin();
  log.records(chain, 2);
  log.record(chain, { prev: seeded('x', 'y').subarray(0, 16) });
  log.record(chain);
  log.seal(chain);
  log.record(chain, { seq: 9 });
  log.seal(chain);
  chain.seq = 5;
  end(log);
  const run = await judge(log);
  t.same(
    told(run).filter((text) => text.startsWith('REORDERED')),
    ['REORDERED 2', 'REORDERED 9'],
  );
});

t.test('seals of a chain in another order in the log are reordered', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  const first = log.seal(chain);
  log.record(chain);
  const second = log.seal(chain);
  log.entries.reverse();
  first.source = first.source.replace('"entry":0', '"entry":1');
  second.source = second.source.replace('"entry":1', '"entry":0');
  end(log);
  t.same(told(await judge(log)), ['REORDERED epoch 0']);
});

t.test('the order of the log is proven by the root where the hints are lost or wrong', async (t) => {
  const { log, chain } = begin();
  for (let epoch = 0; epoch < 4; epoch++) {
    log.record(chain);
    log.seal(chain);
  }
  end(log);
  for (const document of log.documents) document.source = document.source.replace(/,"entry":\d+/, ',"entry":0');
  t.same(told(await judge(log)), []);
});

t.test('without the key a made-up seal loses against the one under the checkpoint', async (t) => {
  for (const first of [true, false]) {
    const { log, chain } = begin();
    log.record(chain);
    const seal = log.seal(chain);
    end(log);
    const copy = { ...seal, id: 'made up', source: seal.source.replace('count 1', 'count 2') };
    if (first) log.documents.unshift(copy);
    else log.documents.push(copy);
    t.same(told(await judge(log, { withoutKey: true })), ['FORGED epoch 0']);
    t.same(told(await judge(log)), ['FORGED epoch 0']);
  }
});

t.test('checkpoints that contradict each other, the seals, or the memory are a fork', async (t) => {
  const contradicting = begin();
  contradicting.log.record(contradicting.chain);
  end(contradicting.log);
  contradicting.log.checkpoint(2, seeded('x', 'root'));
  t.same(told(await judge(contradicting.log)), ['FORK']);
  const ahead = begin();
  ahead.log.record(ahead.chain);
  end(ahead.log);
  ahead.log.checkpoint(9, seeded('x', 'root'));
  ahead.log.checkpoint(9, seeded('y', 'root'));
  t.same(told(await judge(ahead.log)), ['FORK', 'TRUNCATED']);
});

t.test('checkpoints of others are foreign, unsigned ones forged, unreadable ones malformed', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  end(log);
  const other = new LogBuilder({ origin: 'other/logseal', seed: 'o' });
  log.documents.push(other.checkpoint());
  const thief = new LogBuilder({ seed: 'thief' });
  log.documents.push({ ...thief.checkpoint(), id: 'forged' });
  log.documents.push({ index: 'logseal-checkpoints', id: 'a', source: '{"checkpoint":"test/logseal\\nx\\n"}' });
  log.documents.push({ index: 'logseal-checkpoints', id: 'b', source: '{"checkpoint":5}' });
  log.documents.push({ index: 'logseal-checkpoints', id: 'd', source: '{"checkpoint":"no note"}' });
  log.documents.push({ index: 'logseal-seals', id: 'c', source: '{"seal":' });
  t.same(told(await judge(log)).toSorted(), ['FOREIGN', 'FORGED', ...Array(4).fill('MALFORMED')]);
});

t.test('a seal of an instance that nobody trusts is foreign and no entry', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  end(log);
  const other = new LogBuilder({ origin: 'other/logseal', seed: 'o' });
  log.documents.push(other.seal(other.control));
  t.same(told(await judge(log)), ['FOREIGN epoch 0']);
  t.same(told(await judge(log, { withoutKey: true })), ['FOREIGN epoch 0']);
});
