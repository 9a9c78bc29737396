/** What a shipper hears from the proxy is what it would hear from Elasticsearch: both are asked the same, and compared. */
import type { Test } from 'tap';
import t from 'tap';
import { elasticsearchMissing, sharedElasticsearch } from '../helpers/elasticsearch.ts';
import { startIntakeServer } from '../helpers/intake-server.ts';

const document = '{"a":1}\n';
const vnd = (n: number) => `application/vnd.elasticsearch+json; compatible-with=${n}`;

/** Path, body, headers, method; the index is `p` everywhere. */
type Asked = [path: string, body: string, headers?: Record<string, string>, method?: string];

const action = (line: string): Asked => ['/_bulk', `${line}\n${document}`];
const bulk = (line: string, query = ''): Asked => [`/_bulk${query}`, `${line}\n${document}`];
const good = '{"index":{"_index":"p"}}';

const asked: Asked[] = [
  ...[
    '{"index":{"_index":"Upper"}}',
    '{"index":{"_index":""}}',
    '{"index":{"_index":"_x"}}',
    '{"index":{"_index":"a b"}}',
    '{"index":{"_index":"a#b"}}',
    '{"index":{"_index":"a:b"}}',
    '{"index":{"_index":".."}}',
    '{"index":{"_index":"p","_id":""}}',
    '{"create":{"_index":"p","_id":""}}',
    '{"index":{"_index":"p","pipeline":""}}',
    '{"index":{"_index":"p","_type":"x"}}',
    '{"index":{"_index":"p","routing":["x"]}}',
    '{"index":{"_index":"p","routing":{"x":1}}}',
    '{"index":{}}',
    '{"foo":{"_index":"p"}}',
    '{"index":5}',
    '{"index":null}',
    '{"index":"x"}',
    '{"index":[]}',
    '[]',
    '5',
    'null',
    '{}',
    '{"index":{"_index":"p"},"x":1}',
    '{"index":{"_index":"p"}} {"x":1}',
    '{"index":{"_index":"p"}',
    '{"index":{"_index":"p"',
    '{"create":{"_index":"p","version":3,"version_type":"external"}}',
    '{"create":{"_index":"p","_id":"1","version":3}}',
    '{"create":{"_index":"p","_id":"1","if_seq_no":3,"if_primary_term":1}}',
    '{"index":{"_index":"p","version":3,"version_type":"external"}}',
    '{"index":{"_index":"p","_id":"1","version":3}}',
    '{"index":{"_index":"p","_id":"1","version":"x","version_type":"external"}}',
    '{"index":{"_index":"p","_id":"1","version":-1,"version_type":"external"}}',
    '{"index":{"_index":"p","_id":"1","version":1,"version_type":"foo"}}',
    '{"index":{"_index":"p","_id":"1","if_seq_no":3}}',
    '{"index":{"_index":"p","_id":"1","if_primary_term":3}}',
    '{"index":{"_index":"p","_id":"1","if_seq_no":-5,"if_primary_term":1}}',
    '{"index":{"_index":"p","_id":"1","retry_on_conflict":"z"}}',
    '{"index":{"_index":"p","require_alias":"yes"}}',
    '{"index":{"_index":"p","dynamic_templates":"x"}}',
    '{"index":{"_index":"p","dynamic_templates":{"a":{"b":1}}}}',
    '{"index":{"_index":"p","_slice":"x"}}',
    `{"index":{"_index":"p","_id":"${'x'.repeat(513)}"}}`,
    '{"delete":{"_index":"p"}}',
    '{"update":{"_index":"p","version":3}}',
    '{"update":{"_index":"p","require_data_stream":true}}',
  ].map(action),
  ...[
    '?foo=1',
    '?rfresh=1&bar=2',
    '?refresh=maybe',
    '?timeout=5',
    '?wait_for_active_shards=x',
    '?wait_for_active_shards=-5',
  ].map((query) => bulk(good, query)),
  ...[
    '?require_alias=x',
    '?include_source_on_error=x',
    '?pipeline=',
    '?op_type=index',
    '?routin=1',
    '?_source_include=1',
  ].map((query) => bulk(good, query)),
  ...['[1]', 'null', '', '   ', '5'].map((line): Asked => ['/_bulk', `${good}\n${line}\n`]),
  ['/_bulk', '\n\n'],
  ['/_bulk', ''],
  ['/_bulk', `${good}\n{"a":1}`],
  ['/_bulk', `${good}\n`],
  ['/_bulk', `${good}\n${document}`, { 'content-type': 'text/foo' }],
  ['/_bulk', `${good}\n${document}`, { 'content-type': 'garb age' }],
  ['/_bulk', `${good}\n${document}`, { 'content-type': vnd(7) }],
  ['/_bulk', `${good}\n${document}`, { 'content-type': vnd(9) }],
  ['/_bulk', `${good}\n${document}`, { 'content-type': vnd(9), accept: 'application/json' }],
  ['/_bulk', `${good}\n${document}`, { accept: vnd(9) }],
  ['/_bulk', '{}', { 'content-type': vnd(9), accept: vnd(9) }],
  ['/_bulk', '', {}, 'DELETE'],
  ['/p/_doc', '{}', {}, 'PUT'],
  ['/p/_doc', ''],
  ['/p/_doc', '[1]'],
  ['/P/_doc', '{}'],
  ['/p/_doc?foo=1', '{}'],
  ['/p/_doc?version=3', '{}'],
  ['/p/_doc/1?op_type=foo', '{}'],
  ['/p/_create/1?op_type=index', '{}'],
  ['/p/_doc/9?version=x&version_type=external', '{}'],
  ['/p/_doc/9?if_seq_no=x', '{}'],
  ['/p/_doc/9?if_seq_no=1', '{}'],
  ['/p/_doc/9?version_type=x', '{}'],
];

/** Status, media type, error type and sentence, and the items of a bulk. Columns of JSON errors are not compared. */
async function ask(url: string, [path, body, headers = {}, method = 'POST']: Asked, index: string) {
  const named = (text: string) => text.replaceAll('"p"', `"${index}"`).replace('/p/', `/${index}/`);
  const response = await fetch(`${url}${named(path)}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(method !== 'DELETE' && { body: named(body) }),
  });
  const text = await response.text();
  const json = (text === '' ? undefined : JSON.parse(text)) as {
    error?: unknown;
    errors?: boolean;
    items?: Record<string, Item>[];
  };
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    product: response.headers.get('x-elastic-product'),
    allow: response.headers.get('allow')?.split(',').sort(),
    error: shortError(json?.error),
    errors: json?.errors,
    items: json?.items?.map((item) =>
      Object.entries(item).map(([name, { _index, status, error }]) => [name, _index, status, shortError(error)]),
    ),
  };
}

interface Item {
  _index: string;
  status: number;
  error?: unknown;
}

function shortError(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return error;
  const { type, reason, caused_by, root_cause } = error as Record<string, unknown>;
  return {
    type,
    reason: inOrder(reason),
    caused_by: causeType(caused_by),
    root_cause: Array.isArray(root_cause) && root_cause.map(causeType),
  };
}

/** Elasticsearch lists these headers out of a set, in an order that each start of it draws anew. */
function inOrder(reason: unknown): unknown {
  if (typeof reason !== 'string') return reason;
  return reason.replace('[Content-Type, Accept]', '[Accept, Content-Type]');
}

function causeType(cause: unknown): unknown {
  return (cause as { type?: string } | undefined)?.type;
}

t.test('requests are refused in the same way', { skip: elasticsearchMissing() }, async (t: Test) => {
  const elasticsearch = await sharedElasticsearch();
  t.teardown(() => elasticsearch.release());
  const proxy = await startIntakeServer(t);
  const index = `${elasticsearch.prefix}p`;
  for (const request of asked) {
    const [there, here] = await Promise.all([ask(elasticsearch.url, request, index), ask(proxy.url, request, index)]);
    // An unclosed line has Jackson's own error as its cause, which is not copied.
    if ((there.error as { type?: string })?.type === 'x_content_e_o_f_exception')
      (there.error as { caused_by?: unknown }).caused_by = undefined;
    t.same(
      here,
      there,
      `${request[3] ?? 'POST'} ${request[0]} ${request[1].slice(0, 80)} ${JSON.stringify(request[2] ?? {})}`,
    );
  }
});

t.test('filters leave the same of an answer', { skip: elasticsearchMissing() }, async (t: Test) => {
  const elasticsearch = await sharedElasticsearch();
  t.teardown(() => elasticsearch.release());
  const proxy = await startIntakeServer(t);
  const index = `${elasticsearch.prefix}f`;
  const body = `{"create":{"_index":"${index}","_id":"1"}}\n{"a":1}\n{"create":{"_index":"${index}","_id":"${'y'.repeat(9)}"}}\n[]\n`;
  const filters = [
    'errors,items.*.error.type,items.*.status',
    'items.*.error.type',
    'items.*._index',
    '**.type',
    '**.status,-items.create.status',
    'items.create._i*',
    '-took,-items',
    '-took,-**.error,-**._shards,-**._seq_no,-**._primary_term,-**._version,-**.result',
    'nothing',
    'items.**.type',
    'items.*.*.type',
    'err*',
    '*rrors,items.c*.s*s',
  ];
  for (const filter of filters) {
    const answers = await Promise.all(
      [elasticsearch.url, proxy.url].map(async (url, i) => {
        const unique = body.replaceAll('"_id":"', `"_id":"${i}${filters.indexOf(filter)}`);
        const response = await fetch(`${url}/_bulk?filter_path=${encodeURIComponent(filter)}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: unique,
        });
        return JSON.parse(
          (await response.text()).replaceAll(`"_id":"${i}${filters.indexOf(filter)}`, '"_id":"'),
        ) as unknown;
      }),
    );
    t.same(answers[1], answers[0], filter);
  }
});
