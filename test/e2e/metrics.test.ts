/**
 * What the real proxy says about itself under a load of which every number is known: each metric is compared with what was sent,
 * Prometheus' own parser reads the whole, and nothing that it says anywhere holds a part of a document or a secret. At the end
 * it is told to stop while a destination refuses.
 */
import { chmod, readdir, readFile, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import packageFile from '../../package.json' with { type: 'json' };
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import { engineClient } from '../helpers/engine-client.ts';
import { promtool, promtoolMissing } from '../helpers/promtool.ts';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';

const skip = ownElasticsearchMissing() || promtoolMissing() || false;

const inDocument = 'canary-of-a-document';
const secrets = {
  authorization: 'canary-authorization-5f1c',
  password: 'canary-password-77aa',
  cookie: 'canary-cookie-90de',
};
const good = 400;
const wrongType = 7;
const blocked = 23;

type Samples = ReadonlyMap<string, number>;

async function scrape(proxy: RunningProxy): Promise<{ text: string; samples: Samples }> {
  const text = await (await fetch(`${proxy.adminUrl}/metrics`)).text();
  const samples = new Map<string, number>();
  for (const [, name = '', value] of text.matchAll(/^(logseal_\S+(?:\{[^}]*\})?) (\S+)$/gm)) {
    samples.set(name, value === 'Nan' ? Number.NaN : Number(value));
  }
  return { text, samples };
}

async function until(proxy: RunningProxy, is: (samples: Samples) => boolean): Promise<Samples> {
  for (;;) {
    const { samples } = await scrape(proxy);
    if (is(samples)) return samples;
    await pause(100);
  }
}

function lines(dest: string, documents: readonly object[]): string {
  return documents.map((one) => `{"create":{"_index":"${dest}"}}\n${JSON.stringify(one)}\n`).join('');
}

const many = (count: number, message: unknown = inDocument) =>
  Array.from({ length: count }, (_, n) => ({ n, message, at: 1 }));

t.test('what the proxy says about itself', { skip, timeout: 240_000 }, async (t) => {
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  const elastic = engineClient(engine.url);
  const dir = t.testdir();
  const dataDir = join(dir, 'data');
  const passwordFile = join(dir, 'password');
  await writeFile(passwordFile, secrets.password);
  await chmod(passwordFile, 0o600);
  await elastic.ask('PUT', '/typed', { mappings: { properties: { message: { type: 'ip' } } } });
  const proxy = await startProxy({
    dataDir,
    elasticsearchUrl: engine.url,
    environment: {
      LOGSEAL_LOG_LEVEL: 'debug',
      LOGSEAL_ELASTICSEARCH_USERNAME: 'somebody',
      LOGSEAL_ELASTICSEARCH_PASSWORD_FILE: passwordFile,
      LOGSEAL_EPOCH_AGE_MAX: '300ms',
      LOGSEAL_STOP_TIMEOUT: '10m',
    },
  });
  t.teardown(() => proxy.kill());
  const answers: string[] = [];
  async function post(path: string, body: string, headers: Record<string, string> = {}): Promise<number> {
    const answer = await fetch(proxy.url + path, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/x-ndjson',
        authorization: `ApiKey ${secrets.authorization}`,
        cookie: secrets.cookie,
        ...headers,
      },
    });
    if (path !== '/.hidden/_bulk') answers.push(await answer.text());
    return answer.status;
  }

  await t.test('every number is what was sent', async (t) => {
    t.equal(await post('/_bulk', lines('logs-a', many(good - 1))), 200);
    const json = { 'content-type': 'application/json' };
    t.equal(await post('/logs-a/_doc', JSON.stringify({ message: inDocument }), json), 201);
    t.equal(await post('/_bulk', lines('typed', many(wrongType))), 200);
    t.equal(await post('/.hidden/_bulk', lines('.hidden', many(3))), 200);
    // Three that are refused one by one, and one of them alone: no JSON, an update, a name that is kept.
    const broken = `{"create":{"_index":"logs-a"}}\n{"message":"${inDocument}",}\n`;
    const update = `{"update":{"_index":"logs-a","_id":"1"}}\n{"doc":{"message":"${inDocument}"}}\n`;
    t.equal(await post('/_bulk', broken + update + lines('logseal-seals', many(1))), 200);
    t.equal(await post('/logs-a/_doc', `{"message":"${inDocument}`, json), 400);
    // Two that are refused whole.
    t.equal(await post('/_bulk', `{"create":{"_index":"logs-a"}}\n{"message":"${inDocument}"}`), 400);
    t.equal(await post('/logs-a/_delete_by_query', `{"query":{"match":{"message":"${inDocument}"}}}`, json), 403);
    const sealed = 'logseal_last_anchor_timestamp_seconds{anchor="search-engine"}';
    const before = await until(proxy, (samples) => samples.get('logseal_waiting_records') === 0 && samples.has(sealed));
    t.ok(Number.isNaN(before.get('logseal_waiting_oldest_timestamp_seconds')), 'nothing waits');
    t.equal(before.get('logseal_waiting_bytes'), 0);

    // And some that wait: their index takes nothing.
    await elastic.ask('PUT', '/blocked');
    await elastic.ask('PUT', '/blocked/_settings', { 'index.blocks.write': true });
    const sentAt = Date.now() / 1000;
    t.equal(await post('/_bulk', lines('blocked', many(blocked))), 200);
    const held = await until(
      proxy,
      (samples) =>
        samples.get('logseal_destinations_held') === 1 &&
        samples.get('logseal_waiting_records') === blocked &&
        !Number.isNaN(samples.get('logseal_waiting_oldest_timestamp_seconds')),
    );
    const { text } = await scrape(proxy);
    t.equal(await promtool(['check', 'metrics'], text), '', 'and Prometheus finds no fault with name, unit or text');

    const signed = good + wrongType + blocked;
    const wanted: Record<string, number> = {
      logseal_records_received_total: signed + 3 + 4,
      logseal_records_forwarded_total: 3,
      'logseal_records_signed_total{kind="data"}': signed,
      logseal_records_acknowledged_total: signed,
      'logseal_records_delivered_total{kind="data"}': good,
      'logseal_records_rejected_total{reason="mapping"}': wrongType,
      'logseal_records_rejected_total{reason="conflict"}': 0,
      'logseal_records_refused_total{reason="document_parsing_exception"}': 2,
      'logseal_records_refused_total{reason="illegal_argument_exception"}': 1,
      'logseal_records_refused_total{reason="security_exception"}': 1,
      'logseal_requests_refused_total{reason="REQUEST_REFUSED"}': 2,
      'logseal_requests_total{kind="bulk",status="2xx"}': 5,
      'logseal_requests_total{kind="document",status="2xx"}': 1,
      logseal_destinations_not_covered: 0,
      logseal_upstream_up: 1,
      logseal_config_last_reload_successful: 1,
      [`logseal_build_info{version="${packageFile.version}",node="${process.version}"}`]: 1,
    };
    for (const [name, value] of Object.entries(wanted)) t.equal(held.get(name), value, name);
    const controls = held.get('logseal_records_signed_total{kind="control"}') ?? 0;
    t.equal(held.get('logseal_records_delivered_total{kind="control"}'), controls, 'control records are delivered');
    t.ok(controls >= 5, 'boot, chains, reject');

    const now = Date.now() / 1000;
    const between = (name: string, from: number, to: number) => {
      const value = held.get(name) ?? Number.NaN;
      t.ok(from <= value && value <= to, `${name} ${value} is from ${from} to ${to}`);
    };
    between('logseal_waiting_oldest_timestamp_seconds', sentAt - 1, now + 1);
    between('logseal_last_seal_timestamp_seconds', sentAt - 240, now + 1);
    between(sealed, sentAt - 240, now + 1);
    between('logseal_config_last_reload_success_timestamp_seconds', sentAt - 240, sentAt);
    const year = 365 * 86_400;
    between('logseal_certificate_expiry_timestamp_seconds{kind="auditor"}', now + 19 * year, now + 21 * year);
    between('logseal_waiting_bytes', blocked * 100, 1e6);
    between('logseal_log_used_bytes', held.get('logseal_waiting_bytes') ?? 0, 1e8);
    between('logseal_log_free_bytes', 1e9, 8 * 2 ** 30);
    const { bavail, bsize } = await statfs(dataDir);
    between('logseal_disk_free_bytes', bavail * bsize * 0.5, bavail * bsize * 2);
    // Groups and batches differ from run to run; there was at least one for each answer.
    between('logseal_log_fsync_duration_seconds_count', 5, 10_000);
    between('logseal_log_fsync_duration_seconds_sum', Number.MIN_VALUE, 600);
    between('logseal_log_append_duration_seconds_count', 5, 10_000);
    between('logseal_upstream_request_duration_seconds_count{outcome="answered"}', 4, 10_000);
    between('logseal_upstream_request_duration_seconds_sum{outcome="answered"}', Number.MIN_VALUE, 600);
    between('logseal_request_bytes_total', signed * 50, signed * 500);
    between('logseal_chains_open', 4, 4);
  });

  await t.test('an end while a destination refuses waits for nothing, and says what waits and why', async (t) => {
    const readiness = await (await fetch(`${proxy.adminUrl}/readyz`)).json();
    t.match(readiness, { ready: true, reasons: [{ code: 'destination-held', reason: /blocked is held/ }] });
    answers.push(JSON.stringify(readiness), (await scrape(proxy)).text);
    // It would wait for minutes: its time-out is ten.
    t.equal(await proxy.stop(120_000), 0);
    const events = proxy
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'));
    const last = events.map((line) => JSON.parse(line) as { event: string; waitingRecords?: number; reason?: string });
    t.match(
      last.find(({ event }) => event === 'delivery-left'),
      { waitingRecords: blocked, reason: /blocked is held/ },
    );
    t.match(last.at(-1), { event: 'proxy-stopped', waitingRecords: blocked });
  });

  await t.test('neither log, nor answers, nor metrics hold a part of a document or a secret', async (t) => {
    const output = proxy.output();
    t.ok(output.includes('"event":"proxy-starting"'), 'the whole of the log');
    t.match(output, /"event":"request-refused","request":"[\w-]+"/, 'events about requests have their id');
    const keys = await secretsOnDisk(dataDir);
    t.ok(keys.length > 4);
    for (const canary of [inDocument, ...Object.values(secrets), ...keys]) {
      const forms = [canary, Buffer.from(canary).toString('base64').slice(0, -4), Buffer.from(canary).toString('hex')];
      t.notOk(
        forms.some((form) => output.includes(form) || answers.some((answer) => answer.includes(form))),
        canary.startsWith('canary') ? canary : 'a line of a key file',
      );
    }
    // The search would find them if they were there.
    const stored = await elastic.ask<{ hits: { hits: unknown[] } }>('POST', '/logs-a/_search', { size: 1 });
    t.match(JSON.stringify(stored.hits.hits), inDocument);
  });
});

/** Lines of private keys as they stand in files, and key files as base64 and hexadecimal text. */
async function secretsOnDisk(dataDir: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ['keys', 'development-auditor']) {
    for (const name of await readdir(join(dataDir, folder))) {
      if (name.includes('cert')) continue;
      const bytes = await readFile(join(dataDir, folder, name));
      const text = bytes.toString('latin1');
      if (text.startsWith('-----BEGIN')) found.push(...text.split('\n').filter((line) => /^[\w+/=]{40,}$/.test(line)));
      else for (let at = 32; at + 32 <= bytes.length; at += 32) found.push(bytes.toString('base64', at, at + 30));
    }
  }
  return found;
}
