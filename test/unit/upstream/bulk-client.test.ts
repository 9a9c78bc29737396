import fc from 'fast-check';
import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import { BulkClient } from '../../../src/upstream/bulk-client.ts';
import { Connection } from '../../../src/upstream/connection.ts';
import { parseBulkAnswer } from '../../../src/upstream/item-result.ts';
import { fakeNode, fakeSocket, json } from '../../helpers/fake-node.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const created = (index: string, more: object = {}) => ({
  create: { _index: index, result: 'created', status: 201, ...more },
});
const parse = (value: unknown) =>
  parseBulkAnswer(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));

async function failure(promise: Promise<unknown>): Promise<LogsealError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LogsealError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

t.test('equal items of an answer without errors are one object, in any order of the head', async (t) => {
  const items = [created('a'), created('a'), created('b'), created('b'), created('a')];
  const heads: object[] = [{ errors: false }, { errors: false, took: 3 }, { took: 3, errors: false, ingest_took: 7 }];
  for (const head of heads) {
    const answer = parse({ ...head, items });
    t.strictSame(
      answer?.items.map(({ index }) => index),
      ['a', 'a', 'b', 'b', 'a'],
    );
    t.equal(answer?.items[0], answer?.items[1]);
    t.equal(answer?.items[2], answer?.items[3]);
    t.equal(answer?.errors, false);
    t.equal(answer?.ingestTookMs, 'ingest_took' in head ? 7 : undefined);
  }
  t.strictSame(parse({ errors: false, items: [] })?.items, []);
});

t.test('everything that an item may say is read, with and without errors beside it', async (t) => {
  const rich = created('.ds-a-000001', {
    _id: 'é"}{\\',
    _version: 3,
    _seq_no: 9007199254740991,
    _primary_term: 2,
    failure_store: 'used',
    executed_pipelines: ['p'],
  });
  const error = { type: 'x_exception', reason: 'because', caused_by: { type: 'y' } };
  const failed = { index: { _index: 'a', status: 400, error } };
  const expected = {
    action: 'create',
    status: 201,
    index: '.ds-a-000001',
    id: 'é"}{\\',
    result: 'created',
    version: 3,
    seqNo: 9007199254740991,
    primaryTerm: 2,
    failureStore: 'used',
    executedPipelines: ['p'],
  };
  t.match(parse({ errors: false, items: [rich] })?.items, [expected]);
  t.match(parse({ errors: true, items: [rich, failed] })?.items, [
    expected,
    { action: 'index', status: 400, index: 'a', error: { type: 'x_exception', reason: 'because', detail: error } },
  ]);
  t.equal(
    parse({ errors: true, items: [{ create: { status: 404, error: {} } }] })?.items[0]?.index,
    '',
    'no shard reached',
  );
});

t.test('what is no bulk answer is never read as one', async (t) => {
  const wrong: unknown[] = [
    '',
    '{}',
    '[]',
    'null',
    '<html>',
    { items: [] },
    { errors: false },
    { errors: 'false', items: [] },
    { errors: false, items: {} },
    { errors: false, items: [1] },
    { errors: false, items: [{}] },
    { errors: false, items: [{ create: { _index: 'a', status: 201 }, index: { _index: 'a', status: 201 } }] },
    { errors: false, items: [{ create: 7 }] },
    { errors: false, items: [created('a', { status: '201' })] },
    { errors: false, items: [created('a', { status: 7 })] },
    { errors: false, items: [created('a', { _index: undefined })] },
    { errors: true, items: [created('a', { error: { type: 'x' } })] },
    '{"errors":false,"items":[{"create":{"_index":"a","status":201}}',
    '{"errors":false,"items":[{"create":{"_index":"a","status":201}}]',
    '{"errors":false,"items":[{"create":{"_index":"a","status":201}},]}',
    '{"errors":false,"items":[{"create":{"_index":"a","status":201}}{"create":{"_index":"a","status":201}}]}',
    '{"errors":false,"items":[{"create":{"_index":"a","status":201}}]}x',
    '{"errors":false,"items":[{"create":{"_index":"a","status":201}}]}                  x',
  ];
  for (const body of wrong) t.equal(parse(body), undefined, JSON.stringify(body).slice(0, 100));
});

t.test('the quick reading and the whole one never disagree', async (t) => {
  const item = fc.record(
    {
      _index: fc.constantFrom('a', 'b', '"}{', 'é'),
      status: fc.constantFrom(200, 201),
      result: fc.constantFrom('created', 'noop'),
      _id: fc.string(),
      _seq_no: fc.maxSafeNat(),
    },
    { requiredKeys: ['_index', 'status'] },
  );
  const answers = fc.array(fc.tuple(fc.constantFrom('create', 'index'), item), { maxLength: 30 });
  fc.assert(
    fc.property(answers, (list) => {
      const items = list.map(([action, value]) => ({ [action]: value }));
      const quick = parse({ errors: false, items });
      // Blanks are not what the quick reading knows.
      const whole = parse(JSON.stringify({ errors: false, items }, null, 1));
      t.same(quick, whole);
      return quick?.items.length === list.length;
    }),
    { numRuns: 200 },
  );
});

t.test('the request asks for what it needs and no more', async (t) => {
  const node = await fakeNode((_request, response) => json(response, 200, { errors: false, items: [created('a')] }));
  t.teardown(() => node.close());
  const connection = new Connection({ nodes: [node.url], requestTimeoutMs: 5000, clock: new ManualClock() });
  t.teardown(() => connection.close());
  const client = new BulkClient(connection);
  await client.send([Buffer.from('{"create":{}}\n'), Buffer.from('{}\n')], { count: 1 });
  const lean = 'errors,ingest_took,items.*.status,items.*._index,items.*.result,items.*.failure_store,items.*.error';
  t.match(node.asked[0], { method: 'POST', path: `/_bulk?filter_path=${lean}`, body: '{"create":{}}\n{}\n' });
  const wish = {
    versions: true,
    listExecutedPipelines: true,
    refresh: 'wait_for',
    timeout: '1 m',
    waitForActiveShards: 'all',
  };
  await client.send([Buffer.from('{}\n')], { ...wish, refresh: 'wait_for', count: 1 });
  const asked = new URLSearchParams(node.asked[1]!.path.split('?')[1]);
  t.match(asked.get('filter_path'), /_seq_no.*executed_pipelines$/);
  t.match(Object.fromEntries(asked), {
    list_executed_pipelines: 'true',
    refresh: 'wait_for',
    timeout: '1 m',
    wait_for_active_shards: 'all',
  });
});

t.test('a whole refusal is told apart from an unknown end by what can have happened before it', async (t) => {
  let reply: [number, unknown, Record<string, string>?] = [200, ''];
  const node = await fakeNode((_request, response) => json(response, ...reply));
  t.teardown(() => node.close());
  const connection = new Connection({ nodes: [node.url], requestTimeoutMs: 5000, clock: new ManualClock() });
  t.teardown(() => connection.close());
  const client = new BulkClient(connection);
  const error = (type: string) => ({ error: { type, reason: 'r' }, status: 0 });
  const cases: [number, unknown, string][] = [
    [429, error('es_rejected_execution_exception'), 'UPSTREAM_REFUSED'],
    [429, '', 'UPSTREAM_REFUSED'],
    [401, error('security_exception'), 'UPSTREAM_REFUSED'],
    [403, error('cluster_block_exception'), 'UPSTREAM_REFUSED'],
    [413, '', 'UPSTREAM_REFUSED'],
    [503, error('master_not_discovered_exception'), 'UPSTREAM_REFUSED'],
    [503, '<html>no server available</html>', 'UPSTREAM_UNKNOWN'],
    [500, error('null_pointer_exception'), 'UPSTREAM_UNKNOWN'],
    [502, '<html>', 'UPSTREAM_UNKNOWN'],
    [504, '', 'UPSTREAM_UNKNOWN'],
    [400, error('illegal_argument_exception'), 'UPSTREAM_UNKNOWN'],
    [200, '<html>welcome</html>', 'UPSTREAM_UNKNOWN'],
    [200, { errors: false, items: [] }, 'UPSTREAM_UNKNOWN'],
    [200, { errors: false, items: [created('a'), created('a')] }, 'UPSTREAM_UNKNOWN'],
  ];
  for (const [status, body, code] of cases) {
    reply = [status, body];
    const got = await failure(client.send([Buffer.from('{}\n')], { count: 1 }));
    t.equal(got.code, code, `${status} ${JSON.stringify(body)}`);
    t.equal(got.details.status, status);
  }
  reply = [429, error('circuit_breaking_exception'), { 'retry-after': '7' }];
  const busy = await failure(client.send([Buffer.from('{}\n')], { count: 1 }));
  t.match(busy.details, { type: 'circuit_breaking_exception', reason: 'r', retryAfterMs: 7000 });
});

t.test('a node that takes the body and dies leaves it unknown; its time-out does too', async (t) => {
  const node = await fakeSocket((socket) => {
    let bytes = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes > 300_000) socket.resetAndDestroy();
    });
  });
  t.teardown(() => node.close());
  const connection = new Connection({ nodes: [node.url], requestTimeoutMs: 5000, clock: new ManualClock() });
  t.teardown(() => connection.close());
  const client = new BulkClient(connection);
  const big = Buffer.alloc(1_000_000, 0x20);
  t.equal((await failure(client.send([big], { count: 1 }))).code, 'UPSTREAM_UNKNOWN');
  const late = await failure(client.send([Buffer.from('{}\n')], { count: 1, requestTimeoutMs: 100 }));
  t.match(late, { code: 'UPSTREAM_UNKNOWN', details: { reason: 'TIMEOUT' } });
});
