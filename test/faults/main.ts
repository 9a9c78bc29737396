/**
 * `npm run test:faults`: the fault classes one after another, their table on standard output and in docs/faults.md.
 * `--long`: rounds of random faults until the time is over; what a round found is kept, and the next run goes on after it.
 * Exit code 0 only if every assertion held.
 */
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { forMarkdown, forTerminal, machine } from '../bench/table.ts';
import { projectDir } from '../helpers/cache.ts';
import { TapReport } from '../helpers/tap-report.ts';
import { runTap } from '../helpers/tap-run.ts';
import type { FlipRow } from './flip-row.ts';
import { flipTables, readFlips } from './flip-row.ts';
import type { Row } from './row.ts';
import { addUp, readRows, tablesOf } from './row.ts';

/** In the order of the table. A class is `<class>.test.ts`, and `<class>-….test.ts` where one file is not enough. */
const classes = ['process', 'directory', 'power', 'disk', 'upstream', 'client', 'clock', 'load'];
const page = join(projectDir, 'docs', 'faults.md');
const longDir = join(projectDir, '.cache', 'faults-long');
const longFileMinutesMax = 120;

/** Tests that this machine cannot run: a page without their rows would say less than there is. */
let notRun = 0;

const usage = `usage: npm run test:faults -- [--only CLASS] [--no-page]
       npm run test:faults -- --long [--minutes N] [--seed N] [--only CLASS] [--no-page]

  --only CLASS   one of ${classes.join(', ')}; may be repeated; docs/faults.md is left alone
  --no-page      leave docs/faults.md alone
  --long         rounds of random faults, added to those of earlier runs with the same seed
  --minutes N    start no round after that; without it rounds go on until Control-C
  --seed N       begin again with this seed; without it the run before is resumed
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    long: { type: 'boolean' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string', multiple: true },
    'no-page': { type: 'boolean' },
  },
});
const wanted = classes.filter((name) => values.only === undefined || values.only.includes(name));
if (values.help || wanted.length === 0) process.stdout.write(usage);
else process.exitCode = await (values.long ? long() : short());

async function short(): Promise<number> {
  const rows = mkdtempSync(join(tmpdir(), 'logseal-faults-'));
  try {
    const status = await runClasses({ LOGSEAL_TEST_FAULTS_ROWS: rows }, []);
    show(readRows(rows), readFlips(rows));
    if (status === 0) writePage('short', readRows(rows), readFlips(rows), '`npm run test:faults`');
    return status;
  } finally {
    rmSync(rows, { recursive: true, force: true });
  }
}

interface LongState {
  seed: number;
  /** Rounds that are over; their rows lie in `rows-<round>`. */
  rounds: number;
}

async function long(): Promise<number> {
  const stateFile = join(longDir, 'state.json');
  let state: LongState = { seed: Number(values.seed ?? randomInt(2 ** 31)), rounds: 0 };
  if (values.seed === undefined && existsSync(stateFile)) state = JSON.parse(readFileSync(stateFile, 'utf8'));
  else rmSync(longDir, { recursive: true, force: true });
  process.stdout.write(`seed ${state.seed}, ${state.rounds} rounds are done\n`);
  const until = performance.now() + Number(values.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  let stopped = false;
  process.once('SIGINT', () => {
    stopped = true;
  });
  let status = 0;
  do {
    const rows = join(longDir, `rows-${state.rounds}`);
    // Of a round that was broken off nothing is kept.
    rmSync(rows, { recursive: true, force: true });
    mkdirSync(rows, { recursive: true });
    const seed = (state.seed + state.rounds) % 2 ** 31;
    process.stdout.write(`round ${state.rounds}: --seed ${seed}\n`);
    const environment = {
      LOGSEAL_TEST_FAULTS_ROWS: rows,
      LOGSEAL_TEST_FAULTS_LONG: '1',
      LOGSEAL_TEST_SEED: String(seed),
    };
    status = await runClasses(environment, [`--timeout=${longFileMinutesMax * 60}`]);
    if (stopped) break;
    state.rounds += 1;
    writeFileSync(stateFile, JSON.stringify(state));
  } while (status === 0 && performance.now() < until);
  const directories = Array.from({ length: state.rounds }, (_, n) => join(longDir, `rows-${n}`));
  const all = addUp(directories.flatMap(readRows));
  const flips = directories.flatMap(readFlips);
  show(all, flips);
  const command = `\`npm run test:faults -- --long --seed ${state.seed}\`, ${state.rounds} rounds,`;
  if (status === 0 || stopped) writePage('long', all, flips, command);
  return stopped ? 0 : status;
}

async function runClasses(environment: Record<string, string>, args: readonly string[]): Promise<number> {
  Object.assign(process.env, environment);
  process.chdir(projectDir);
  const names = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts'));
  const files = wanted.flatMap((name) => names.filter((file) => new RegExp(`^${name}(-.*)?\\.test\\.ts$`).test(file)));
  const report = new TapReport((text) => process.stdout.write(text));
  const paths = files.map((file) => join('test', 'faults', file));
  const status = await runTap(['--disable-coverage', '--jobs=1', ...args, ...paths], report);
  for (const [reason, count] of report.skips) {
    process.stdout.write(`SKIPPED ${count} tests: ${reason}\n`);
    if (reason.startsWith('NOT RUN')) notRun += count;
  }
  return report.failed > 0 ? 1 : status;
}

function show(rows: readonly Row[], flips: readonly FlipRow[]): void {
  for (const table of [...tablesOf(inOrder(rows)), ...flipTables(flips)]) process.stdout.write(forTerminal(table));
}

function inOrder(rows: readonly Row[]): Row[] {
  return addUp(rows).sort((a, b) => classes.indexOf(a.class) - classes.indexOf(b.class));
}

/** Only the part between the markers of that name is ours. */
function writePage(part: 'short' | 'long', rows: readonly Row[], flips: readonly FlipRow[], command: string): void {
  if (values.only !== undefined || values['no-page'] || notRun > 0) return;
  const text = readFileSync(page, 'utf8');
  const [begin, end] = [`<!-- ${part}: written by npm run test:faults -->\n`, `<!-- ${part}: end -->\n`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${page} has no place for the ${part} table`);
  const tables = [...tablesOf(inOrder(rows)), ...flipTables(flips)].map(forMarkdown).join('\n');
  const head = `${command} on ${machine()}, ${new Date().toISOString().slice(0, 10)}\n`;
  writeFileSync(page, `${text.slice(0, from + begin.length)}\n${head}\n${tables}\n${text.slice(to)}`);
}
