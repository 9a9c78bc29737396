import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Config } from '../../../src/config/config.ts';
import { readUpstreamSettings } from '../../../src/config/credentials.ts';
import { readFlags } from '../../../src/config/flags.ts';
import { changedSettings, configDigest, loadConfig } from '../../../src/config/load.ts';
import { LogsealError } from '../../../src/errors.ts';
import { Authority } from '../../helpers/authority.ts';

interface Problem {
  where: string;
  key: string;
  sentence: string;
}

const none = { environment: {} };

function problemsOf(act: () => unknown): Problem[] {
  try {
    act();
  } catch (error) {
    if (error instanceof LogsealError && error.code === 'CONFIG_INVALID') return error.details.problems as Problem[];
    throw error;
  }
  throw new Error('nothing was refused');
}

t.test('without any source the defaults are a working proxy on loopback', async (t) => {
  const { config, origins, file } = loadConfig(none);
  t.match(config, {
    dataDir: './data',
    listen: { host: '127.0.0.1', port: 9280 },
    adminListen: { host: '127.0.0.1', port: 9281 },
    ack: 'wal',
    elasticsearch: { url: [], requestTimeout: 60_000 },
    signature: { suite: 'sha256', hash: true, raw: 'auto', digests: [] },
    chains: { max: 64, rotateEvery: 30 * 86_400_000, rules: [] },
    epoch: { recordsMax: 16_384, ageMax: 10_000, idle: 60_000 },
    wal: { reserveBytes: 64 * 1024 ** 2, keep: 3_600_000 },
    intake: { bodyBytesMax: 100 * 1024 ** 2, documentBytesMax: 16 * 1024 ** 2, holdMax: 45_000 },
    delivery: { giveUpAfter: 86_400_000 },
    templates: 'compose',
    newUpstream: false,
  });
  t.equal(config.instance.name, undefined);
  t.equal(origins.get('wal.keep'), 'default');
  t.equal(file, undefined);
  t.throws(() => {
    (config.wal as { keep: number }).keep = 1;
  }, TypeError);
});

t.test('flags win over environment, environment over file, file over defaults', async (t) => {
  const dir = t.testdir({ 'logseal.yaml': 'wal:\n  keep: 2h\n  bytesMax: 1GiB\nepoch:\n  idle: 30s\nack: store\n' });
  const file = join(dir, 'logseal.yaml');
  const { config, origins } = loadConfig({
    environment: { LOGSEAL_CONFIG: file, LOGSEAL_WAL_KEEP: '3h', LOGSEAL_EPOCH_IDLE: '20s' },
    flags: { 'wal-keep': '4h' },
  });
  t.equal(config.wal.keep, 4 * 3_600_000);
  t.equal(config.epoch.idle, 20_000);
  t.equal(config.wal.bytesMax, 1024 ** 3);
  t.equal(config.ack, 'store');
  t.equal(origins.get('wal.keep'), '--wal-keep');
  t.equal(origins.get('epoch.idle'), 'LOGSEAL_EPOCH_IDLE');
  t.equal(origins.get('wal.bytesMax'), `${file}:3`);
  t.equal(origins.get('ack'), `${file}:6`);
});

t.test('--config goes before LOGSEAL_CONFIG', async (t) => {
  const dir = t.testdir({ 'a.yaml': 'ack: store\n', 'b.yaml': 'ack: wal\n' });
  const loaded = loadConfig({ environment: { LOGSEAL_CONFIG: join(dir, 'b.yaml') }, file: join(dir, 'a.yaml') });
  t.equal(loaded.config.ack, 'store');
  t.equal(loaded.file, join(dir, 'a.yaml'));
});

t.test('every kind of value can be given as text', async (t) => {
  const { config } = loadConfig({
    environment: {
      LOGSEAL_LISTEN: '[::1]:0',
      LOGSEAL_ELASTICSEARCH_URL: 'https://a:9200/, http://b:9200/prefix',
      LOGSEAL_SIGNATURE_HASH: 'false',
      LOGSEAL_SIGNATURE_DIGESTS: 'md5, sha1',
      LOGSEAL_CHAINS_RULES: 'logs-*=web,audit=audit',
      LOGSEAL_CHAINS_MAX: '8',
      LOGSEAL_INTAKE_CLOSE_INSTEAD_OF_429: 'rsyslog*',
      LOGSEAL_INTAKE_BODY_BYTES_MAX: '10MB',
      LOGSEAL_ACK: '',
    },
    flags: { 'new-upstream': 'true', 'instance-name': 'one' },
  });
  t.strictSame(config.listen, { host: '::1', port: 0 });
  t.strictSame(config.elasticsearch.url, ['https://a:9200', 'http://b:9200/prefix']);
  t.equal(config.signature.hash, false);
  t.strictSame(config.signature.digests, ['md5', 'sha1']);
  t.strictSame(config.chains.rules, [
    { pattern: 'logs-*', chain: 'web' },
    { pattern: 'audit', chain: 'audit' },
  ]);
  t.equal(config.chains.max, 8);
  t.strictSame(config.intake.closeInsteadOf429, ['rsyslog*']);
  t.equal(config.intake.bodyBytesMax, 10_000_000);
  t.equal(config.newUpstream, true);
  t.equal(config.instance.name, 'one');
  t.equal(config.ack, 'wal', 'an empty variable is not set');
});

t.test('all problems of all sources come at once, each with its place and key', async (t) => {
  const dir = t.testdir({
    'logseal.yaml': [
      'wal:',
      '  kep: 1h',
      '  keep: 99999d',
      '  bytesMax: 1x',
      'signature:',
      '  suite: md5',
      'elasticsearch:',
      '  password: hunter2',
      '  url: [ "http://u:hunter3@x" ]',
      'chains:',
      '  rules:',
      '    - pattern: a',
      'epoch: 5',
      'listen: localhost',
    ].join('\n'),
  });
  const file = join(dir, 'logseal.yaml');
  const error = t.throws(() =>
    loadConfig({
      environment: { LOGSEAL_CONFIG: file, LOGSEAL_WAL_KEP: '1h', LOGSEAL_CHAINS_MAX: 'many' },
      flags: { 'wal-kep': '1h', ack: 'no' },
    }),
  ) as unknown as LogsealError;
  const problems = error.details.problems as Problem[];
  const found = new Map(problems.map(({ where, key, sentence }) => [key, `${where} ${sentence}`]));
  t.match(found.get('wal.kep'), `${file}:2 is not a setting; did you mean wal.keep?`);
  t.match(
    found.get('wal.keep'),
    `${file}:3 must be a whole number with a unit (ms, s, m, h, d), from 0ms to 30d, not "99999d"`,
  );
  t.match(found.get('wal.bytesMax'), `${file}:4 `);
  t.match(found.get('signature.suite'), `${file}:6 md5 can be forged and cannot sign anything`);
  t.match(
    found.get('elasticsearch.password'),
    `${file}:8 is not a setting: secrets are given by the path of a file only`,
  );
  t.match(found.get('elasticsearch.url'), `${file}:9 must not hold credentials`);
  t.match(found.get('chains.rules'), `${file}:12 must be a list of {pattern, chain}`);
  t.match(found.get('epoch'), `${file}:13 must be a group of settings`);
  t.match(found.get('listen'), `${file}:14 must be host:port, not "localhost"`);
  t.match(found.get('LOGSEAL_WAL_KEP'), 'environment is not a setting; did you mean LOGSEAL_WAL_KEEP?');
  t.match(found.get('chains.max'), 'LOGSEAL_CHAINS_MAX must be a whole number of chains from 2 to 4096, not "many"');
  t.match(found.get('--wal-kep'), 'flags is not a setting; did you mean --wal-keep?');
  t.match(found.get('ack'), '--ack must be one of wal, store, not "no"');
  t.equal(problems.length, 13);
  t.match(error.message, /^13 problems in the configuration\n/);
  t.notMatch(JSON.stringify([error.message, error.details]), /hunter/, 'no secret in a message');
});

t.test('variables that a platform or a test run sets by itself are no settings and no errors', async (t) => {
  const environment = {
    LOGSEAL_SERVICE_HOST: '10.0.0.1',
    LOGSEAL_SERVICE_PORT: '9280',
    LOGSEAL_SERVICE_PORT_HTTP: '9280',
    LOGSEAL_PORT: 'tcp://10.0.0.1:9280',
    LOGSEAL_PORT_9280_TCP_ADDR: '10.0.0.1',
    LOGSEAL_ADMIN_SERVICE_HOST: '10.0.0.2',
    LOGSEAL_TEST_ELASTICSEARCH_URL: 'http://127.0.0.1:9200',
    LOGSEALED: 'x',
  };
  t.strictSame(loadConfig({ environment }).config, loadConfig(none).config);
});

t.test('each weak hash named as suite is refused with its own sentence', async (t) => {
  for (const suite of ['crc32', 'md5', 'sha1', 'SHA1']) {
    const [problem] = problemsOf(() => loadConfig({ environment: {}, flags: { 'signature-suite': suite } }));
    t.match(problem?.sentence, `${suite} can be forged`);
    t.match(problem?.sentence, 'signature.digests');
  }
  t.match(
    problemsOf(() => loadConfig({ environment: {}, flags: { 'signature-suite': 'sha512' } }))[0]?.sentence,
    'must be one of sha256',
  );
});

t.test('durations, sizes and addresses have one spelling with a unit', async (t) => {
  const refused = (flag: string, value: string) =>
    problemsOf(() => loadConfig({ environment: {}, flags: { [flag]: value } })).length;
  for (const value of ['1', '1 h', '1.5h', '-1h', '01h', 'h', '1H', '1h30m', ''])
    t.equal(refused('wal-keep', value), 1, `wal.keep ${value}`);
  for (const value of ['64', '64 MiB', '64mib', '0x10B', '1e3MiB', '99999999999999TiB'])
    t.equal(refused('wal-bytes-max', value), 1, `wal.bytesMax ${value}`);
  for (const value of ['9280', ':9280', 'a:b', 'a:65536', 'a:01', '::1:80', 'http://a:1'])
    t.equal(refused('listen', value), 1, `listen ${value}`);
  for (const value of ['localhost:9200', 'ftp://x', 'http://', 'http://x/?a', 'http://x/#a'])
    t.equal(refused('elasticsearch-url', value), 1, `url ${value}`);
  for (const value of ['yes', '1', 'TRUE']) t.equal(refused('new-upstream', value), 1, `flag ${value}`);
});

t.test('settings that contradict each other are named', async (t) => {
  const keys = (flags: Record<string, string>) =>
    problemsOf(() => loadConfig({ environment: {}, flags })).map(({ key }) => key);
  t.strictSame(keys({ 'wal-bytes-max': '256MiB', 'wal-segment-bytes': '128MiB' }), ['wal.bytesMax']);
  t.strictSame(keys({ 'intake-memory-bytes-max': '50MiB' }), ['intake.memoryBytesMax']);
  t.strictSame(keys({ 'connections-request-timeout': '30s' }), ['connections.headersTimeout']);
  t.strictSame(keys({ listen: '127.0.0.1:9281' }), ['adminListen']);
  t.strictSame(keys({ 'elasticsearch-username': 'u' }), ['elasticsearch.username']);
  t.strictSame(keys({ 'instance-name': 'a b' }), ['instance.name']);
  t.strictSame(keys({ 'instance-name': 'a+b' }), ['instance.name']);
  t.strictSame(keys({ 'auditor-certificates': '/nowhere/a.pem' }), ['auditor.certificates']);
  t.strictSame(keys({ 'elasticsearch-ca-file': '/nowhere/ca.pem' }), ['elasticsearch.caFile']);
  t.strictSame(keys({ 'clients-file': '/nowhere/clients.yaml' }), ['clients.file']);
  const pinned = {
    'elasticsearch-url': 'https://a,https://b',
    'elasticsearch-ca-fingerprint': `${'AB:'.repeat(31)}AB`,
  };
  t.ok(loadConfig({ environment: {}, flags: pinned }));
  t.ok(loadConfig({ environment: {}, flags: { ...pinned, 'elasticsearch-ca-fingerprint': 'ab'.repeat(32) } }));
  const fingerprint = ['elasticsearch.caFingerprint'];
  t.strictSame(keys({ ...pinned, 'elasticsearch-ca-fingerprint': 'ab'.repeat(20) }), fingerprint);
  t.strictSame(keys({ ...pinned, 'elasticsearch-url': 'https://a,http://b' }), fingerprint, 'a node without TLS');
  t.strictSame(keys({ 'elasticsearch-certificate-file': import.meta.filename }), ['elasticsearch.certificateFile']);
});

t.test('a secret file must be private, unless the platform is said to mount it so', async (t) => {
  const dir = t.testdir({ password: 'hunter2\n', key: 'abc', ca: new Authority('ours').certificate });
  const path = join(dir, 'password');
  const flags = {
    'elasticsearch-url': 'https://x:9200',
    'elasticsearch-username': 'u',
    'elasticsearch-password-file': path,
  };
  chmodSync(path, 0o640);
  t.match(problemsOf(() => loadConfig({ environment: {}, flags }))[0]?.sentence, /mode 0640.*chmod 600/);
  const open = loadConfig({ environment: {}, flags: { ...flags, 'secrets-permissions': 'any' } });
  t.equal(readUpstreamSettings(open.config).password, 'hunter2');
  chmodSync(path, 0o600);
  const { config } = loadConfig({ environment: {}, flags: { ...flags, 'elasticsearch-ca-file': join(dir, 'ca') } });
  t.match(readUpstreamSettings(config), {
    nodes: ['https://x:9200'],
    username: 'u',
    password: 'hunter2',
    ca: /^-----BEGIN CERTIFICATE/,
    requestTimeoutMs: 60_000,
  });
  t.notMatch(JSON.stringify(config), /hunter2/);
  const both = problemsOf(() =>
    loadConfig({
      environment: {},
      flags: { ...flags, 'elasticsearch-api-key-file': join(dir, 'key'), 'secrets-permissions': 'any' },
    }),
  );
  t.strictSame(
    both.map(({ key }) => key),
    ['elasticsearch.apiKeyFile'],
  );
  for (const [text, fault] of [
    ['', /is empty/],
    ['a'.repeat(70_000), /more than a secret/],
  ] as const) {
    writeFileSync(path, text);
    t.match(problemsOf(() => loadConfig({ environment: {}, flags }))[0]?.sentence, fault);
  }
  writeFileSync(path, 'two\nlines\n');
  t.throws(() => readUpstreamSettings(loadConfig({ environment: {}, flags }).config), /must be one line/);
  t.match(
    problemsOf(() => loadConfig({ environment: {}, flags: { ...flags, 'elasticsearch-password-file': dir } }))[0]
      ?.sentence,
    /not a regular file/,
  );
});

t.test(
  'a file that is missing, too large, no mapping, or no YAML is a problem and never a silent default',
  async (t) => {
    const dir = t.testdir({
      list: '- a\n',
      bad: 'wal: {\n',
      twice: 'ack: wal\nack: store\n',
      large: '#'.repeat(2 ** 20 + 1),
      empty: '',
      group: 'wal:\n',
    });
    const sentence = (name: string) => problemsOf(() => loadConfig({ environment: {}, file: join(dir, name) }))[0];
    t.match(sentence('none')?.sentence, /cannot be read \(ENOENT\)/);
    t.match(sentence('list')?.sentence, /must be a mapping/);
    t.match(sentence('bad')?.where, /bad:\d+$/);
    t.match(sentence('twice'), { where: /twice:2$/, sentence: /unique/ });
    t.match(sentence('large')?.sentence, /1048577 bytes/);
    for (const name of ['empty', 'group'])
      t.equal(loadConfig({ environment: {}, file: join(dir, name) }).config.ack, 'wal');
  },
);

t.test('the digest of a configuration follows every setting and nothing else', async (t) => {
  const digest = (flags: Record<string, string>) => configDigest(loadConfig({ environment: {}, flags }).config);
  t.match(digest({}), /^[0-9a-f]{64}$/);
  t.equal(digest({}), digest({ 'wal-keep': '60m' }), 'the same duration in another spelling');
  t.not(digest({}), digest({ 'wal-keep': '2h' }));
});

t.test('a reload knows what takes effect now and what waits for a restart', async (t) => {
  const load = (flags: Record<string, string>): Config => loadConfig({ environment: {}, flags }).config;
  const changed = changedSettings(load({}), load({ 'log-level': 'debug', ack: 'store', 'chains-rules': 'a=b' }));
  t.strictSame(changed, { reload: ['log.level'], restart: ['ack', 'chains.rules'] });
});

t.test('flags of the proxy are read strictly', async (t) => {
  t.strictSame(readFlags(['--config', 'f.yaml', '--wal-keep=1h', '--ack', 'store', '--new-upstream', '--help']), {
    file: 'f.yaml',
    flags: { 'wal-keep': '1h', ack: 'store', 'new-upstream': 'true' },
    help: true,
    version: false,
  });
  t.match(readFlags(['--new-upstream', 'false', '--version']), { flags: { 'new-upstream': 'false' }, version: true });
  t.throws(() => readFlags(['--wal-kep', '1h']), { code: 'USAGE', message: /did you mean --wal-keep\?/ });
  t.throws(() => readFlags(['--wal-keep']), { code: 'USAGE', message: /needs a value/ });
  t.throws(() => readFlags(['data']), { code: 'USAGE', message: /unexpected argument data/ });
  t.throws(() => readFlags(['--zzzzzzzzz', '1']), { code: 'USAGE', message: 'unknown flag --zzzzzzzzz' });
});
