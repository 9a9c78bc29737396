/**
 * How the real process ends: in order, within its bound, and at once when told twice. The search engine is a socket that takes
 * every connection and never answers: the one fault that a real one cannot have on demand.
 */
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

function eventsOf(child: Pick<Child, 'output'>): Record<string, unknown>[] {
  const lines = child.output().split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
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
  const proxy = await startProxy({ dataDir: join(t.testdir(), 'data'), elasticsearchUrl, environment });
  process.kill(proxy.pid, 'SIGTERM');
  await seen(proxy, 'proxy-stopping');
  process.kill(proxy.pid, 'SIGINT');
  t.equal(await proxy.ended, 4);
  t.match(eventsOf(proxy).at(-1), { event: 'proxy-stop-forced', signal: 'SIGINT', undone: /.*/ });
});

async function beginStart(t: Test, timeout: string): Promise<Child> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    NODE_OPTIONS: '',
    LOGSEAL_DATA_DIR: join(t.testdir(), 'data'),
    LOGSEAL_LISTEN: `127.0.0.1:${await freePort()}`,
    LOGSEAL_ADMIN_LISTEN: `127.0.0.1:${await freePort()}`,
    LOGSEAL_ELASTICSEARCH_URL: await silentEngine(t),
    LOGSEAL_STOP_TIMEOUT: timeout,
  };
  const main = join(projectDir, 'src', 'main.ts');
  return startChild({ command: process.execPath, args: [main], env, ready: /development-key/ });
}

t.test('a signal during the start ends it in order', async (t) => {
  const child = await beginStart(t, '10s');
  t.equal(await child.stop(60_000), 0);
  t.match(
    eventsOf(child).map(({ event }) => event),
    ['proxy-starting', 'development-key', 'proxy-stopping'],
  );
  t.match(eventsOf(child).at(-1), { event: 'proxy-stopped' });
});

t.test('what is not done within stop.timeout is left undone, by name, with an exit code of its own', async (t) => {
  // A start waits two seconds for the first answer of the search engine.
  const child = await beginStart(t, '1s');
  t.equal(await child.stop(60_000), 4);
  t.match(eventsOf(child).at(-1), { event: 'proxy-stop-timed-out', timeoutMs: 1000, undone: ['start'] });
});
