import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isCredential } from '../../../src/config/credential-path.ts';
import { readEncryptionKeys } from '../../../src/config/encryption-keys.ts';
import { loadConfig } from '../../../src/config/load.ts';

const key = Buffer.from(Array.from({ length: 32 }, (_, byte) => byte * 7));
const cluster = { LOGSEAL_ELASTICSEARCH_URL: 'http://127.0.0.1:9200' };

function secret(directory: string, content: string | Buffer, mode = 0o600): string {
  const path = join(directory, 'key');
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const load = (environment: Record<string, string>) =>
  loadConfig({ environment: { ...cluster, ...environment } }).config;

t.test('a key is 32 bytes, raw, as hexadecimal digits or as base64', async (t) => {
  const directory = t.testdir();
  const forms = [key, key.toString('hex'), `${key.toString('hex').toUpperCase()}\n`, key.toString('base64')];
  for (const form of [...forms, `${key.toString('base64')}\r\n`]) {
    const keys = readEncryptionKeys(load({ LOGSEAL_ENCRYPTION_KEY_FILE: secret(directory, form) }));
    t.ok(keys?.current?.export().equals(key));
  }
  t.equal(readEncryptionKeys(load({})), undefined);
});

t.test('what is no key is refused with the file, and never with its content', async (t) => {
  const directory = t.testdir();
  const wrong = [
    'correct horse battery staple 1234',
    key.toString('latin1', 0, 16).padEnd(32, 'x').slice(0, 31),
    'only thirty-two characters, ugh!',
    key.toString('hex').slice(0, 32),
    key.toString('hex').slice(0, 62),
    `${key.toString('hex')}00`,
    ` ${key.toString('hex')}`,
    `${key.toString('hex')}\n\n`,
    key.toString('base64url'),
    key.toString('base64').replace(/.=$/, '9='),
    Buffer.concat([key, Buffer.from('\n')]),
    Buffer.alloc(32, 7),
    '00'.repeat(32),
  ];
  for (const content of wrong) {
    const path = secret(directory, content);
    try {
      load({ LOGSEAL_ENCRYPTION_KEY_FILE: path });
      t.fail(`${content.length} bytes were taken for a key`);
    } catch (error) {
      const { message } = error as Error;
      t.match(message, /LOGSEAL_ENCRYPTION_KEY_FILE: encryption\.keyFile .*key: (must hold a key|holds one byte)/);
      if (typeof content === 'string') t.notOk(message.includes(content.trim().slice(0, 16)));
    }
  }
  t.throws(
    () => load({ LOGSEAL_ENCRYPTION_KEY_FILE: secret(directory, key, 0o640) }),
    /others can read it \(mode 0640\)/,
  );
  t.throws(() => load({ LOGSEAL_ENCRYPTION_KEY_FILE: join(directory, 'none') }), /there is no such file/);
});

t.test('settings that would leave records in clear unsaid contradict each other', async (t) => {
  const directory = t.testdir();
  const path = secret(directory, key);
  const refusal = (environment: Record<string, string>) => {
    try {
      loadConfig({ environment });
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const current = { LOGSEAL_ENCRYPTION_KEY_FILE: path };
  const previous = { LOGSEAL_ENCRYPTION_PREVIOUS_KEY_FILES: path };
  t.match(refusal(current), /encryption\.keyFile the embedded store keeps records in clear/);
  t.equal(refusal({ ...current, LOGSEAL_ENCRYPTION_IN_CLEAR: 'store' }), '');
  t.match(refusal({ ...cluster, ...previous }), /previousKeyFiles needs encryption\.keyFile/);
  t.equal(refusal({ ...cluster, ...previous, LOGSEAL_ENCRYPTION_IN_CLEAR: 'log' }), '');
  t.match(refusal({ ...cluster, ...current, LOGSEAL_ENCRYPTION_IN_CLEAR: 'log' }), /"log" ends encryption/);
  const keys = readEncryptionKeys(load({ ...current, LOGSEAL_ENCRYPTION_PREVIOUS_KEY_FILES: `${path},${path}` }));
  t.equal(keys?.previous.length, 2);
});

t.test('a service credential is a file of the directory that the service manager gives', async (t) => {
  const directory = t.testdir();
  const credentials = join(directory, 'credentials');
  mkdirSync(credentials);
  const path = secret(credentials, key);
  const environment = { CREDENTIALS_DIRECTORY: credentials, LOGSEAL_ENCRYPTION_KEY_FILE: 'credential:key' };
  const config = load({ ...environment, LOGSEAL_ENCRYPTION_PREVIOUS_KEY_FILES: `credential:key,${path}` });
  t.strictSame(config.encryption, { keyFile: path, previousKeyFiles: [path, path], inClear: [] });
  t.throws(() => load({ LOGSEAL_ENCRYPTION_KEY_FILE: 'credential:key' }), /service manager gave none/);
  for (const name of ['', '..', '../key', 'a/b', '.hidden', ' key']) {
    const asked = { ...environment, LOGSEAL_ENCRYPTION_KEY_FILE: `credential:${name}` };
    t.throws(() => load(asked), /is followed by one name/, JSON.stringify(name));
  }
  t.ok(isCredential(path, environment));
  t.notOk(isCredential(join(credentials, 'deeper', 'key'), environment));
  t.notOk(isCredential(join(credentials, '..', 'key'), environment));
  t.notOk(isCredential(path, {}));
  t.notOk(isCredential('key', { CREDENTIALS_DIRECTORY: '' }));
});
