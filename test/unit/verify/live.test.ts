import { readFileSync } from 'node:fs';
import t from 'tap';
import { decodeVkey, encodeVkey, signNote } from '../../../src/chain/note.ts';
import { copyAnchor, witnessAnchor } from '../../../src/verify/anchors.ts';
import { begin, end, judge, told } from '../../helpers/judge.ts';
import { ed25519, LogBuilder, seeded } from '../../helpers/log-builder.ts';
import { runVerify } from '../../helpers/verify-run.ts';

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
