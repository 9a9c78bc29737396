import t from 'tap';
import { contentHash } from '../../../src/chain/content.ts';
import { logSuite } from '../../../src/chain/suite.ts';
import { recordOfReject } from '../../../src/delivery/rejected-record.ts';
import { RecordView, readRecordsHeader, recordsHeaderBytes } from '../../../src/journal/records-entry.ts';

const chain = Buffer.alloc(16, 7);
const salt = Buffer.alloc(16, 3);
const raw = '{"n":\n1}';
const field = {
  ...{ v: 1, suite: 1, chain: chain.toString('base64url'), epoch: 2, index: 3, seq: 40, time: 1_763_891_234_567 },
  dest: 'orders',
  hash: contentHash(logSuite, salt, Buffer.from(raw)).toString('base64url'),
  prev: Buffer.alloc(16, 1).toString('base64url'),
  tag: Buffer.alloc(16, 2).toString('base64url'),
  salt: salt.toString('base64url'),
  raw,
};
const made = (change: object) => recordOfReject({ logseal: { ...field, ...change } }, field.chain, 40);

t.test('a rejected record is made whole again, signature and all', async (t) => {
  const record = made({ id: 'given', flags: 1 });
  if ('fault' in record) throw new Error(record.fault);
  t.match(readRecordsHeader(record.payload), { suite: 1, epoch: 2, count: 1 });
  const view = new RecordView().seek(record.payload, recordsHeaderBytes);
  t.strictSame(
    [view.index, view.seq, view.timeMs, view.type, view.dest, view.id, view.meta, view.content.toString(), view.next],
    [3, 40, field.time, 0, 'orders', 'given', '', raw, record.payload.length],
  );
  for (const name of ['hash', 'prev', 'tag', 'salt'] as const) t.equal(view[name].toString('base64url'), field[name]);
  t.equal(view.flags & 0b1011, 0b0011, 'an id of the shipper, and a line feed');
});

t.test('a document that is not whole, not this record, changed, or bound elsewhere is not sent', async (t) => {
  for (const name of Object.keys(field)) {
    if (name === 'v' || name === 'hash') continue;
    t.match(made({ [name]: undefined }), { fault: /^its document/ }, name);
  }
  t.match(made({ raw: '{"n":2}' }), { fault: /was changed/ });
  t.match(made({ seq: 41 }), { fault: /another record/ });
  t.match(made({ type: 1 }), { fault: /goes to/ });
  for (const dest of ['logseal-seals', '.security', '']) t.match(made({ dest }), { fault: /goes to/ });
  t.notMatch(made({ dest: '.ds-logs' }), { fault: /./ });
  t.notMatch(
    made({ hash: undefined, raw: '{}' }),
    { fault: /./ },
    'without a hash there is nothing to hold it against',
  );
});
