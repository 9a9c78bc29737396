/**
 * `npm run bench`: what Logseal costs, as ratios measured in one run. `--help` shows the options. Needs Linux (/proc, taskset),
 * two cores, and for the parts with Elasticsearch a JDK as the tests do. docs/performance.md holds what it printed.
 */
import { writeFileSync } from 'node:fs';
import { elasticsearchPart } from './elasticsearch.ts';
import { indexSizePart } from './index-size.ts';
import { logCostPart } from './log-cost.ts';
import { nullSinkPart } from './null-sink.ts';
import type { BenchOptions } from './options.ts';
import { readOptions } from './options.ts';
import { soak } from './soak.ts';
import { idlePart, recoveryPart } from './standing.ts';
import type { Table } from './table.ts';
import { forMarkdown, forTerminal, machine } from './table.ts';
import { verifyPart } from './verify-export.ts';

async function run(options: BenchOptions): Promise<void> {
  const tables: Table[] = [];
  const show = (table: Table) => {
    tables.push(table);
    process.stdout.write(forTerminal(table));
  };
  const wanted = (...parts: (typeof options.only extends ReadonlySet<infer P> ? P : never)[]) => {
    return parts.some((part) => options.only.has(part));
  };
  if (options.soak > 0) show(await soak(options));
  else {
    if (wanted('a', 'b', 'c')) for (const table of await nullSinkPart(options)) show(table);
    if (wanted('log')) show(await logCostPart(options));
    if (wanted('recovery')) show(await recoveryPart(options));
    if (wanted('idle')) show(await idlePart(options));
    if (wanted('verify')) show(await verifyPart(options));
    if (wanted('size')) show(await indexSizePart(options.scale));
    // The last, because it ties this process to one core.
    if (wanted('d', 'signed', 'e')) for (const table of await elasticsearchPart(options)) show(table);
  }
  const command = `npm run bench ${process.argv.length > 2 ? `-- ${process.argv.slice(2).join(' ')}` : ''}`.trim();
  process.stdout.write(`\n${machine()}\n`);
  if (options.out === undefined) return;
  writeFileSync(options.out, `\`${command}\` on ${machine()}\n\n${tables.map(forMarkdown).join('\n')}`);
}

// An end by `exit` takes the processes that were started along.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const options = readOptions(process.argv.slice(2));
if (options !== undefined) await run(options);
