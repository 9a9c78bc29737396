/** `logseal verify` of an export: what a sink was sent by the proxy, in the form of `logseal export`, judged by the command. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyCommand } from '../helpers/verify-command.ts';
import type { BenchOptions } from './options.ts';
import { cpuSeconds } from './process-cost.ts';
import { Sink, sendLoad, startLogseal, untilTrue } from './processes.ts';
import type { Table } from './table.ts';
import { median } from './table.ts';

const recordBytes = 480;
const perBulk = 1000;

export async function verifyPart(options: BenchOptions): Promise<Table> {
  const directory = mkdtempSync(join(options.directory ?? tmpdir(), 'logseal-bench-verify-'));
  const file = join(directory, 'export.ndjson');
  const bulks = Math.max(20, Math.round(300 * options.scale));
  const sink = await Sink.start(file);
  const logseal = await startLogseal(sink.url, directory);
  try {
    const load = { url: logseal.url, dest: 'web', recordBytes, perBulk, bulks, connections: 4, signed: false };
    await sendLoad(load, (records) => untilTrue(async () => (await sink.count('web')) >= records, 50));
    await logseal.stop();
    await sink.closeFile();
    const { dataDir } = logseal;
    const args = ['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')];
    args.push('--trust', join(dataDir, 'trust.json'), '--no-state');
    const records = bulks * perBulk;
    const walls: number[] = [];
    const cores: number[] = [];
    for (let round = 0; round < Math.max(3, options.rounds); round += 1) {
      const before = cpuSeconds('self', true);
      const begin = performance.now();
      const { summary, told } = await verifyCommand(file, ...args);
      walls.push((records * 1000) / (performance.now() - begin));
      cores.push(records / (cpuSeconds('self', true) - before));
      if (summary.counts.OK !== records)
        throw new Error(`not all is OK: ${JSON.stringify(summary)} ${told.slice(0, 5)}`);
    }
    return {
      title: `logseal verify of an export, ${records.toLocaleString('en')} records of ${recordBytes} bytes`,
      head: ['records', 'MB', 'records a second', 'records a second and core'],
      rows: [[records, statSync(file).size / 1e6, median(walls), median(cores)]],
      notes: ['With the start of the process. The aim is 100,000 records a second and core.'],
    };
  } finally {
    await logseal.remove();
    await sink.process.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
