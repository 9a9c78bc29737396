import t from 'tap';
import { post, startIntakeServer } from '../../helpers/intake-server.ts';

t.test('a document is signed and answered as a single write', async (t) => {
  const { url, intake } = await startIntakeServer(t);
  const created = await post(`${url}/logs/_doc?pipeline=p`, '{\n  "a": 1\n}\n');
  t.equal(created.status, 201);
  t.match(created.json, {
    _index: 'logs',
    _id: /^g+0$/,
    _version: 1,
    result: 'created',
    _shards: {},
    _seq_no: 0,
    _primary_term: 1,
  });
  t.equal(created.headers.get('location'), `/logs/_doc/${(created.json as { _id: string })._id}`);
  t.notOk('status' in (created.json as object));
  t.equal(
    (await post(`${url}/logs/_doc/a%20b?routing=x`, '{}', {}, 'PUT')).headers.get('location'),
    '/logs/_doc/a+b?routing=x',
  );
  t.equal((await post(`${url}/logs/_create/7`, '{}', {}, 'PUT')).status, 201);
  t.equal((await post(`${url}/logs/_doc/8?op_type=create&version_type=internal`, '{}', {}, 'POST')).status, 201);
  t.equal(
    (await post(`${url}/logs/_doc/9?version=5&version_type=external&filter_path=_id`, '{}', {}, 'PUT')).text,
    '{"_id":"9"}',
  );
  t.same(
    intake.records.map(({ id, meta, content }) => [id, meta, content]),
    [
      [undefined, { pipeline: 'p' }, '{\n  "a": 1\n}'],
      ['a b', { routing: 'x' }, '{}'],
      ['7', undefined, '{}'],
      ['8', undefined, '{}'],
      ['9', undefined, '{}'],
    ],
  );
  t.same(new Set(intake.acks), new Set(['wal']));
});

t.test('the answer of the search engine is told where it is asked for', async (t) => {
  const { url, intake } = await startIntakeServer(t);
  t.match((await post(`${url}/logs/_doc?refresh=true`, '{}')).json, { _seq_no: 7, _index: /^\.ds-/ });
  const error = {
    type: 'version_conflict_engine_exception',
    reason: '[1]: version conflict',
    index: 'logs',
    shard: '0',
  };
  intake.outcome = () => ({ status: 409, index: 'logs', version: 0, seqNo: 0, primaryTerm: 0, error });
  const conflict = await post(`${url}/logs/_doc/1?if_seq_no=3&if_primary_term=1`, '{}', {}, 'PUT');
  t.match(conflict, { status: 409, json: { status: 409, error: { ...error, root_cause: [error] } } });
});

t.test('what Elasticsearch refuses is refused in its words', async (t) => {
  const { url, intake, asked } = await startIntakeServer(t, { limits: { bodyBytesMax: 2000, documentBytesMax: 1000 } });
  const cases: [string, string, string, number, unknown][] = [
    ['PUT', '/logs/_doc/1?op_type=foo', '{}', 400, { reason: "opType must be 'create' or 'index', found: [foo]" }],
    ['PUT', '/logs/_create/1?op_type=index', '{}', 400, { reason: "opType must be 'create', found: [index]" }],
    ['POST', '/logs/_doc?version=3', '{}', 400, { type: 'action_request_validation_exception' }],
    [
      'PUT',
      '/logs/_doc/1?version=x',
      '{}',
      400,
      {
        reason: 'Failed to parse long parameter [version] with value [x]',
        caused_by: { type: 'number_format_exception' },
      },
    ],
    ['PUT', '/logs/_doc/1?version_type=foo', '{}', 400, { reason: 'No version type match [foo]' }],
    ['PUT', '/logs/_doc/1?list_executed_pipelines=true', '{}', 400, { reason: /unrecognized parameter/ }],
    ['POST', '/logs/_doc', '[1]', 400, { root_cause: [{ type: 'document_parsing_exception' }] }],
    ['POST', '/logs/_doc', '', 400, { type: 'parse_exception' }],
    ['POST', '/logs/_doc', 'x'.repeat(1500), 400, { type: 'illegal_argument_exception' }],
    [
      'POST',
      '/Logs/_doc',
      '{}',
      400,
      { type: 'invalid_index_name_exception', index: 'Logs', root_cause: [{ index_uuid: '_na_' }] },
    ],
    ['PUT', '/logseal-seals/_doc/1', '{}', 403, { type: 'security_exception' }],
    ['PUT', '/.ds-logs-2026.11.23-000001/_doc/1', '{}', 400, { type: 'illegal_argument_exception' }],
    ['PUT', '/logs/_doc', '{}', 405, undefined],
  ];
  for (const [method, path, body, status, error] of cases) {
    const answer = await post(`${url}${path}`, body, {}, method);
    t.equal(answer.status, status, path);
    if (error !== undefined) t.match(answer.json, { error, status }, path);
  }
  t.equal((await post(`${url}/logs/_doc`, 'x'.repeat(2001))).status, 413);
  t.equal(intake.records.length + asked.length, 0);
});

t.test('a document of another destination passes as it comes', async (t) => {
  const { url, asked, intake } = await startIntakeServer(t);
  intake.unsigned.add('metrics-cpu');
  await post(`${url}/.kibana/_doc/1?if_seq_no=1&if_primary_term=1`, '{"a":1}', {}, 'PUT');
  await post(`${url}/metrics-cpu/_doc`, '{"a":1}');
  await post(`${url}/.ds-.kibana-2026.11.23-000001/_doc/1`, '{"a":2}');
  t.match(asked, [
    { method: 'PUT', url: '/.kibana/_doc/1?if_seq_no=1&if_primary_term=1' },
    { url: '/metrics-cpu/_doc' },
    { url: '/.ds-.kibana-2026.11.23-000001/_doc/1' },
  ]);
  t.equal(asked[0]?.body.toString(), '{"a":1}');
});

t.test('a client without the right to write hears so', async (t) => {
  let known = false;
  const { url, intake } = await startIntakeServer(t, {
    authorize: async () =>
      known
        ? { kind: 'forbidden', reasons: new Map([['logs', 'no']]) }
        : { kind: 'unauthorized', status: 401, headers: {}, body: { status: 401 } },
  });
  t.equal((await post(`${url}/logs/_doc`, '{}')).status, 401);
  known = true;
  t.match(await post(`${url}/logs/_doc`, '{}'), {
    status: 403,
    json: { error: { type: 'security_exception', reason: 'no' } },
  });
  t.equal((await post(`${url}/web/_doc`, '{}')).status, 201);
  t.equal(intake.records.length, 1);
});
