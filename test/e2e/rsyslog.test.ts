/**
 * The main job, with nothing made up: rsyslog as Debian ships it sends messages through the proxy into Elasticsearch, and an
 * auditor who has nothing but his key verifies them, there and on a second machine.
 */
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { syslogMessages } from '../fixtures/syslog/messages.ts';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import { engineClient } from '../helpers/engine-client.ts';
import { startProxy } from '../helpers/proxy.ts';
import { elasticsearchOutput, rsyslogMissing, startRsyslog } from '../helpers/rsyslog.ts';
import { logseal, verifyCommand } from '../helpers/verify-command.ts';

const count = 2500;
const dest = 'syslog-servers';
const missing = ownElasticsearchMissing() || rsyslogMissing();
if (missing) t.comment(missing);

t.test(
  'what rsyslog sends through the proxy is in Elasticsearch once, and an auditor proves it',
  {
    skip: missing,
  },
  async (t) => {
    const engine = await startElasticsearch();
    t.teardown(() => engine.remove());
    const elastic = engineClient(engine.url);
    const home = t.testdir();
    const auditor = join(home, 'auditor');
    const passphrase = join(home, 'passphrase');
    await writeFile(passphrase, 'correct horse battery staple\n', { mode: 0o600 });
    const made = await logseal('keygen', 'auditor', '--out', auditor, '--passphrase-file', passphrase);
    t.equal(made.exit, 0, made.stderr);
    const key = ['--key', join(auditor, 'auditor.key.pem'), '--passphrase-file', passphrase];

    const proxy = await startProxy({
      dataDir: join(home, 'data'),
      elasticsearchUrl: engine.url,
      environment: {
        LOGSEAL_AUDITOR_CERTIFICATES: join(auditor, 'auditor.cert.pem'),
        LOGSEAL_EPOCH_RECORDS_MAX: '300',
      },
    });
    const rsyslog = await startRsyslog({ configuration: elasticsearchOutput(proxy.url, dest) });
    const messages = syslogMessages(count);
    await rsyslog.send(messages);
    await rsyslog.stop();
    t.equal(await proxy.stop(60_000), 0, 'SIGTERM waits until everything is delivered, and ends with 0');

    await t.test('every message is there once, with its text', async (t) => {
      const hits = await elastic.hits(dest);
      const serial = (text: string) => Number(/#(\d+)$/.exec(text)?.[1]);
      const serials = hits.map(({ _source }) => serial(_source.message)).sort((a, b) => a - b);
      t.strictSame(
        serials,
        Array.from({ length: count }, (_, n) => n),
      );
      const texts = hits.map(({ _source }) => _source.message.trim());
      t.equal(
        texts.filter((text) => !messages[serial(text)]?.endsWith(text)).length,
        0,
        'texts are those that were sent, in every script',
      );
    });

    const trust = ['--trust', join(proxy.dataDir, 'trust.json')];
    await t.test('verification of the cluster is OK with exactly that number', async (t) => {
      const { summary, told } = await verifyCommand(engine.url, ...key, ...trust, '--no-state');
      t.strictSame(told, []);
      t.match(summary, { exit: 0, verdict: 'OK', records: count, counts: { OK: count } });
      const open = await verifyCommand(engine.url, '--public', ...trust, '--no-state');
      t.strictSame(open.told, []);
      t.match(open.summary, { exit: 0, records: count, counts: { OK: count } });
    });

    await t.test('a record is found by chain, epoch and seq, as Kibana asks', async (t) => {
      const [any] = await elastic.hits(dest, { match_phrase: { message: '#1234' } });
      const { chain = '', epoch = -1, seq = -1 } = any?._source.logseal ?? {};
      const filter = [{ term: { 'logseal.chain': chain } }, { term: { 'logseal.epoch': epoch } }];
      const one = await elastic.hits(dest, { bool: { filter: [...filter, { term: { 'logseal.seq': seq } }] } });
      t.strictSame(
        one.map(({ _id }) => _id),
        [any?._id],
      );
      const epochOf = await elastic.hits(dest, { bool: { filter } });
      t.equal(epochOf.length, 300, 'all records of a full epoch');
      const run = { range: { 'logseal.seq': { gte: seq, lt: seq + 10 } } };
      t.equal((await elastic.hits(dest, { bool: { filter: [filter[0], run] } })).length, 10, 'and a run of records');
    });

    await t.test('a second machine that has only export, trust file and key says the same', async (t) => {
      const elsewhere = join(home, 'elsewhere');
      await mkdir(elsewhere);
      const exported = await logseal('export', engine.url);
      t.equal(exported.exit, 0, exported.stderr);
      await writeFile(join(elsewhere, 'export.ndjson'), exported.stdout);
      const written = await logseal('trust', engine.url, ...key, ...trust, '--out', join(elsewhere, 'trust.json'));
      t.equal(written.exit, 0, written.stderr);
      await copyFile(join(auditor, 'auditor.key.pem'), join(elsewhere, 'auditor.key.pem'));
      await engine.stop();
      t.strictSame((await readdir(elsewhere)).sort(), ['auditor.key.pem', 'export.ndjson', 'trust.json']);
      const { summary, told } = await verifyCommand(
        join(elsewhere, 'export.ndjson'),
        ...['--trust', join(elsewhere, 'trust.json'), '--key', join(elsewhere, 'auditor.key.pem')],
        ...['--passphrase-file', passphrase, '--no-state'],
      );
      t.strictSame(told, []);
      t.match(summary, { exit: 0, verdict: 'OK', records: count, counts: { OK: count } });
    });
  },
);
