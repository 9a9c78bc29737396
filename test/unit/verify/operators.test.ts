import t from 'tap';
import { signOperator } from '../../../src/chain/control-record.ts';
import { rootOf } from '../../../src/chain/merkle.ts';
import { begin, end, judge, told } from '../../helpers/judge.ts';
import type { LogBuilder } from '../../helpers/log-builder.ts';
import { ed25519, seeded } from '../../helpers/log-builder.ts';
import { runVerify } from '../../helpers/verify-run.ts';

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
