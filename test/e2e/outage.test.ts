/**
 * Elasticsearch is away while records keep coming, the proxy is restarted in the middle, and then Elasticsearch comes back: every record
 * is delivered exactly once and verifies. Small by default; LOGSEAL_TEST_OUTAGE_MB=2048 is the day that operators fear
 * (`npm run test:long`). What was measured is printed.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { syslogMessages } from '../fixtures/syslog/messages.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { EngineClient } from '../helpers/engine-client.ts';
import { engineClient } from '../helpers/engine-client.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';
import { verifyCommand } from '../helpers/verify-command.ts';

const wantedBytes = Number(process.env.LOGSEAL_TEST_OUTAGE_MB ?? 100) * 1e6;
const perBulk = 1000;
const connections = 3;
const dests = ['outage-web', 'outage-db'];
/** Wide enough for the slowest disk; the small form is done in seconds. */
const drainMsMax = 120_000 + wantedBytes / 1000;
const missing = ownElasticsearchMissing();
if (missing) t.comment(missing);

t.test(
  'Elasticsearch away, the proxy restarted, Elasticsearch back: all delivered once',
  {
    skip: missing,
    timeout: 2 * drainMsMax,
  },
  async (t) => {
    const engine = await startElasticsearch(wantedBytes > 1e9 ? { jvm: ['-Xmx2g', '-XX:TieredStopAtLevel=4'] } : {});
    t.teardown(() => engine.remove());
    const elastic = engineClient(engine.url);
    const dataDir = join(t.testdir(), 'data');
    const start = () => startProxy({ dataDir, elasticsearchUrl: engine.url });
    const first = await start();
    const before = await sendUntil(first.url, 0, 2e6);
    await delivered(elastic, perBulk);
    await engine.kill();
    const half = await sendUntil(first.url, before.next, wantedBytes / 2);
    t.equal((await fetch(`${first.adminUrl}/readyz`)).status, 200, 'records are accepted all the same');
    const peakBefore = await peakMemory(first);
    await first.kill();

    const second = await start();
    t.teardown(() => second.stop());
    const rest = await sendUntil(second.url, half.next, wantedBytes / 2);
    const count = rest.next;
    const bytes = before.bytes + half.bytes + rest.bytes;
    const backAt = performance.now();
    await engine.restart();
    await elastic.settled();
    await delivered(elastic, count);
    const seconds = (performance.now() - backAt) / 1000;
    const peak = Math.max(peakBefore, await peakMemory(second));
    t.equal(await second.stop(60_000), 0);
    t.comment(
      `${count} records, ${(bytes / 1e6).toFixed(0)} MB waiting; delivered ${seconds.toFixed(1)} s after Elasticsearch was started ` +
        `(${Math.round(count / seconds)} records/s); peak memory of the proxy ${Math.round(peak / 1e6)} MB`,
    );
    t.ok(peak < 1.5e9, 'memory does not grow with what waits');

    const numbers = await numbersOf(elastic);
    const sum = (count * (count - 1)) / 2;
    t.match(numbers, { count, min: 0, max: count - 1, sum }, 'every number that was acknowledged, and none twice');
    const verdicts = await verifyCommand(
      engine.url,
      ...['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')],
      ...['--trust', join(dataDir, 'trust.json'), '--no-state', '--grace', '0'],
    );
    t.strictSame(verdicts.told, []);
    t.match(verdicts.summary, { exit: 0, records: count, counts: { OK: count } });
    t.comment(`verified in ${verdicts.summary.seconds.toFixed(1)} s`);
  },
);

interface Sent {
  /** Number of the next record. */
  next: number;
  /** Of documents, as they were sent. */
  bytes: number;
}

const messages = syslogMessages(perBulk + 3, 11);
/** About 2 KB each: a message with what was logged around it. */
const texts = Array.from({ length: perBulk }, (_, n) => messages.slice(n, n + 4).join(' '));

/** Sends numbered records on several connections until that many bytes of documents are acknowledged. */
async function sendUntil(url: string, from: number, bytesWanted: number): Promise<Sent> {
  let next = from;
  let bytes = 0;
  const connection = async (): Promise<void> => {
    while (bytes < bytesWanted) {
      const lines: string[] = [];
      const action = `{"create":{"_index":"${dests[(next / perBulk) % dests.length]}"}}`;
      for (const message of texts) {
        const document = JSON.stringify({ '@timestamp': '2026-11-23T21:00:00Z', n: next++, host: 'web-1', message });
        bytes += document.length;
        lines.push(action, document);
      }
      const headers = { 'content-type': 'application/x-ndjson' };
      const answer = await fetch(`${url}/_bulk`, { method: 'POST', headers, body: `${lines.join('\n')}\n` });
      const text = await answer.text();
      if (answer.status !== 200 || !text.includes('"errors":false')) throw new Error(`${answer.status} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return { next, bytes };
}

async function delivered(elastic: EngineClient, count: number): Promise<void> {
  const deadline = performance.now() + drainMsMax;
  for (;;) {
    // Right after a start, and before the first record, there is nothing that could be counted.
    const path = `/${dests.join()}/_count?ignore_unavailable=true`;
    const found = await elastic.ask<{ count: number }>('GET', path).catch(() => ({ count: 0 }));
    if (found.count >= count) return;
    if (performance.now() > deadline) throw new Error(`${found.count} of ${count} records came in time`);
    await pause(500);
  }
}

interface Numbers {
  count: number;
  min: number;
  max: number;
  sum: number;
}

async function numbersOf(elastic: EngineClient): Promise<Numbers> {
  await elastic.ask('POST', `/${dests.join()}/_refresh`);
  const query = { size: 0, aggs: { numbers: { stats: { field: 'n' } } } };
  const found = await elastic.ask<{ aggregations: { numbers: Numbers } }>('POST', `/${dests.join()}/_search`, query);
  return found.aggregations.numbers;
}

/** The most that the process has held at once, in bytes. */
async function peakMemory({ pid }: RunningProxy): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
}
