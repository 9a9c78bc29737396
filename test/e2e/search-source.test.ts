/** A live cluster as verification reads it: every document of every open index, `_source` to the byte, on both engines. */
import t from 'tap';
import { systemClock } from '../../src/lib/clock.ts';
import type { SourceDocument } from '../../src/verify/source.ts';
import { SearchSource } from '../../src/verify/sources/search.ts';
import { elasticsearchMissing, sharedElasticsearch } from '../helpers/elasticsearch.ts';
import { engineClient } from '../helpers/engine-client.ts';
import { openSearchMissing, startOpenSearch } from '../helpers/opensearch.ts';

type TestLike = Pick<typeof t, 'equal' | 'fail' | 'match' | 'ok'>;

const connection = (url: string) => ({ nodes: [url], requestTimeoutMs: 30_000, clock: systemClock });

/** `_source` as text by index and id; fails on a document that comes twice. */
async function readAll(batches: AsyncIterable<SourceDocument[]>): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for await (const batch of batches) {
    for (const { index, id, source } of batch) {
      const name = `${index} ${id}`;
      if (all.has(name)) throw new Error(`${name} came twice`);
      all.set(name, source.toString());
    }
  }
  return all;
}

/** Spellings that a search engine must not touch, and that a careless reader would. */
const spellings = [
  '{"a":1.0,"b":1e2,"c":-0,"d":12345678901234567890}',
  '{ "a" : [ ] , "b" : { } }',
  '{"a":"\\u00e9\\ud83d\\ude00 \\/ \\" }]","é":"漢"}',
  '{"x":"]}","y":{"z":"{[\\\\"}}',
  `{"long":"${'x'.repeat(300_000)}"}`,
  '{}',
];

async function prepare(url: string, prefix: string): Promise<Map<string, string>> {
  const client = engineClient(url);
  const wanted = new Map<string, string>();
  const settings = { number_of_replicas: 0, refresh_interval: '-1', 'mapping.total_fields.limit': 5000 };
  await client.ask('PUT', `/${prefix}many`, {
    settings: { ...settings, number_of_shards: 3 },
    mappings: { dynamic: false },
  });
  await client.ask('PUT', `/${prefix}spelled`, { settings, mappings: { enabled: false } });
  await client.ask('PUT', `/${prefix}hidden`, { settings: { ...settings, hidden: true } });
  let body = '';
  const add = (index: string, id: string, source: string) => {
    wanted.set(`${prefix}${index} ${id}`, source);
    body += `{"index":{"_index":"${prefix}${index}","_id":${JSON.stringify(id)}}}\n${source}\n`;
  };
  for (let n = 0; n < 2500; n++) add('many', `m${n}`, `{"n":${n},"sort":[${n}],"hits":{"hits":[]}}`);
  for (const [n, source] of spellings.entries()) add('spelled', `"s" \\ ${n} é`, source);
  add('hidden', 'h', '{"h":1}');
  const sent = await fetch(`${url}/_bulk`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body,
  });
  const { errors, items } = (await sent.json()) as { errors: boolean; items: unknown[] };
  if (errors) throw new Error(JSON.stringify(items.slice(-8)));
  return wanted;
}

async function tryOut(t: TestLike, url: string, prefix: string): Promise<void> {
  const wanted = await prepare(url, prefix);
  const source = new SearchSource(connection(url), { index: `${prefix}*` });
  await source.open();
  const found = await readAll(source.records());
  t.equal(found.size, wanted.size);
  for (const [name, text] of wanted) if (found.get(name) !== text) t.fail(`${name}: ${found.get(name)?.slice(0, 80)}`);
  t.match(
    (await source.indices()).find(({ name }) => name === `${prefix}many`),
    { sourceMode: 'stored', mappings: { dynamic: 'false' }, filteredAliases: [] },
  );
  t.ok(source.identity.length > 10);
  await source.close();
}

t.test(
  'Elasticsearch: every document, to the byte, unrefreshed and hidden indices included',
  {
    skip: elasticsearchMissing(),
  },
  async (t) => {
    const shared = await sharedElasticsearch();
    t.teardown(() => shared.release());
    const { url, prefix } = shared;
    await tryOut(t, url, prefix);
    const client = engineClient(url);

    await client.ask('POST', '/_aliases', {
      actions: [{ add: { index: `${prefix}many`, alias: `${prefix}part`, filter: { term: { n: 1 } } } }],
    });
    await client.ask('POST', `/${prefix}spelled/_close`);
    const source = new SearchSource(connection(url), { index: `${prefix}many` });
    await source.open();
    t.equal((await readAll(source.records())).size, 2500, 'a filtered alias hides nothing');
    const many = (await source.indices()).find(({ name }) => name === `${prefix}many`);
    t.same(many?.filteredAliases, [`${prefix}part`]);
    t.match(source.remarks.join(), `${prefix}spelled`, 'a closed index is said');
    t.equal((await readAll(source.system())).size >= 0, true);
    await source.close();

    const nothing = new SearchSource(connection(url), { index: `${prefix}none*` });
    await nothing.open();
    t.equal((await readAll(nothing.records())).size, 0);
    await nothing.close();
    const missing = new SearchSource(connection(url), { index: `${prefix}none` });
    await missing.open();
    t.equal((await readAll(missing.records())).size, 0);
    await missing.close();
  },
);

t.test('OpenSearch: the same, whatever it says that it is', { skip: openSearchMissing() }, async (t) => {
  const engine = await startOpenSearch();
  t.teardown(() => engine.remove());
  await tryOut(t, engine.directUrl, 'direct-');
  await tryOut(t, engine.url, 'disguised-');
});
