/**
 * How the real process ends: in order, within its bound, and at once when told twice. The search engine is a socket that takes
 * every connection and never answers: the one fault that a real one cannot have on demand.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { projectDir } from '../helpers/cache.ts';
import type { Child } from '../helpers/child.ts';
import { startChild } from '../helpers/child.ts';
import { freePort, startProxy } from '../helpers/proxy.ts';

async function silentEngine(t: Test): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

type EventLine = Record<string, unknown>;

function eventsOf(child: Pick<Child, 'output'>): EventLine[] {
  const lines = child.output().split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as EventLine);
}

async function seen(child: Child, event: string): Promise<void> {
  while (!child.output().includes(`"event":"${event}"`)) await new Promise((resolve) => setTimeout(resolve, 20));
}

t.test(
  'an end while nothing can be delivered says how many records wait, and the next start goes on with them',
  async (t) => {
    const elasticsearchUrl = await silentEngine(t);
    const dataDir = join(t.testdir(), 'data');
    const environment = { LOGSEAL_STOP_TIMEOUT: '3s', LOGSEAL_ELASTICSEARCH_REQUEST_TIMEOUT: '1s' };
    const proxy = await startProxy({ dataDir, elasticsearchUrl, environment });
    const headers = { 'content-type': 'application/x-ndjson' };
    const body = '{"create":{}}\n{"n":1}\n'.repeat(3);
    t.equal((await fetch(`${proxy.url}/logs/_bulk`, { method: 'POST', headers, body })).status, 200);
    t.equal(await proxy.stop(), 0);
    const events = eventsOf(proxy);
    t.match(
      events.find(({ event }) => event === 'proxy-stopping'),
      { signal: 'SIGTERM' },
    );
    const left = events.find(({ event }) => event === 'delivery-left') as { waitingRecords: number; reason: string };
    const stopped = events.at(-1) as { event: string; waitingRecords: number; waitingBytes: number };
    t.ok(left.waitingRecords >= 3 && left.reason !== '', JSON.stringify(left));
    t.equal(stopped.event, 'proxy-stopped');
    // Three, and the control records: boot and two chains, and no more than a handful.
    t.ok(stopped.waitingRecords >= 6 && stopped.waitingRecords < 12, JSON.stringify(stopped));
    t.ok(stopped.waitingBytes > 0);
    const again = await startProxy({ dataDir, elasticsearchUrl, environment });
    t.teardown(() => again.kill());
    let waiting = Number.NaN;
    while (Number.isNaN(waiting)) {
      const text = await (await fetch(`${again.adminUrl}/metrics`)).text();
      waiting = Number(/^logseal_waiting_records (\d+)$/m.exec(text)?.[1]);
    }
    t.ok(waiting > stopped.waitingRecords && waiting <= stopped.waitingRecords + 2, `${waiting}: those, and boot`);
  },
);

t.test('a second signal ends at once, and says what was left undone', async (t) => {
  const elasticsearchUrl = await silentEngine(t);
  const environment = { LOGSEAL_STOP_TIMEOUT: '10m' };
  const dataDir = join(t.testdir(), 'data');
  let events: EventLine[];
  let code: number | string;
  do {
    const proxy = await startProxy({ dataDir, elasticsearchUrl, environment });
    process.kill(proxy.pid, 'SIGTERM');
    await seen(proxy, 'proxy-stopping');
    process.kill(proxy.pid, 'SIGINT');
    code = await proxy.ended;
    events = eventsOf(proxy);
    // The first signal is done after some seconds; a machine may be so slow that it was done before the second came.
  } while (events.at(-1)?.event === 'proxy-stopped');
  t.equal(code, 4);
  t.match(events.at(-1), { event: 'proxy-stop-forced', signal: 'SIGINT' });
  t.ok(String(events.at(-1)?.undone).includes('write-ahead log'));
});

async function beginStart(t: Test, timeout: string): Promise<Child> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    NODE_OPTIONS: '',
    LOGSEAL_DATA_DIR: join(t.testdir(), `data-${randomUUID()}`),
    LOGSEAL_LISTEN: `127.0.0.1:${await freePort()}`,
    LOGSEAL_ADMIN_LISTEN: `127.0.0.1:${await freePort()}`,
    LOGSEAL_ELASTICSEARCH_URL: await silentEngine(t),
    LOGSEAL_STOP_TIMEOUT: timeout,
  };
  const main = join(projectDir, 'src', 'main.ts');
  return startChild({ command: process.execPath, args: [main], env, ready: /development-key/ });
}

/** What came of a SIGTERM during the start; tried again where the machine was so slow that the start was over by then. */
async function endDuringStart(t: Test, timeout: string): Promise<{ code: number | string; events: EventLine[] }> {
  for (;;) {
    const child = await beginStart(t, timeout);
    const code = await child.stop(60_000);
    const events = eventsOf(child);
    const names = events.map(({ event }) => event);
    // The first wait for the search engine, two seconds, comes after the log was read.
    const ready = names.indexOf('proxy-ready');
    if (ready < 0 || names.indexOf('proxy-stopping') < ready) return { code, events };
  }
}

t.test('a signal during the start ends it in order', async (t) => {
  const { code, events } = await endDuringStart(t, '10s');
  t.equal(code, 0);
  t.match(events.at(-1), { event: 'proxy-stopped' });
});

t.test('what is not done within stop.timeout is left undone, by name, with an exit code of its own', async (t) => {
  const { code, events } = await endDuringStart(t, '1s');
  t.equal(code, 4);
  t.match(events.at(-1), { event: 'proxy-stop-timed-out', timeoutMs: 1000, undone: ['start'] });
});
