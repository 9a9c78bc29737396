import t from 'tap';
import type { Unwrap } from '../../../src/verify/trust.ts';
import { begin, end, judge, told } from '../../helpers/judge.ts';
import { LogBuilder, seeded } from '../../helpers/log-builder.ts';
import type { TextDocument } from '../../helpers/verify-run.ts';
import { runVerify } from '../../helpers/verify-run.ts';

t.test(
  'without a trust file the first run pins what it sees and says so; the second holds it against others',
  async (t) => {
    const statePath = `${t.testdir()}/memory.json`;
    const { log, chain } = begin();
    log.records(chain, 2);
    end(log);
    const run = await judge(log, { trust: [], statePath });
    t.same(told(run), []);
    t.match(
      run.summary.notCovered.join(),
      /no trust file was given: the identity of test\/logseal was taken from the data/,
    );
    t.same(run.summary.checked.pinned, ['test/logseal']);
    const again = await judge(log, { trust: [], statePath });
    t.same(again.summary.checked.pinned, []);
    t.notMatch(again.summary.notCovered.join(), /trust file/);
    const other = new LogBuilder({ seed: 'other', origin: 'other/logseal' });
    other.record(other.chain('logs'));
    end(other);
    const exchanged = await judge(other, { trust: [], statePath });
    t.ok(told(exchanged).includes('FOREIGN 0') && told(exchanged).includes('ROLLED-BACK'), String(told(exchanged)));
  },
);

t.test('nothing signed at all is nothing to verify', async (t) => {
  await t.rejects(runVerify([], { secrets: {} }), { code: 'NOTHING_TO_VERIFY' });
  const { log } = begin();
  const emptied = await runVerify([], { secrets: {}, trust: [log.trust] });
  t.same(told(emptied), ['MISSING', 'MISSING'], 'but with a trust file all its chains are missing');
});

t.test('two instances in one source are judged each by its own trust file', async (t) => {
  const one = begin();
  one.log.records(one.chain, 2);
  end(one.log);
  const two = begin({ origin: 'two/logseal', seed: 'two' });
  two.log.records(two.chain, 3, { index: 'logs' });
  end(two.log);
  const documents = [...one.log.documents, ...two.log.documents];
  const secrets = { ...one.log.secrets, ...two.log.secrets };
  const run = await runVerify(documents, { trust: [one.log.trust, two.log.trust], secrets });
  t.same(told(run), []);
  t.equal(run.summary.counts.OK, 5);
  t.same(run.summary.checked.origins, ['test/logseal', 'two/logseal']);
});

t.test('chains made and rotated after the trust file was written are trusted through control records', async (t) => {
  for (const withoutKey of [false, true]) {
    const { log, chain } = begin();
    const trust = [log.trust];
    log.record(chain);
    const later = log.chain('later');
    log.place('later');
    log.record(later, { dest: 'later' });
    log.act('rotate', { old: chain.id, new: later.id, why: 'schedule' });
    log.seal(chain, 'rotate');
    end(log);
    log.documents.sort((a, b) => (a.index < b.index ? 1 : -1));
    const tail = log.chain('tail');
    log.record(tail, { dest: 'tail' });
    const run = await judge(log, { trust, withoutKey });
    // The seal after the rotate seal comes from `end`, which seals every chain.
    t.same(told(run), ['EQUIVOCATION 1']);
    t.match(run.summary.counts, { OK: 2, PENDING: 1 });
  }
});

t.test('a rotated control chain extends trust to the chains that its successor names', async (t) => {
  const { log, chain } = begin();
  const trust = [log.trust];
  log.record(chain);
  const next = log.chain('control');
  log.act('rotate', { old: log.control.id, new: next.id, why: 'schedule' });
  log.seal(chain);
  log.seal(log.control, 'rotate');
  Object.assign(log, { control: next });
  const late = log.chain('late');
  log.record(late, { dest: 'late' });
  log.seal(late);
  log.seal(next, 'shutdown');
  log.checkpoint();
  for (const withoutKey of [false, true]) {
    const run = await judge(log, { trust, withoutKey });
    t.same(told(run), []);
    t.equal(run.summary.counts.OK, 2);
  }
});

t.test('without the key a chain that only an unsealed-over record names stays foreign', async (t) => {
  const { log, chain } = begin();
  const trust = [log.trust];
  log.record(chain);
  end(log);
  const rogue = new LogBuilder({ seed: 'rogue' });
  const stolen = rogue.chain('rogue');
  const body = { id: stolen.id, name: 'rogue', suite: 1, wrapped: '', certificates: [], origin: log.origin };
  const fake = log.act('chain', body);
  fake.source = fake.source.replace('"epoch":1', '"epoch":0').replace('"index":0', '"index":9');
  log.documents.push(rogue.record(stolen));
  const run = await judge(log, { trust, withoutKey: true });
  t.ok(told(run).includes('FOREIGN 0'), String(told(run)));
});

t.test('a missing or wrong key is not tampering', async (t) => {
  const { log, chain } = begin();
  log.records(chain, 3);
  end(log);
  const unknown = await judge(log, { unwrap: () => undefined });
  t.same(
    unknown.findings.map(({ verdict, count }) => [verdict, count]),
    [
      ['UNKNOWN-KEY', 4],
      ['UNKNOWN-KEY', 3],
    ],
  );
  t.equal(unknown.summary.exit, 2);
  const bad = await judge(log, { unwrap: (id) => (id === chain.id ? seeded('x', 'y') : undefined) });
  t.same(
    bad.findings.map(({ verdict }) => verdict),
    ['UNKNOWN-KEY', 'BAD-KEY'],
  );
  const short = await judge(log, { unwrap: () => Buffer.alloc(5) });
  t.same(
    short.findings.map(({ verdict }) => verdict),
    ['BAD-KEY', 'BAD-KEY'],
  );
});

t.test('with a key that opens nothing, a chain that only a control record names is unknown, not foreign', async (t) => {
  const log = new LogBuilder();
  const trust = [log.trust];
  const chain = log.chain('logs');
  log.place('logs');
  log.records(chain, 2);
  end(log);
  const run = await judge(log, { trust, unwrap: () => undefined });
  t.same([told(run), run.summary.exit], [['UNKNOWN-KEY', 'UNKNOWN-KEY'], 2]);
  const half = await judge(log, { trust, unwrap: (id) => (id === chain.id ? Buffer.from(chain.secret) : undefined) });
  t.same(
    told(half),
    ['UNKNOWN-KEY', 'UNKNOWN-KEY'],
    'a chain that nobody vouches for is not judged by a key of its own',
  );
});

t.test('the key is taken out of the wrapped secret of a creation record, and a false one does no harm', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  const wrapped = Buffer.from('wrapped');
  log.act('chain', {
    id: chain.id,
    name: 'logs',
    suite: 1,
    wrapped: wrapped.toString('base64'),
    certificates: [],
    origin: log.origin,
  });
  end(log);
  const run = await judge(log, {
    unwrap: (id, der) => {
      if (id === log.control.id) return Buffer.from(log.control.secret);
      return der.equals(wrapped) ? Buffer.from(chain.secret) : undefined;
    },
  });
  t.same(told(run), []);
  t.equal(run.summary.counts.OK, 1);
});

/** A log whose creation records hold secrets that only `unwrap` opens, by nothing but the wrapped bytes. */
function wrappedLog(): { log: LogBuilder; creations: TextDocument[]; unwrap: Unwrap } {
  const { log, chain } = begin();
  const opened = new Map<string, Buffer>();
  const creations = [log.control, chain].map(({ id, name, secret }, at) => {
    const der = Buffer.concat([Buffer.from([0x30, 0x82, 2, 0x54]), Buffer.alloc(600, 0xf0 + at)]);
    opened.set(der.toString('base64'), secret);
    const wrapped = der.toString('base64');
    return log.act('chain', { id, name, suite: 1, wrapped, certificates: [], origin: log.origin });
  });
  log.records(chain, 3);
  end(log);
  const unwrap: Unwrap = (_id, der) => {
    const secret = opened.get(der.toString('base64'));
    return secret === undefined ? undefined : Buffer.from(secret);
  };
  return { log, creations, unwrap };
}

t.test('a changed creation record is one finding: the secret in it still opens its chain', async (t) => {
  const honest = wrappedLog();
  t.same(told(await judge(honest.log, { unwrap: honest.unwrap })), []);
  const changes: [from: string | RegExp, to: string, at: readonly number[], found: string[]][] = [
    [/name\\":\\"/, 'name\\":\\"x', [0], ['MODIFIED 4']],
    [/name\\":\\"/, 'name\\":\\"x', [0, 1], ['MODIFIED 4', 'MODIFIED 5']],
    ['wrapped', 'wropped', [0], ['MODIFIED 4']],
    ['"v":1', '"v":1,"w":1', [0], ['MALFORMED', 'MISSING 4']],
    [/"tag":".../, '"tag":"AAA', [0], ['FORGED 4']],
  ];
  for (const [from, to, at, found] of changes) {
    const { log, creations, unwrap } = wrappedLog();
    for (const one of at) creations[one]!.source = creations[one]!.source.replace(from, to);
    const run = await judge(log, { unwrap });
    t.same([told(run), run.summary.counts.OK], [found, 3], `${from}`);
  }
});

t.test('a secret that is gone leaves what needs no key: changed, missing and moved records are found', async (t) => {
  const only = ({ log }: { log: LogBuilder }) => [{ ...log.trust, chains: [log.control.id] }];
  const { log, creations, unwrap } = wrappedLog();
  const records = log.documents.filter(({ index }) => index === 'logs');
  for (const creation of creations) creation.source = creation.source.replaceAll('MII', 'MIJ');
  const lost = await judge(log, { unwrap, trust: only({ log }) });
  t.same(told(lost), ['MODIFIED 4', 'MODIFIED 5', 'UNKNOWN-KEY', 'UNKNOWN-KEY']);
  t.match(lost.summary, { exit: 1, counts: { OK: 0 } });
  records[0]!.source = records[0]!.source.replace('record 0', 'record X');
  records[1]!.index = 'elsewhere';
  log.documents.splice(log.documents.indexOf(records[2]!), 1);
  const more = await judge(log, { unwrap, trust: only({ log }) });
  t.same(told(more).toSorted(), [
    'MISSING 2',
    'MODIFIED 0',
    'MODIFIED 4',
    'MODIFIED 5',
    'MODIFIED epoch 0',
    'MOVED 1',
    'UNKNOWN-KEY',
    'UNKNOWN-KEY',
  ]);
});

t.test('whoever brings the key of another auditor learns that, and gets no false alarm', async (t) => {
  for (const live of [false, true]) {
    const { log, chain } = begin();
    log.records(chain, 3);
    log.reject(chain);
    log.act('retire', { chain: chain.id, seqs: [[1, 1]], leaves: {}, reason: 'age' }, true);
    const [retired] = log.documents.filter(({ index, source }) => index === 'logs' && source.includes('"seq":1,'));
    log.documents.splice(log.documents.indexOf(retired!), 1);
    log.act('discard', { chain: chain.id, seqs: [[9, 9]], reason: 'none' }, true);
    log.seal(log.control);
    log.checkpoint();
    log.records(chain, 2);
    const now = log.now + 1000;
    for (const unwrap of [() => undefined, () => seeded('x', 'y')]) {
      const run = await judge(log, { unwrap, live, now });
      const verdict = unwrap() === undefined ? 'UNKNOWN-KEY' : 'BAD-KEY';
      t.same([told(run), run.summary.exit], [[verdict, verdict], 2]);
      t.match(run.summary.counts, { OK: 0, PENDING: undefined });
    }
  }
});

t.test('without the key and without a checkpoint nothing is proven, and nothing is OK', async (t) => {
  const { log, chain } = begin();
  log.records(chain, 3);
  log.sealAll('shutdown');
  const run = await judge(log, { withoutKey: true });
  t.same(told(run), ['UNKNOWN-KEY']);
  t.match(run.summary.counts, { OK: 0, PENDING: 3 });
  const withKey = await judge(log);
  t.same(told(withKey), []);
  t.match(withKey.summary.notCovered.join(), /no valid checkpoint/);
});

t.test('seals younger than the checkpoint are named as not proven', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  end(log);
  log.record(chain);
  log.seal(chain);
  t.match((await judge(log)).summary.notCovered.join(), /1 of 3 seals of test\/logseal are not under a checkpoint yet/);
});
