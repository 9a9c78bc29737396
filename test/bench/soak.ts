/** The long run: Logseal under load for as long as asked for, its memory looked at all the while. Flat is the promise. */
import type { BenchOptions } from './options.ts';
import { memory } from './process-cost.ts';
import { BenchProcess, Sink, startLogseal } from './processes.ts';
import type { Table } from './table.ts';
import { median } from './table.ts';

const recordBytes = 480;
const perBulk = 1000;
const recordsPerSecond = 10_000;
const parts = 10;

export async function soak(options: BenchOptions): Promise<Table> {
  const sink = await Sink.start();
  const logseal = await startLogseal(sink.url, options.directory, options.nodeFlags);
  const samples: { now: number; records: number }[] = [];
  try {
    const bulks = Math.ceil((options.soak * recordsPerSecond) / perBulk);
    const common = { dest: 'web', recordBytes, perBulk, bulks, connections: 4, signed: false, recordsPerSecond };
    const load = BenchProcess.start('load.ts', [JSON.stringify({ url: logseal.url, ...common })]);
    await load.next();
    let over = false;
    const done = load.ask({ go: true }).finally(() => {
      over = true;
    });
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      samples.push({ now: memory(logseal.pid).now, records: await sink.count('web') });
    }
    const { failed } = await done;
    if (failed !== undefined) throw new Error(`the load failed: ${failed}`);
    await load.stop();
  } finally {
    await logseal.remove();
    await sink.process.stop();
  }
  const size = Math.max(1, Math.floor(samples.length / parts));
  const rows = Array.from({ length: parts }, (_, n) => {
    const part = samples.slice(n * size, (n + 1) * size);
    const sizes = part.map((sample) => sample.now);
    return [`${n + 1}/${parts}`, part.at(-1)?.records ?? 0, median(sizes), Math.max(...sizes)];
  });
  return {
    title: `Memory over ${options.soak} s at ${recordsPerSecond.toLocaleString('en')} records of ${recordBytes} bytes a second`,
    head: ['part', 'records by then', 'median MiB', 'most MiB'],
    rows,
  };
}
