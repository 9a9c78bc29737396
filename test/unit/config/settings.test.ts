import { readFileSync } from 'node:fs';
import t from 'tap';
import type { SettingKey } from '../../../src/config/config.ts';
import { readPath } from '../../../src/config/key-path.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { environmentName, flagName, keyOfEnvironment, keyOfFlag, nearest } from '../../../src/config/names.ts';
import { formatValue } from '../../../src/config/reference.ts';
import { settingKeys, settings } from '../../../src/config/settings.ts';
import { formatEndpoint, formatSize, parseEndpoint } from '../../../src/config/units.ts';
import { referenceFiles } from '../../helpers/reference.ts';

const project = new URL('../../../', import.meta.url);

t.test('the names that others script against are what they were', async (t) => {
  const fixed: [string, SettingKey][] = [
    ['LOGSEAL_DATA_DIR', 'dataDir'],
    ['LOGSEAL_LISTEN', 'listen'],
    ['LOGSEAL_ADMIN_LISTEN', 'adminListen'],
    ['LOGSEAL_ELASTICSEARCH_URL', 'elasticsearch.url'],
    ['LOGSEAL_ELASTICSEARCH_CA_FILE', 'elasticsearch.caFile'],
    ['LOGSEAL_ELASTICSEARCH_API_KEY_FILE', 'elasticsearch.apiKeyFile'],
    ['LOGSEAL_ELASTICSEARCH_USERNAME', 'elasticsearch.username'],
    ['LOGSEAL_ELASTICSEARCH_PASSWORD_FILE', 'elasticsearch.passwordFile'],
    ['LOGSEAL_AUDITOR_CERTIFICATES', 'auditor.certificates'],
    ['LOGSEAL_ACK', 'ack'],
    ['LOGSEAL_WAL_KEEP', 'wal.keep'],
    ['LOGSEAL_INTAKE_CLOSE_INSTEAD_OF_429', 'intake.closeInsteadOf429'],
  ];
  for (const [name, key] of fixed) t.equal(keyOfEnvironment.get(name), key);
  t.equal(flagName('wal.keep'), 'wal-keep');
  t.equal(keyOfFlag.get('elasticsearch-ca-file'), 'elasticsearch.caFile');
});

t.test('no two settings share a name in the environment or as a flag', async (t) => {
  t.equal(keyOfEnvironment.size, settingKeys.length);
  t.equal(keyOfFlag.size, settingKeys.length);
  for (const key of settingKeys)
    t.equal(environmentName(key).slice('LOGSEAL_'.length).toLowerCase().replaceAll('_', '-'), flagName(key));
});

t.test('every setting has a reason, every limit its bounds, and its default lies within them', async (t) => {
  for (const key of settingKeys) {
    const { reason, type, min, max } = settings[key];
    t.ok(reason.length > 15 && !reason.endsWith('.'), `${key} says why`);
    if (!['count', 'size', 'duration'].includes(type)) continue;
    const value = Number(readPath(loadConfig({ environment: {} }).config, key));
    t.ok(min !== undefined && max !== undefined && value >= min && value <= max, `${key} is bounded`);
    t.ok(type !== 'count' || settings[key].unit, `${key} says what it counts`);
  }
});

t.test('example file, schema and the tables of the manual are those of the code', async (t) => {
  for (const [path, text] of await referenceFiles()) {
    t.equal(
      readFileSync(new URL(path, project), 'utf8'),
      text,
      `${path}: node test/helpers/reference.ts writes it anew`,
    );
  }
});

t.test('the example file says, key by key, what would hold without it', async (t) => {
  const file = new URL('config/logseal.yaml', project).pathname;
  const { config, origins } = loadConfig({ environment: {}, file });
  t.strictSame(config, loadConfig({ environment: {} }).config);
  for (const key of settingKeys)
    t.ok(settings[key].default === null || origins.get(key)?.includes('logseal.yaml'), key);
});

t.test('a misspelt name finds its neighbour and a strange one finds none', async (t) => {
  t.equal(nearest('wal.kep', settingKeys), 'wal.keep');
  t.equal(nearest('WAL.KEEP', settingKeys), 'wal.keep');
  t.equal(nearest('something.else.entirely', settingKeys), undefined);
});

t.test('values are shown as they would be written', async (t) => {
  t.equal(formatValue('wal.keep', 3_600_000), '1h');
  t.equal(formatValue('wal.keep', 0), '0ms');
  t.equal(formatValue('wal.bytesMax', 1536 * 1024), '1536KiB');
  t.equal(formatSize(1000), '1000B');
  t.equal(formatValue('listen', { host: '::1', port: 1 }), '[::1]:1');
  t.strictSame(parseEndpoint(formatEndpoint({ host: 'a', port: 80 })), { host: 'a', port: 80 });
  t.equal(formatValue('instance.name', undefined), '(not set)');
  t.equal(formatValue('signature.hash', true), 'true');
});
