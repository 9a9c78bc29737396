/**
 * What honest operation does to signed records, all of it on one cluster and one data directory, and not one finding at the end: a
 * verifier that cries wolf is switched off. The trust file is the one of the installation, and never written again.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { Ledger } from '../faults/ledger.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { Engine } from '../helpers/engine.ts';
import type { EngineClient } from '../helpers/engine-client.ts';
import { engineClient } from '../helpers/engine-client.ts';
import { openSearchMissing, startOpenSearch } from '../helpers/opensearch.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';
import { verifyCommand } from '../helpers/verify-command.ts';

const smallEpochs = { LOGSEAL_EPOCH_RECORDS_MAX: '40', LOGSEAL_EPOCH_AGE_MAX: '1s' };
const missing = ownElasticsearchMissing();
if (missing) t.comment(missing);

t.test('an eventful life without tampering verifies without a finding', { skip: missing }, async (t) => {
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  const elastic = engineClient(engine.url);
  const dataDir = join(t.testdir(), 'data');
  const trust = join(dataDir, '..', 'trust.json');
  const start = (environment: Record<string, string> = {}) =>
    startProxy({ dataDir, elasticsearchUrl: engine.url, environment: { ...smallEpochs, ...environment } });
  let sent = 0;
  const send = async (
    proxy: RunningProxy,
    index: string,
    documents: readonly object[],
    ids: readonly string[] = [],
  ) => {
    await bulk(proxy.url, index, documents, ids).catch((error) => {
      throw new Error(`${index}: ${proxy.output().slice(-3000)}`, { cause: error });
    });
    sent += documents.length;
  };

  for (let n = 0; n < 7; n++) await elastic.put('mixed', `old-${n}`, `{"message":"from before ${n}"}`);
  await elastic.ask('PUT', '/metrics', honestLogsdb);
  await elastic.ask('PUT', '/hidden-late', { settings: { refresh_interval: '-1' } });
  await elastic.ask('PUT', '/typed', { mappings: { properties: { n: { type: 'long' } } } });

  const first = await start();
  await copyFile(join(dataDir, 'trust.json'), trust);
  await send(first, 'mixed', numbered(60));
  await send(
    first,
    'metrics',
    Array.from({ length: 60 }, (_, n) => measurement(n)),
  );
  await send(first, 'hidden-late', numbered(60));
  await send(
    first,
    'chosen',
    numbered(30),
    Array.from({ length: 30 }, (_, n) => `order/${n}`),
  );
  await send(first, 'chosen', numbered(3), ['order/7', 'order/100', 'order/101']);
  await send(first, 'typed', [{ n: 1 }, { n: 'not a number' }, { n: 3 }]);

  const ledger = new Ledger({ dest: 'under-load', perBulk: 50 });
  ledger.start(first.url);
  await ledger.grows(200);
  await first.kill();
  await ledger.stop(0);

  const second = await start({ LOGSEAL_ACK: 'store', LOGSEAL_CHAINS_ROTATE_EVERY: '5s' });
  await send(second, 'stored-first', numbered(60));
  const restarted = engine.restart().then(() => elastic.settled());
  await send(second, 'through-a-restart', numbered(60));
  await restarted;
  for (let round = 0; round < 3; round++) {
    await pause(1000);
    await send(second, 'mixed', numbered(20, 100 + 20 * round));
  }
  t.equal(await second.stop(60_000), 0);
  const third = await start();
  await send(third, 'added-later', numbered(50));
  t.equal(await third.stop(60_000), 0);

  await t.test('what was acknowledged is there once, and what was refused is among the rejects', async (t) => {
    const answered = ledger.acknowledged;
    const found = await elastic.ask<{ count: number }>('GET', '/under-load/_count');
    t.comment(`${answered} records were acknowledged before the kill`);
    t.ok(found.count >= answered && found.count <= ledger.numbered, 'none that was acknowledged is missing');
    sent += found.count;
    const rejects = await elastic.hits('logseal-rejects');
    const reasons = rejects.map(({ _source: { logseal, reject } }) => `${logseal.dest} ${reject.status}`);
    t.strictSame(reasons.sort(), ['chosen 409', 'typed 400']);
    const rotations = (await elastic.hits('logseal-control', { match_all: {} })).filter(
      ({ _source }) => _source.rotate,
    );
    t.ok(rotations.length >= 2, `${rotations.length} chains were rotated by the clock`);
  });

  const key = ['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')];
  for (const [mode, name] of [
    [key, 'with the key'],
    [['--public'], 'without a key'],
  ] as const) {
    const run = await verifyCommand(engine.url, ...mode, '--trust', trust, '--no-state', '--grace', '0');
    t.strictSame(run.told, [], `no finding ${name}`);
    t.match(run.summary, { exit: 0, records: sent, counts: { OK: sent - 2, 'REJECTED-OK': 2 } });
  }
});

const noOpenSearch = openSearchMissing();

t.test('a data stream that rolls over verifies without a finding', { skip: noOpenSearch }, async (t) => {
  const engine: Engine = await startOpenSearch();
  t.teardown(() => engine.remove());
  const elastic = engineClient(engine.url);
  await elastic.ask('PUT', '/_index_template/app', { index_patterns: ['logs-app-*'], data_stream: {}, priority: 500 });
  const dataDir = join(t.testdir(), 'data');
  const proxy = await startProxy({ dataDir, elasticsearchUrl: engine.url, environment: smallEpochs });
  for (let round = 0; round < 3; round++) {
    await bulk(proxy.url, 'logs-app-default', numbered(50, 50 * round), []);
    await delivered(elastic, 'logs-app-default', 50 * (round + 1));
    if (round < 2) await elastic.ask('POST', '/logs-app-default/_rollover');
  }
  t.equal(await proxy.stop(60_000), 0);
  const indices = new Set((await elastic.hits('logs-app-default')).map(({ _index }) => _index));
  t.equal(indices.size, 3, 'records lie in three backing indices');
  const key = join(dataDir, 'development-auditor', 'auditor.key.pem');
  const trust = ['--trust', join(dataDir, 'trust.json'), '--no-state', '--grace', '0'];
  for (const mode of [['--key', key], ['--public']]) {
    const { told, summary } = await verifyCommand(engine.url, ...mode, ...trust);
    t.strictSame(told, [], mode.at(0) ?? '');
    t.match(summary, { exit: 0, records: 150, counts: { OK: 150 } });
  }
});

const honestLogsdb = {
  settings: { 'index.mode': 'logsdb' },
  mappings: {
    properties: {
      when: { type: 'date' },
      nanos: { type: 'date_nanos' },
      ratio: { type: 'float' },
      half: { type: 'half_float' },
      count: { type: 'long' },
      small: { type: 'byte' },
      flag: { type: 'boolean' },
      address: { type: 'ip' },
      tags: { type: 'keyword' },
      text: { type: 'text' },
      nested: { properties: { deep: { type: 'double' } } },
    },
  },
};

/** Every spelling that Elasticsearch takes for a value and gives back in another one. */
function measurement(n: number): object {
  return {
    '@timestamp': new Date(Date.UTC(2026, 10, 23, 21) + n).toISOString(),
    when: n % 2 === 0 ? '2026-11-23T22:00:00+01:00' : 1_763_931_600_000 + n,
    nanos: '2026-11-23T21:00:00.123456789Z',
    ratio: 0.1 * n,
    half: 1.3 + n,
    count: n % 3 === 0 ? `${n}` : n,
    small: n % 100,
    flag: n % 2 === 0 ? 'true' : false,
    address: n % 2 === 0 ? '2001:DB8:0:0::1' : '192.0.2.1',
    tags: ['web', 'b', 'a', 'b', `t${n % 5}`],
    text: `measured "${n}" – ünïcode \u2028`,
    nested: [{ deep: 2.5e3 }, { deep: n }],
    'dotted.name': n,
    nothing: null,
    none: [],
  };
}

function numbered(count: number, from = 0): object[] {
  return Array.from({ length: count }, (_, n) => ({
    '@timestamp': '2026-11-23T21:00:00Z',
    n: from + n,
    message: 'ok',
  }));
}

async function delivered(elastic: EngineClient, index: string, count: number): Promise<void> {
  for (;;) {
    const hits = await elastic.hits(index).catch(() => []);
    if (hits.length >= count) return;
    await pause(50);
  }
}

async function bulk(url: string, index: string, documents: readonly object[], ids: readonly string[]): Promise<void> {
  const lines = documents.map((document, n) => {
    const action = { create: { _index: index, ...(ids[n] === undefined ? {} : { _id: ids[n] }) } };
    return `${JSON.stringify(action)}\n${JSON.stringify(document)}\n`;
  });
  const headers = { 'content-type': 'application/x-ndjson' };
  const answer = await fetch(`${url}/_bulk`, { method: 'POST', headers, body: lines.join('') });
  const text = await answer.text();
  if (answer.status !== 200 || !text.includes('"errors":false')) throw new Error(`${answer.status} ${text}`);
}
