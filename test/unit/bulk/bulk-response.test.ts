import t from 'tap';
import { bulkResponse } from '../../../src/bulk/bulk-response.ts';
import { denyDestinations } from '../../../src/bulk/deny-destinations.ts';
import { parseFilterPath } from '../../../src/bulk/filter-path.ts';
import type { Outcome } from '../../../src/bulk/intake.ts';
import { parseDocument } from '../../../src/bulk/parse-document.ts';
import { recordsOf } from '../../helpers/intake-server.ts';
import { read, refusalOf, rulesFor } from '../../helpers/parse.ts';

const idsFor = (count: number) => {
  const ids = Buffer.alloc(count * 22);
  for (let i = 0; i < count; i++) ids.write(`AAAAAAAAAAAAAAAAAAAA${String(i).padStart(2, '0')}`, i * 22, 'latin1');
  return ids;
};
const respond = (body: string, filterPath?: string) => {
  const { parsed } = read(body);
  const filter = parseFilterPath(filterPath);
  return bulkResponse(parsed, { tookMs: 7, ids: idsFor(parsed.batch.count), filter }).toString();
};
const two = '{"create":{"_index":"logs"}}\n{}\n{"create":{"_index":"logs"}}\n{}\n';

t.test('the usual answer is compact, in the order took, errors, items, one item for each operation', async (t) => {
  const item = (id: string) =>
    `{"create":{"_index":"logs","_id":"${id}","_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,"status":201}}`;
  t.equal(
    respond(two),
    `{"took":7,"errors":false,"items":[${item('AAAAAAAAAAAAAAAAAAAA00')},${item('AAAAAAAAAAAAAAAAAAAA01')}]}`,
  );
});

t.test('the template says the same as the long way', async (t) => {
  const bodies = [
    two,
    '{"index":{"_index":"logs"}}\n{}\n{"create":{"_index":"logs"}}\n{}\n',
    '{"create":{"_index":"löggs"}}\n{}\n{"create":{"_index":"b","_id":"é\\"\\\\ü😀"}}\n{}\n{"create":{"_index":"b","_id":"x"}}\n{}\n',
  ];
  const filters = [
    undefined,
    'errors,items.*.error,items.*.status',
    'items.*._id',
    'items.index',
    'took',
    '-items',
    '-took,-errors',
    'nope',
    'items.*._index',
  ];
  for (const body of bodies) {
    for (const filter of filters) {
      const { parsed } = read(body);
      // An item error that is not there sends the answer the long way.
      const long = {
        ...parsed,
        errors: new Map([[99, { status: 400, error: { type: '', reason: '' }, index: '', id: null }]]),
      };
      const parts = { tookMs: 7, ids: idsFor(parsed.batch.count), filter: parseFilterPath(filter) };
      t.equal(
        bulkResponse(parsed, parts).toString(),
        bulkResponse(long, parts).toString(),
        `${filter}: ${body.slice(0, 40)}`,
      );
    }
  }
});

t.test('refused, signed and forwarded operations are answered in request order', async (t) => {
  const { parsed } = read(
    '{"create":{"_index":"logs"}}\n[]\n{"delete":{"_index":".k","_id":"1"}}\n{"index":{"_index":"web","_id":"9"}}\n{}\n',
  );
  const forwarded = new Map([[1, { delete: { _index: '.k', _id: '1', status: 404, result: 'not_found' } }]]);
  const answer = JSON.parse(bulkResponse(parsed, { tookMs: 1, ids: Buffer.alloc(22), forwarded }).toString());
  t.match(answer, {
    errors: true,
    items: [
      { create: { _index: 'logs', _id: null, status: 400, error: { type: 'document_parsing_exception' } } },
      { delete: { status: 404 } },
      { index: { _index: 'web', _id: '9', status: 201 } },
    ],
  });
  const { parsed: quiet } = read('{"delete":{"_index":".k","_id":"1"}}\n{"index":{"_index":"web","_id":"9"}}\n{}\n');
  const failing = new Map([[0, { delete: { status: 403, error: { type: 'x' } } }]]);
  t.match(JSON.parse(bulkResponse(quiet, { tookMs: 1, ids: Buffer.alloc(22), forwarded: failing }).toString()), {
    errors: true,
  });
  t.match(JSON.parse(bulkResponse(quiet, { tookMs: 1, ids: Buffer.alloc(22), forwarded }).toString()), {
    errors: false,
  });
});

t.test('what the search engine answered is told, conflicts and failure stores too', async (t) => {
  const { parsed } = read(two);
  const outcomes: Outcome[] = [
    { status: 201, index: '.ds-logs-1', version: 1, seqNo: 5, primaryTerm: 2, failureStore: 'used' },
    {
      status: 409,
      index: 'logs',
      version: 0,
      seqNo: 0,
      primaryTerm: 0,
      error: { type: 'version_conflict_engine_exception', reason: 'r' },
    },
  ];
  const answer = JSON.parse(bulkResponse(parsed, { tookMs: 1, ids: idsFor(2), outcomes }).toString());
  t.same(answer.items[0].create, {
    _index: '.ds-logs-1',
    _id: 'AAAAAAAAAAAAAAAAAAAA00',
    _version: 1,
    result: 'created',
    _shards: { total: 1, successful: 1, failed: 0 },
    _seq_no: 5,
    _primary_term: 2,
    failure_store: 'used',
    status: 201,
  });
  t.match(answer.items[1].create, { status: 409, error: { type: 'version_conflict_engine_exception' } });
  t.equal(answer.errors, true);
});

t.test('operations on a destination that the client may not write are taken out of the batch', async (t) => {
  const { parsed } = read(
    '{"create":{"_index":"a","_id":"1","routing":"r"}}\n{"n":1}\n{"create":{"_index":"b"}}\n{"n":2}\n{"delete":{"_index":".k","_id":"1"}}\n{"create":{"_index":"a"}}\n[]\n{"create":{"_index":"a"}}\n{"n":3}\n',
  );
  const denied = denyDestinations(parsed, new Map([['b', 'not yours']]));
  t.same(
    recordsOf(denied.batch).map(({ dest, id, meta, content }) => [dest, id, meta, content]),
    [
      ['a', '1', { routing: 'r' }, '{"n":1}'],
      ['a', undefined, undefined, '{"n":3}'],
    ],
  );
  t.match(denied.errors.get(1), {
    status: 403,
    index: 'b',
    error: { type: 'security_exception', reason: 'not yours' },
  });
  t.equal(parsed.errors.size, 1, 'the original is as it was');
  const items = JSON.parse(bulkResponse(denied, { tookMs: 0, ids: idsFor(2) }).toString()).items;
  t.same(
    items.map((item: Record<string, { status: number }> | null) => item && Object.values(item)[0]?.status),
    [201, 403, null, 400, 201],
  );
});

t.test('a single document is read by the same rules, line feeds allowed', async (t) => {
  const operation = { action: 'index', index: 'logs', id: '1', versionType: 'internal', routing: 'r' } as const;
  const parsed = parseDocument(Buffer.from('\n{"a":\n1}\n'), operation, rulesFor());
  t.same('batch' in parsed && recordsOf(parsed.batch), [
    { dest: 'logs', id: '1', meta: { routing: 'r' }, content: '{"a":\n1}', flags: 1 },
  ]);
  const other = (body: string | Buffer, changes: object) =>
    parseDocument(Buffer.from(body), { ...operation, ...changes }, rulesFor());
  t.match(other('{"a":', {}), { error: { status: 400, error: { reason: /Unexpected end of file/ } } });
  t.match(other('{"a" 1}', {}), { error: { error: { reason: /Unexpected character/ } } });
  t.match(other(Buffer.from([0x7b, 0xff, 0x7d]), {}), {
    error: { error: { caused_by: { reason: '[1:1] Invalid UTF-8' } } },
  });
  t.match(other('x'.repeat(5000), {}), { error: { error: { type: 'illegal_argument_exception' } } });
  t.match(other('{}', { index: 'logseal-seals' }), { error: { status: 403 } });
  t.same(other('{}', { index: '.kibana' }), { forwarded: true });
  t.match(
    refusalOf(() => other('{}', { version: 3 })),
    { type: 'action_request_validation_exception' },
  );
  const marked = other(`{"v":[${Array(200).fill(1).join()}]}`, {});
  t.equal('batch' in marked && marked.batch.descriptors[5], 2);
  const empty = other('{ }', {});
  t.equal('batch' in empty && empty.batch.descriptors[5], 4);
});
