/**
 * `logseal doctor`: looks at configuration, disk, keys, search engine and proxy, one line each with what to do, and with
 * `--estimate` at what records will take. Exit codes: 0 good or only warnings, 1 something fails, 3 could not run.
 */
import type { Command } from 'commander';
import { LogsealError } from '../src/errors.ts';
import type { Check } from '../src/insight/check.ts';
import type { Diagnosis } from '../src/insight/doctor.ts';
import { diagnose } from '../src/insight/doctor.ts';
import type { Estimate } from '../src/insight/estimate.ts';
import { estimate, estimateLines, nothingToEstimate } from '../src/insight/estimate.ts';
import { systemClock } from '../src/lib/clock.ts';
import { exitCodes } from './exit-codes.ts';
import { Output, table } from './output.ts';
import type { Terminal } from './terminal.ts';

interface DoctorFlags {
  readonly config?: string;
  readonly dataDir?: string;
  readonly elasticsearchUrl?: string;
  readonly estimate?: boolean;
  readonly hours?: string;
  readonly recordsPerSecond?: string;
  readonly recordBytes?: string;
  readonly json?: boolean;
}

const hoursDefault = 24;

export function register(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('Look at everything that has to be right for the proxy to run; changes nothing.')
    .option('--config <file>', 'configuration file')
    .option('--data-dir <dir>', 'data directory of the proxy')
    .option('--elasticsearch-url <urls>', 'nodes of the cluster, by comma')
    .option('--estimate', 'what records will take, by those in the log')
    .option('--hours <n>', 'of an outage, for the estimate', String(hoursDefault))
    .option('--records-per-second <n>', 'for the estimate, in place of what the log shows')
    .option('--record-bytes <n>', 'likewise')
    .option('--json', 'one object a line, the verdict last')
    .action((flags: DoctorFlags) => run(flags, terminal));
}

async function run(flags: DoctorFlags, terminal: Terminal): Promise<void> {
  const given = {
    hours: number('--hours', flags.hours) ?? hoursDefault,
    ...numbers({ recordsPerSecond: number('--records-per-second', flags.recordsPerSecond) }),
    ...numbers({ recordBytes: number('--record-bytes', flags.recordBytes) }),
  };
  const settings: [string, string | undefined][] = [
    ['data-dir', flags.dataDir],
    ['elasticsearch-url', flags.elasticsearchUrl],
  ];
  const named = settings.filter((one): one is [string, string] => one[1] !== undefined);
  const sources = { environment: terminal.environment, flags: Object.fromEntries(named), file: flags.config };
  const found = await diagnose(sources, systemClock);
  const { config, sample } = found;
  const wanted = flags.estimate === true && config !== undefined;
  const sizes = wanted ? estimate({ config, sample, ...given }) : undefined;
  terminal.exitCode = found.checks.some(({ status }) => status === 'fail') ? exitCodes.tampering : exitCodes.ok;
  const output = new Output(terminal.stdout);
  if (flags.json === true) await tellObjects(found, wanted, sizes, output);
  else await tellLines(found, wanted, sizes, output);
}

async function tellLines(
  { checks, config }: Diagnosis,
  wanted: boolean,
  sizes: Estimate | undefined,
  output: Output,
): Promise<void> {
  let last = '';
  const rows = checks.flatMap(({ area, status, found, advice }) => {
    const name = area === last ? '' : area;
    last = area;
    return [[status, name, found], ...(advice === undefined ? [] : [['', '', `  → ${advice}`]])];
  });
  for (const line of table(rows)) await output.line(line);
  if (wanted && config !== undefined) {
    await output.line();
    for (const line of sizes === undefined ? [nothingToEstimate] : estimateLines(sizes, config))
      await output.line(line);
  }
  await output.line();
  const { warn, fail } = countsOf(checks);
  const worries = `${warn} ${warn === 1 ? 'warning' : 'warnings'}`;
  await output.line(fail === 0 ? `Nothing fails, ${worries}.` : `${fail} of ${checks.length} fail, ${worries}.`);
  await output.line(
    'Not looked at: what stands in the log (logseal wal check) and in the search engine (logseal verify).',
  );
}

async function tellObjects(
  { checks }: Diagnosis,
  wanted: boolean,
  sizes: Estimate | undefined,
  output: Output,
): Promise<void> {
  for (const check of checks) await output.json({ type: 'check', v: 1, ...check });
  if (wanted) await output.json({ type: 'estimate', v: 1, ...(sizes ?? { reason: nothingToEstimate }) });
  await output.json({ type: 'doctor', v: 1, ...countsOf(checks) });
}

function countsOf(checks: readonly Check[]): { ok: number; warn: number; fail: number } {
  const counts = { ok: 0, warn: 0, fail: 0 };
  for (const { status } of checks) counts[status] += 1;
  return counts;
}

function number(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
    throw new LogsealError('USAGE', `${flag}: ${text} is no number above 0`);
  return value;
}

function numbers<T extends Record<string, number | undefined>>(given: T): { [K in keyof T]?: number } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: number;
  };
}
