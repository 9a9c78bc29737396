/** Requests of all kinds around the routes that write: names, endpoints and bodies out of a dictionary, spelled in every way. */
import type { Arbitrary } from 'fast-check';
import fc from 'fast-check';
import type { PlainRequest } from './writing-model.ts';

const names = [
  'signed',
  'signed-two',
  'plain',
  'logseal-seals',
  '_all',
  '*',
  'sig*',
  'log*',
  '-plain',
  'plain,signed',
  '_x,signed',
  '_x',
  '.hidden',
  '.*',
  'http:',
  '<signed>',
  '<sig{ned}>',
  '<signed-{now/d}>',
  '<signed-{now/d{yyyy|bad}}>',
  'signed::data',
  'signed::failures',
  'cluster:signed',
  '.ds-signed-2026.11.24-000001',
  '%20signed',
  'Signed',
  '+signed',
  'signed ',
  '..',
  '.',
];
const endpoints = [
  '_bulk',
  '_doc',
  '_create',
  '_update',
  '_update_by_query',
  '_delete_by_query',
  '_reindex',
  '_aliases',
  '_alias',
  '_mapping',
  '_mappings',
  '_settings',
  '_clone',
  '_shrink',
  '_split',
  '_rollover',
  '_close',
  '_open',
  '_block',
  '_data_stream',
  '_modify',
  '_index_template',
  '_component_template',
  '_template',
  '_search',
  '_count',
  '_mget',
  '_msearch',
  '_refresh',
  '_forcemerge',
  '_cat',
  '_nodes',
  '_cluster',
  '_ingest',
  '_dangling',
  '_source',
  '_termvectors',
  '_explain',
  'stream',
];
const ids = ['1', 'write', 'signed', 'signed-new', 'plain-new', '%2e%2e', 'a%2Fb', 'ä', ''];
const bodies = [
  '',
  '{}',
  '{"a":1}',
  '{"index":{"_index":"signed","_id":"1"}}\n{"a":2}\n',
  '{"create":{}}\n{"a":2}\n',
  '{"delete":{"_index":"signed","_id":"1"}}\n',
  '{"update":{"_index":"signed","_id":"1"}}\n{"doc":{"a":3}}\n',
  '{"doc":{"a":3},"doc_as_upsert":true}',
  '{"query":{"match_all":{}}}',
  '{"actions":[{"remove_index":{"index":"signed"}}]}',
  '{"actions":{"remove_index":{"index":"signed"}}}',
  '{"actions":[{"remove_index":{"indices":["signed","plain"]}}]}',
  '{"actions":[{"remove_index":{"index":"sig*"}}]}',
  '{"actions":[{"remove_index":{"index":"signed"}}],"actions":[]}',
  '{"actions":[{"add":{"index":"plain","alias":"a"}}]}',
  '{"source":{"index":"plain"},"dest":{"index":"signed"}}',
  '{"source":{"index":"plain"},"dest":{"index":"plain-new"}}',
  '{"settings":{"index.blocks.write":true}}',
  '{"index.blocks.write":true}',
  '{"properties":{"a":{"type":"keyword"}}}',
  '{"properties":{"logseal":{"type":"object"}}}',
  '{"index_patterns":["signed-n*"],"template":{"mappings":{"properties":{"logseal":{"type":"object"}}}}}',
  '---\nactions:\n- remove_index:\n    index: signed\n',
  '---\nsource:\n  index: plain\ndest:\n  index: signed\n',
];
const queries = [
  '',
  'index=signed',
  'refresh=true',
  'op_type=create',
  'pretty',
  'expand_wildcards=all',
  'ignore_unavailable=true',
  'require_alias=false',
  'source=%7B%7D&source_content_type=application%2Fjson',
  'name=signed',
];
const methods = ['POST', 'PUT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'PURGE', 'M-SEARCH'];

/** Where a name or path is spelled otherwise. */
const spelling = fc.oneof(
  { weight: 12, arbitrary: fc.constant((text: string) => text) },
  fc.nat(20).map((at) => (text: string) => encodedAt(text, at)),
  fc.nat(20).map((at) => (text: string) => encodedAt(encodedAt(text, at), at)),
  fc.constant((text: string) => `${text}/`),
  fc.constant((text: string) => `/${text}`),
  fc.constant((text: string) => `./${text}`),
  fc.constant((text: string) => `x/../${text}`),
  fc.constant((text: string) => `${text}#x`),
  fc.constant((text: string) => `${text};x=1`),
  fc.constant((text: string) => `${text}%00`),
  fc.constant((text: string) => text.toUpperCase()),
  fc.string({ maxLength: 3 }).map((more) => (text: string) => text + encodeURIComponent(more.toWellFormed())),
  fc.constant((text: string) => `${text}${'x'.repeat(4000)}`),
);

const part = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...names) },
      { weight: 6, arbitrary: fc.constantFrom(...endpoints) },
      { weight: 3, arbitrary: fc.constantFrom(...ids) },
      fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)).map((pair) => pair.join(',')),
    ),
    spelling,
  )
  .map(([text, spelled]) => spelled(wire(text)));

/** The shapes that mean something, and any run of parts. */
const paths = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(...names), fc.constantFrom(...endpoints), fc.constantFrom(...ids), spelling, spelling)
      .map(([name, endpoint, id, one, two]) => [one(wire(name)), two(endpoint), wire(id)].join('/')),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...endpoints), spelling).map(([text, spelled]) => spelled(text)) },
  { weight: 2, arbitrary: fc.array(part, { maxLength: 4 }).map((parts) => parts.join('/')) },
);
const starts = fc.oneof(
  { weight: 20, arbitrary: fc.constant('/') },
  fc.constantFrom('//', '/./', '/../', 'http://proxy/', 'http://proxy', 'HTTP://u@proxy:1/', '*'),
);

/** Other spellings of the same JSON, which Elasticsearch takes and JSON.parse may not. */
const bodySpelling = fc.oneof(
  { weight: 8, arbitrary: fc.constant((text: string) => text) },
  fc.constant((text: string) => (text.startsWith('{"a') || text.startsWith('{"s') ? `/* x */${text}` : text)),
  fc.constant((text: string) => `${text} x`),
  fc.constant((text: string) => `${text}{}`),
  fc.constant((text: string) => `\u00ef\u00bb\u00bf${text}`),
  fc.constant((text: string) => Buffer.from(text, 'utf16le').toString('latin1')),
  fc.constant((text: string) => text.replaceAll('s', '\\u0073')),
  fc.constant((text: string) => text.replaceAll('"', "'")),
);

export const requests: Arbitrary<PlainRequest> = fc
  .record({
    method: fc.oneof({ weight: 8, arbitrary: fc.constantFrom('POST', 'PUT', 'DELETE') }, fc.constantFrom(...methods)),
    start: starts,
    path: paths,
    query: fc.oneof({ weight: 4, arbitrary: fc.constant('') }, fc.constantFrom(...queries)),
    type: fc.oneof(
      { weight: 6, arbitrary: fc.constant('application/json') },
      fc.constantFrom('application/yaml', 'application/x-ndjson', 'text/plain', ''),
    ),
    body: fc.tuple(fc.constantFrom(...bodies), bodySpelling).map(([text, spelled]) => spelled(text)),
  })
  .map(({ method, start, path, query, type, body }) => ({
    method,
    target: start === '*' ? '*' : `${start}${path}${query === '' ? '' : `?${query}`}`,
    type,
    body: type === 'application/yaml' || !body.startsWith('---') ? body : '{}',
  }));

/** As it stands in a request line: no blanks, nothing above US-ASCII. */
function wire(text: string): string {
  return text.replace(/[^\x21-\x7e]|[<>{}|?#"]/gu, (c) => encodeURIComponent(c));
}

function encodedAt(text: string, at: number): string {
  const i = at % Math.max(1, text.length);
  const c = text.charCodeAt(i);
  if (Number.isNaN(c)) return text;
  return `${text.slice(0, i)}%${c.toString(16).padStart(2, '0')}${text.slice(i + 1)}`;
}
