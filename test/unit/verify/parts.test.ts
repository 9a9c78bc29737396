import { tmpdir } from 'node:os';
import t from 'tap';
import { suiteOf } from '../../../src/chain/suite.ts';
import { bracketEnd, findMember, skipValue } from '../../../src/lib/json-bytes.ts';
import { ChainBook } from '../../../src/verify/chain-book.ts';
import { EntryTable, entryBytes } from '../../../src/verify/entry.ts';
import { epochRoot } from '../../../src/verify/epoch-root.ts';
import { FieldReader } from '../../../src/verify/field-reader.ts';
import type { Finding } from '../../../src/verify/finding.ts';
import { exitCodeOf, groupOf, isPlainVerdict, verdictGroups, worstVerdict } from '../../../src/verify/finding.ts';
import { Interner } from '../../../src/verify/interner.ts';
import type { Summary } from '../../../src/verify/options.ts';
import { PartitionPlan } from '../../../src/verify/partition-plan.ts';
import { Places } from '../../../src/verify/places.ts';
import { reportLines } from '../../../src/verify/report.ts';
import { SealTable } from '../../../src/verify/seal-table.ts';
import { SeqSet } from '../../../src/verify/seq-set.ts';
import { Spill, Spool } from '../../../src/verify/spill.ts';
import { Tally } from '../../../src/verify/tally.ts';
import { LogBuilder } from '../../helpers/log-builder.ts';

t.test(
  'exit codes: tampering before cannot-say before good; a configured anchor gives UNANCHORED weight',
  async (t) => {
    const none = { anchorConfigured: false };
    t.equal(exitCodeOf(['OK', 'PENDING', 'UNANCHORED', 'ACKNOWLEDGED(MISSING)'], none), 0);
    t.equal(exitCodeOf(['OK', 'STALE'], none), 2);
    t.equal(exitCodeOf(['STALE', 'MOVED'], none), 1);
    t.equal(exitCodeOf(['UNANCHORED'], { anchorConfigured: true }), 2);
    t.equal(groupOf('UNANCHORED', { anchorConfigured: true }), 'cannot say');
    t.equal(worstVerdict(new Set(['STALE', 'FORK', 'MODIFIED']), none), 'MODIFIED');
    t.equal(worstVerdict(new Set(['STALE']), none), 'STALE');
    t.equal(worstVerdict(new Set(['PENDING']), none), 'OK');
    t.notOk(isPlainVerdict('toString'));
    t.equal(Object.keys(verdictGroups).length, 33);
  },
);

t.test('a set of seqs takes ranges in any order, overlapping and touching', async (t) => {
  const set = new SeqSet();
  t.ok(set.isEmpty);
  t.notOk(set.has(0));
  set.add(10, 12);
  set.add(13, 13);
  set.add(30, 40);
  set.add(1, 3);
  set.add(35, 50);
  t.same(
    [0, 1, 3, 4, 9, 10, 13, 14, 29, 30, 45, 50, 51].filter((seq) => set.has(seq)),
    [1, 3, 10, 13, 30, 45, 50],
  );
  t.notOk(set.isEmpty);
});

t.test('a spill gives every partition back whole and in order, however little it may buffer', async (t) => {
  const spill = Spill.open(tmpdir(), 8192);
  const row = Buffer.alloc(120);
  for (let n = 0; n < 5000; n++) {
    row.writeUInt32LE(n);
    spill.append(n % 7, row);
  }
  t.same(spill.names().toSorted(), [0, 1, 2, 3, 4, 5, 6]);
  for (let partition = 0; partition < 7; partition++) {
    const rows = spill.take(partition);
    const wanted = Array.from({ length: 5000 }, (_, n) => n).filter((n) => n % 7 === partition);
    t.same(
      Array.from({ length: rows.length / 120 }, (_, at) => rows.readUInt32LE(at * 120)),
      wanted,
    );
  }
  t.equal(spill.take(3).length, 0, 'what was taken is forgotten');
  for (let n = 0; n < 2000; n++) spill.append(1, row);
  t.equal(spill.take(1).length, 2000 * 120);
  spill.close();
});

t.test('a spool gives byte strings of any length back', async (t) => {
  const spool = Spool.open(tmpdir());
  const long = Buffer.alloc(200_000, 'x');
  const places = [Buffer.from('a'), long, Buffer.from(''), Buffer.alloc(60_000, 'y'), Buffer.alloc(60_000, 'z')].map(
    (bytes) => [spool.append(bytes), bytes] as const,
  );
  for (const [at, bytes] of places) t.ok(spool.read(at, bytes.length).equals(bytes));
  t.throws(() => spool.read(spool.end, 5), RangeError);
  spool.close();
});

t.test('JSON is stepped over as it is spelled, and what is none is refused', async (t) => {
  const at = (text: string, name = 'logseal'): number => findMember(Buffer.from(text), name);
  t.equal(at('{"logseal":1}'), 11);
  t.equal(at(' { "a" : [ 1 , {"b":[]} , "x\\"y" , true ] , "logseal" : 5 } '), 56);
  t.equal(at('{"logs\\u0065al":1}'), 16);
  t.equal(at('{}'), -1);
  t.equal(at('{"a":{},"b":[]}'), -1);
  for (const bad of [
    '',
    '[]',
    '{',
    '{"a"}',
    '{"a":}',
    '{"a":1',
    '{"a":1,}',
    '{"a":1}x',
    '{}x',
    '{"a" 1}',
    '{"a":[1}',
    '{"a":[1,]}',
    '{"a":{"b"}}',
    '{"a":{1:2}}',
    '{"a":"\\x"}',
    '{"a":"\\u12g4"}',
    '{"a":"\n"}',
    '{"logseal":1,"logseal":2}',
  ]) {
    t.equal(at(bad), -2, bad);
  }
  t.equal(skipValue(Buffer.from('[[[]]]'), 0, 2), -1, 'too deep');
  t.equal(bracketEnd(Buffer.from('{"a":"}\\"}",[1]} x'), 0), 16);
  t.equal(bracketEnd(Buffer.from('{"a":"}'), 0), -1);
  t.equal(bracketEnd(Buffer.from('{"a":1'), 0), -1);
});

t.test('a signature field is read in any order and with blanks, and in no second spelling', async (t) => {
  const log = new LogBuilder();
  const { source } = log.record(log.chain('logs'), { id: 'given', dest: 'lögs' });
  const reader = new FieldReader();
  t.equal(reader.read(Buffer.from(source, 'latin1')), 'read');
  const { logseal, ...rest } = JSON.parse(Buffer.from(source, 'latin1').toString());
  const shuffled = Object.fromEntries(Object.entries(logseal).toReversed());
  t.equal(reader.read(Buffer.from(JSON.stringify({ ...rest, logseal: shuffled }, undefined, 2))), 'read');
  t.ok(reader.isHeaderId('given'));
  t.notOk(reader.isGeneratedId('given'));
  const escaped = source.replace('"id":"given"', '"id":"\\u0067iven"').replace('"dest":"', '"dest":"\\u0078');
  t.equal(reader.read(Buffer.from(escaped, 'latin1')), 'read');
  t.ok(reader.isHeaderId('given'));
  const spell = (from: string | RegExp, to: string): string => {
    const text = source.replace(from, to);
    t.not(text, source);
    return reader.read(Buffer.from(text, 'latin1'));
  };
  const changes: [string | RegExp, string][] = [
    ['"seq":0', '"seq":00'],
    ['"seq":0', '"seq":0.0'],
    ['"seq":0', '"seq":0e0'],
    ['"seq":0', '"seq":-0'],
    ['"seq":0', '"seq":"0"'],
    ['"seq":0', '"seq":9007199254740992'],
    ['"seq":0', '"seq":123456789012345678'],
    ['"epoch":0', '"epoch":4294967296'],
    ['"index":0', '"index":4294967296'],
    ['"flags":1', '"flags":0'],
    ['"flags":1', '"flags":2'],
    ['"flags":1', '"flags":65536'],
    ['"suite":1', '"suite":1,"type":256'],
    ['"suite":1', '"suite":1,"type":2'],
    ['"id":"given",', ''],
    ['"id":"given"', '"id":5'],
    ['"id":"given"', '"id":"\\ud800"'],
    ['"id":"given"', '"id":"gi'],
    [/"tag":"(.{21})./, '"tag":"$1_'],
    [/"tag":"/, '"tag":"!'],
    [/"hash":"../, '"hash":"'],
    ['"prev":', '"prev":5,"x":'],
    ['"prev":', '"prev" '],
    ['"v":1', '"v":1 "v":1'],
    ['"v":1', '"v":1,"v":1'],
    ['"v":1', 'v:1'],
    ['{"v":1', '{"averyverylongname":1,"v":1'],
    [/"hash":"[^"]*",|"salt":"[^"]*",/g, ''],
    [/"salt":"[^"]*",/, ''],
    [/"raw":"/, '"raw":5,"x":"'],
    ['"raw":"', '"digests":5,"raw":"'],
    ['"logseal":{', '"logseal":{},"x":{'],
    ['"logseal":{', ' "logseal":5,"x":{'],
  ];
  for (const [from, to] of changes) t.equal(spell(from, to), 'malformed', `${from} → ${to}`);
  t.equal(spell('"raw":"', '"digests":{"crc32":"00"},"raw":"'), 'read');
  t.equal(reader.read(Buffer.from('{"message":1}')), 'no field');
});

t.test('names are numbered once, and whoever invents them without end gets number 0', async (t) => {
  const names = new Interner();
  const one = names.numberOf('one');
  t.equal(names.numberOf('two'), one + 1);
  t.equal(names.numberOf('one'), one);
  t.equal(names.numberOf('x'.repeat(5000)), 0);
  const bytes = new Interner();
  const text = Buffer.from('aabb');
  t.equal(bytes.number(text, 0, 2), bytes.number(text, 0, 2));
  t.not(bytes.number(text, 0, 2), bytes.number(text, 2, 4));
  t.equal(bytes.number(Buffer.alloc(5000), 0, 5000), 0);
  t.equal(bytes.number(text, 0, 2), 1);
});

t.test('records go to partitions by epoch, unproven ones by the seq they name', async (t) => {
  const table = new SealTable();
  const zero = Buffer.alloc(32);
  const row = {
    opened: 0,
    closed: 0,
    entry: 0,
    chain: 3,
    instance: 0,
    marks: 0,
    root: zero,
    leaf: zero,
    mac: zero,
    prev: zero,
  };
  const seals = [0, 1, 2, 5].map((epoch, at) => table.add({ ...row, first: at * 10, epoch, count: 10 }));
  const plan = new PartitionPlan();
  plan.add(3, seals, table, 20);
  t.equal(plan.parts(3).length, 2);
  t.same(
    plan.parts(3).map(({ fromSeal, toSeal }) => [fromSeal, toSeal]),
    [
      [0, 2],
      [2, 4],
    ],
  );
  const [first, second] = plan.parts(3).map(({ number }) => number);
  t.same(
    [0, 1, 0, 2, 3, 5, 5].map((epoch) => plan.ofEpoch(3, epoch)),
    [first, first, first, second, second, second, second],
  );
  t.same(
    [0, 19, 20, 39, 9999].map((seq) => plan.ofSeq(3, seq)),
    [first, first, second, second, second],
  );
  t.not(plan.ofEpoch(3, 6), plan.ofEpoch(3, 20));
  t.equal(plan.ofEpoch(3, 2 ** 32 - 1), plan.ofEpoch(3, 2 ** 32 - 2), 'far epochs share a partition');
  t.same(plan.tailParts(3, new Set([second ?? 0, plan.ofEpoch(3, 20), plan.ofEpoch(3, 6)])), [
    plan.ofEpoch(3, 6),
    plan.ofEpoch(3, 20),
  ]);
  t.equal(plan.ofSeq(9, 5), plan.ofEpoch(9, 0), 'a chain without seals has only a tail');
  t.same([plan.parts(9), plan.seals(9)], [[], []]);
  for (let at = 0; at < 100; at++) table.add({ ...row, first: at, epoch: at, count: 1, chain: 4 });
  t.equal(table.byChain().get(4)?.length, 100, 'the table grows');
  t.ok(table.sameSeal(0, 1));
});

t.test('places: what place records, names and patterns allow', async (t) => {
  const places = new Places([{ dest: 'a.b', pattern: 'old*a.b?' }]);
  places.give('logs', 'logs-1', 3);
  places.give('logs', 'logs-2', 0);
  t.same(
    [...places.given()],
    [
      { dest: 'logs', index: 'logs-1' },
      { dest: 'logs', index: 'logs-2' },
    ],
  );
  t.equal(places.locate('old-x-a.b?', 'a.b'), 'in place');
  t.equal(places.locate('old-x-axb?', 'a.b'), 'elsewhere');
  t.equal(places.locate('logseal-rejects', 'logs'), 'rejects');
  t.equal(places.unsignedAllowed('logs-1'), 3);
  t.equal(places.unsignedAllowed('restored-logs-1'), 3);
  t.equal(places.unsignedAllowed('restored-other'), undefined);
  t.equal(places.unsignedAllowed('logseal-control'), 0);
  places.giveDataStream('.fs-logs', 'logs');
  t.equal(places.locate('.fs-logs', 'logs'), 'elsewhere', 'a failure store is no place');
});

t.test('a tally lists so many findings of a kind, counts the rest, and keeps little of them', async (t) => {
  const told: Finding[] = [];
  const tally = new Tally((finding) => told.push(finding));
  tally.release([]);
  const finding: Finding = { verdict: 'FORGED', chain: 'c', found: { _index: 'i', _id: 'x' }, detail: 'Bad.' };
  for (let n = 0; n < 10_005; n++) tally.find({ ...finding, seq: n, time: 1000 - n });
  tally.finish();
  t.equal(told.length, 10_001);
  t.match(told.at(-1), { verdict: 'FORGED', count: 5, detail: /5 more of this kind in i/ });
  t.equal(tally.counts.get('FORGED'), 10_005);
  const [group] = tally.groups.values();
  t.match(group, { count: 10_005, firstSeq: 0, lastSeq: 10_004, since: 1000 - 10_004 });
  t.equal(group?.examples.length, 5);
  for (let n = 0; n < 2000; n++) tally.find({ ...finding, found: { _index: `i${n}`, _id: 'x' } });
  t.ok(tally.groups.size <= 1001, 'kinds and places are bounded too');
});

t.test('findings wait for the acknowledgements; runs are cut where they meet', async (t) => {
  const told: Finding[] = [];
  const tally = new Tally((finding) => told.push(finding));
  const run: Finding = { verdict: 'MISSING', chain: 'c', epoch: 1, seq: 1, to: 9, count: 9, detail: 'Gone.' };
  tally.find(run);
  tally.find({ verdict: 'FORK', detail: 'Two.' });
  t.same(told, []);
  const ack = (from: number, to: number) => ({ chain: 'c', verdict: 'MISSING' as const, from, to });
  tally.release([ack(8, 20), ack(2, 3), ack(3, 4)]);
  t.same(
    told.map(({ verdict, seq, to, count, epoch }) => [verdict, seq, to, count, epoch]),
    [
      ['MISSING', 1, undefined, undefined, 1],
      ['ACKNOWLEDGED(MISSING)', 2, 3, 2, undefined],
      ['ACKNOWLEDGED(MISSING)', 4, undefined, undefined, undefined],
      ['MISSING', 5, 7, 3, undefined],
      ['ACKNOWLEDGED(MISSING)', 8, 9, 2, undefined],
      ['FORK', undefined, undefined, undefined, undefined],
    ],
  );
  t.ok(tally.isAcknowledged('MISSING', 'c', 3));
  t.notOk(tally.isAcknowledged('MISSING', 'c', 5));
});

t.test('the root of an epoch is only made of leaves that are all there, or retired', async (t) => {
  const suite = suiteOf(1)!;
  const table = new EntryTable(Buffer.alloc(3 * entryBytes));
  for (let row = 0; row < 3; row++) table.setWord(row, 'index', row);
  t.ok(epochRoot(suite, 3, table, [0, 1, 2], undefined));
  t.equal(epochRoot(suite, 3, table, [0, 2], undefined), undefined);
  const retired = [{ start: 1, size: 1, root: Buffer.alloc(32) }];
  t.same(epochRoot(suite, 3, table, [0, 2], retired), epochRoot(suite, 3, table, [0, 1, 2], undefined));
  t.equal(epochRoot(suite, 4, table, [0, 2], retired), undefined);
  t.equal(epochRoot(suite, 0, table, [], undefined)?.length, 32);
});

t.test('a chain keeps the keys of few epochs, and gives each again', async (t) => {
  const log = new LogBuilder();
  const book = new ChainBook();
  const chain = book.add(log.control.id, 0);
  t.equal(book.add(log.control.id, 1), chain);
  t.equal(chain.epochMac(0), undefined);
  chain.open(Buffer.from(log.control.secret));
  const first = chain.epochMac(0)?.tag(Buffer.from('x'));
  for (let epoch = 1; epoch < 300; epoch++) chain.epochMac(epoch);
  t.same(chain.epochMac(0)?.tag(Buffer.from('x')), first);
  t.equal(chain.epochMac(2 ** 32), undefined);
  book.wipe();
});

t.test('the report fits one screen and says what is not covered last', async (t) => {
  const checked = {
    source: 'x',
    origins: ['a/logseal'],
    withKey: true,
    seals: 5,
    documents: 10,
    asOf: 1e12,
    since: 9e11,
    anchored: ['copy'],
    pinned: [],
  };
  const summary: Summary = {
    verdict: 'OK',
    exit: 0,
    records: 10,
    chains: 2,
    epochs: 5,
    counts: { OK: 10 },
    notCovered: [],
    seconds: 1,
    checked,
    groups: [],
  };
  const good = reportLines(summary, false);
  t.match(good[0], /^VERIFIED: 10 records/);
  t.match(good.at(-1), /^Not covered: nothing/);
  const example: Finding = { verdict: 'MISSING', seq: 3, detail: 'Gone.' };
  const group = {
    verdict: 'MISSING' as const,
    chain: 'c',
    place: undefined,
    count: 3,
    firstSeq: 3,
    lastSeq: 5,
    since: 1e12,
    examples: [example],
  };
  const many = Array.from({ length: 20 }, (_, n) => ({
    ...group,
    place: `index-${n}`,
    examples: [{ ...example, found: { _index: 'i', _id: 'd' } }],
  }));
  const bad = reportLines(
    { ...summary, exit: 1, verdict: 'MISSING', groups: [group, ...many], notCovered: Array(9).fill('this') },
    false,
  );
  t.equal(bad[0], 'TAMPERING FOUND: MISSING');
  t.ok(bad.length < 40);
  t.match(bad.join('\n'), /and 15 more kinds and places: see --json/);
  t.match(bad.join('\n'), /Since {4}the oldest record concerned was signed about 2001-09-09/);
  t.match(bad.at(-1), /^Not covered: this; .* and 3 more\.$/);
  const unsure = reportLines(
    {
      ...summary,
      exit: 2,
      groups: [{ ...group, verdict: 'STALE', chain: undefined, firstSeq: 3, lastSeq: 3 }],
      checked: { ...checked, withKey: false, asOf: undefined, since: undefined, origins: [], anchored: [] },
      seconds: 0,
    },
    false,
  );
  t.match(unsure[0], /^CANNOT SAY: STALE/);
  t.match(reportLines({ ...summary, exit: 2 }, true)[0], /UNANCHORED/);
  const info = reportLines({ ...summary, groups: [{ ...group, verdict: 'ACKNOWLEDGED(MISSING)', lastSeq: 3 }] }, false);
  t.match(info.join('\n'), /ACKNOWLEDGED\(MISSING\): 3, chain c, seq 3/);
});
