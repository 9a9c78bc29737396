import { randomBytes } from 'node:crypto';
import t from 'tap';
import { endToEnd } from '../../../src/http/hop-headers.ts';
import { post, startIntakeServer } from '../../helpers/intake-server.ts';
import { RawConnection } from '../../helpers/raw-http.ts';

t.test('everything else passes as it came, with the credentials of the client', async (t) => {
  const server = await startIntakeServer(t);
  server.upstream.respond = (_request, response) => {
    response.writeHead(202, [
      'X-elastic-product',
      'Elasticsearch',
      'Warning',
      '299 a',
      'Warning',
      '299 b',
      'Connection',
      'X-Private',
      'X-Private',
      '1',
    ]);
    response.end('{"ok":true}');
  };
  const connection = new RawConnection(server.port);
  connection.send(
    'POST /logs/_search?q=%20a+b&filter_path=hits.* HTTP/1.1\r\nHost: proxy:9200\r\nAuthorization: Basic eDp5\r\nX-Twice: 1\r\nx-twice: 2\r\n' +
      'Connection: keep-alive, X-Hop\r\nX-Hop: mine\r\nTE: trailers\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
  );
  const answer = await connection.answer();
  t.equal(answer?.status, 202);
  t.same(answer?.headers.get('warning'), ['299 a', '299 b']);
  t.same(answer?.headers.get('x-elastic-product'), ['Elasticsearch']);
  t.notOk(answer?.headers.has('x-private'));
  const [asked] = server.asked;
  t.match(asked, {
    method: 'POST',
    url: '/logs/_search?q=%20a+b&filter_path=hits.*',
    headers: { authorization: 'Basic eDp5' },
  });
  t.equal(asked?.headers.host, `127.0.0.1:${server.upstream.port}`);
  t.equal(asked?.headers['x-twice'], '1, 2');
  t.notOk('x-hop' in (asked?.headers ?? {}) || 'te' in (asked?.headers ?? {}));
  t.equal(asked?.body.toString(), '{}');
  connection.end();
});

t.test('bodies are streamed both ways, larger than any bound on intake', async (t) => {
  const big = randomBytes(3 * 1024 * 1024);
  const server = await startIntakeServer(t, {
    limits: { bodyBytesMax: 1024 },
    raw: (request, response) => {
      request.pipe(response);
      return true;
    },
  });
  const response = await fetch(`${server.url}/_sql`, { method: 'POST', body: big });
  t.ok(Buffer.from(await response.arrayBuffer()).equals(big));
});

t.test('an answer that breaks off is not made whole', async (t) => {
  const server = await startIntakeServer(t, {
    raw: (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('only this', () => response.destroy());
      return true;
    },
  });
  await t.rejects(fetch(`${server.url}/_search`).then((response) => response.text()));
});

t.test('a client that leaves takes its request to the search engine with it', async (t) => {
  const reached = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const server = await startIntakeServer(t, {
    raw: (request, response) => {
      response.on('close', () => left.resolve());
      request.resume();
      reached.resolve();
      return true;
    },
  });
  const connection = new RawConnection(server.port).send('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  await reached.promise;
  connection.end();
  await left.promise;
  t.pass('the search engine saw it go');
});

t.test('a search engine that is away is 503 for what passes, and shippers still get their handshake', async (t) => {
  const server = await startIntakeServer(t);
  const root = {
    name: 'n',
    cluster_uuid: 'u',
    version: { number: '9.5.3', build_flavor: 'default' },
    tagline: 'You Know, for Search',
  };
  server.upstream.respond = (request, response) => {
    response.setHeader('content-type', request.url === '/_cat/health' ? 'text/plain' : 'application/json');
    if (request.url.startsWith('/_license')) response.end('{"license":{"status":"active"}}');
    else if (request.url === '/_cluster/health') response.end('{"cluster_name":"c","status":"green"}');
    else if (request.url === '/_cat/health') response.end('1 green\n');
    else response.end(JSON.stringify(root));
  };
  const paths = ['/', '/_license', '/_cluster/health', '/_cat/health'];
  for (const path of paths) await fetch(`${server.url}${path}`);
  await fetch(`${server.url}/?filter_path=name`);
  await server.upstream.stop();
  t.same(await (await fetch(`${server.url}/?pretty`)).json(), root);
  t.equal((await fetch(`${server.url}/`, { method: 'HEAD' })).status, 200);
  t.match(await (await fetch(`${server.url}/_license?human=false`)).json(), { license: { status: 'active' } });
  t.same(
    await (await fetch(`${server.url}/_cluster/health`)).json(),
    { cluster_name: 'c', status: 'red' },
    'nobody can reach it',
  );
  t.equal(await (await fetch(`${server.url}/_cat/health`)).text(), '1 green\n');
  for (const [path, method] of [
    ['/_xpack', 'GET'],
    ['/_search', 'GET'],
    ['/_search', 'POST'],
    ['/_nodes/http', 'GET'],
  ] as const) {
    const response = await fetch(`${server.url}${path}`, { method, ...(method === 'POST' && { body: '{}' }) });
    t.equal(response.status, 503, path);
    t.match(await response.json(), { status: 503, error: { type: 'no_node_available_exception' } });
    t.equal(response.headers.get('x-elastic-product'), 'Elasticsearch');
  }
  const { status } = await post(`${server.url}/_bulk`, '{"create":{"_index":"logs"}}\n{}\n');
  t.equal(status, 200, 'records are taken all the same');
});

t.test('the root of an earlier life answers until the search engine does', async (t) => {
  const server = await startIntakeServer(t);
  await server.upstream.stop();
  t.equal((await fetch(`${server.url}/`)).status, 503);
  server.remembered.root = Buffer.from('{"version":{"number":"9.5.3"}}');
  t.same(await (await fetch(`${server.url}/`)).json(), { version: { number: '9.5.3' } });
});

t.test('shippers that ask where the nodes are find the proxy', async (t) => {
  const server = await startIntakeServer(t);
  const node = (address: string, roles: string[]) => ({
    ip: '10.0.0.1',
    roles,
    http: { publish_address: address, bound_address: [address] },
  });
  const nodes = { a: node('10.0.0.1:9200', ['master']), b: node('10.0.0.2:9200', ['data_hot']) };
  let body: unknown = { _nodes: { total: 2, successful: 2, failed: 0 }, cluster_name: 'c', nodes };
  server.upstream.respond = (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  };
  const address = `127.0.0.1:${server.port}`;
  for (const path of ['/_nodes/http', '/_nodes/_all/http?x=1', '/_nodes', '/_nodes/http,settings']) {
    t.same(await (await fetch(`${server.url}${path}`)).json(), {
      _nodes: { total: 1, successful: 1, failed: 0 },
      cluster_name: 'c',
      nodes: {
        b: {
          ip: '10.0.0.1',
          roles: ['data', 'data_hot', 'ingest'],
          http: { publish_address: address, bound_address: [address] },
        },
      },
    });
  }
  const named = new RawConnection(server.port).send('GET /_nodes/http HTTP/1.1\r\nHost: logs.example\r\n\r\n');
  t.match(String((await named.answer())?.body), new RegExp(`"publish_address":"logs.example:${server.port}"`));
  named.end();
  for (const other of [{ nodes: { a: { version: '9' } } }, { nodes: {} }, [], 'text']) {
    body = other;
    t.same(await (await fetch(`${server.url}/_nodes/http`)).json(), other, 'what has no address is left alone');
  }
  body = { nodes };
  t.same(await (await fetch(`${server.url}/_nodes/stats/http`)).json(), { nodes });
});

t.test('what would change or delete signed documents is refused with what to do instead', async (t) => {
  const server = await startIntakeServer(t);
  const refused: [string, string, unknown?][] = [
    ['POST', '/logs/_update/1', { doc: {} }],
    ['POST', '/logs/_update_by_query', {}],
    ['POST', '/logs-*,-logs-x/_delete_by_query', {}],
    ['POST', '/_all/_delete_by_query', {}],
    ['DELETE', '/logs/_doc/1'],
    ['DELETE', '/logs'],
    ['DELETE', '/log*'],
    ['DELETE', '/_all'],
    ['DELETE', '/.*'],
    ['DELETE', '/.ds-logs*'],
    ['DELETE', '/.kibana,logs'],
    ['DELETE', '/.ds-logs-2026.11.23-000001'],
    ['DELETE', '/%3Clogs-%7Bnow%2Fd%7D%3E'],
    ['DELETE', '/Alias'],
    ['DELETE', '/_data_stream/logs'],
    ['POST', '/_reindex', { dest: { index: 'logs' } }],
    ['POST', '/_aliases', { actions: [{ add: {} }, { remove_index: { index: 'logs' } }] }],
    ['POST', '/_aliases', { actions: [{ remove_index: { indices: ['.x', 'logs'] } }] }],
    ['PUT', '/logs/_mapping', { properties: { logseal: { type: 'keyword' } } }],
    ['PUT', '/logs/_mapping', { runtime: { 'logseal.seq': { type: 'long' } } }],
    ['PUT', '/logs', { mappings: { properties: { logseal: {} } } }],
    ['PUT', '/_index_template/x', { template: { mappings: { runtime: { logseal: {} } } } }],
    ['PUT', '/_data_stream/logs/_mappings', { properties: { logseal: {} } }],
    ['PUT', '/_component_template/logseal-mappings', {}],
    ['DELETE', '/_component_template/logseal-mappings'],
    ['POST', '/logseal-seals/_close'],
    ['PUT', '/logseal-seals/_settings', {}],
    ['DELETE', '/.ds-logseal-x-2026.11.23-000001'],
  ];
  for (const [method, path, body] of refused) {
    const response = await fetch(`${server.url}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    t.equal(response.status, 403, `${method} ${path}`);
    const json = (await response.json()) as { error: { reason: string } };
    t.match(
      json,
      {
        error: {
          type: 'security_exception',
          reason: /\. [A-Z]|comes from the template|use \[logseal|is kept for the proxy/,
        },
      },
      json.error.reason,
    );
  }
  t.equal(server.asked.length, 0);
});

t.test('what reads, rolls over, or concerns other indices passes', async (t) => {
  const server = await startIntakeServer(t);
  const passed: [string, string, unknown?][] = [
    ['GET', '/logs/_doc/1'],
    ['POST', '/logs/_rollover'],
    ['POST', '/logs/_close'],
    ['PUT', '/logs/_settings', { 'index.refresh_interval': -1 }],
    ['POST', '/logseal-rejects/_search', {}],
    ['PUT', '/logs', { mappings: { properties: { a: { properties: { logseal: {} } } } } }],
    ['PUT', '/logs'],
    ['PUT', '/logs/_mapping', { properties: { level: { type: 'keyword' } } }],
    ['PUT', '/_index_template/logs', { index_patterns: ['logs*'], composed_of: ['logseal-mappings'] }],
    ['PUT', '/_ilm/policy/x', {}],
    ['PUT', '/_data_stream/logs'],
    ['POST', '/_aliases', { actions: [{ add: { index: 'logs', alias: 'a' } }] }],
    ['POST', '/_aliases', {}],
    ['POST', '/_reindex', { dest: { index: '.copy' } }],
    ['POST', '/_reindex', 'not an object'],
    ['POST', '/.kibana/_update/1', { doc: {} }],
    ['POST', '/.kibana*/_update_by_query', {}],
    ['DELETE', '/.kibana_1'],
    ['DELETE', '/.kibana_1,-logs'],
    ['DELETE', '/.ds-.kibana-2026.11.23-000001'],
    ['POST', '/_msearch', {}],
  ];
  for (const [method, path, body] of passed) {
    const response = await fetch(`${server.url}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    t.equal(response.status, 200, `${method} ${path}`);
    await response.arrayBuffer();
  }
  t.equal(server.asked.length, passed.length);
  t.same(
    server.asked.map(({ url }) => url),
    passed.map(([, path]) => path),
  );
  const broken = await fetch(`${server.url}/_reindex`, { method: 'POST', body: '{"dest":' });
  t.equal(broken.status, 400, 'what is not JSON might still be read by the search engine as YAML');
  const large = await fetch(`${server.url}/_reindex`, { method: 'POST', body: 'x'.repeat(2 * 1024 * 1024) });
  t.equal(large.status, 413);
});

t.test('a mapping nested past all sense is refused, not followed', async (t) => {
  const server = await startIntakeServer(t);
  let mapping: object = {};
  for (let i = 0; i < 100; i++) mapping = { a: mapping };
  const response = await fetch(`${server.url}/logs/_mapping`, { method: 'PUT', body: JSON.stringify(mapping) });
  t.equal(response.status, 403);
});

t.test('headers of one hop are left out, by name and by what Connection names', async (t) => {
  t.same(endToEnd(['Connection', 'close, X-A', 'x-a', '1', 'Keep-Alive', 'x', 'B', '2', 'C', '3'], new Set(['c'])), [
    'B',
    '2',
  ]);
});

t.test('refresh asks the search engine for one, once everything is stored', async (t) => {
  const server = await startIntakeServer(t);
  const bulk = '{"create":{"_index":"a"}}\n{}\n{"create":{"_index":"b"}}\n{}\n';
  await post(`${server.url}/_bulk`, bulk);
  t.same(server.refreshed, []);
  await post(`${server.url}/_bulk?refresh=true`, bulk);
  t.same(server.refreshed, ['a', 'b']);
  await fetch(`${server.url}/c/_doc?refresh`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  t.same(server.refreshed, ['a', 'b', 'c']);
});
