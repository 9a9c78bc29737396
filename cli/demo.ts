/**
 * `logseal demo`: two minutes for somebody who has never seen it. Starts a proxy of its own in a temporary directory, sends
 * records, verifies, changes one and removes another behind the proxy's back, verifies again. Leaves nothing behind.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { Client } from 'undici';
import { LogsealError } from '../src/errors.ts';
import { exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

const records = 1000;
const changed = 'demo-0421';
const removed = 'demo-0777';
const epochSeconds = 2;
const startMsMax = 30_000;

export function register(program: Command, terminal: Terminal): void {
  program
    .command('demo')
    .description('show in two minutes what Logseal does, with a proxy and a store of its own')
    .action(() => demo(terminal));
}

async function demo(terminal: Terminal): Promise<void> {
  const say = (text: string) => terminal.stdout.write(`\n${text}\n`);
  const dataDir = await mkdtemp(join(tmpdir(), 'logseal-demo-'));
  const proxy = start(dataDir, terminal);
  try {
    say('1. Start: a proxy with an embedded store, and a development key for the auditor.');
    const url = await ready(proxy);
    await send(url);
    say(
      `2. Send: ${records} records went in by _bulk, as a shipper would send them. Each got its number and its tag,\n` +
        '   and was on disk before the answer.',
    );
    say(
      `3. Wait: an epoch is open for ${epochSeconds} seconds here (10 otherwise), then it is sealed and its key destroyed.`,
    );
    await sealed(dataDir);
    say('4. Verify: the auditor looks at every record, every place, every seal.');
    const before = await verify(dataDir, terminal);
    await tamper(dataDir);
    say(
      `5. Tamper: somebody with all rights on the store changes record ${changed} and removes ${removed}.\n` +
        '   The proxy does not see it.',
    );
    say('6. Verify again: both are found, and named.');
    const after = await verify(dataDir, terminal);
    if (before !== exitCodes.ok || after !== exitCodes.tampering) {
      throw new LogsealError('DEMO_FAILED', `verification ended with ${before} and ${after}, and not with 0 and 1`);
    }
    say('That is all. Nothing is left of it. Next: the README, "Five minutes".');
  } finally {
    await stop(proxy);
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Files of ours are .ts in a checkout and .js in a package. */
function beside(path: string): string {
  return join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? `${path}.ts` : `${path}.js`);
}

function start(dataDir: string, terminal: Terminal): ChildProcess {
  const environment = {
    ...terminal.environment,
    LOGSEAL_CONFIG: undefined,
    LOGSEAL_ELASTICSEARCH_URL: undefined,
    LOGSEAL_DATA_DIR: dataDir,
    LOGSEAL_LISTEN: '127.0.0.1:0',
    LOGSEAL_ADMIN_LISTEN: '127.0.0.1:0',
    LOGSEAL_EPOCH_AGE_MAX: `${epochSeconds}s`,
  };
  return spawn(process.execPath, [beside('../src/main')], { env: environment, stdio: ['ignore', 'pipe', 'ignore'] });
}

/** Resolves with the address once records can be accepted. */
async function ready(proxy: ChildProcess): Promise<string> {
  const late = AbortSignal.timeout(startMsMax);
  if (proxy.stdout === null) throw new TypeError('the proxy has no output');
  for await (const line of createInterface({ input: proxy.stdout, signal: late })) {
    const event = JSON.parse(line) as { event?: string; listen?: { host: string; port: number } };
    if (event.event !== 'proxy-ready' || event.listen === undefined) continue;
    proxy.stdout.resume();
    return `http://${event.listen.host}:${event.listen.port}`;
  }
  throw new LogsealError('DEMO_FAILED', 'the proxy did not start');
}

async function send(url: string): Promise<void> {
  const lines: string[] = [];
  for (let n = 0; n < records; n += 1) {
    const id = `demo-${String(n).padStart(4, '0')}`;
    const message = `door ${n % 7} opened by badge ${1000 + ((n * 37) % 900)}`;
    lines.push(`{"create":{"_index":"logs-demo","_id":"${id}"}}`);
    lines.push(JSON.stringify({ '@timestamp': new Date().toISOString(), message }));
  }
  const body = `${lines.join('\n')}\n`;
  const answer = await fetch(`${url}/_bulk`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body,
  });
  const { errors } = (await answer.json()) as { errors: boolean };
  if (!answer.ok || errors) throw new LogsealError('DEMO_FAILED', 'the records were not accepted');
}

/** Waits until the seal of the records is in the store: one of the data chain, beside those of the control chain. */
async function sealed(dataDir: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const seals = (await store(dataDir, 'GET', '/logseal-seals/_search?size=100')) as {
      hits?: { hits: { _source: { seal: string } }[] };
    };
    if (seals.hits?.hits.some((hit) => hit._source.seal.includes(`\ncount ${records}\n`))) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new LogsealError('DEMO_FAILED', 'the epoch was not sealed');
}

/** What an administrator of the store can do: the proxy is not asked. */
async function tamper(dataDir: string): Promise<void> {
  const source = (await store(dataDir, 'GET', `/logs-demo/_source/${changed}`)) as { message: string };
  await store(dataDir, 'PUT', `/logs-demo/_doc/${changed}`, { ...source, message: 'door 1 stayed closed' });
  await store(dataDir, 'DELETE', `/logs-demo/_doc/${removed}`);
}

async function store(dataDir: string, method: 'GET' | 'PUT' | 'DELETE', path: string, body?: object): Promise<unknown> {
  const client = new Client('http://store', { connect: { socketPath: join(dataDir, 'store', 'store.sock') } });
  try {
    const answer = await client.request({
      method,
      path,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return await answer.body.json();
  } finally {
    await client.close();
  }
}

/** Returns the exit code. Without grace: everything of the demo is sealed already. */
async function verify(dataDir: string, terminal: Terminal): Promise<number> {
  const args = [
    beside('./main'),
    'verify',
    dataDir,
    '--trust',
    join(dataDir, 'trust.json'),
    '--no-state',
    '--grace',
    '0',
  ];
  const child = spawn(process.execPath, args, {
    env: { ...terminal.environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  child.stdout.on('data', (chunk: Buffer) => terminal.stdout.write(chunk.toString().replace(/^(?=.)/gm, '   │ ')));
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? -1;
}

async function stop(proxy: ChildProcess): Promise<void> {
  if (proxy.exitCode !== null || proxy.signalCode !== null) return;
  proxy.kill('SIGTERM');
  await once(proxy, 'exit');
}
