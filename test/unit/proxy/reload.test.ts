/** A reload is all or nothing: what each part would do is known before anything is done. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import type { Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { LogsealError } from '../../../src/errors.ts';
import type { EventLog } from '../../../src/log.ts';
import type { Metrics } from '../../../src/metrics.ts';
import { createMetrics } from '../../../src/metrics.ts';
import type { Prepare } from '../../../src/proxy/reload.ts';
import { Reload } from '../../../src/proxy/reload.ts';

const load = (environment: Record<string, string> = {}) => loadConfig({ environment }).config;

interface Rig {
  reload: Reload;
  metrics: Metrics;
  /** What was logged and done, in order. */
  said: string[];
  fields: Record<string, unknown>[];
  inForce: Config[];
}

function rig(started: Config, ...others: Prepare[]): Rig {
  const said: string[] = [];
  const fields: Record<string, unknown>[] = [];
  const inForce: Config[] = [];
  const log: EventLog = {
    event(name, more = {}) {
      said.push(name);
      fields.push(more);
    },
    setLevel: (level) => said.push(`level ${level}`),
  };
  const part: Prepare = (config) => ({
    changes: ['a file'],
    apply() {
      said.push('applied');
      inForce.push(config);
    },
  });
  const metrics = createMetrics({ processMetrics: false });
  return { reload: new Reload({ config: started, log, metrics }, [part, ...others]), metrics, said, fields, inForce };
}

t.test('what may change does, what may not is named, and the parts see only what is in force', async (t) => {
  const { reload, said, fields, inForce } = rig(load());
  reload.run(() => load({ LOGSEAL_LOG_LEVEL: 'warn', LOGSEAL_ACK: 'store' }));
  t.strictSame(said, ['applied', 'level warn', 'config-reloaded', 'config-needs-restart']);
  t.match(fields, [{ settings: ['log.level'], changes: ['a file'] }, { settings: ['ack'] }]);
  t.match(inForce, [{ log: { level: 'warn' }, ack: 'wal' }]);
  said.length = 0;
  fields.length = 0;
  reload.run(() => load({ LOGSEAL_ACK: 'store' }));
  t.match(fields, [{ settings: ['log.level'] }, { settings: ['ack'] }], 'named again as long as it waits');
});

t.test(
  'one part that objects, or a configuration that cannot be read: nothing is done, and the log says why',
  async (t) => {
    let fault: unknown;
    const { reload, metrics, said, fields } = rig(load(), () => {
      if (fault !== undefined) throw fault;
      return { changes: [], apply: () => undefined };
    });
    fault = new LogsealError('CONFIG_INVALID', 'clients.json: line 3');
    reload.run(() => load({ LOGSEAL_LOG_LEVEL: 'debug' }));
    t.strictSame(said, ['config-rejected']);
    t.match(fields, [{ error: { message: 'clients.json: line 3' } }]);
    t.match(await metrics.text(), /^logseal_config_last_reload_successful 0$/m);
    fault = undefined;
    reload.run(() => load({ LOGSEAL_LOG_LEVEL: 'loud' }));
    t.match(fields[1], { error: { message: /log.level/ } });
    t.strictSame(said, ['config-rejected', 'config-rejected']);
    reload.run(() => load({ LOGSEAL_LOG_LEVEL: 'debug' }));
    t.strictSame(said.slice(2), ['applied', 'level debug', 'config-reloaded'], 'the next good one is taken');
    t.match(await metrics.text(), /^logseal_config_last_reload_successful 1$/m);
  },
);

t.test('old and new settings that contradict each other only when mixed are refused', async (t) => {
  const dir = secrets(t);
  const open = { LOGSEAL_ADMIN_LISTEN: '0.0.0.0:9281', LOGSEAL_ADMIN_TOKEN_FILE: join(dir, 'token') };
  const { reload, said, fields } = rig(load(open));
  // Fine for a start; but the port that is open now would be without a token until then.
  reload.run(() => load({ LOGSEAL_ADMIN_LISTEN: '127.0.0.1:9281' }));
  t.strictSame(said, ['config-rejected']);
  t.match(fields, [{ error: { message: /with what waits for a restart: adminListen .*needs admin\.tokenFile/ } }]);
});

function secrets(t: Test): string {
  const dir = t.testdir({ token: 'abcdefghijklmnop\n', short: 'abc', odd: 'abcdefghijklmno p' });
  for (const name of ['token', 'short', 'odd']) chmodSync(join(dir, name), 0o600);
  return dir;
}

t.test('a wrong set of door settings is refused with a sentence', async (t) => {
  const dir = secrets(t);
  writeFileSync(join(dir, 'wide'), 'abcdefghijklmnop', { mode: 0o644 });
  const cases: [Record<string, string>, RegExp][] = [
    [{ LOGSEAL_ADMIN_LISTEN: '0.0.0.0:9281' }, /adminListen can be reached from other machines, so it needs/],
    [{ LOGSEAL_ADMIN_LISTEN: 'logs.example:9281' }, /adminListen can be reached/],
    [{ LOGSEAL_ADMIN_TOKEN_FILE: join(dir, 'short') }, /admin\.tokenFile .*must hold 16 to/],
    [{ LOGSEAL_ADMIN_TOKEN_FILE: join(dir, 'odd') }, /admin\.tokenFile .*may hold letters/],
    [{ LOGSEAL_ADMIN_TOKEN_FILE: join(dir, 'wide') }, /admin\.tokenFile .*others can read it/],
    [{ LOGSEAL_ADMIN_TOKEN_FILE: join(dir, 'none') }, /admin\.tokenFile .*there is no such file/],
    [{ LOGSEAL_TLS_CERTIFICATE_FILE: join(dir, 'token') }, /tls\.certificateFile needs tls\.keyFile/],
    [{ LOGSEAL_TLS_KEY_FILE: join(dir, 'token') }, /tls\.keyFile needs tls\.certificateFile/],
    [{ LOGSEAL_TLS_CLIENT_CERTIFICATES: 'require' }, /needs tls\.clientCaFile/],
    [{ LOGSEAL_TLS_CLIENT_CA_FILE: join(dir, 'token') }, /has no effect without tls\.clientCertificates/],
    [{ LOGSEAL_ADMIN_TLS: 'on' }, /admin\.tls needs tls\.certificateFile/],
    [{ LOGSEAL_ADMIN_CLIENT_CA_FILE: join(dir, 'token') }, /holds no PEM certificate/],
  ];
  for (const [environment, message] of cases) {
    t.throws(() => load(environment), { code: 'CONFIG_INVALID', message }, JSON.stringify(environment));
  }
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '127.8.8.8']) {
    t.doesNotThrow(() => load({ LOGSEAL_ADMIN_LISTEN: `${host}:9281` }), host);
  }
});
