/** (a), (b), (c): hashing alone, a bare proxy and Logseal, the latter two in front of a search engine that keeps nothing. */
import { hashingRate } from './hashing.ts';
import type { BenchOptions } from './options.ts';
import { cpuSeconds, memory, resetPeak } from './process-cost.ts';
import type { BareProxy, BenchProxy } from './processes.ts';
import { Sink, sendLoad, startBareProxy, startLogseal, untilTrue } from './processes.ts';
import type { Table } from './table.ts';
import { median, short } from './table.ts';

/** Records of one run, by records a bulk; chosen so that a run takes some seconds. */
function recordsOf(perBulk: number, scale: number): number {
  const records = perBulk === 1 ? 15_000 : perBulk <= 100 ? 100_000 : 200_000;
  return Math.max(4 * perBulk, Math.round(records * scale));
}

export function connectionsOf(perBulk: number): number {
  return perBulk === 1 ? 64 : perBulk <= 100 ? 16 : perBulk <= 1000 ? 8 : 4;
}

interface Run {
  /** Records a second, until acknowledged and until the sink has them. */
  acknowledged: number;
  rate: number;
  p50: number;
  p99: number;
  p999: number;
  /** CPU seconds of the proxy a million records. */
  cpu: number;
  /** The same of proxy, shipper and sink together. */
  allCpu: number;
  /** MiB. */
  peak: number;
}

interface Bench {
  sink: Sink;
  bare: BareProxy;
  logseal: BenchProxy;
}

export async function nullSinkPart(options: BenchOptions): Promise<Table[]> {
  const sink = await Sink.start();
  const bare = await startBareProxy(sink.url);
  const logseal = await startLogseal(sink.url, options.directory, options.nodeFlags);
  const rows: (string | number)[][] = [];
  const latencies: (string | number)[][] = [];
  try {
    const bench = { sink, bare, logseal };
    await once(bench, logseal.url, logseal.pid, 1000, 1000, 0.2);
    for (const recordBytes of options.recordBytes) {
      for (const perBulk of options.bulks) {
        const { a, b, c } = await rounds(bench, options, recordBytes, perBulk);
        const of = (runs: readonly Run[], name: keyof Run) => median(runs.map((run) => run[name]));
        const ratio = median(c.map((run, i) => run.rate / (b[i]?.rate ?? Number.NaN)));
        const rates = [median(a), of(b, 'rate'), of(c, 'acknowledged'), of(c, 'rate')];
        const cores = median(c.map((run, i) => (b[i]?.allCpu ?? Number.NaN) / run.allCpu));
        const costs = [cores, of(b, 'cpu'), of(c, 'cpu'), of(b, 'peak'), of(c, 'peak')];
        rows.push([String(recordBytes / 1000), String(perBulk), ...rates, ratio, ...costs]);
        const three = (runs: readonly Run[]) =>
          [of(runs, 'p50'), of(runs, 'p99'), of(runs, 'p999')].map(short).join(' / ');
        latencies.push([String(recordBytes / 1000), String(perBulk), three(b), three(c)]);
        process.stderr.write(`${recordBytes / 1000} KB × ${perBulk}: c/b ${short(ratio)}\n`);
      }
    }
  } finally {
    await logseal.remove();
    await bare.process.stop();
    await sink.process.stop();
  }
  return tables(rows, latencies);
}

async function rounds(bench: Bench, options: BenchOptions, recordBytes: number, perBulk: number) {
  const { only, scale } = options;
  const a: number[] = [];
  const b: Run[] = [];
  const c: Run[] = [];
  for (let round = 0; round < options.rounds; round += 1) {
    if (only.has('a')) a.push(hashingRate(recordBytes, 0.5));
    if (only.has('b')) b.push(await once(bench, bench.bare.url, bench.bare.process.pid, recordBytes, perBulk, scale));
    if (only.has('c')) c.push(await once(bench, bench.logseal.url, bench.logseal.pid, recordBytes, perBulk, scale));
  }
  return { a, b, c };
}

async function once(
  { sink }: Bench,
  url: string,
  pid: number,
  recordBytes: number,
  perBulk: number,
  scale: number,
): Promise<Run> {
  const dest = 'web';
  const bulks = Math.ceil(recordsOf(perBulk, scale) / perBulk);
  const before = await sink.count(dest);
  let cpu = 0;
  let sinkCpu = 0;
  const load = { url, dest, recordBytes, perBulk, bulks, connections: connectionsOf(perBulk), signed: false };
  const result = await sendLoad(
    load,
    (records) => untilTrue(async () => (await sink.count(dest)) >= before + records, 5),
    () => {
      resetPeak(pid);
      cpu = cpuSeconds(pid);
      sinkCpu = cpuSeconds(sink.process.pid);
    },
  );
  const { records, seconds, deliveredSeconds, p50, p99, p999 } = result;
  const spent = cpuSeconds(pid) - cpu;
  return {
    acknowledged: records / seconds,
    rate: records / deliveredSeconds,
    p50,
    p99,
    p999,
    cpu: (spent / records) * 1e6,
    allCpu: ((spent + cpuSeconds(sink.process.pid) - sinkCpu + result.cpuSeconds) / records) * 1e6,
    peak: memory(pid).peak,
  };
}

function tables(rows: (string | number)[][], latencies: (string | number)[][]): Table[] {
  return [
    {
      title: 'Into a search engine that keeps nothing',
      head: [
        'KB',
        'a bulk',
        'a: hashing',
        'b: bare proxy',
        'c: answered',
        'c: delivered',
        'c/b',
        'c/b by CPU',
        'b: CPU',
        'c: CPU',
        'b: MiB',
        'c: MiB',
      ],
      rows,
      notes: [
        'Records a second; CPU seconds a million records and peak memory are those of the proxy alone. `delivered`: until the last record was in the sink; `c/b` is taken from it. `c/b by CPU` compares what proxy, shipper and sink together cost a record: what c/b is where every core is busy, and it depends less on what else the machine does.',
      ],
    },
    {
      title: 'Latency of a bulk request, milliseconds, p50 / p99 / p99.9',
      head: ['KB', 'a bulk', 'b: bare proxy', 'c: Logseal'],
      rows: latencies,
      notes: ['Under full load: as many requests wait as there are connections.'],
    },
  ];
}
