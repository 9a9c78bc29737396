/**
 * Fault class *client*: senders that are slow, gone, idle by the thousand or hostile, while a shipper with ids of its own sends on
 * through the same port. It loses nothing, and what was never meant as a request is none.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { Fault, Scene } from './experiment.ts';
import { openFaultClass } from './fault-class.ts';
import { toDest } from './process-faults.ts';

const lab = await openFaultClass(t, 'client');
const skip = lab.missing;
const idleConnections = lab.long ? 10_000 : 2000;
const environment = {
  LOGSEAL_CONNECTIONS_HEADERS_TIMEOUT: '5s',
  LOGSEAL_CONNECTIONS_REQUEST_TIMEOUT: '5s',
  LOGSEAL_INTAKE_BODY_BYTES_MAX: '4MiB',
};
const foreignBulk = '{"create":{"_index":"logs-hostile"}}\n{"n":"hostile"}\n';
const head = (...headers: string[]) =>
  ['POST /_bulk HTTP/1.1', 'Host: x', 'Content-Type: application/x-ndjson', ...headers, '', ''].join('\r\n');
const announced = head('Content-Length: 100000');

/** The shipper's connection ends when the proxy has answered; it sends the bulk again. */
function loseAnswer({ intake }: Scene): Promise<void> {
  return intake.trap({ at: 'answer', matches: ({ body }) => body.includes(toDest), cut: true });
}

const slow: Fault = {
  name: 'slow senders, a byte a second',
  async inject(scene) {
    const drips = [head().slice(0, -10), announced, head('Transfer-Encoding: chunked')].map(async (first) => {
      const socket = open(scene);
      socket.resume();
      socket.write(first);
      while (!socket.destroyed) {
        socket.write('1');
        await pause(1000);
      }
    });
    await Promise.all(drips);
  },
};

const halfClosed: Fault = {
  name: 'half-closed',
  async inject(scene) {
    for (const text of [
      '',
      'POST /_bulk',
      announced,
      `${announced}${foreignBulk}`,
      `${head('Transfer-Encoding: chunked')}5\r\n`,
    ]) {
      const socket = open(scene);
      socket.end(text);
      await ended(socket);
    }
  },
};

const gone: Fault = {
  name: 'gone in the middle of a body',
  async inject(scene) {
    for (let n = 0; n < 100; n += 1) {
      const socket = open(scene);
      await once(socket, 'connect');
      await new Promise((resolve) => socket.write(`${announced}${foreignBulk}`, resolve));
      socket.resetAndDestroy();
    }
  },
};

const smuggling: Fault = {
  name: 'smuggling shapes',
  async inject(scene) {
    const { length } = foreignBulk;
    const shapes = [
      head(`Content-Length: ${length}`, 'Transfer-Encoding: chunked'),
      head(`Content-Length: ${length}`, `Content-Length: ${length + 1}`),
      head('Transfer-Encoding: gzip, chunked'),
      head('Transfer-Encoding : chunked'),
      head('X-A: b\r\n c', `Content-Length: ${length}`),
      head('Host: y', `Content-Length: ${length}`),
      head(`Content-Length: 0${length}`),
      head(`Content-Length: ${length}`).replace(' /_bulk', ' http://x/_bulk'),
      head(`Content-Length: ${length}`).replaceAll('\r\n', '\n'),
    ];
    for (const shape of shapes)
      await refused(scene, shape + foreignBulk + head(`Content-Length: ${length}`) + foreignBulk);
  },
};

const headerBombs: Fault = {
  name: 'header bombs',
  async inject(scene) {
    await refused(scene, head(`X-A: ${'x'.repeat(1_000_000)}`));
    await refused(scene, head(...Array.from({ length: 100_000 }, (_, n) => `x${n}: y`)));
    await refused(scene, head().replace('/_bulk', `/${'x'.repeat(1_000_000)}`));
  },
};

const bombBytes = 256 * 1024 ** 2;
const bombMemoryMax = 128 * 1024 ** 2;

const inflateBombs: Fault = {
  name: 'decompression bombs, 1000 to 1',
  async inject(scene) {
    const bomb = gzipSync(Buffer.alloc(bombBytes, 10));
    const before = await memoryBytes(scene);
    const headers = { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' };
    for (let n = 0; n < 5; n += 1) {
      const answer = await fetch(`${scene.proxy.url}/_bulk`, { method: 'POST', headers, body: new Uint8Array(bomb) });
      if (answer.status !== 413) throw new Error(`a bomb was answered ${answer.status}`);
    }
    const grown = (await memoryBytes(scene)) - before;
    if (grown > bombMemoryMax) throw new Error(`the bombs took ${grown} bytes of memory`);
  },
};

const garbage: Fault = {
  name: 'garbage',
  async inject(scene) {
    for (let n = 0; n < 50; n += 1) {
      const bytes = Buffer.from(Array.from({ length: 500 }, () => Math.floor(lab.random() * 256)));
      const socket = open(scene);
      socket.end(bytes);
      await ended(socket);
    }
  },
};

/** Past relay and shipper, straight to the proxy. */
function open({ proxy }: Scene): Socket {
  const { port, hostname } = new URL(proxy.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  return socket;
}

/** An open connection on which one request has been answered. */
async function openIdle(scene: Scene): Promise<Socket> {
  const socket = open(scene);
  socket.write('GET /_bulk HTTP/1.1\r\nHost: x\r\n\r\n');
  await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  return socket;
}

async function ended(socket: Socket): Promise<void> {
  socket.resume();
  // Not `once`: a reset is an end like any other.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

/** Throws if anything of it was answered with success. */
async function refused(scene: Scene, text: string): Promise<void> {
  const socket = open(scene);
  let received = '';
  socket.on('data', (part) => {
    received += part.toString('latin1');
  });
  socket.write(text);
  await ended(socket);
  if (/HTTP\/1\.1 2/.test(received)) throw new Error(`answered with success: ${JSON.stringify(text.slice(0, 200))}`);
}

async function memoryBytes({ proxy }: Scene): Promise<number> {
  const status = await readFile(`/proc/${proxy.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

t.test('senders that are slow, gone, idle or hostile', { skip }, async (t) => {
  const answerLost: Fault = {
    name: 'disconnect before the answer, the same bulk again with ids',
    inject: (scene) => loseAnswer(scene),
  };
  const idle: Fault = {
    name: 'idle connections by the thousand',
    async inject(scene) {
      const before = await memoryBytes(scene);
      const sockets: Socket[] = [];
      try {
        for (let n = 0; n < idleConnections; n += 1) sockets.push(await openIdle(scene));
        await scene.ledger.grows(200);
        const open = sockets.filter((socket) => !socket.destroyed).length;
        if (open < idleConnections) throw new Error(`${idleConnections - open} of them were closed`);
        const grown = (await memoryBytes(scene)) - before;
        t.comment(`${idleConnections} idle connections: ${Math.round(grown / 1024 ** 2)} MiB`);
      } finally {
        for (const socket of sockets) socket.destroy();
      }
    },
  };
  const times = lab.long ? 5 : 1;
  const faults = [slow, halfClosed, gone, answerLost, idle, smuggling, headerBombs, inflateBombs, garbage];
  await lab.run(t, { environment, ledger: { ids: 'given' }, recordsBetween: 100, times, faults });
});

t.test('the same bulk again without ids: what was acknowledged is there, once each', { skip }, async (t) => {
  const again: Fault = { name: 'disconnect before the answer, the same bulk again without ids', inject: loseAnswer };
  await lab.run(t, { environment, recordsBetween: 100, faults: [again] });
});

t.test('without a fixed id for each record the second sending is there beside the first', { skip }, async (t) => {
  const again: Fault = { name: 'disconnect before the answer, the same bulk again with ids', inject: loseAnswer };
  await lab.run(t, {
    environment,
    ledger: { ids: 'given' },
    recordsBetween: 100,
    faults: [again],
    without: ['fixed-id'],
    sees: ['twice'],
  });
});
