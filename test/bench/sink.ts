/**
 * A search engine that keeps nothing: its own process, started by fork. Answers bulk requests as Elasticsearch does, with or
 * without filter_path, and the few questions that Logseal asks at its start. Counts the records of every destination.
 * With a file as argument it keeps what it is sent there, as `logseal export` would write it: what `verify` is measured with.
 */
import { createWriteStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { leanMapping } from '../../src/upstream/signature-mapping.ts';

const keepFile = process.argv[2];
const kept = keepFile === undefined ? undefined : createWriteStream(keepFile);
const described = new Set<string>();
const counts = new Map<string, number>();
const answers = new Map<string, Buffer>();
const lineFeed = 0x0a;

function indexOfLine(line: string): string {
  return /"_index":"([^"]*)"/.exec(line)?.[1] ?? '';
}

/** Calls `each` with every run of neighbours that go to the same index. Lines come in pairs. */
function eachRun(body: Buffer, each: (index: string, records: number) => void): void {
  let index = '';
  let prefix = Buffer.alloc(0);
  let run = 0;
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf(lineFeed, at + prefix.length);
    const same = prefix.length > 0 && body.compare(prefix, 0, prefix.length, at, at + prefix.length) === 0;
    if (!same) {
      if (run > 0) each(index, run);
      run = 0;
      const line = body.toString('utf8', at, end);
      index = indexOfLine(line);
      const stop = line.indexOf(`"_index":"${index}"`) + `"_index":"${index}"`.length;
      prefix = Buffer.from(line.slice(0, stop));
    }
    run += 1;
    at = body.indexOf(lineFeed, end + 1) + 1;
    if (at === 0) break;
  }
  if (run > 0) each(index, run);
}

function bulk(body: Buffer, lean: boolean): Buffer {
  const runs: [string, number][] = [];
  eachRun(body, (index, records) => {
    runs.push([index, records]);
    counts.set(index, (counts.get(index) ?? 0) + records);
  });
  if (kept !== undefined) keep(body);
  const key = `${lean} ${runs.join(' ')}`;
  let answer = answers.get(key);
  if (answer === undefined) {
    answer = makeAnswer(runs, lean);
    if (answers.size < 1000) answers.set(key, answer);
  }
  return answer;
}

function makeAnswer(runs: readonly [string, number][], lean: boolean): Buffer {
  const items = runs.map(([index, records]) => {
    const all = { _index: index, _id: 'AAAAAAAAAAAAAAAAAAAA', _version: 1, result: 'created' };
    const more = { _shards: { total: 1, successful: 1, failed: 0 }, _seq_no: 0, _primary_term: 1 };
    const item = lean ? { _index: index, result: 'created' } : { ...all, ...more };
    return new Array(records).fill(JSON.stringify({ create: { ...item, status: 201 } })).join(',');
  });
  return Buffer.from(`{${lean ? '' : '"took":1,'}"errors":false,"items":[${items.join(',')}]}`);
}

function keep(body: Buffer): void {
  const lines = body.toString('utf8').split('\n');
  let text = '';
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const { _index, _id } = (JSON.parse(lines[i] ?? '') as { create: { _index: string; _id: string } }).create;
    if (!described.has(_index)) text += `${JSON.stringify({ _index, _mappings: leanMapping })}\n`;
    described.add(_index);
    text += `{"_index":"${_index}","_id":"${_id}","_source":${lines[i + 1]}}\n`;
  }
  kept?.write(text);
}

function json(response: ServerResponse, body: unknown, status = 200): void {
  end(response, Buffer.from(JSON.stringify(body)), status);
}

function end(response: ServerResponse, body: Buffer, status = 200): void {
  const type = 'application/vnd.elasticsearch+json;compatible-with=9';
  response.writeHead(status, {
    'X-elastic-product': 'Elasticsearch',
    'content-type': type,
    'content-length': body.length,
  });
  response.end(body);
}

function question(method: string, path: string, response: ServerResponse): void {
  if (path === '/') {
    json(response, { cluster_name: 'bench', cluster_uuid: 'benchbenchbenchbenchbe', version: { number: '9.5.3' } });
  } else if (path.startsWith('/_resolve/index/')) {
    const name = decodeURIComponent(path.slice('/_resolve/index/'.length));
    json(response, { indices: [{ name, attributes: ['open'] }], aliases: [], data_streams: [] });
  } else if (path.endsWith('/_count')) json(response, { count: 0 });
  else if (path === '/_index_template') json(response, { index_templates: [] });
  else if (method === 'PUT' || path.endsWith('/_refresh')) json(response, { acknowledged: true });
  else if (method === 'GET' && /^\/[a-z][^/]*$/.test(path)) {
    json(response, { [path.slice(1)]: { aliases: {}, mappings: leanMapping, settings: {} } });
  } else if (path.startsWith('/_security/')) json(response, { error: `no handler found for uri [${path}]` }, 400);
  else json(response, { error: { type: 'resource_not_found_exception', reason: path }, status: 404 }, 404);
}

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const url = request.url ?? '/';
  const [path = '/', query = ''] = url.split('?');
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (path.endsWith('/_bulk')) end(response, bulk(Buffer.concat(chunks), query.includes('filter_path')));
    else question(request.method ?? 'GET', path, response);
  });
});

process.on('message', (message: { ask: string }) => {
  if (message.ask === 'counts') process.send?.({ counts: Object.fromEntries(counts) });
  else kept?.end(() => process.send?.({ closed: true }));
});
process.on('disconnect', () => process.exit());
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
