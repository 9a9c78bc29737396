import t from 'tap';
import type { BuilderOptions, BuiltChain } from '../../helpers/log-builder.ts';
import { LogBuilder } from '../../helpers/log-builder.ts';
import type { RunResult, TextDocument } from '../../helpers/verify-run.ts';
import { runVerify } from '../../helpers/verify-run.ts';

interface Honest {
  log: LogBuilder;
  chain: BuiltChain;
  /** Data documents by seq. */
  records: TextDocument[];
}

/** Epochs 0, 1, 2 of 5, 4, 5 records, the third record of epoch 1 rejected; all sealed; and two records in the open epoch 3. */
function honest(options: BuilderOptions = {}): Honest {
  const log = new LogBuilder(options);
  const chain = log.chain('logs');
  log.place('logs');
  const records = log.records(chain, 5);
  log.seal(chain);
  records.push(...log.records(chain, 2), log.reject(chain), log.record(chain, { id: 'given/1' }));
  log.seal(chain);
  records.push(...log.records(chain, 5));
  log.seal(chain);
  log.seal(log.control);
  log.checkpoint();
  records.push(...log.records(chain, 2));
  return { log, chain, records };
}

function judge({ log }: Honest, withKey: boolean): Promise<RunResult> {
  const { documents, trust, secrets } = log;
  return runVerify(documents, { trust: [trust], secrets: withKey ? secrets : undefined });
}

function told({ findings }: RunResult): string[] {
  return findings.map(({ verdict, seq, epoch, to }) => {
    const place =
      seq === undefined ? (epoch === undefined ? '' : ` epoch ${epoch}`) : ` ${seq}${to === undefined ? '' : `-${to}`}`;
    return `${verdict}${place}`;
  });
}

function remove(log: LogBuilder, ...gone: (TextDocument | undefined)[]): void {
  for (const document of gone) log.documents.splice(log.documents.indexOf(document!), 1);
}

const sealOf = ({ log, chain }: Honest, epoch: number): TextDocument =>
  log.documents.find(({ id, index }) => index === 'logseal-seals' && id === `${chain.id}-${epoch}`)!;

for (const hash of [true, false]) {
  for (const raw of [true, false]) {
    for (const withKey of [true, false]) {
      t.test(`an honest log is all OK ${withKey ? 'with' : 'without'} key, hash ${hash}, raw ${raw}`, async (t) => {
        const run = await judge(honest({ hash, raw }), withKey);
        t.same(told(run), []);
        t.equal(run.summary.exit, 0);
        t.match(run.summary.counts, { OK: 13, 'REJECTED-OK': 1, PENDING: 2, UNANCHORED: 1 });
        t.equal(run.summary.records, 16);
        t.equal(run.summary.verdict, 'OK');
      });
    }
  }
}

for (const suite of [2, 3, 4]) {
  t.test(`an honest log of suite ${suite} is all OK`, async (t) => {
    t.same(told(await judge(honest({ suite }), true)), []);
    t.same(told(await judge(honest({ suite }), false)), []);
  });
}

interface Tampering {
  name: string;
  options?: BuilderOptions;
  act: (given: Honest) => void;
  /** Verdicts with the key, and without; in order of finding. */
  withKey: string[];
  without: string[];
  /** OK records that must be left with the key. */
  ok?: number;
}

const swap = (document: TextDocument, from: string | RegExp, to: string): void => {
  const changed = document.source.replace(from, to);
  if (changed === document.source) throw new Error(`nothing to change: ${from}`);
  document.source = changed;
};

const changeTag = (document: TextDocument): void => {
  const first = /"tag":"(.)/.exec(document.source)?.[1];
  swap(document, /"tag":"./, `"tag":"${first === 'A' ? 'B' : 'A'}`);
};

const plain = { raw: false };
const bare = { raw: false, hash: false };

const table: Tampering[] = [
  {
    name: 'a visible field changed where there is no raw',
    options: plain,
    act: ({ records }) => swap(records[6]!, 'record 6', 'record X'),
    withKey: ['MODIFIED 6'],
    without: ['MODIFIED 6'],
    ok: 12,
  },
  {
    name: 'one blank added where there is no raw',
    options: plain,
    act: ({ records }) => swap(records[6]!, ',"message"', ', "message"'),
    withKey: ['MODIFIED 6'],
    without: ['MODIFIED 6'],
    ok: 12,
  },
  {
    name: 'a blank added at the end where there is no raw',
    options: plain,
    act: ({ records }) => swap(records[6]!, /\}$/, ' }'),
    withKey: ['MODIFIED 6'],
    without: ['MODIFIED 6'],
  },
  {
    name: 'the comma after the signature field taken out',
    options: plain,
    act: ({ records }) => swap(records[6]!, '},"message"', '}"message"'),
    withKey: ['MALFORMED', 'MISSING 6'],
    without: ['MALFORMED', 'MISSING 6', 'MODIFIED epoch 1'],
  },
  {
    name: 'content changed where neither raw nor hash is kept',
    options: bare,
    act: ({ records }) => swap(records[6]!, 'record 6', 'record X'),
    withKey: ['MODIFIED 6'],
    without: ['MODIFIED epoch 1'],
    ok: 12,
  },
  {
    name: 'raw changed',
    act: ({ records }) => swap(records[2]!, 'record 2', 'record X'),
    withKey: ['MODIFIED 2'],
    without: ['MODIFIED 2'],
    ok: 12,
  },
  {
    name: 'raw spelled as something that is no text',
    act: ({ records }) => swap(records[2]!, 'record 2', '\\\\ud800'.slice(1)),
    withKey: ['MALFORMED', 'MISSING 2'],
    without: ['MALFORMED', 'MISSING 2', 'MODIFIED epoch 0'],
  },
  {
    name: 'salt changed',
    act: ({ records }) => swap(records[2]!, /"salt":"./, '"salt":"_'),
    withKey: ['MODIFIED 2'],
    without: ['MODIFIED 2'],
  },
  {
    name: 'the stored hash changed',
    act: ({ records }) => swap(records[2]!, /"hash":"./, '"hash":"_'),
    withKey: ['MODIFIED 2'],
    without: ['MODIFIED 2', 'MODIFIED epoch 0'],
    ok: 12,
  },
  {
    name: 'the tag changed',
    act: ({ records }) => changeTag(records[1]!),
    withKey: ['FORGED 1'],
    without: ['MODIFIED epoch 0'],
    ok: 12,
  },
  {
    name: 'the tag of the last record of an epoch changed',
    act: ({ records }) => changeTag(records[4]!),
    withKey: ['FORGED 4'],
    without: ['MODIFIED epoch 0'],
  },
  {
    name: 'the tag changed where no hash is kept',
    options: { hash: false },
    act: ({ records }) => changeTag(records[1]!),
    withKey: ['MODIFIED 1'],
    without: ['MODIFIED epoch 0'],
  },
  {
    name: 'the time in the header changed',
    act: ({ records }) => swap(records[1]!, /"time":1/, '"time":2'),
    withKey: ['FORGED 1'],
    without: ['MODIFIED epoch 0'],
  },
  {
    name: 'another suite named',
    act: ({ records }) => swap(records[1]!, '"suite":1', '"suite":2'),
    withKey: ['FORGED 1'],
    without: ['FORGED 1', 'MODIFIED epoch 0'],
  },
  {
    name: 'a suite named that does not exist',
    act: ({ records }) => swap(records[1]!, '"suite":1', '"suite":9'),
    withKey: ['UNSUPPORTED', 'MISSING 1'],
    without: ['UNSUPPORTED', 'MISSING 1', 'MODIFIED epoch 0'],
  },
  {
    name: 'a version named that does not exist yet',
    act: ({ records }) => swap(records[1]!, '"v":1', '"v":2,"new":3'),
    withKey: ['UNSUPPORTED', 'MISSING 1'],
    without: ['UNSUPPORTED', 'MISSING 1', 'MODIFIED epoch 0'],
  },
  {
    name: 'an unknown member in the signature field',
    act: ({ records }) => swap(records[1]!, '"v":1', '"v":1,"w":1'),
    withKey: ['MALFORMED', 'MISSING 1'],
    without: ['MALFORMED', 'MISSING 1', 'MODIFIED epoch 0'],
  },
  {
    name: 'a signature field that is not UTF-8',
    act: ({ records }) => swap(records[1]!, 'record 1', 'record \xff'),
    withKey: ['MALFORMED', 'MISSING 1'],
    without: ['MALFORMED', 'MISSING 1', 'MODIFIED epoch 0'],
  },
  {
    name: 'salt and raw taken out without an order',
    act: ({ records }) => swap(records[1]!, /,"salt":.*?"raw":"(?:[^"\\]|\\.)*"/, ''),
    withKey: ['MODIFIED 1'],
    without: ['MODIFIED 1'],
  },
  {
    name: 'a record deleted in the middle of an epoch',
    act: ({ log, records }) => remove(log, records[2]),
    withKey: ['MISSING 2'],
    without: ['MISSING 2', 'MODIFIED epoch 0'],
    ok: 12,
  },
  {
    name: 'the first record of an epoch deleted',
    act: ({ log, records }) => remove(log, records[5]),
    withKey: ['MISSING 5'],
    without: ['MISSING 5', 'MODIFIED epoch 1'],
    ok: 12,
  },
  {
    name: 'the last record of an epoch deleted',
    act: ({ log, records }) => remove(log, records[13]),
    withKey: ['MISSING 13'],
    without: ['MODIFIED epoch 2', 'MISSING 13'],
    ok: 12,
  },
  {
    name: 'a run deleted across two epochs is one finding',
    act: ({ log, records }) => remove(log, ...records.slice(3, 7)),
    withKey: ['MISSING 3-6'],
    without: ['MODIFIED epoch 0', 'MISSING 3-6', 'MODIFIED epoch 1'],
    ok: 9,
  },
  {
    name: 'a whole epoch deleted, its seal kept',
    act: ({ log, records }) => remove(log, ...records.slice(0, 5)),
    withKey: ['MISSING 0-4'],
    without: ['MISSING 0-4'],
    ok: 8,
  },
  {
    name: 'a whole epoch deleted with its seal',
    act: (given) => remove(given.log, ...given.records.slice(5, 9), sealOf(given, 1)),
    withKey: ['TRUNCATED', 'MISSING-SEAL epoch 1', 'MISSING 5-8'],
    without: ['TRUNCATED', 'MISSING-SEAL epoch 1', 'MISSING 5-8'],
    ok: 10,
  },
  {
    name: 'a seal deleted, its records kept',
    act: (given) => remove(given.log, sealOf(given, 1)),
    withKey: ['TRUNCATED', 'MISSING-SEAL epoch 1'],
    without: ['TRUNCATED', 'MISSING-SEAL epoch 1'],
    ok: 13,
  },
  {
    name: 'the tail cut off: the last epoch with its seal',
    act: (given) => remove(given.log, ...given.records.slice(9), sealOf(given, 2)),
    withKey: ['TRUNCATED'],
    without: ['TRUNCATED'],
    ok: 8,
  },
  {
    name: 'the count in a seal changed',
    act: (given) => swap(sealOf(given, 1), 'count 4', 'count 3'),
    withKey: ['FORGED epoch 1'],
    without: ['FORK'],
  },
  {
    name: 'a seal that is no seal',
    act: (given) => swap(sealOf(given, 1), 'LSP1 seal', 'LSP1 sael'),
    withKey: ['MALFORMED', 'TRUNCATED', 'MISSING-SEAL epoch 1'],
    without: ['MALFORMED', 'TRUNCATED', 'MISSING-SEAL epoch 1'],
  },
  {
    name: 'a seal copied under another id',
    act: (given) => given.log.documents.push({ ...sealOf(given, 1), id: 'copy' }),
    withKey: ['DUPLICATED epoch 1'],
    without: ['DUPLICATED epoch 1'],
    ok: 13,
  },
  {
    name: 'a document copied under another id',
    act: ({ log, records }) => log.documents.push({ ...records[2]!, id: 'copy' }),
    withKey: ['DUPLICATED 2'],
    without: ['DUPLICATED 2'],
    ok: 13,
  },
  {
    name: 'a document with a given id copied under another id',
    act: ({ log, records }) => log.documents.push({ ...records[8]!, id: 'copy' }),
    withKey: ['DUPLICATED 8'],
    without: ['DUPLICATED 8'],
    ok: 13,
  },
  {
    name: 'a document copied to another index',
    act: ({ log, records }) => log.documents.unshift({ ...records[2]!, index: 'elsewhere' }),
    withKey: ['DUPLICATED 2'],
    without: ['DUPLICATED 2'],
    ok: 13,
  },
  {
    name: 'a document copied three times',
    act: ({ log, records }) => log.documents.unshift(...['a', 'b', 'c'].map((index) => ({ ...records[2]!, index }))),
    withKey: ['DUPLICATED 2', 'DUPLICATED 2', 'DUPLICATED 2'],
    without: ['DUPLICATED 2', 'DUPLICATED 2', 'DUPLICATED 2'],
    ok: 13,
  },
  {
    name: 'a document moved to another index',
    act: ({ records }) => (records[2]!.index = 'elsewhere'),
    withKey: ['MOVED 2'],
    without: ['MOVED 2'],
    ok: 12,
  },
  {
    name: 'a document moved into the rejects',
    act: ({ records }) => (records[2]!.index = 'logseal-rejects'),
    withKey: ['MOVED 2'],
    without: ['MOVED 2'],
    ok: 12,
  },
  {
    name: 'a document put under another id',
    act: ({ records }) => (records[2]!.id = 'other'),
    withKey: ['MOVED 2'],
    without: ['MOVED 2'],
    ok: 12,
  },
  {
    name: 'two documents put under the id of each other',
    act: ({ records }) => {
      const { id } = records[2]!;
      records[2]!.id = records[3]!.id;
      records[3]!.id = id;
    },
    withKey: ['MOVED 2', 'MOVED 3'],
    without: ['MOVED 2', 'MOVED 3'],
    ok: 11,
  },
  {
    name: 'the contents of two documents exchanged',
    options: plain,
    act: ({ records }) => {
      swap(records[2]!, 'record 2', 'record 3');
      swap(records[3]!, 'record 3', 'record 2');
    },
    withKey: ['MODIFIED 2', 'MODIFIED 3'],
    without: ['MODIFIED 2', 'MODIFIED 3'],
    ok: 11,
  },
  {
    name: 'a damaged copy does not replace the record',
    options: plain,
    act: ({ log, records }) => {
      const copy = { ...records[2]!, id: 'copy' };
      swap(copy, 'record 2', 'record X');
      log.documents.unshift(copy);
    },
    withKey: ['MODIFIED 2', 'DUPLICATED 2'],
    without: ['MODIFIED 2', 'DUPLICATED 2'],
    ok: 13,
  },
  {
    name: 'a record forged with a guessed key',
    act: ({ log, records }) => {
      const forged = { ...records[2]!, id: 'forged' };
      swap(forged, '"seq":2', '"seq":99');
      log.documents.push(forged);
    },
    withKey: ['FORGED 99'],
    without: ['FORGED 99'],
    ok: 13,
  },
  {
    name: 'a record replaced by a forged one',
    act: ({ records }) => {
      swap(records[2]!, /record 2/g, 'record X');
      swap(records[2]!, /"hash":".*?"/, `"hash":"${'A'.repeat(43)}"`);
    },
    withKey: ['FORGED 2'],
    without: ['MODIFIED 2', 'MODIFIED epoch 0'],
    ok: 12,
  },
  {
    name: 'an unsigned document added to a place',
    act: ({ log }) => log.documents.push({ index: 'logs', id: 'new', source: '{"message":"new"}' }),
    withKey: ['UNSIGNED'],
    without: ['UNSIGNED'],
    ok: 13,
  },
  {
    name: 'an unsigned document in an index that is no place',
    act: ({ log }) => log.documents.push({ index: 'other', id: 'new', source: '{"message":"new"}' }),
    withKey: [],
    without: [],
    ok: 13,
  },
  {
    name: 'the signature field removed',
    act: ({ records }) => (records[2]!.source = '{"message":"record 2 of logs"}'),
    withKey: ['UNSIGNED', 'MISSING 2'],
    without: ['UNSIGNED', 'MISSING 2', 'MODIFIED epoch 0'],
    ok: 12,
  },
  {
    name: 'a document of a chain that nobody trusts',
    act: ({ log }) => {
      const other = new LogBuilder({ origin: 'other/logseal', seed: 'other' });
      const foreign = other.record(other.chain('x'), { index: 'logs' });
      log.documents.push(foreign);
    },
    withKey: ['FOREIGN 0'],
    without: ['FOREIGN 0'],
    ok: 13,
  },
  {
    name: 'the signature field written twice',
    act: ({ records }) => (records[2]!.source = `{"a":1,"logseal":{},"logseal":{}}`),
    withKey: ['MALFORMED', 'MISSING 2'],
    without: ['MALFORMED', 'MISSING 2', 'MODIFIED epoch 0'],
  },
];

for (const { name, options, act, withKey, without, ok } of table) {
  t.test(`${name}: found, named, and nothing else`, async (t) => {
    for (const key of [true, false]) {
      const given = honest(options);
      act(given);
      const run = await judge(given, key);
      t.same(told(run).toSorted(), (key ? withKey : without).toSorted(), key ? 'with key' : 'without key');
      const cannotSay = run.findings.every(({ verdict }) => verdict === 'UNSUPPORTED');
      t.equal(run.summary.exit, run.findings.length === 0 ? 0 : cannotSay ? 2 : 1);
      if (key && ok !== undefined) t.equal(run.summary.counts.OK, ok, 'neighbours are OK');
    }
  });
}
