/**
 * The write-ahead log fills while Elasticsearch is away: requests are held, then refused whole with nothing signed of them, while
 * seals and control records go on. When Elasticsearch is back the log drains, who comes again enters, and everything verifies.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { EngineClient } from '../helpers/engine-client.ts';
import { engineClient } from '../helpers/engine-client.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';
import { verifyCommand } from '../helpers/verify-command.ts';

const index = 'full-log';
const perBulk = 500;
const message = 'all work and no play '.repeat(1000);
const waitMsMax = 120_000;
const holdMs = 700;
const missing = ownElasticsearchMissing();
if (missing) t.comment(missing);

t.test(
  'a full log refuses whole requests, keeps sealing, and drains',
  { skip: missing, timeout: 400_000 },
  async (t) => {
    const engine = await startElasticsearch();
    t.teardown(() => engine.remove());
    const elastic = engineClient(engine.url);
    // What is stored matters, not what could be searched for in it.
    const mappings = { dynamic: false, properties: { n: { type: 'long' } } };
    await elastic.ask('PUT', `/${index}`, { mappings, settings: { number_of_replicas: 0 } });
    const dataDir = join(t.testdir(), 'data');
    const proxy = await startProxy({
      dataDir,
      elasticsearchUrl: engine.url,
      environment: {
        LOGSEAL_WAL_BYTES_MAX: '256MiB',
        LOGSEAL_WAL_SEGMENT_BYTES: '16MiB',
        LOGSEAL_INTAKE_HOLD_MAX: `${holdMs}ms`,
        LOGSEAL_EPOCH_AGE_MAX: '1s',
        LOGSEAL_EPOCH_IDLE: '1s',
      },
    });
    t.teardown(() => proxy.stop());
    const send = (request: number) => sendBulk(proxy, request);
    t.equal((await send(0)).status, 200);
    await until(async () => (await countOf(elastic)) === perBulk);
    await engine.kill();

    let requests = 1;
    let refused = await send(requests);
    while (refused.status === 200) refused = await send(++requests);
    t.equal(refused.status, 429);
    t.match(refused.text, { error: { type: 'es_rejected_execution_exception' }, status: 429 });
    t.match(refused.retryAfter, /^\d+$/);
    t.ok(refused.ms >= holdMs, `held for ${Math.round(refused.ms)} ms`);
    t.ok(requests * perBulk * message.length > 150e6, `${requests} requests fit`);

    const dataRecords = async () => (await metric(proxy, 'records_signed_total')) >= requests * perBulk;
    t.ok(await dataRecords());
    const signed = await metric(proxy, 'records_signed_total');
    const sealed = await metric(proxy, 'epochs_sealed_total');
    t.equal((await send(requests)).status, 429);
    t.equal(await metric(proxy, 'records_signed_total'), signed, 'nothing is signed of what is refused');
    t.ok((await metric(proxy, 'holds_total')) >= 2);
    await until(async () => (await metric(proxy, 'epochs_sealed_total')) >= sealed + 3);
    t.pass('a full log still takes seals');

    await engine.restart();
    await elastic.settled();
    await until(async () => (await send(requests)).status === 200);
    const count = (requests + 1) * perBulk;
    await until(async () => (await countOf(elastic)) >= count);
    await until(async () => (await metric(proxy, 'records_delivered_total')) >= count);
    t.equal(await proxy.stop(60_000), 0);

    const { aggregations } = await elastic.ask<{ aggregations: object }>('POST', `/${index}/_search`, {
      size: 0,
      aggs: { numbers: { stats: { field: 'n' } } },
    });
    const sum = (count * (count - 1)) / 2;
    t.match(
      aggregations,
      { numbers: { count, min: 0, max: count - 1, sum } },
      'each acknowledged record, and none twice',
    );
    const verdicts = await verifyCommand(
      engine.url,
      ...['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')],
      ...['--trust', join(dataDir, 'trust.json'), '--no-state', '--grace', '0'],
    );
    t.strictSame(verdicts.told, []);
    t.match(verdicts.summary, { exit: 0, records: count, counts: { OK: count } });
  },
);

interface Sent {
  status: number;
  retryAfter: string | null;
  text: unknown;
  ms: number;
}

async function sendBulk(proxy: RunningProxy, request: number): Promise<Sent> {
  const from = request * perBulk;
  const documents = Array.from({ length: perBulk }, (_, n) => JSON.stringify({ n: from + n, message }));
  const body = documents.map((document) => `{"create":{}}\n${document}\n`).join('');
  const headers = { 'content-type': 'application/x-ndjson' };
  const startMs = performance.now();
  const answer = await fetch(`${proxy.url}/${index}/_bulk`, { method: 'POST', headers, body });
  const text = (await answer.json()) as { errors?: boolean };
  if (answer.status === 200 && text.errors !== false) throw new Error(JSON.stringify(text).slice(0, 1000));
  const retryAfter = answer.headers.get('retry-after');
  return { status: answer.status, retryAfter, text, ms: performance.now() - startMs };
}

async function countOf(elastic: EngineClient): Promise<number> {
  await elastic.ask('POST', `/${index}/_refresh`);
  return (await elastic.ask<{ count: number }>('GET', `/${index}/_count`)).count;
}

/** Over all its labels. */
async function metric({ adminUrl }: RunningProxy, name: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^logseal_${name}(?:\\{[^}]*\\})? (\\d+)$`, 'gm'))];
  return values.reduce((total, [, value]) => total + Number(value), 0);
}

async function until(done: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + waitMsMax;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error('it did not come in time');
    await pause(250);
  }
}
