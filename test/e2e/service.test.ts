/**
 * The systemd unit: how exposed the service is by systemd's own rating, that what it names is there, and that the proxy starts,
 * signs, recovers, reloads and stops with the system calls and sockets that the unit leaves it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readFlags } from '../../src/config/flags.ts';
import { settings } from '../../src/config/settings.ts';
import { projectDir } from '../helpers/cache.ts';
import type { Child } from '../helpers/child.ts';
import { startChild } from '../helpers/child.ts';
import { freePort } from '../helpers/proxy.ts';
import { textOf } from '../helpers/source-tree.ts';
import { allowedCalls, systemdAnalyze, systemdMissing, underFilter } from '../helpers/systemd.ts';
import { runLogseal } from '../helpers/terminal.ts';

const unitPath = join(projectDir, 'config', 'systemd', 'logseal.service');
const lines = readFileSync(unitPath, 'utf8')
  .split('\n')
  .filter((line) => /^[A-Z]\w+=/.test(line));

/** All values that a directive has in the unit. */
function values(directive: string): string[] {
  return lines.filter((line) => line.startsWith(`${directive}=`)).map((line) => line.slice(directive.length + 1));
}
const value = (directive: string) => values(directive)[0] ?? '';
const skip = systemdMissing();

t.test('systemd rates its exposure below 2.0, and would say so if it were not', { skip }, async (t) => {
  const exposure = async (path: string) => {
    const printed = await systemdAnalyze(['security', '--offline=true', '--no-pager', path]);
    return Number(/Overall exposure level for .*: ([\d.]+)/.exec(printed)?.[1]);
  };
  t.ok((await exposure(unitPath)) < 2);
  const bare = join(t.testdir(), 'bare.service');
  writeFileSync(bare, `[Service]\nExecStart=${value('ExecStart')}\n`);
  t.ok((await exposure(bare)) > 9);
});

t.test('what it starts is there, and its flags are the proxy’s', async (t) => {
  const [node, main = '', ...flags] = value('ExecStart').split(' ');
  t.equal(node, '/usr/bin/node');
  t.ok(existsSync(join(projectDir, main)), main);
  t.equal(readFlags(flags).file, '/etc/logseal/logseal.yaml');
  t.match(value('Environment'), `LOGSEAL_DATA_DIR=/var/lib/${value('StateDirectory')}`);
});

t.test('its numbers agree with the proxy’s', async (t) => {
  const seconds = (text: string) => Number(/^(\d+)s$/.exec(text)?.[1]);
  t.ok(
    seconds(value('TimeoutStopSec')) >= seconds(String(settings['stop.timeout'].default)) + 10,
    'the proxy gives up first',
  );
  t.match(textOf('src/main.ts'), `const couldNotRun = ${value('RestartPreventExitStatus')};`);
  t.equal(value('LimitCORE'), '0');
  t.ok(Number(value('LimitNOFILE')) > 20_000);
});

t.test('names in the example environment are settings', async (t) => {
  const names = [...textOf('config/systemd/logseal.env').matchAll(/^#?(LOGSEAL_\w+)=/gm)].map((one) => one[1] ?? '');
  t.ok(names.length > 5);
  const example = textOf('docs/operating.md');
  for (const name of names) t.ok(example.includes(`\`${name}\``), name);
});

interface Sandboxed {
  proxy: Child;
  /** What a command beside it needs to know. */
  environment: Record<string, string>;
  url: string;
}

async function start(dir: string, prefix: readonly string[]): Promise<Sandboxed> {
  const port = await freePort();
  const [command = '', ...args] = [...prefix, process.execPath, join(projectDir, 'src', 'main.ts')];
  const environment = {
    LOGSEAL_DATA_DIR: join(dir, 'data'),
    LOGSEAL_LISTEN: `127.0.0.1:${port}`,
    LOGSEAL_ADMIN_LISTEN: `127.0.0.1:${await freePort()}`,
    // A name, so that it is looked up; nothing answers there.
    LOGSEAL_ELASTICSEARCH_URL: 'http://localhost:9',
  };
  const env = { PATH: process.env.PATH, ...environment };
  const proxy = await startChild({ command, args, env, ready: /proxy-ready/ });
  return { proxy, environment, url: `http://127.0.0.1:${port}` };
}

async function send(url: string, requests: number): Promise<void> {
  const body = '{"create":{"_index":"logs"}}\n{"message":"hello"}\n'.repeat(50);
  for (let i = 0; i < requests; i++) {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        fetch(`${url}/_bulk`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body }),
      ),
    );
    for (const answer of answers) {
      const { errors } = (await answer.json()) as { errors: boolean };
      if (errors) throw new Error('a record was refused');
    }
  }
}

/** System calls that were refused, and families of sockets that were opened. */
function seen(file: string): { refused: string[]; families: string[] } {
  const calls = readFileSync(file, 'utf8').split('\n');
  const refused = calls.flatMap((line) => /^\d+ +(?:<\.\.\. )?(\w+)\(.*\(INJECTED\)/.exec(line)?.[1] ?? []);
  const families = calls.flatMap((line) => /^\d+ +socket\((\w+)/.exec(line)?.[1] ?? []);
  return { refused: [...new Set(refused)].sort(), families: [...new Set(families)].sort() };
}

t.test('the proxy starts, signs, recovers, reloads and stops with what the unit leaves it', { skip }, async (t) => {
  const dir = t.testdir();
  const allowed = await allowedCalls(values('SystemCallFilter'));
  t.ok(allowed.has('fdatasync') && !allowed.has('ptrace') && !allowed.has('mount'), 'the filter is read');
  const files = [join(dir, 'first'), join(dir, 'second')];
  const first = await start(dir, await underFilter(allowed, files[0] as string));
  await send(first.url, 20);
  await first.proxy.kill();
  const second = await start(dir, await underFilter(allowed, files[1] as string));
  await send(second.url, 2);
  process.kill(second.proxy.pid, 'SIGHUP');
  while (!/config-(reloaded|rejected)/.test(second.proxy.output())) await new Promise((done) => setTimeout(done, 20));
  t.match(second.proxy.output(), 'config-reloaded');
  const health = await runLogseal(['health'], second.environment);
  t.equal(health.exitCode, 0, 'records are accepted');
  t.match(JSON.parse(health.stdout), { ready: true, reasons: [{ code: /^upstream-/ }] });
  const doctor = await runLogseal(['doctor', '--json'], second.environment);
  t.match(doctor.stdout, /"area":"proxy","status":"warn","found":"[^"]*search engine/, 'the doctor tells the reason');
  t.equal(await second.proxy.stop(60_000), 0);
  t.equal((await runLogseal(['health'], second.environment)).exitCode, 3);
  const families = value('RestrictAddressFamilies').split(' ');
  for (const file of files) {
    const found = seen(file);
    t.ok(found.families.includes('AF_INET'), 'sockets are seen');
    t.strictSame(
      found.families.filter((family) => !families.includes(family)),
      [],
    );
    t.comment(`asked for in vain: ${found.refused.join(' ')}`);
  }
});

t.test('control: without one call that the proxy needs it does not start', { skip }, async (t) => {
  const dir = t.testdir();
  const allowed = await allowedCalls(values('SystemCallFilter'));
  allowed.delete('fdatasync');
  const file = join(dir, 'calls');
  await t.rejects(start(dir, await underFilter(allowed, file)), /EPERM/);
  t.match(seen(file).refused, ['fdatasync']);
});
