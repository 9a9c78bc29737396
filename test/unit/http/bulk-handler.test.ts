import { gzipSync } from 'node:zlib';
import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import { post, startIntakeServer } from '../../helpers/intake-server.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const two = '{"create":{"_index":"logs"}}\n{"n":1}\n{"index":{"_index":"web","_id":"7"}}\n{"n":2}\n';

t.test('a bulk is signed, answered as created, and says who answers', async (t) => {
  const { url, intake } = await startIntakeServer(t);
  for (const [method, path] of [
    ['POST', '/_bulk'],
    ['PUT', '/_bulk'],
    ['POST', '//_bulk/'],
    ['PUT', '/other/_bulk'],
  ] as const) {
    const { status, json, headers } = await post(`${url}${path}`, two, { 'x-opaque-id': 'mine' }, method);
    t.equal(status, 200);
    t.match(json, {
      errors: false,
      items: [{ create: { _index: 'logs', status: 201 } }, { index: { _index: 'web', _id: '7' } }],
    });
    t.equal(headers.get('x-elastic-product'), 'Elasticsearch');
    t.equal(headers.get('x-opaque-id'), 'mine');
    t.equal(headers.get('content-type'), 'application/json');
  }
  t.same(new Set(intake.acks), new Set(['wal']));
  t.equal(intake.records.length, 8);
});

t.test('path and query are carried to the records', async (t) => {
  const { url, intake } = await startIntakeServer(t);
  await post(`${url}/%3Clogs-%7Bnow%2Fy%7Buuuu%7D%7D%3E/_bulk?pipeline=p&routing=r`, '{"create":{}}\n{}\n');
  t.match(intake.records[0], { dest: /^logs-\d{4}$/, meta: { pipeline: 'p', routing: 'r' } });
});

t.test('the answer of the search engine is waited for where it is asked for', async (t) => {
  const { url, intake } = await startIntakeServer(t);
  for (const query of ['refresh', 'refresh=wait_for', 'wait_for_active_shards=all', 'wait_for_active_shards=1']) {
    const { json } = await post(`${url}/_bulk?${query}`, two);
    t.match(
      json,
      { items: [{ create: { _index: '.ds-logs-2026.11.23-000001', _seq_no: 7, _primary_term: 2 } }, {}] },
      query,
    );
  }
  await post(`${url}/_bulk`, '{"index":{"_index":"a","_id":"1","if_seq_no":1,"if_primary_term":1}}\n{}\n');
  t.same(new Set(intake.acks), new Set(['store']));
  await post(`${url}/_bulk?refresh=false`, two);
  t.equal(intake.acks.at(-1), 'wal');
});

t.test('with ack store a taken id is heard as a conflict, and a silent store as unavailable', async (t) => {
  const clock = new ManualClock();
  const { url, intake } = await startIntakeServer(t, { ack: 'store', clock });
  const error = { type: 'version_conflict_engine_exception', reason: 'taken' };
  intake.outcome = () => ({ status: 409, index: 'web', version: 0, seqNo: 0, primaryTerm: 0, error });
  t.match((await post(`${url}/_bulk`, two)).json, { errors: true, items: [{}, { index: { status: 409, error } }] });
  const asked = Promise.withResolvers<void>();
  intake.outcome = () => {
    asked.resolve();
    return new Promise(() => undefined);
  };
  const waiting = post(`${url}/_bulk?timeout=5s`, two);
  await asked.promise;
  // The wait begins when the records are durable, a moment after they are given away.
  await new Promise(setImmediate);
  clock.advance(5_000);
  t.match((await waiting).json, {
    errors: true,
    items: [{ create: { status: 503, error: { type: 'unavailable_shards_exception' } } }, {}],
  });
  t.strictSame(intake.forgotten, [2, 2], 'nothing is kept for who no longer waits');
});

t.test('filter_path, pretty and the versioned media types shape the answer', async (t) => {
  const { url } = await startIntakeServer(t);
  const beats = 'errors%2Citems.%2A.error%2Citems.%2A.status%2Citems.%2A.failure_store';
  t.equal(
    (await post(`${url}/_bulk?filter_path=${beats}`, two)).text,
    '{"errors":false,"items":[{"create":{"status":201}},{"index":{"status":201}}]}',
  );
  t.equal((await post(`${url}/_bulk?filter_path=items.*.error`, two)).text, '{}');
  t.match(
    (await post(`${url}/_bulk?pretty&filter_path=errors,items.index`, two)).text,
    /^\{\n {2}"errors" : false,\n {2}"items" : \[\n/,
  );
  const vnd = 'application/vnd.elasticsearch+json; compatible-with=9';
  const versioned = await post(`${url}/_bulk`, two, { 'content-type': vnd.replace('json', 'x-ndjson'), accept: vnd });
  t.equal(versioned.headers.get('content-type'), 'application/vnd.elasticsearch+json;compatible-with=9');
  t.equal(
    (await post(`${url}/_bulk`, two, { accept: 'application/yaml' })).headers.get('content-type'),
    'application/yaml',
  );
});

t.test('what is refused as a whole is refused before anything is signed', async (t) => {
  const { url, intake } = await startIntakeServer(t, { limits: { bodyBytesMax: 5000 } });
  const cases: [string, string | Buffer, Record<string, string>, number, unknown][] = [
    ['', '', {}, 400, { error: { type: 'parse_exception', reason: 'request body is required' } }],
    ['', '\n', {}, 400, { error: { reason: 'Validation Failed: 1: no requests added;' } }],
    ['', two.slice(0, -1), {}, 400, { error: { reason: 'The bulk request must be terminated by a newline [\\n]' } }],
    [
      '',
      two,
      { 'content-type': 'text/plain' },
      406,
      { error: 'Content-Type header [text/plain] is not supported', status: 406 },
    ],
    ['?foo=1', two, {}, 400, { error: { reason: 'request [/_bulk] contains unrecognized parameter: [foo]' } }],
    ['?a=%zz', two, {}, 400, { error: { type: 'bad_parameter_exception' } }],
    [
      '',
      gzipSync(two).subarray(0, -9),
      { 'content-encoding': 'gzip' },
      400,
      { error: { reason: /not whole \[gzip\] data/ } },
    ],
    ['', two, { 'content-encoding': 'zstd' }, 400, { error: { reason: /\[zstd\] is not supported/ } }],
    [
      '',
      gzipSync(Buffer.alloc(5001, 32)),
      { 'content-encoding': 'gzip' },
      413,
      { error: { type: 'content_too_long_exception' } },
    ],
    ['', Buffer.alloc(5001, 32), {}, 413, undefined],
  ];
  for (const [query, body, headers, status, json] of cases) {
    const answer = await post(`${url}/_bulk${query}`, body, headers);
    t.equal(answer.status, status, `${query} ${JSON.stringify(headers)}`);
    t.match(answer.json, json);
    t.equal(answer.headers.get('x-elastic-product'), 'Elasticsearch');
  }
  t.equal(intake.records.length, 0);
  t.match((await fetch(`${url}/_bulk`)).headers.get('allow'), 'POST,PUT');
});

t.test('a full log holds the request, then refuses it whole with 429 and Retry-After', async (t) => {
  const { url, intake, events } = await startIntakeServer(t);
  intake.onAdmit = async () => {
    throw new LogsealError('LOG_FULL', 'the write-ahead log is full');
  };
  const { status, headers, json } = await post(`${url}/_bulk`, two);
  t.equal(status, 429);
  t.equal(headers.get('retry-after'), '1');
  t.match(json, { error: { type: 'es_rejected_execution_exception' }, status: 429 });
  t.equal(intake.records.length, 0);
  t.same(events, ['request-refused']);
  intake.onAdmit = async () => undefined;
  intake.onAppend = async () => {
    throw new LogsealError('STOPPING', 'stopping');
  };
  t.equal((await post(`${url}/_bulk`, two)).status, 429);
});

t.test('clients that lose what is answered 429 find their connection closed instead', async (t) => {
  const { url, intake } = await startIntakeServer(t, { hangUp: ['rsyslog*', '10.*'] });
  intake.onAdmit = async () => {
    throw new LogsealError('LOG_FULL', 'the write-ahead log is full');
  };
  await t.rejects(post(`${url}/_bulk`, two, { 'user-agent': 'RSyslog/8' }));
  t.equal((await post(`${url}/_bulk`, two, { 'user-agent': 'curl' })).status, 429);
});

t.test('a failed log answers nobody; an unexpected error shows nothing of itself', async (t) => {
  const { url, intake, events } = await startIntakeServer(t);
  intake.onAppend = async () => {
    throw new LogsealError('WAL_FAILED', 'fsync failed');
  };
  await t.rejects(post(`${url}/_bulk`, two));
  intake.onAppend = async () => {
    throw new TypeError('secret detail');
  };
  const { status, text } = await post(`${url}/_bulk`, two);
  t.equal(status, 500);
  t.notMatch(text, /secret/);
  t.same(events, ['request-failed', 'request-failed']);
});

t.test('an id in an error body is the id in the log and in x-opaque-id', async (t) => {
  const { url } = await startIntakeServer(t);
  const { json, headers } = await post(`${url}/_bulk?x=1`, two);
  const id = headers.get('x-opaque-id');
  t.match(json, { error: { request_id: id } });
  t.ok(id);
});

t.test('a request that mixes signed and unsigned operations is answered in order', async (t) => {
  const server = await startIntakeServer(t);
  server.upstream.respond = (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(
      '{"errors":false,"took":1,"items":[{"delete":{"_id":"1","status":200}},{"update":{"_id":"2","status":409,"error":{"type":"v"}}}]}',
    );
  };
  const mixed =
    '{"create":{"_index":"logs"}}\n{"n":1}\n{"delete":{"_index":".kibana","_id":"1"}}\n{"index":{"_index":"logs"}}\n{"n":2}\n' +
    '{"update":{"_index":".kibana","_id":"2"}}\n{"doc":{}}\n';
  const { json } = await post(`${server.url}/_bulk?pretty&refresh=false&filter_path=items`, mixed, {
    authorization: 'Basic eDp5',
  });
  t.match(json, {
    items: [
      { create: { status: 201 } },
      { delete: { status: 200 } },
      { index: { status: 201 } },
      { update: { status: 409 } },
    ],
  });
  t.match(server.asked, [{ url: '/_bulk?refresh=false', headers: { authorization: 'Basic eDp5' } }]);
  t.equal(
    server.asked[0]?.body.toString(),
    '{"delete":{"_index":".kibana","_id":"1"}}\n{"update":{"_index":".kibana","_id":"2"}}\n{"doc":{}}\n',
  );
  t.equal(server.intake.records.length, 2);
});

t.test('if the search engine refuses the unsigned part, nothing is signed', async (t) => {
  const server = await startIntakeServer(t);
  const mixed = `{"delete":{"_index":".kibana","_id":"1"}}\n${two}`;
  server.upstream.respond = (_request, response) => {
    response
      .writeHead(401, { 'content-type': 'application/json' })
      .end('{"error":{"type":"security_exception"},"status":401}');
  };
  t.match(await post(`${server.url}/_bulk`, mixed), { status: 401, json: { status: 401 } });
  server.upstream.respond = (_request, response) => response.end('{"items":[]}');
  t.equal((await post(`${server.url}/_bulk`, mixed)).status, 429, 'another number of items is no answer');
  await server.upstream.stop();
  t.equal((await post(`${server.url}/_bulk`, mixed)).status, 429, 'and 503 would make some shippers drop it');
  t.equal(server.intake.records.length, 0);
});

t.test('a request without anything to sign passes whole, inflated', async (t) => {
  const server = await startIntakeServer(t);
  const body = '{"index":{"_index":".kibana","_id":"1"}}\n{"a":1}\n';
  await post(`${server.url}/_bulk?refresh=wait_for`, gzipSync(body), { 'content-encoding': 'gzip' });
  t.match(server.asked, [
    { method: 'POST', url: '/_bulk?refresh=wait_for', headers: { 'content-encoding': undefined } },
  ]);
  t.equal(server.asked[0]?.body.toString(), body);
  t.equal(server.intake.records.length, 0);
});

t.test('the proxy signs only what the client itself may write', async (t) => {
  const seen: unknown[] = [];
  const { url, intake } = await startIntakeServer(t, {
    authorize: async (authorization, dests) => {
      seen.push([authorization, dests]);
      if (authorization === undefined) {
        return {
          kind: 'unauthorized',
          status: 401,
          headers: { 'www-authenticate': 'Basic' },
          body: { error: {}, status: 401 },
        };
      }
      return { kind: 'forbidden', reasons: new Map([['web', 'user [x] may not create in [web]']]) };
    },
  });
  const refused = await post(`${url}/_bulk`, two);
  t.equal(refused.status, 401);
  t.equal(refused.headers.get('www-authenticate'), 'Basic');
  t.equal(refused.headers.get('x-elastic-product'), 'Elasticsearch');
  const { json } = await post(`${url}/_bulk`, two, { authorization: 'Basic eDp5' });
  t.match(json, {
    errors: true,
    items: [{ create: { status: 201 } }, { index: { status: 403, error: { type: 'security_exception' } } }],
  });
  t.same(
    intake.records.map(({ dest }) => dest),
    ['logs'],
  );
  t.same(seen, [
    [undefined, ['logs', 'web']],
    ['Basic eDp5', ['logs', 'web']],
  ]);
});

t.test('a client that leaves while its request is held is forgotten, and nothing of it is signed', async (t) => {
  const { url, intake, admission } = await startIntakeServer(t);
  const held = Promise.withResolvers<AbortSignal>();
  intake.onAdmit = (_bytes, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new LogsealError('CLIENT_GONE', 'left')));
      held.resolve(signal);
    });
  const leaving = new AbortController();
  const request = fetch(`${url}/_bulk`, {
    method: 'POST',
    body: two,
    headers: { 'content-type': 'application/json' },
    signal: leaving.signal,
  });
  const signal = await held.promise;
  leaving.abort();
  await t.rejects(request);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  await new Promise(setImmediate);
  t.equal(intake.records.length, 0);
  t.equal(admission.requests, 0);
});
