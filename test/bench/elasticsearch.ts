/**
 * (d), (d′), (e): the same documents straight into a real Elasticsearch, their signed form straight into it, and through
 * Logseal. Elasticsearch on one core, everything else on the other; interleaved; a fresh index for each run.
 */

import { leanMapping } from '../../src/upstream/signature-mapping.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import { connectionsOf } from './null-sink.ts';
import type { BenchOptions } from './options.ts';
import { cpuSeconds, memory, pin } from './process-cost.ts';
import type { BenchProxy } from './processes.ts';
import { sendLoad, startLogseal, untilTrue } from './processes.ts';
import type { Table } from './table.ts';
import { median, short } from './table.ts';

const warmUpRecords = 300_000;

type Way = 'd' | 'signed' | 'e';

interface Bench {
  elasticsearchUrl: string;
  logseal: BenchProxy;
  runs: number;
}

interface Run {
  rate: number;
  p50: number;
  p99: number;
  p999: number;
  cpu: number;
  peak: number;
}

export const mappings = {
  properties: {
    '@timestamp': { type: 'date' },
    client: { properties: { ip: { type: 'ip' } } },
    http: { properties: { method: { type: 'keyword' }, status: { type: 'short' }, bytes: { type: 'long' } } },
    url: { properties: { path: { type: 'keyword' } } },
    agent: { type: 'keyword' },
    ms: { type: 'float' },
    message: { type: 'text' },
    ...leanMapping.properties,
  },
};

/** Records of one run. Elasticsearch on one core takes some 20,000 a second in large bulks, a thousand one by one. */
function recordsOf(perBulk: number, scale: number): number {
  const records = perBulk === 1 ? 3000 : perBulk <= 100 ? 50_000 : 80_000;
  return Math.max(2 * perBulk, Math.round(records * scale));
}

export async function elasticsearchPart(options: BenchOptions): Promise<Table[]> {
  const missing = ownElasticsearchMissing();
  if (missing !== false) return [{ title: 'With Elasticsearch', head: [''], rows: [[missing]] }];
  const engine = await startElasticsearch({ jvm: ['-XX:TieredStopAtLevel=4', '-Xmx2g'] });
  let logseal: BenchProxy | undefined;
  try {
    pin(engine.pid, 0);
    pin(process.pid, 1);
    logseal = await startLogseal(engine.url, options.directory, options.nodeFlags);
    const bench = { elasticsearchUrl: engine.url, logseal, runs: 0 };
    await warmUp(bench, options.scale);
    return await measure(bench, options);
  } finally {
    await logseal?.remove();
    await engine.remove();
  }
}

async function warmUp(bench: Bench, scale: number): Promise<void> {
  const records = Math.round((warmUpRecords / 3) * Math.min(1, scale));
  for (const way of ['d', 'signed', 'e'] as const) await once(bench, way, 490, 1000, records);
}

async function measure(bench: Bench, options: BenchOptions): Promise<Table[]> {
  const rows: (string | number)[][] = [];
  const latencies: (string | number)[][] = [];
  const ways = (['d', 'signed', 'e'] as const).filter((way) => options.only.has(way));
  for (const recordBytes of options.recordBytes) {
    for (const perBulk of options.bulks) {
      const runs: Record<Way, Run[]> = { d: [], signed: [], e: [] };
      for (let round = 0; round < options.rounds; round += 1) {
        for (const way of ways) {
          runs[way].push(await once(bench, way, recordBytes, perBulk, recordsOf(perBulk, options.scale)));
        }
      }
      const of = (way: Way, name: keyof Run) => median(runs[way].map((run) => run[name]));
      const ratio = (a: Way, b: Way) => median(runs[a].map((run, i) => run.rate / (runs[b][i]?.rate ?? Number.NaN)));
      const key = [String(recordBytes / 1000), String(perBulk)];
      const rates = [of('d', 'rate'), of('signed', 'rate'), of('e', 'rate')];
      const ratios = [ratio('e', 'signed'), ratio('e', 'd'), ratio('signed', 'd')];
      rows.push([...key, ...rates, ...ratios, of('e', 'cpu'), of('e', 'peak')]);
      const three = (way: Way) => [of(way, 'p50'), of(way, 'p99'), of(way, 'p999')].map(short).join(' / ');
      latencies.push([...key, three('d'), three('signed'), three('e')]);
      process.stderr.write(
        `${key.join(' KB × ')}: e/d′ ${short(ratio('e', 'signed'))}, e/d ${short(ratio('e', 'd'))}\n`,
      );
    }
  }
  return tables(rows, latencies);
}

async function once(bench: Bench, way: Way, recordBytes: number, perBulk: number, wanted: number): Promise<Run> {
  const { elasticsearchUrl, logseal } = bench;
  bench.runs += 1;
  const dest = `bench-${bench.runs}`;
  const bulks = Math.ceil(wanted / perBulk);
  const settings = { 'index.number_of_replicas': 0 };
  await ask(elasticsearchUrl, 'PUT', `/${dest}`, { settings, mappings });
  const url = way === 'e' ? logseal.url : elasticsearchUrl;
  const connections = connectionsOf(perBulk);
  const load = { url, dest, recordBytes, perBulk, bulks, connections, signed: way === 'signed' };
  // The first records find out about the index; that is no part of a rate.
  if (way === 'e') await sendLoad({ ...load, bulks: 1, connections: 1 }, arrived(elasticsearchUrl, dest, 0));
  const first = way === 'e' ? perBulk : 0;
  let cpu = 0;
  const result = await sendLoad(load, way === 'e' ? arrived(elasticsearchUrl, dest, first) : undefined, () => {
    cpu = cpuSeconds(logseal.pid);
  });
  await ask(elasticsearchUrl, 'DELETE', `/${dest}`);
  const { records, deliveredSeconds, p50, p99, p999 } = result;
  const spent = ((cpuSeconds(logseal.pid) - cpu) / records) * 1e6;
  return { rate: records / deliveredSeconds, p50, p99, p999, cpu: spent, peak: memory(logseal.pid).peak };
}

function arrived(url: string, dest: string, before: number): (records: number) => Promise<void> {
  return (records) =>
    untilTrue(async () => {
      const path = `/${dest}/_stats/indexing?filter_path=_all.primaries.indexing.index_total`;
      const stats = (await ask(url, 'GET', path)) as { _all?: { primaries: { indexing: { index_total: number } } } };
      return (stats._all?.primaries.indexing.index_total ?? 0) >= before + records;
    }, 10);
}

export async function ask(url: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url + path, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

function tables(rows: (string | number)[][], latencies: (string | number)[][]): Table[] {
  return [
    {
      title: 'Into Elasticsearch on one core, everything else on the other',
      head: ['KB', 'a bulk', 'd: straight', 'd′: signed form', 'e: Logseal', 'e/d′', 'e/d', 'd′/d', 'e: CPU', 'e: MiB'],
      rows,
      notes: [
        'Records a second until the last is indexed; CPU seconds a million records and peak memory are those of Logseal.',
      ],
    },
    {
      title: 'Latency of a bulk request with Elasticsearch, milliseconds, p50 / p99 / p99.9',
      head: ['KB', 'a bulk', 'd: straight', 'd′: signed form', 'e: Logseal'],
      rows: latencies,
    },
  ];
}
