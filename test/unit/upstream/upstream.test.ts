import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Test } from 'tap';
import t from 'tap';
import { leanMapping } from '../../../src/upstream/signature-mapping.ts';
import type { UpstreamOptions } from '../../../src/upstream/upstream.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import type { FakeNode } from '../../helpers/fake-node.ts';
import { fakeNode, json } from '../../helpers/fake-node.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

type Answers = Record<
  string,
  (request: IncomingMessage & { text: string }) => [number, unknown, Record<string, string>?]
>;

interface Rig {
  upstream: Upstream;
  node: FakeNode;
  clock: ManualClock;
  advice: string[];
}

/** Answers by `METHOD /path` without query; anything else is 404. */
async function rig(t: Test, answers: Answers, more: Partial<UpstreamOptions> = {}): Promise<Rig> {
  const reply = (request: IncomingMessage & { text: string }, response: ServerResponse) => {
    const found = answers[`${request.method} ${request.url?.split('?')[0]}`];
    if (found === undefined)
      json(response, 404, { error: { type: 'not_found', reason: 'no such thing' }, status: 404 });
    else json(response, ...found(request));
  };
  const node = await fakeNode(reply);
  const clock = new ManualClock();
  const advice: string[] = [];
  const upstream = new Upstream({
    nodes: [node.url],
    requestTimeoutMs: 5000,
    clock,
    embedded: false,
    templates: 'compose',
    advise: (_template, text) => advice.push(text),
    ...more,
  });
  t.teardown(async () => {
    await upstream.close();
    await node.close();
  });
  return { upstream, node, clock, advice };
}

const index = (name: string, parts: object = {}): Answers => ({
  [`GET /_resolve/index/${name}`]: () => [200, { indices: [{ name }], aliases: [], data_streams: [] }],
  [`GET /${name}`]: () => [200, { [name]: { aliases: {}, mappings: leanMapping, settings: {}, ...parts } }],
  [`POST /${name}/_count`]: () => [200, { count: 5 }],
  [`POST /${name}/_refresh`]: () => [403, {}],
});

t.test('a description is kept for a minute, until it is asked for fresh or invalidated', async (t) => {
  const { upstream, node, clock } = await rig(t, index('a'));
  const describes = () => node.asked.filter(({ path }) => path.startsWith('/_resolve')).length;
  t.match(await upstream.describe('a'), { exists: true, documents: 5, signatureField: 'fits' });
  await upstream.describe('a');
  t.equal(describes(), 1);
  clock.advance(59_999);
  await upstream.describe('a');
  t.equal(describes(), 1);
  clock.advance(1);
  await upstream.describe('a');
  t.equal(describes(), 2);
  await upstream.describe('a', true);
  t.equal(describes(), 3);
  upstream.invalidate('a');
  await upstream.describe('a');
  t.equal(describes(), 4);
  t.equal(
    node.asked.filter(({ path }) => path.startsWith('/a/_count')).length,
    1,
    'documents from before are counted once',
  );
});

t.test('a name that no index can have is described without asking for it', async (t) => {
  const { upstream, node } = await rig(t, {});
  for (const name of ['a*', '_all', 'A', 'x,y'])
    t.match(await upstream.describe(name), { kind: 'missing', raw: 'always' });
  t.strictSame(node.asked, []);
});

t.test('an alias without one write index gets raw, and says that it has none', async (t) => {
  const { upstream } = await rig(t, {
    'GET /_resolve/index/al': () => [200, { aliases: [{ name: 'al', indices: ['x', 'y'] }] }],
    'GET /_resolve/index/x,y': () => [200, { indices: [{ name: 'x' }, { name: 'y' }] }],
    'GET /x,y/_alias': () => [200, { x: { aliases: { al: {} } }, y: { aliases: { al: { is_write_index: false } } } }],
    'GET /x,y': () => [200, { x: { mappings: {} }, y: { mappings: {} } }],
  });
  t.match(await upstream.describe('al'), {
    kind: 'alias',
    writeIndex: undefined,
    raw: 'always',
    rawReasons: [/no write index/],
  });
  t.match(await upstream.ensureMapping('al'), /no write index/);
});

t.test('an alias of data streams writes to the newest backing index of the one that is flagged', async (t) => {
  const streams = [
    { name: 's1', backing_indices: ['.ds-s1-1', '.ds-s1-2'] },
    { name: 's2', backing_indices: ['.ds-s2-1'] },
  ];
  const { upstream } = await rig(t, {
    'GET /_resolve/index/al': () => [200, { aliases: [{ name: 'al', indices: ['s1', 's2'] }] }],
    'GET /_resolve/index/s1,s2': () => [200, { indices: [], data_streams: streams }],
    'GET /s1,s2/_alias': () => [
      200,
      { s1: { aliases: { al: { is_write_index: true } } }, s2: { aliases: { al: {} } } },
    ],
    'GET /.ds-s1-2': () => [200, { '.ds-s1-2': { mappings: leanMapping, settings: {} } }],
    'POST /.ds-s1-2/_count': () => [200, { count: 0 }],
  });
  const info = await upstream.describe('al');
  t.match(info, { writeIndex: '.ds-s1-2', signatureField: 'fits', raw: 'if-long-arrays' });
  t.strictSame(
    info.indices.map(({ name }) => name),
    ['.ds-s1-1', '.ds-s1-2', '.ds-s2-1'],
  );
});

t.test('a no is told apart from no answer', async (t) => {
  const { upstream } = await rig(t, {
    ...index('a'),
    'GET /_resolve/index/secret': () => [
      403,
      { error: { type: 'security_exception', reason: 'unauthorized' }, status: 403 },
    ],
    'GET /_resolve/index/busy': () => [503, 'wait'],
    'PUT /_component_template/logseal-mappings': () => [
      403,
      { error: { type: 'security_exception', reason: 'not yours' } },
    ],
  });
  await t.rejects(upstream.describe('secret'), {
    code: 'UPSTREAM_DENIED',
    message: /security_exception: unauthorized/,
  });
  await t.rejects(upstream.describe('busy'), { code: 'UPSTREAM_REFUSED' });
  await t.rejects(upstream.identity(), { code: 'UPSTREAM_DENIED' });
});

t.test('templates that may not be written hold nothing up, and are told once', async (t) => {
  const denied = (): [number, unknown] => [403, { error: { type: 'security_exception', reason: 'not yours' } }];
  const { upstream, advice, clock } = await rig(t, {
    ...index('a'),
    'PUT /_component_template/logseal-mappings': denied,
  });
  t.equal(await upstream.ensureMapping('a'), undefined);
  clock.advance(3_600_000);
  t.equal(await upstream.ensureMapping('a'), undefined);
  t.equal(advice.length, 1);
  t.match(advice[0], /not yours/);
});

t.test('a mapping that a busy master cannot take is tried again, one that is refused is a reason', async (t) => {
  let answer: [number, unknown] = [503, { error: { type: 'process_cluster_event_timeout_exception', reason: 'busy' } }];
  const { upstream } = await rig(
    t,
    { ...index('a', { mappings: {} }), 'PUT /a/_mapping': () => answer },
    { templates: 'off' },
  );
  await t.rejects(upstream.ensureMapping('a'), { code: 'UPSTREAM_REFUSED' });
  answer = [400, { error: { type: 'illegal_argument_exception', reason: 'odd' } }];
  t.match(await upstream.ensureMapping('a'), /a does not take .*: odd/);
  answer = [200, { acknowledged: true }];
  t.equal(await upstream.ensureMapping('a'), undefined);
});

t.test('a lookup never takes an index that it could not read for one without the record', async (t) => {
  let docs: unknown[] = [];
  const { upstream } = await rig(t, { ...index('a'), 'POST /_mget': () => [200, { docs }] });
  const wanted = { dest: 'a', id: '1', routing: undefined, timeMs: 0 };
  docs = [{ _index: 'a', _id: '1', found: false }];
  t.strictSame(await upstream.find([wanted]), [[]]);
  docs = [{ _index: 'a', _id: '1', error: { type: 'index_not_found_exception' } }];
  t.strictSame(await upstream.find([wanted]), [[]], 'gone is gone');
  docs = [{ _index: 'a', _id: '1', error: { type: 'index_closed_exception' } }];
  await t.rejects(upstream.find([wanted]), { code: 'UPSTREAM_DENIED', details: { dest: 'a', index: 'a' } });
  docs = [];
  await t.rejects(upstream.find([wanted]), { code: 'UPSTREAM_REFUSED' });
  docs = [{ _index: 'a', _id: '1', found: true, _version: 1, _seq_no: 5, _primary_term: 2, _source: { other: 1 } }];
  t.match(await upstream.find([wanted]), [[{ index: 'a', tag: undefined, version: 1, seqNo: 5, primaryTerm: 2 }]]);
  docs = [
    { _index: 'a', _id: '1', found: true, _source: { 'logseal.tag': 'T', 'logseal.chain': 'C', 'logseal.seq': 3 } },
  ];
  t.match(await upstream.find([wanted]), [[{ tag: 'T', chain: 'C', seq: 3 }]], 'dotted names of subobjects: false');
  t.strictSame(await upstream.find([]), []);
  docs = [
    { _index: 'a', _id: '2', found: false },
    { _index: 'a', _id: '1', found: true, _source: { logseal: { tag: 'T' } } },
  ];
  const both = [wanted, { ...wanted, id: '2' }];
  await t.rejects(upstream.find(both), { code: 'UPSTREAM_REFUSED' }, 'answers out of order tell nothing');
});

t.test('the embedded store is asked for nothing that it does not speak', async (t) => {
  const { upstream, node } = await rig(
    t,
    { 'POST /_mget': () => [200, { docs: [{ _id: '1', found: true, _source: { logseal: { tag: 'T' } } }] }] },
    { embedded: true },
  );
  t.match(await upstream.describe('a'), {
    exists: true,
    writeIndex: 'a',
    raw: 'never-needed',
    documents: 0,
    held: undefined,
  });
  t.equal(await upstream.ensureMapping('a'), undefined);
  t.strictSame(await upstream.mayCreate(undefined, ['a']), { kind: 'allowed' });
  const wanted = { dest: 'a', id: '1', routing: 'r', timeMs: 0 };
  t.match(await upstream.find([wanted]), [[{ index: 'a', tag: 'T' }]]);
  t.strictSame(
    node.asked.map(({ method, path, body }) => [method, path, body]),
    [['POST', '/_mget', '{"docs":[{"_index":"a","_id":"1"}]}']],
  );
});

t.test(
  "what a client may do is asked with its own credentials, kept a minute, and never lent from the proxy's",
  async (t) => {
    const secured = (): [number, unknown, Record<string, string>] => [
      401,
      { error: {} },
      { 'www-authenticate': 'Basic realm' },
    ];
    const rights: Record<string, Record<string, boolean>> = {
      open: { create_doc: true, auto_configure: true },
      there: { create_doc: true, auto_configure: false },
      absent: { create_doc: true, auto_configure: false },
      closed: { create_doc: false, auto_configure: true },
    };
    const { upstream, node, clock } = await rig(
      t,
      {
        ...index('there'),
        'GET /_security/_authenticate': secured,
        'POST /_security/user/_has_privileges': (request) => {
          if (request.headers.authorization !== 'Basic client') return secured();
          return [200, { username: 'client', index: rights }];
        },
      },
      { username: 'proxy', password: 'secret' },
    );
    const asks = () => node.asked.filter(({ path }) => path.includes('_has_privileges'));
    t.strictSame(await upstream.mayCreate('Basic client', ['open', 'there', 'open']), { kind: 'allowed' });
    const answer = await upstream.mayCreate('Basic client', ['open', 'absent', 'closed', 'unheard-of']);
    t.match(answer, { kind: 'denied', user: 'client', dests: new Set(['absent', 'closed', 'unheard-of']) });
    t.match(await upstream.mayCreate('Basic client', ['closed']), { kind: 'denied', user: 'client' });
    t.equal(asks().length, 2, 'each destination once a minute');
    t.ok(asks().every(({ authorization }) => authorization === 'Basic client'));
    t.match(await upstream.mayCreate(undefined, ['open']), {
      kind: 'unauthenticated',
      status: 401,
      challenges: ['Basic realm'],
    });
    t.match(await upstream.mayCreate('Basic other', ['open']), { kind: 'unauthenticated' });
    rights.open = { create_doc: false, auto_configure: false };
    t.equal((await upstream.mayCreate('Basic client', ['open'])).kind, 'allowed');
    clock.advance(60_000);
    t.equal(
      (await upstream.mayCreate('Basic client', ['open'])).kind,
      'denied',
      'a right that was taken away ends within a minute',
    );
  },
);

t.test('without an answer about rights nothing is allowed', async (t) => {
  let status = 500;
  const { upstream } = await rig(t, {
    'GET /_security/_authenticate': () => [status, { error: { type: 'x', reason: 'broken' } }],
    'POST /_security/user/_has_privileges': () => [503, 'busy'],
  });
  await t.rejects(upstream.mayCreate('Basic client', ['a']), { code: 'UPSTREAM_REFUSED' });
  status = 401;
  await t.rejects(upstream.mayCreate('Basic client', ['a']), { code: 'UPSTREAM_REFUSED' });
});

t.test('a cluster without a master has no identity yet', async (t) => {
  let uuid = '_na_';
  const { upstream } = await rig(t, {
    'GET /': () => [200, { cluster_uuid: uuid, cluster_name: 'c', version: { number: '9.5.3' } }],
  });
  await t.rejects(upstream.identity(), { code: 'UPSTREAM_REFUSED' });
  uuid = 'abc';
  t.match(await upstream.identity(), { clusterUuid: 'abc', version: '9.5.3', distribution: 'elasticsearch' });
});
