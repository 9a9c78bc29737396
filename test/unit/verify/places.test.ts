import t from 'tap';
import type { ViewJudge } from '../../../src/verify/source.ts';
import { begin, end, judge, told } from '../../helpers/judge.ts';
import { LogBuilder, seeded } from '../../helpers/log-builder.ts';
import { MemorySource, runVerify } from '../../helpers/verify-run.ts';

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
  t.same(told(run), ['TRUNCATED', 'MISSING', 'MISSING'], 'a seal is gone, and it can have been of either chain');
  t.same(new Set(run.findings.map((finding) => finding.chain)), new Set([undefined, chain.id, unused.id]));
  t.same(told(await judge(log)), [], 'under the whole log the unused one is in order');
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
