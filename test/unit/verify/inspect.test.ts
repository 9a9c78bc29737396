import t from 'tap';
import type { InspectedRecord } from '../../../src/verify/inspect.ts';
import { inspectRecord } from '../../../src/verify/inspect.ts';
import { inspectLines } from '../../../src/verify/inspect-lines.ts';
import { LogBuilder } from '../../helpers/log-builder.ts';
import type { RunOptions, TextDocument } from '../../helpers/verify-run.ts';
import { MemorySource, plainOptions } from '../../helpers/verify-run.ts';

/** Two sealed epochs under a checkpoint, a later one that is sealed but under no checkpoint, and one that is open. */
function build(options: { raw?: boolean; hash?: boolean } = {}) {
  const log = new LogBuilder(options);
  const chain = log.chain('logs');
  log.place('logs');
  const records = log.records(chain, 5);
  log.seal(chain);
  records.push(log.record(chain, { id: 'given' }));
  log.seal(chain);
  log.sealAll('time');
  log.checkpoint();
  records.push(log.record(chain));
  log.seal(chain);
  records.push(log.record(chain));
  return { log, chain, records };
}
type Built = ReturnType<typeof build>;

function inspect({ log }: Built, { index, id }: { index: string; id: string }, options: RunOptions = {}) {
  const given = plainOptions(log.documents, { trust: [log.trust], secrets: log.secrets, ...options });
  const sources = { find: new MemorySource(log.documents), all: new MemorySource(log.documents) };
  return inspectRecord(sources, given, index, id);
}

const textOf = (record: InspectedRecord): string => inspectLines(record).join('\n');
const at = (built: Built, place: number): TextDocument => built.records[place] as TextDocument;

t.test('a record under seal and checkpoint is proven in both trees', async (t) => {
  const built = build();
  const record = await inspect(built, at(built, 2));
  t.match(record, {
    seq: 2,
    index: 2,
    epoch: 0,
    kind: 'data',
    idGiven: false,
    contentFrom: 'raw',
    contentVerifies: true,
    hashStored: true,
    tagVerifies: true,
    chainName: 'logs',
    origin: built.log.origin,
    epochProof: { proven: true, size: 5 },
    logProof: { proven: true, entry: 0 },
  });
  t.match(textOf(record), /under a generated id/);
  const given = await inspect(built, at(built, 5));
  t.match(given, { idGiven: true, id: 'given', epochProof: { proven: true, size: 1, path: [] } });
  t.match(textOf(given), /the id that the shipper gave: given/);
});

t.test('without hash the content stands for C, and without key the tag is taken as given', async (t) => {
  const built = build({ raw: false, hash: false });
  const record = await inspect(built, at(built, 1), { secrets: undefined });
  t.match(record, { hashStored: false, contentFrom: '_source', epochProof: { proven: true } });
  t.equal(record.contentVerifies, undefined);
  t.equal(record.tagVerifies, undefined);
  t.match(textOf(record), /recomputed from the content/);
});

t.test('a seal without checkpoint, and no seal at all, are said', async (t) => {
  const built = build();
  const young = await inspect(built, at(built, 6));
  t.match(young, { epochProof: { proven: true }, logProof: { proven: false, reason: /no valid checkpoint/ } });
  const open = await inspect(built, at(built, 7));
  t.match(open.epochProof, { proven: false, reason: /epoch 4 has no seal yet/ });
  t.match(open.logProof, { proven: false, reason: /no seal to look for/ });
  t.match(textOf(open), /not proven: epoch 4 has no seal/);
});

t.test('a record that is missing beside it, or was none of its epoch, leaves no proof', async (t) => {
  const gap = build();
  gap.log.documents.splice(gap.log.documents.indexOf(at(gap, 3)), 1);
  t.match((await inspect(gap, at(gap, 2))).epochProof, { proven: false, size: 5, reason: /1 of the 5 records/ });
  const late = build();
  const more = late.log.record(late.chain, { position: 9 });
  more.source = more.source.replace('"epoch":4', '"epoch":0');
  const record = await inspect(late, more);
  t.match(record.epochProof, { proven: false, reason: /not one of the records that the seal was made over/ });
  t.equal(record.tagVerifies, false);
  t.match(textOf(record), /DOES NOT VERIFY/);
});

t.test('a chain that nobody trusts is named so', async (t) => {
  const built = build();
  const other = new LogBuilder({ origin: 'other/logseal', seed: 'other' });
  const foreign = other.record(other.chain('x'), { index: 'logs' });
  built.log.documents.push(foreign);
  const record = await inspect(built, foreign);
  t.match(record, { chainName: '', epochProof: { proven: false }, logProof: { proven: false } });
  t.equal(record.origin, undefined);
  t.match(textOf(record), /which nobody trusts/);
});

t.test('digests and erased content are shown for what they are', async (t) => {
  const built = build();
  const shown = at(built, 0);
  shown.source = shown.source
    .replace('"},"message"', '","digests":{"crc32":"77ab6bb4"}},"message"')
    .replace('"","d', '","d');
  const digests = await inspect(built, shown);
  t.same(digests.digests, { crc32: '77ab6bb4' });
  t.match(textOf(digests), /crc32 +77ab6bb4 \(shown only/);
  const erased = at(built, 1);
  erased.source = erased.source.replace(/,"salt":.*$/, '}}');
  const record = await inspect(built, erased);
  t.match(record, { contentFrom: 'erased', contentBytes: 0, epochProof: { proven: true } });
  t.equal(record.salt, undefined);
  t.match(textOf(record), /salt +erased/);
});

t.test('what is no JSON, bears no field, or is not there, is an error that says which', async (t) => {
  const built = build();
  const torn = at(built, 0);
  torn.source = torn.source.slice(0, 300);
  await t.rejects(inspect(built, torn), { code: 'USAGE', message: /cannot be inspected/ });
  const unsigned = at(built, 1);
  unsigned.source = '{"message":1}';
  await t.rejects(inspect(built, unsigned), { code: 'USAGE', message: /bears no signature field/ });
  const broken = at(built, 2);
  broken.source = `${broken.source.slice(0, broken.source.lastIndexOf('"message"'))}"message`;
  t.match(await inspect(built, broken), { contentFrom: 'raw', contentVerifies: true }, 'raw is there all the same');
  await t.rejects(inspect(built, { index: 'logs', id: 'nowhere' }), { code: 'USAGE', message: /has no document/ });
});

t.test('a control record is found among the system documents', async (t) => {
  const built = build();
  const control = built.log.documents.find(({ index }) => index === 'logseal-control') as TextDocument;
  t.match(await inspect(built, control), { kind: 'control', seq: 0, epochProof: { proven: true } });
});
