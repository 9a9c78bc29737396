/** `logseal doctor` beside a real proxy in front of a real Elasticsearch. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { Ledger } from '../faults/ledger.ts';
import { elasticsearchMissing, sharedElasticsearch } from '../helpers/elasticsearch.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';
import { runLogseal } from '../helpers/terminal.ts';

interface Line {
  type: string;
  area: string;
  status: string;
  found: string;
  advice?: string;
}

t.test(
  'doctor beside a proxy at work: search engine, templates, clock, proxy, estimate',
  { skip: elasticsearchMissing() },
  async (t) => {
    const { url, prefix, release } = await sharedElasticsearch();
    t.teardown(release);
    let proxy: RunningProxy | undefined;
    // Before the directory is asked for, or tap removes that under the proxy.
    t.teardown(() => proxy?.stop());
    const dataDir = join(t.testdir({}), 'data');
    const dest = `${prefix}doctor`;
    proxy = await startProxy({
      dataDir,
      elasticsearchUrl: url,
      environment: { LOGSEAL_TEMPLATES: 'advise', LOGSEAL_WAL_KEEP: '1h' },
    });
    const ledger = new Ledger({ dest, perBulk: 50, connections: 1 });
    const began = Date.now();
    ledger.start(proxy.url);
    // The estimate wants records over more than a second.
    while (ledger.acknowledged < 1000 || Date.now() - began < 1500) await pause(50);
    await ledger.stop();
    const environment = {
      LOGSEAL_DATA_DIR: dataDir,
      LOGSEAL_ELASTICSEARCH_URL: url,
      LOGSEAL_ADMIN_LISTEN: new URL(proxy.adminUrl).host,
    };
    const doctor = async () => {
      const { stdout } = await runLogseal(['doctor', '--estimate', '--json'], environment);
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
    };
    let lines = await doctor();
    // The index comes up, and the cluster is noted as ours, a moment after the records were taken.
    for (let tries = 0; tries < 100 && !lines.some(({ found }) => /belongs to/.test(found ?? '')); tries += 1) {
      await pause(100);
      lines = await doctor();
    }
    const of = (area: string) => lines.filter((line) => line.area === area);
    t.match(of('search engine'), [
      { status: 'ok', found: /answers: elasticsearch \d/ },
      { status: 'ok', found: 'it is the one that the data directory belongs to' },
      { status: 'warn', found: 'it asks nobody for credentials' },
    ]);
    t.match(of('proxy').slice(0, 2), [
      { status: 'ok', found: new RegExp(`^process ${proxy.pid} runs`) },
      { status: 'ok', found: 'it accepts records (readyz)' },
    ]);
    t.match(
      of('clock').find(({ found }) => /search engine/.test(found)),
      { status: 'ok', found: /away from the clock of the search engine/ },
    );
    t.match(
      lines.find((line) => line.type === 'estimate'),
      { overheadMeasured: true, recordsPerSecond: Number, outageBytes: Number },
    );
    const template = { index_patterns: [`${dest}*`], priority: 7_000, template: {} };
    const name = `${url}/_index_template/${prefix}doctor`;
    const put = (method: string, body?: object) =>
      fetch(name, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    t.equal((await put('PUT', template)).status, 200);
    t.teardown(() => put('DELETE'));
    lines = await doctor();
    t.match(of('templates'), [
      {
        status: 'warn',
        found: new RegExp(`index template ${prefix}doctor, which makes ${dest}, lacks`),
        advice: /add logseal-mappings/,
      },
    ]);
  },
);
