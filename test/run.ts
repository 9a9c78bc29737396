/**
 * `npm test`: one real Elasticsearch for all files, every test file under tap, coverage where it is promised, and a
 * closing line with the counts. Arguments are test files and tap's own options; without any, everything runs.
 * With LOGSEAL_TEST_SKIPS=fail a test that cannot run on this machine has failed.
 */
import { rm } from 'node:fs/promises';
import { coverageShortfalls } from './helpers/coverage.ts';
import { elasticsearchMissing, startElasticsearch } from './helpers/elasticsearch.ts';
import type { Engine } from './helpers/engine.ts';
import { TapReport } from './helpers/tap-report.ts';
import { runTap } from './helpers/tap-run.ts';

const reportFile = '.tap/report/coverage-summary.json';
const chosen = process.argv.slice(2);
process.chdir(new URL('..', import.meta.url).pathname);

const engine = await sharedEngine();
let status = 1;
const report = new TapReport((text) => process.stdout.write(text));
try {
  await rm(reportFile, { force: true });
  const coverage = ['--allow-incomplete-coverage', '--coverage-report=json-summary'];
  status = await runTap([...coverage, ...chosen], report);
} finally {
  await engine?.remove();
}
const shortfalls = chosen.length === 0 && report.failed === 0 ? coverageShortfalls(reportFile) : [];
for (const shortfall of shortfalls) console.log(`not ok - ${shortfall}`);
for (const [reason, count] of report.skips) console.log(`\nSKIPPED ${count} tests: ${reason}`);
const skipsFail = process.env.LOGSEAL_TEST_SKIPS === 'fail';
const failed = report.failed + shortfalls.length + (skipsFail ? report.skipped : 0);
// A failure that no test was charged with (a damaged configuration, say) still counts.
const uncounted = status !== 0 && failed === 0 ? 1 : 0;
console.log(`\n${report.passed} passed, ${failed + uncounted} failed, ${skipsFail ? 0 : report.skipped} skipped`);
process.exitCode = status !== 0 || failed > 0 || report.passed === 0 ? 1 : 0;

/** Started before the first file and told to all by the environment; undefined where one is given or none can run. */
async function sharedEngine(): Promise<Engine | undefined> {
  const missing = elasticsearchMissing();
  if (missing) console.log(missing);
  if (missing || process.env.LOGSEAL_TEST_ELASTICSEARCH_URL) return undefined;
  const started = performance.now();
  const engine = await startElasticsearch();
  process.env.LOGSEAL_TEST_ELASTICSEARCH_URL = engine.url;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`Elasticsearch for the tests at ${engine.url} (${seconds} s)`);
  return engine;
}
