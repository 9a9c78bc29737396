/**
 * What a start does when something is not as it was: another search engine, other auditors, an old copy of the directory, a
 * second process, no search engine at all. The proxy is the real one, as its own process; what it signed is verified.
 */
import { cp, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import type { Readiness } from '../../src/http/health.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { EngineClient } from '../helpers/engine-client.ts';
import { engineClient } from '../helpers/engine-client.ts';
import type { ProxyOptions, RunningProxy } from '../helpers/proxy.ts';
import { freePort, startProxy } from '../helpers/proxy.ts';
import { sendAll } from '../helpers/sealed-cluster.ts';
import { logseal, verifyCommand } from '../helpers/verify-command.ts';

const skip = ownElasticsearchMissing();

const documents = (count: number) => Array.from({ length: count }, (_, n) => `{"message":"number ${n}","n":${n}}`);

async function begin(t: Test, options: ProxyOptions): Promise<RunningProxy> {
  const proxy = await startProxy(options);
  t.teardown(() => proxy.stop());
  return proxy;
}

async function idsOf(dataDir: string): Promise<Map<string, string>> {
  const { chains } = JSON.parse(await readFile(join(dataDir, 'instance.json'), 'utf8')) as {
    chains: { name: string; id: string }[];
  };
  return new Map(chains.map(({ name, id }) => [name, id]));
}

async function readiness(proxy: RunningProxy): Promise<Readiness> {
  return (await (await fetch(`${proxy.adminUrl}/readyz`)).json()) as never;
}

/** Asks until it is so; the test's own time limit ends it otherwise. */
async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function verifies(t: Test, source: string, dataDir: string, records: number, ...args: string[]): Promise<void> {
  const key = ['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')];
  const trust = ['--trust', join(dataDir, 'trust.json')];
  const verdicts = await verifyCommand(source, ...(args.includes('--key') ? [] : key), ...trust, '--no-state', ...args);
  t.strictSame([verdicts.told, verdicts.exit, verdicts.summary.records], [[], 0, records], 'verify is OK');
}

for (const suite of ['sha512-256', 'sha3-256', 'blake2s-256']) {
  t.test(`suite ${suite} from end to end, with digests and without hash`, async (t) => {
    const dataDir = join(t.testdir(), 'data');
    const environment = {
      LOGSEAL_SIGNATURE_SUITE: suite,
      LOGSEAL_SIGNATURE_HASH: 'false',
      LOGSEAL_SIGNATURE_RAW: 'always',
      LOGSEAL_SIGNATURE_DIGESTS: 'crc32,md5,sha1',
    };
    const proxy = await begin(t, { dataDir, environment });
    await sendAll(proxy.url, 'web', documents(50));
    const found = await fetch(`${proxy.url}/web/_doc?refresh=wait_for`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"message":"waits"}',
    });
    const { _id } = (await found.json()) as { _id: string };
    const { _source } = (await (await fetch(`${proxy.url}/web/_doc/${_id}`)).json()) as {
      _source: { logseal: object };
    };
    t.match(_source.logseal, {
      raw: '{"message":"waits"}',
      digests: { crc32: /^[0-9a-f]{8}$/, sha1: /^[0-9a-f]{40}$/ },
    });
    t.notOk('hash' in _source.logseal);
    t.equal(await proxy.stop(), 0);
    await verifies(t, dataDir, dataDir, 51);
    const shown = await logseal('inspect', 'web', _id, '--source', dataDir);
    t.match(
      shown,
      { exit: 0, stdout: /crc32 +[0-9a-f]{8} .*\n +md5 +[0-9a-f]{32} .*\n +sha1 +[0-9a-f]{40} / },
      shown.stderr,
    );
  });
}

t.test('two proxies on one directory: the second ends and names the first', async (t) => {
  const dataDir = join(t.testdir(), 'data');
  const proxy = await begin(t, { dataDir });
  await t.rejects(startProxy({ dataDir }), { message: new RegExp(`DATA_DIR_LOCKED.*in use by process ${proxy.pid}`) });
});

t.test('a chain ends on schedule, and its successor goes on where shippers send', async (t) => {
  const dataDir = join(t.testdir(), 'data');
  const proxy = await begin(t, { dataDir, environment: { LOGSEAL_CHAINS_ROTATE_EVERY: '1s' } });
  await sendAll(proxy.url, 'web', documents(5));
  const first = await idsOf(dataDir);
  await until(async () => (await idsOf(dataDir)).get('web') !== first.get('web'));
  await sendAll(proxy.url, 'web', documents(5));
  t.equal(await proxy.stop(), 0);
  t.not((await idsOf(dataDir)).get('control'), first.get('control'), 'the control chain too');
  await verifies(t, dataDir, dataDir, 10);
});

t.test('a changed set of auditor certificates ends all chains; both auditors verify what is theirs', async (t) => {
  const dataDir = join(t.testdir(), 'data');
  const auditor = join(t.testdir(), 'auditor');
  await sendAndStop(t, { dataDir }, 5);
  const before = await idsOf(dataDir);
  t.equal((await logseal('keygen', 'auditor', '--out', auditor)).exit, 0);
  const certificates = [join(dataDir, 'development-auditor'), auditor].map((at) => join(at, 'auditor.cert.pem'));
  await sendAndStop(t, { dataDir, environment: { LOGSEAL_AUDITOR_CERTIFICATES: certificates.join() } }, 5);
  const after = await idsOf(dataDir);
  t.strictSame([...after.keys()].sort(), [...before.keys()].sort());
  for (const [name, id] of after) t.not(id, before.get(name), name);
  await verifies(t, dataDir, dataDir, 10);
  const opened = await logseal('keys', 'unwrap', dataDir, '--key', join(auditor, 'auditor.key.pem'), '--json');
  t.ok(
    [...after.values()].every((id) => opened.stdout.includes(id)),
    'the new auditor opens the new chains',
  );
});

async function sendAndStop(t: Test, options: ProxyOptions, count: number): Promise<void> {
  const proxy = await begin(t, options);
  await sendAll(proxy.url, 'web', documents(count));
  t.equal(await proxy.stop(), 0);
}

t.test('with a search engine of its own', { skip }, async (t) => {
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  const elastic = engineClient(engine.url);
  const dirs = t.testdir();
  const elasticsearchUrl = engine.url;

  await t.test('an old copy of the directory put back is noticed: it delivers nothing, and says so', async (t) => {
    const dataDir = join(dirs, 'old');
    await sendAndStop(t, { dataDir, elasticsearchUrl }, 5);
    await cp(dataDir, `${dataDir}-copy`, { recursive: true });
    await sendAndStop(t, { dataDir, elasticsearchUrl }, 5);
    await rename(dataDir, `${dataDir}-young`);
    await rename(`${dataDir}-copy`, dataDir);
    const proxy = await begin(t, { dataDir, elasticsearchUrl });
    await until(async () => (await readiness(proxy)).reasons.some(({ code }) => code === 'rolled-back'));
    t.match(proxy.output(), /chain-rolled-back/);
    await sendAll(proxy.url, 'web', documents(3));
    t.equal((await elastic.hits('web')).length, 10, 'accepted, and not delivered');
    await proxy.stop();
    await elastic.ask('DELETE', '/web,logseal-seals,logseal-checkpoints,logseal-control');
  });

  await t.test('another search engine: refused with a sentence; --new-upstream ends all chains', async (t) => {
    const dataDir = join(dirs, 'moved');
    await sendAndStop(t, { dataDir }, 5);
    const before = await idsOf(dataDir);
    await t.rejects(startProxy({ dataDir, elasticsearchUrl }), {
      message: /UPSTREAM_CHANGED.*belongs to the search engine embedded, and this one is .*--new-upstream/,
    });
    const proxy = await begin(t, { dataDir, elasticsearchUrl, environment: { LOGSEAL_NEW_UPSTREAM: 'true' } });
    await sendAll(proxy.url, 'web', documents(5));
    t.equal(await proxy.stop(), 0);
    const after = await idsOf(dataDir);
    for (const [name, id] of after) t.not(id, before.get(name), name);
    t.equal((await elastic.hits('web')).length, 5);
    await sendAndStop(t, { dataDir, elasticsearchUrl }, 1);
    await elastic.ask('DELETE', '/web,logseal-seals,logseal-checkpoints,logseal-control');
  });

  await t.test('a first start without a search engine accepts, and delivers when it comes', async (t) => {
    const dataDir = join(dirs, 'early');
    const port = await freePort();
    const proxy = await begin(t, { dataDir, elasticsearchUrl: `http://127.0.0.1:${port}` });
    await sendAll(proxy.url, 'web', documents(20));
    t.match(await readiness(proxy), { ready: true, reasons: [{ reason: /does not answer|not answered/ }] });
    const late = await startElasticsearch({ port });
    t.teardown(() => late.remove());
    await until(async () => (await readiness(proxy)).reasons.length === 0);
    t.equal(await proxy.stop(60_000), 0);
    await verifies(t, late.url, dataDir, 20);
  });

  await t.test('a time series passes through unsigned, and is named', (t) =>
    timeSeries(t, join(dirs, 'tsdb'), elastic, elasticsearchUrl),
  );
});

async function timeSeries(t: Test, dataDir: string, elastic: EngineClient, elasticsearchUrl: string): Promise<void> {
  await elastic.ask('PUT', '/cpu', {
    settings: {
      'index.mode': 'time_series',
      'index.routing_path': ['host'],
      'index.time_series.start_time': '2026-01-01T00:00:00Z',
      'index.time_series.end_time': '2027-01-01T00:00:00Z',
    },
    mappings: {
      properties: {
        '@timestamp': { type: 'date' },
        host: { type: 'keyword', time_series_dimension: true },
        load: { type: 'double', time_series_metric: 'gauge' },
      },
    },
  });
  const proxy = await begin(t, { dataDir, elasticsearchUrl });
  await until(async () => (await readiness(proxy)).reasons.length === 0);
  const point = '{"@timestamp":"2026-06-01T00:00:00Z","host":"a","load":0.5}';
  const headers = { 'content-type': 'application/x-ndjson' };
  const body = `{"create":{"_index":"cpu"}}\n${point}\n{"create":{"_index":"app"}}\n{"message":"signed"}\n`;
  const answer = await fetch(`${proxy.url}/_bulk`, { method: 'POST', headers, body });
  t.match(await answer.json(), { errors: false, items: [{ create: { status: 201 } }, { create: { status: 201 } }] });
  const one = await fetch(`${proxy.url}/cpu/_doc`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: point.replace('"a"', '"b"'),
  });
  t.equal(one.status, 201);
  t.strictSame((await readiness(proxy)).notCovered, ['cpu']);
  t.equal(proxy.output().match(/destination-not-covered/g)?.length, 1, 'said once');
  t.equal(await proxy.stop(), 0);
  const found = await elastic.hits('cpu,app');
  t.strictSame(found.map(({ _index, _source }) => `${_index} ${'logseal' in _source}`).sort(), [
    'app true',
    'cpu false',
    'cpu false',
  ]);
  const key = join(dataDir, 'development-auditor', 'auditor.key.pem');
  const trust = join(dataDir, 'trust.json');
  const verdicts = await verifyCommand(elasticsearchUrl, '--key', key, '--trust', trust, '--no-state');
  t.strictSame([verdicts.told, verdicts.exit, verdicts.summary.records], [[], 0, 1]);
  t.match(verdicts.summary.notCovered, ['1 indices in time_series mode cannot be signed: cpu']);
}
