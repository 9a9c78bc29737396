import t from 'tap';
import { startIntakeServer } from '../../helpers/intake-server.ts';

const bulk = '{"index":{"_index":"logs","_id":"1"}}\n{"a":2}\n';
const removal = '{"actions":[{"remove_index":{"index":"logs"}}]}';

/** Found by `npm run test:fuzz -- --only router`: a real Elasticsearch or OpenSearch does what these ask. */
const refused: [method: string, path: string, body?: string | Buffer, type?: string][] = [
  ['POST', '/_bulk/stream', bulk],
  ['PUT', '/logs/_bulk/stream', bulk],
  ['DELETE', '/-logs'],
  ['DELETE', '/-x,plain'],
  ['DELETE', '/%3Clogs-%7Bnow%2Fd%7Byyyy%7Cbad%7D%7D%3E'],
  ['POST', '/logs::data/_delete_by_query', '{"query":{"match_all":{}}}'],
  ['POST', '/plain/_clone/logs-2', '{}'],
  ['PUT', '/plain/_shrink/logs-2', '{}'],
  ['PUT', '/plain/_split/%3Clogs%3E', '{}'],
  ['POST', '/plain/_downsample/logs-2', '{}'],
  ['PUT', '/logs/_ccr/follow', '{"remote_cluster":"r","leader_index":"plain"}'],
  ['POST', '/_aliases', '{"actions":{"remove_index":{"index":"logs"}}}'],
  ['POST', '/_data_stream/_modify', '{"actions":[{"add_backing_index":{"data_stream":"logs","index":"plain"}}]}'],
];
/** Bodies that Elasticsearch reads and JSON.parse does not. */
const unread: [body: string | Buffer, type: string][] = [
  [`/* x */${removal}`, 'application/json'],
  [`${removal} x`, 'application/json'],
  [`\ufeff${removal}`, 'application/json'],
  [Buffer.from(removal, 'utf16le'), 'application/json'],
  ['---\nactions:\n- remove_index:\n    index: logs\n', 'application/yaml'],
];

t.test('what would write to a signed destination past the proxy is refused', async (t) => {
  const server = await startIntakeServer(t);
  server.intake.unsigned.add('plain');
  const status = async (method: string, path: string, body?: string | Buffer, type = 'application/json') => {
    const sent =
      body === undefined ? {} : { body: new Uint8Array(Buffer.from(body)), headers: { 'content-type': type } };
    return (await fetch(`${server.url}${path}`, { method, ...sent })).status;
  };
  for (const [method, path, body] of refused) t.equal(await status(method, path, body), 403, `${method} ${path}`);
  for (const [body, type] of unread) t.equal(await status('POST', '/_aliases', body, type), 400, body.toString());
  t.equal(await status('POST', '/_reindex', `{"dest":{"index":"logs"}}//`), 400);
  t.equal(server.asked.length, 0, 'nothing reached the search engine');
  t.equal(await status('POST', '/plain/_clone/.plain', '{}'), 200);
  t.equal(await status('POST', '/_aliases', '{"actions":{"add":{"index":"logs","alias":"a"}}}'), 200);
  t.equal(await status('POST', '/_aliases'), 200, 'no body is for the search engine to judge');
});

t.test('a bulk below any name is a bulk, and is signed', async (t) => {
  const server = await startIntakeServer(t);
  const paths = ['/_all/_bulk', '/_x/_bulk', '/_search/_bulk', '/_bulk/_bulk', '/*/_bulk', '/%5Fall/_bulk'];
  for (const path of paths) {
    const response = await fetch(`${server.url}${path}`, {
      method: 'POST',
      body: bulk,
      headers: { 'content-type': 'application/json' },
    });
    t.match(await response.json(), { errors: false, items: [{ index: { _index: 'logs', status: 201 } }] }, path);
  }
  t.equal(server.intake.records.length, paths.length);
  t.equal(server.asked.length, 0);
  t.equal((await fetch(`${server.url}/_nodes/_bulk`)).status, 200, 'a node may have that name');
});
