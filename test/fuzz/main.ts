/**
 * `npm run test:fuzz`: rounds of all fuzz targets with new seeds until the time is over. A failure ends it: its shrunk input is
 * then in test/fuzz/corpus/<target>/, from where every `npm test` tries it.
 */
import { randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectDir } from '../helpers/cache.ts';
import { TapReport } from '../helpers/tap-report.ts';
import { runTap } from '../helpers/tap-run.ts';

const targets = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => name.slice(0, -'.test.ts'.length));
const minutesDefault = 10;
/** Of one target in one round, for each of its properties. */
const secondsMax = 60;
/** At most; some files have one. */
const propertiesOfFile = 3;

const usage = `usage: npm run test:fuzz -- [--minutes N] [--seed N] [--only TARGET]

  --minutes N     start no round after that (${minutesDefault})
  --seed N        of the first round; the next ones count up
  --only TARGET   one of ${targets.join(', ')}; may be repeated
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string', multiple: true },
  },
});
const wanted = targets.filter((name) => values.only === undefined || values.only.includes(name));
const minutes = Number(values.minutes ?? minutesDefault);
const first = Number(values.seed ?? randomInt(2 ** 31));
if (values.help || wanted.length === 0 || !(minutes > 0) || !Number.isSafeInteger(first)) process.stdout.write(usage);
else process.exitCode = await rounds();

async function rounds(): Promise<number> {
  process.chdir(projectDir);
  const until = performance.now() + minutes * 60_000;
  const seconds = Math.max(1, Math.min(secondsMax, Math.floor((minutes * 60) / wanted.length / propertiesOfFile)));
  for (let round = 0; round === 0 || performance.now() < until; round++) {
    const seed = (first + round) % 2 ** 31;
    process.stdout.write(`round ${round}: --seed ${seed}\n`);
    Object.assign(process.env, {
      LOGSEAL_TEST_SEED: String(seed),
      LOGSEAL_TEST_FUZZ_SECONDS: String(seconds),
      LOGSEAL_TEST_FUZZ_KEEP: '1',
    });
    const report = new TapReport((text) => process.stdout.write(text));
    const files = wanted.map((name) => join('test', 'fuzz', `${name}.test.ts`));
    const status = await runTap(['--disable-coverage', '--jobs=1', '--timeout=3600', ...files], report);
    if (status !== 0 || report.failed > 0) return 1;
  }
  return 0;
}
