import { readFileSync } from 'node:fs';
import t from 'tap';
import { signOperator } from '../../../src/chain/control-record.ts';
import { rootOf } from '../../../src/chain/merkle.ts';
import { decodeVkey, encodeVkey, signNote } from '../../../src/chain/note.ts';
import { copyAnchor, witnessAnchor } from '../../../src/verify/anchors.ts';
import type { VerifyOptions } from '../../../src/verify/options.ts';
import type { ViewJudge } from '../../../src/verify/source.ts';
import type { BuiltChain } from '../../helpers/log-builder.ts';
import { ed25519, LogBuilder, seeded } from '../../helpers/log-builder.ts';
import type { RunResult } from '../../helpers/verify-run.ts';
import { MemorySource, runVerify } from '../../helpers/verify-run.ts';

type Options = Partial<VerifyOptions> & { live?: boolean; statePath?: string; withoutKey?: boolean };

function judge(log: LogBuilder, options: Options = {}): Promise<RunResult> {
  const { withoutKey, ...rest } = options;
  const secrets = withoutKey === true ? undefined : log.secrets;
  return runVerify(log.documents, { trust: [log.trust], secrets, ...rest });
}

function told({ findings }: RunResult): string[] {
  return findings.map(({ verdict, seq, epoch, to }) => {
    const run = to === undefined ? '' : `-${to}`;
    return `${verdict}${seq === undefined ? (epoch === undefined ? '' : ` epoch ${epoch}`) : ` ${seq}${run}`}`;
  });
}

/** One chain with a place, nothing sealed yet. */
function begin(options: ConstructorParameters<typeof LogBuilder>[0] = {}): { log: LogBuilder; chain: BuiltChain } {
  const log = new LogBuilder(options);
  const chain = log.chain('logs');
  log.place('logs');
  return { log, chain };
}

/** Seals everything and publishes the checkpoint. */
function end(log: LogBuilder): void {
  log.sealAll('shutdown');
  log.checkpoint();
}

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
  log.documents.push({ index: 'logseal-seals', id: 'c', source: '{"seal":' });
  t.same(told(await judge(log)).toSorted(), ['FOREIGN', 'FORGED', 'MALFORMED', 'MALFORMED', 'MALFORMED']);
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

t.test('the memory finds a cut tail, an old state and another history that the source itself hides', async (t) => {
  const statePath = `${t.testdir()}/state/memory.json`;
  const { log, chain } = begin();
  log.records(chain, 2);
  end(log);
  const young = [...log.documents];
  log.boot();
  log.record(chain);
  end(log);
  const first = await judge(log, { statePath });
  t.equal(first.summary.counts.UNANCHORED, 1, 'nothing confirms the first run');
  const second = await judge(log, { statePath });
  t.equal(second.summary.counts.UNANCHORED, undefined);
  t.same(second.summary.checked.anchored, ["the verifier's own memory"]);
  const size = JSON.parse(readFileSync(statePath, 'utf8')).instances[0].size;
  t.equal(size, 4);
  const secrets = log.secrets;
  const restored = await runVerify(young, { trust: [log.trust], secrets, statePath });
  t.same(told(restored), ['ROLLED-BACK']);
  t.equal(JSON.parse(readFileSync(statePath, 'utf8')).instances[0].size, 4, 'it is not forgotten');
  const rewritten = begin();
  rewritten.log.records(rewritten.chain, 3);
  end(rewritten.log);
  rewritten.log.boot();
  end(rewritten.log);
  t.same(told(await judge(rewritten.log, { statePath })), ['FORK']);
});

t.test('a state file that is none stops the run with its name', async (t) => {
  const { log } = begin();
  const statePath = t.testdir({ state: '{"v":2}' });
  await t.rejects(judge(log, { statePath: `${statePath}/state` }), {
    code: 'USAGE',
    message: /state is not a state file/,
  });
  await t.rejects(judge(log, { statePath }), { code: 'USAGE', message: /cannot be read/ });
});

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

t.test('anchors: a copy confirms, an invalid one cannot say, one over another text is a mismatch', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  end(log);
  const note = log.note();
  const confirmed = await judge(log, { anchors: [copyAnchor('copy', note)] });
  t.same([told(confirmed), confirmed.summary.exit], [[], 0]);
  t.equal(confirmed.summary.counts.UNANCHORED, undefined);
  const ahead = await judge(log, { anchors: [copyAnchor('copy', log.note(9, seeded('x', 'y')))] });
  t.same(told(ahead), ['TRUNCATED']);
  const witness = ed25519(seeded('w', 'w'));
  const vkey = encodeVkey('witness', witness.publicKey);
  const key = decodeVkey(vkey)!;
  const cosigned =
    note + signNote(note.slice(0, note.indexOf('\n\n') + 1), 'witness', witness.privateKey).split('\n\n')[1];
  t.equal((await judge(log, { anchors: [witnessAnchor('witness', cosigned, key)] })).summary.exit, 0);
  const invalid = await judge(log, { anchors: [witnessAnchor('witness', note, key)] });
  t.same([told(invalid), invalid.summary.exit], [['ANCHOR-INVALID'], 2]);
  t.equal(invalid.summary.counts.UNANCHORED, 1);
  const alone = await judge(log, { anchors: [copyAnchor('copy', 'nothing')] });
  t.same(told(alone), ['ANCHOR-INVALID']);
  const mismatch = await judge(log, {
    anchors: [{ name: 'token', note, verify: () => ({ valid: true, note: log.note(1) }) }],
  });
  t.same([told(mismatch), mismatch.summary.exit], [['ANCHOR-MISMATCH'], 1]);
});

t.test('the development key is WEAK, as information', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  end(log);
  const { summary } = await judge(log, { developmentKey: true });
  t.match(summary, { exit: 0, verdict: 'OK', counts: { WEAK: 1 } });
  t.match(summary.notCovered.join(), /development key/);
});

t.test('recovery is UNCLEAN and a jump of the clock is CLOCK, both information', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  log.seal(chain, 'recovery');
  log.record(chain);
  log.now += 200_000;
  log.record(chain);
  log.seal(chain);
  log.now -= 100_000;
  end(log);
  const run = await judge(log);
  t.same(told(run).toSorted(), ['CLOCK 2', 'CLOCK epoch 2', 'UNCLEAN 0']);
  t.equal(run.summary.exit, 0);
});

t.test('a seal of the future is CLOCK and gets no grace', async (t) => {
  const { log, chain } = begin();
  log.records(chain, 2);
  const [gone] = log.documents.splice(-1);
  t.ok(gone);
  end(log);
  const run = await judge(log, { live: true, now: log.now - 30_000 });
  t.same(told(run).toSorted(), ['CLOCK epoch 0', 'MISSING 1']);
});

t.test(
  'a record of a young seal that is not there yet is PENDING on a live source, MISSING a minute later',
  async (t) => {
    const { log, chain } = begin();
    log.records(chain, 2);
    log.documents.splice(-1);
    end(log);
    const young = await judge(log, { live: true, now: log.now + 30_000 });
    t.same([told(young), young.summary.exit], [['PENDING 1'], 0]);
    t.same(told(await judge(log, { live: true, now: log.now + 70_000 })), ['MISSING 1']);
    t.same(told(await judge(log, { now: log.now + 1000 })), ['MISSING 1'], 'an export does not grow');
  },
);

t.test(
  'an open epoch that should have been sealed is MISSING-SEAL if others were, and STALE if none was',
  async (t) => {
    const { log, chain } = begin();
    log.record(chain);
    log.sealAll();
    log.records(chain, 3);
    log.documents.splice(-2, 1);
    chain.leaves = [];
    chain.epoch += 1;
    log.record(chain);
    log.now += 100_000;
    log.checkpoint();
    const silent = await judge(log, { live: true, now: log.now });
    t.same([told(silent), silent.summary.exit], [['STALE'], 2]);
    log.seal(log.control);
    log.checkpoint();
    const run = await judge(log, { live: true, now: log.now });
    t.same(told(run), ['MISSING 2', 'MISSING-SEAL epoch 1']);
    t.equal(run.findings[1]?.count, 2, 'the run of epochs is one finding');
  },
);

t.test('silence is STALE on a live source unless the proxy said that it stops', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  log.sealAll('time');
  log.checkpoint();
  t.same(told(await judge(log, { live: true, now: log.now + 100_000 })), []);
  t.same(told(await judge(log, { live: true, now: log.now + 130_000 })), ['STALE']);
  t.same(told(await judge(log, { now: log.now + 130_000 })), [], 'an export is judged as of its newest seal');
  end(log);
  t.same(told(await judge(log, { live: true, now: log.now + 130_000 })), []);
});

t.test('documents from before Logseal are not covered, one more is UNSIGNED', async (t) => {
  const log = new LogBuilder();
  const chain = log.chain('logs');
  log.place('logs', 'logs', 5);
  log.record(chain);
  end(log);
  for (let n = 0; n < 5; n++) log.documents.push({ index: 'logs', id: `old${n}`, source: '{}' });
  const run = await judge(log);
  t.same(told(run), []);
  t.match(run.summary.notCovered.join(), /5 documents of logs are from before Logseal/);
  log.documents.push({ index: 'logs', id: 'new', source: '{}' });
  const more = await judge(log);
  t.same(
    more.findings.map(({ verdict, count, found }) => [verdict, count, found]),
    [['UNSIGNED', 1, { _index: 'logs' }]],
  );
});

t.test('places: roll-over, data stream, restored and configured names are in place; others are not', async (t) => {
  const { log, chain } = begin();
  log.place('logs', 'logs-000001');
  const names = [
    'logs-000001',
    '.ds-logs-2025.12.01-000001',
    'partial-logs',
    'restored-logs-000001',
    'shrink-ab12-logs',
    'logs-archive-1',
    'backing',
  ];
  for (const index of names) log.record(chain, { index });
  log.record(chain, { index: 'logs2' });
  log.record(chain, { index: 'restored-other' });
  end(log);
  const indices = [
    { name: 'backing', mappings: {}, sourceMode: 'stored' as const, dataStream: 'logs', filteredAliases: [] },
  ];
  const run = await judge(log, {
    source: new MemorySource(log.documents, false, indices),
    placePatterns: [{ dest: 'logs', pattern: 'logs-archive-*' }],
  });
  t.same(told(run), ['MOVED 7', 'MOVED 8']);
});

t.test('an index that is gone is one finding, and other gaps stay their own', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  log.place('logs', 'logs-1');
  for (let n = 0; n < 3; n++) {
    log.record(chain, { index: 'logs-1' });
    log.seal(chain);
    log.record(chain, { index: 'logs' });
  }
  log.place('logs', 'logs-2');
  log.records(chain, 3, { index: 'logs-2' });
  end(log);
  const kept = log.documents.filter(({ index }) => index !== 'logs-1');
  const run = await runVerify(kept, { trust: [log.trust], secrets: log.secrets });
  t.equal(run.findings.length, 1);
  t.match(run.findings[0], { verdict: 'MISSING', count: 3, dest: 'logs', detail: /Index logs-1 is gone/ });
  const emptied = log.documents.filter(({ index }) => !index.startsWith('logs-'));
  const all = await runVerify(emptied, { trust: [log.trust], secrets: log.secrets });
  t.match(
    all.findings.map(({ detail }) => detail),
    [/Index logs-1 is gone/, /Index logs-2 is gone/],
  );
  const named = log.documents.filter(({ index }) => index.startsWith('logseal-'));
  const nothing = await runVerify(named, { trust: [log.trust], secrets: log.secrets });
  t.ok(nothing.findings.every(({ detail }) => /is gone/.test(detail)));
});

t.test('a chain of which nothing is left is missing, unless it may never have had anything', async (t) => {
  const { log, chain } = begin();
  const unused = log.chain('unused');
  log.boot();
  log.record(chain);
  log.now += 100_000;
  log.seal(chain);
  log.seal(log.control);
  log.checkpoint();
  const run = await runVerify(
    log.documents.filter(({ id, index }) => !(index === 'logs' || id === `${chain.id}-0`)),
    { trust: [log.trust], secrets: log.secrets },
  );
  t.same(told(run), ['TRUNCATED'], 'the last start of the proxy had seen neither chain used');
  t.ok(unused);
});

t.test('operators: erase, retire, discard, acknowledge', async (t) => {
  const { log, chain } = begin();
  const records = log.records(chain, 8);
  const leaves = [...chain.leaves];
  log.seal(chain);
  log.records(chain, 2);
  log.act('erase', { chain: chain.id, seq: 1, reason: 'court' }, true);
  const root = rootOf(log.suite, [leaves[2]!, leaves[3]!]).toString('base64');
  log.act('retire', { chain: chain.id, seqs: [[2, 3]], leaves: { 0: [root] }, reason: 'age' }, true);
  log.act('discard', { chain: chain.id, seqs: [[9, 9]], reason: 'poison' }, true);
  log.act('acknowledge', { chain: chain.id, from: 5, to: 6, verdict: 'MISSING', reason: 'disk' }, true);
  log.act('acknowledge', { chain: chain.id, from: 7, to: 7, verdict: 'NONSENSE', reason: 'x' }, true);
  end(log);
  records[1]!.source = records[1]!.source.replace(/,"salt":.*$/, '}}');
  const gone = [
    records[2],
    records[3],
    records[4],
    records[5],
    records[6],
    records[7],
    log.documents.find(({ id }) => id === records[0]!.id.replace(/A$/, 'k')),
  ];
  const nine = log.documents.filter(({ index }) => index === 'logs').at(-1);
  const kept = log.documents.filter((document) => !gone.includes(document) && document !== nine);
  const run = await runVerify(kept, {
    trust: [log.trust],
    secrets: log.secrets,
    operatorKeys: [log.operator.publicKey],
  });
  t.same(told(run), ['MISSING 4', 'ACKNOWLEDGED(MISSING) 5-6', 'MISSING 7']);
  t.match(run.summary.counts, { OK: 2, 'ERASED-OK': 1, 'RETIRED-OK': 3, 'ACKNOWLEDGED(MISSING)': 2, MISSING: 2 });
  const partly = log.documents.filter(
    (document) => document !== records[2] && document !== records[3] && document !== nine,
  );
  const open = await runVerify(partly, { trust: [log.trust], operatorKeys: [log.operator.publicKey] });
  t.match(told(open), ['MODIFIED epoch 1'], 'without the key a retired epoch is rebuilt, a discarded one is not');
  t.match(open.summary.counts, { OK: 5, 'ERASED-OK': 1, 'RETIRED-OK': 3 });
});

t.test('what an erase record names and can still be read is ERASE-INCOMPLETE', async (t) => {
  for (const change of [/,"raw":"(?:[^"\\]|\\.)*"/, /,"salt":"[^"]*","raw":"(?:[^"\\]|\\.)*"/, /nothing/]) {
    const { log, chain } = begin();
    const record = log.record(chain);
    record.source = record.source.replace(change, '');
    log.act('erase', { chain: chain.id, seq: 0, reason: 'court' }, true);
    end(log);
    const run = await judge(log, { operatorKeys: [log.operator.publicKey] });
    t.match(told(run), [/ERASE-INCOMPLETE 0|MODIFIED 0/]);
    t.equal(run.summary.exit, 1);
  }
});

t.test('an erased record among the rejects is in order', async (t) => {
  const { log, chain } = begin();
  const record = log.reject(chain);
  log.act('erase', { chain: chain.id, seq: 0, reason: 'court' }, true);
  end(log);
  record.source = record.source.replace(/,"salt":"[^"]*","raw":"(?:[^"\\]|\\.)*"/, '');
  t.same(told(await judge(log)), []);
});

t.test('acts that no known operator signed, in order, are UNAUTHORISED and have no effect', async (t) => {
  const body = { chain: '', seq: 0, reason: 'court' };
  const stranger = ed25519(seeded('stranger', 'x'));
  const cases: Record<string, (log: LogBuilder, act: { kind: 'erase'; body: object; origin: string }) => unknown> = {
    'not signed': (log, { body: erase }) => log.rawAct(JSON.stringify({ erase })),
    'a key that the verifier does not know': (log, act) =>
      log.signedAct('erase', act.body, signOperator(stranger.privateKey, { ...act, serial: 1 })),
    'signed for another instance': (log, act) =>
      log.signedAct(
        'erase',
        act.body,
        signOperator(log.operator.privateKey, { ...act, origin: 'x/logseal', serial: 1 }),
      ),
    'a serial again': (log, act) => {
      const signature = signOperator(log.operator.privateKey, { ...act, serial: 1 });
      log.signedAct(
        'erase',
        { ...act.body, seq: 7 },
        signOperator(log.operator.privateKey, { ...act, body: { ...act.body, seq: 7 }, serial: 1 }),
      );
      return log.signedAct('erase', act.body, signature);
    },
    'a key that the policy of the time does not name': (log, act) => {
      log.act('policy', { class: 'default', age: 0, paths: [], keys: ['0'.repeat(64)] }, true);
      return log.signedAct('erase', act.body, signOperator(log.operator.privateKey, { ...act, serial: 9 }));
    },
  };
  for (const [name, make] of Object.entries(cases)) {
    const { log, chain } = begin();
    const record = log.record(chain);
    make(log, { kind: 'erase', body: { ...body, chain: chain.id }, origin: log.origin });
    end(log);
    record.source = record.source.replace(/,"salt":.*$/, '}}');
    const run = await judge(log, { operatorKeys: [log.operator.publicKey] });
    const seq = run.findings.find(({ verdict }) => verdict === 'UNAUTHORISED')?.seq;
    t.same(told(run).toSorted(), ['MODIFIED 0', `UNAUTHORISED ${seq}`], name);
  }
});

t.test('without any operator key signed acts are taken, and that is said', async (t) => {
  const { log, chain } = begin();
  const record = log.record(chain);
  log.act('erase', { chain: chain.id, seq: 0, reason: 'court' }, true);
  end(log);
  record.source = record.source.replace(/,"salt":.*$/, '}}');
  const run = await judge(log);
  t.same(told(run), []);
  t.match(run.summary.notCovered.join(), /signatures of 1 operators' acts were not checked/);
});

t.test('records retired before the age of the policy are RETIRED-EARLY', async (t) => {
  for (const [age, verdicts] of [
    [86_400_000, ['RETIRED-EARLY 0']],
    [1000, []],
  ] as const) {
    const { log, chain } = begin();
    const keys = [log.trust.vkey];
    t.ok(keys);
    const record = log.record(chain);
    log.seal(chain);
    const { createHash } = await import('node:crypto');
    const key = createHash('sha256')
      .update(log.operator.publicKey.export({ format: 'der', type: 'spki' }))
      .digest('hex');
    log.act('policy', { class: 'default', age, paths: ['a.b'], keys: [key] }, true);
    log.now += 2000;
    log.act('retire', { chain: chain.id, seqs: [[0, 0]], leaves: {}, reason: 'age' }, true);
    end(log);
    log.documents.splice(log.documents.indexOf(record), 1);
    const run = await judge(log, { operatorKeys: [log.operator.publicKey] });
    t.same(told(run), verdicts);
    t.equal(run.summary.counts['RETIRED-OK'], 1);
  }
});

t.test('a control record of a kind that is not known is UNSUPPORTED', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  const { id } = log.rawAct('{"future":{}}');
  end(log);
  const run = await judge(log);
  t.match(run.findings, [{ verdict: 'UNSUPPORTED', found: { _id: id } }]);
});

t.test('a copy in the rejects of a record that was sent again is no finding', async (t) => {
  const { log, chain } = begin();
  const rejected = log.reject(chain);
  const inDest = {
    index: 'logs',
    id: rejected.id,
    source: `{${/"logseal":\{.*\}(?=,"reject")/.exec(rejected.source)?.[0]},"message":"x"}`,
  };
  log.documents.push(inDest);
  end(log);
  t.same(told(await judge(log)), ['DUPLICATED 0'], 'before the retry record');
  log.act('retry', { chain: chain.id, seqs: [[0, 0]] });
  const run = await judge(log);
  t.same(told(run), []);
  t.equal(run.summary.records, 1);
});

t.test('a selection judges no gaps and says so', async (t) => {
  const { log, chain } = begin();
  const records = log.records(chain, 4);
  log.seal(chain);
  end(log);
  log.documents.splice(log.documents.indexOf(records[1]!), 1);
  const time = (at: number): number => Number(/"time":(\d+)/.exec(records[at]!.source)?.[1]);
  for (const selection of [{ index: 'logs' }, { chain: chain.id }, { from: time(0), to: time(3) }]) {
    const run = await judge(log, { selection });
    t.same(told(run), []);
    t.match(run.summary.notCovered.join(), /whether records are missing was not judged/);
    t.equal(run.summary.counts.OK, 'from' in selection ? 2 : 3);
    const open = await judge(log, { selection, withoutKey: true });
    t.same(told(open), []);
    t.match(open.summary, { counts: { OK: 0 } });
    t.match(open.summary.notCovered.join(), /cannot be proven without the missing key/);
  }
});

t.test('what people see is asked of the view judge, whole indices too', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  log.record(chain);
  log.record(chain, { raw: false });
  log.reject(chain);
  end(log);
  const asked: string[] = [];
  const view: ViewJudge = {
    describe: ({ name }) => asked.push(`index ${name}`),
    compare: ({ signed, pipelinePaths }) => {
      asked.push(signed.toString(), ...pipelinePaths);
      return signed.includes('record 0') ? { drift: 'message differs', uncompared: ['geo'] } : undefined;
    },
    signed: (index, content) => asked.push(`${index} ${content}`),
    finish: () => [{ index: 'logs', detail: 'a runtime field shadows message' }],
  };
  const indices = [{ name: 'logs', mappings: {}, sourceMode: 'stored' as const, filteredAliases: [] }];
  const source = new MemorySource(log.documents, false, indices);
  const run = await judge(log, { view, source, pipelinePaths: ['tags'] });
  t.same(told(run), ['VIEW-DRIFT 0', 'VIEW-DRIFT']);
  t.match(run.summary.notCovered.join(), /not compared in 1 fields: geo/);
  t.match(run.summary.counts, { OK: 2, 'REJECTED-OK': 1 });
  t.ok(asked.includes('logs {"message":"record 2 of logs"}') && asked.includes('tags'));
});

t.test('on a live source what a control record may yet explain is PENDING, and found a minute later', async (t) => {
  const { log, chain } = begin();
  log.record(chain, { index: 'alias-1' });
  log.reject(chain, false);
  end(log);
  log.record(chain, { index: 'alias-1' });
  const young = await judge(log, { live: true, now: log.now + 1000 });
  t.same([told(young), young.summary.counts.PENDING], [[], 3]);
  const later = await judge(log, { live: true, now: log.now + 65_000 });
  t.same(
    told(later).filter((text) => text !== 'STALE'),
    ['MOVED 0', 'MOVED 1'],
  );
  t.same(told(await judge(log)), ['MOVED 0', 'MOVED 1'], 'the open epoch of an export is pending too');
});

t.test('a chain made while a live run is on is PENDING, one made before is FOREIGN', async (t) => {
  const { log, chain } = begin();
  log.record(chain);
  end(log);
  const later = new LogBuilder({ seed: 'later', time: log.now });
  log.documents.push(later.record(later.chain('later')));
  const during = await judge(log, { live: true, now: later.now + 1000 });
  t.same([told(during), during.summary.counts.PENDING], [[], 1]);
  t.same(told(await judge(log, { live: true, now: later.now + 10_000 })), ['FOREIGN 0']);
});

t.test('the order in which documents come makes no difference', async (t) => {
  const { log, chain } = begin();
  const records = log.records(chain, 6);
  log.seal(chain);
  log.reject(chain);
  log.record(chain, { id: 'given' });
  log.seal(chain);
  end(log);
  log.documents.push({ ...records[1]!, id: 'copy' }, { index: 'logs', id: 'new', source: '{}' });
  records[2]!.source = records[2]!.source.replace('record 2', 'record X');
  log.documents.splice(log.documents.indexOf(records[4]!), 1);
  const before = told(await judge(log)).toSorted();
  t.same(before, ['DUPLICATED 1', 'MISSING 4', 'MODIFIED 2', 'UNSIGNED']);
  for (let turn = 0; turn < 20; turn++) {
    const order = (document: object): string => seeded(`${turn}`, JSON.stringify(document)).toString('hex');
    log.documents.sort((a, b) => (order(a) < order(b) ? -1 : 1));
    t.same(told(await judge(log)).toSorted(), before, `order ${turn}`);
    const open = told(await judge(log, { withoutKey: true })).toSorted();
    t.same(open, [...before, 'MODIFIED epoch 0'].toSorted(), `order ${turn} without key`);
  }
});
