/**
 * What a proxy needs that does nothing yet: to start with a log that waits, and to hold connections that say nothing.
 * The search engine of the first is away while the log fills and while the start is timed, and then it drains.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, startProxy } from '../helpers/proxy.ts';
import type { BenchOptions } from './options.ts';
import { memory, resetPeak } from './process-cost.ts';
import { Sink, sendLoad, startLogseal, untilTrue } from './processes.ts';
import type { Table } from './table.ts';

const recordBytes = 1000;
const perBulk = 1000;
const gigabyte = 1e9;
const settleMs = 15_000;

/** Seconds of a start by how much waits, in clear and encrypted, and the memory of that start and of the draining after it. */
export async function recoveryPart(options: BenchOptions): Promise<Table> {
  const rows = [await recovery(options, false), await recovery(options, true)];
  return {
    title: `A start with ${options.waitingGigabytes} GB that wait for a search engine that is away`,
    head: [
      'log',
      'GB',
      'records',
      'ready, s',
      's a GB',
      'MiB at ready',
      'most MiB',
      'drained, records/s',
      'most MiB while draining',
    ],
    rows,
    notes: [
      '`s a GB`: the time to ready less that of an empty directory. After kill -9: the start checks all of the log and writes it anew.',
    ],
  };
}

async function recovery(options: BenchOptions, encrypted: boolean): Promise<(string | number)[]> {
  const base = mkdtempSync(join(options.directory ?? tmpdir(), 'logseal-bench-'));
  const keyFile = join(base, 'key');
  writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  const sink = await Sink.start();
  const road = new Road(Number(new URL(sink.url).port));
  const elasticsearchUrl = `http://127.0.0.1:${await road.listen()}`;
  const start = (dataDir: string) =>
    startProxy({
      dataDir: join(base, dataDir),
      elasticsearchUrl,
      nodeFlags: options.nodeFlags,
      environment: {
        LOGSEAL_WAL_KEEP: '0s',
        LOGSEAL_WAL_BYTES_MAX: `${Math.ceil(options.waitingGigabytes * 2) + 1}GiB`,
        ...(encrypted ? { LOGSEAL_ENCRYPTION_KEY_FILE: keyFile } : {}),
      },
    });
  const timed = async (dataDir: string) => {
    const begin = performance.now();
    const proxy = await start(dataDir);
    return { proxy, seconds: (performance.now() - begin) / 1000 };
  };
  try {
    const empty = await timed('empty');
    await empty.proxy.kill();
    const first = await start('data');
    const bulks = Math.ceil((options.waitingGigabytes * gigabyte) / recordBytes / perBulk);
    const common = { dest: 'web', recordBytes, perBulk, bulks, connections: 4, signed: false };
    const { records } = await sendLoad({ url: first.url, ...common });
    const metrics = await (await fetch(`${first.adminUrl}/metrics`)).text();
    const bytes = Number(/^logseal_log_used_bytes\S* (\S+)$/m.exec(metrics)?.[1] ?? Number.NaN);
    // A log that waits has waited for a while: what the disk still owes of the filling is no part of the start.
    await pause(settleMs);
    await first.kill();
    const { proxy, seconds } = await timed('data');
    const atReady = memory(proxy.pid);
    resetPeak(proxy.pid);
    const begin = performance.now();
    road.open = true;
    await untilTrue(async () => (await sink.count('web')) >= records, 50, 120_000 + 120_000 * options.waitingGigabytes);
    const drained = records / ((performance.now() - begin) / 1000);
    const draining = memory(proxy.pid).peak;
    await proxy.stop(60_000);
    const perGigabyte = (seconds - empty.seconds) / (bytes / gigabyte);
    return [
      ...[encrypted ? 'encrypted' : 'in clear', bytes / gigabyte, records, seconds, perGigabyte],
      ...[atReady.now, atReady.peak, drained, draining],
    ];
  } finally {
    await road.close();
    await sink.process.stop();
    rmSync(base, { recursive: true, force: true });
  }
}

/** To a search engine that can be away: connections are cut until it is open. */
class Road {
  open = false;
  readonly #server: Server;

  constructor(port: number) {
    this.#server = createServer((from) => {
      from.on('error', () => undefined);
      if (!this.open) {
        from.destroy();
        return;
      }
      const to = connect(port, '127.0.0.1');
      to.on('error', () => from.destroy());
      from.pipe(to).pipe(from);
    });
  }

  async listen(): Promise<number> {
    const port = await freePort();
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return port;
  }

  async close(): Promise<void> {
    this.open = false;
    this.#server.close();
  }
}

/** Memory of connections that stay open after one small request, as shippers keep them. */
export async function idlePart(options: BenchOptions): Promise<Table> {
  const sink = await Sink.start();
  const logseal = await startLogseal(sink.url, options.directory, options.nodeFlags);
  const sockets: Socket[] = [];
  try {
    await sendLoad({ url: logseal.url, dest: 'web', recordBytes, perBulk, bulks: 20, connections: 4, signed: false });
    const before = memory(logseal.pid).now;
    const port = Number(new URL(logseal.url).port);
    for (let n = 0; n < options.idleConnections; n += 100) {
      const count = Math.min(100, options.idleConnections - n);
      sockets.push(...(await Promise.all(Array.from({ length: count }, () => askOnce(port)))));
    }
    const after = memory(logseal.pid).now;
    const open = sockets.filter((socket) => !socket.destroyed).length;
    const each = ((after - before) * 1024) / open;
    return {
      title: 'Connections that stay open and say nothing',
      head: ['open', 'MiB before', 'MiB with them', 'MiB for them', 'KiB each'],
      rows: [[open, before, after, after - before, each]],
    };
  } finally {
    for (const socket of sockets) socket.destroy();
    await logseal.remove();
    await sink.process.stop();
  }
}

function askOnce(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.once('data', () => {
      socket.resume();
      resolve(socket);
    });
    socket.write('GET / HTTP/1.1\r\nhost: logseal\r\n\r\n');
  });
}
