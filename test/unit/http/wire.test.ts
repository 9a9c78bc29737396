import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { startIntakeServer } from '../../helpers/intake-server.ts';
import { RawConnection } from '../../helpers/raw-http.ts';

const bulk = '{"create":{"_index":"logs"}}\n{"n":1}\n';
const head = (...lines: string[]) =>
  ['POST /_bulk HTTP/1.1', 'Host: x', 'Content-Type: application/x-ndjson', ...lines, '', ''].join('\r\n');
const plain = `${head(`Content-Length: ${bulk.length}`)}${bulk}`;
const chunk = (bytes: Buffer) =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
const coded = (coding: string, body: Buffer) =>
  Buffer.concat([Buffer.from(head(`Content-Encoding: ${coding}`, `Content-Length: ${body.length}`)), body]);

t.test(
  'requests on one connection, pipelined too, are answered in their order, each with one product header',
  async (t) => {
    const { port, intake } = await startIntakeServer(t);
    const connection = new RawConnection(port);
    connection.send(`${plain}GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n${plain}`);
    for (const status of [200, 200, 200]) {
      const answer = await connection.answer();
      t.equal(answer?.status, status);
      t.same(answer?.headers.get('x-elastic-product'), ['Elasticsearch']);
      t.equal(answer?.headers.get('x-opaque-id')?.length, 1);
    }
    t.equal(intake.records.length, 2);
    connection.end();
  },
);

t.test('chunked bodies and header names in any case are read', async (t) => {
  const { port, intake } = await startIntakeServer(t);
  const connection = new RawConnection(port);
  connection.send(
    'PUT //logs/_bulk/ HTTP/1.1\r\nhOST: x\r\nCONTENT-type: application/JSON; charset=UTF-8\r\ntransfer-ENCODING: chunked\r\n\r\n',
  );
  connection.send(
    Buffer.concat([...Array.from(Buffer.from(bulk), (byte) => chunk(Buffer.of(byte))), Buffer.from('0\r\n\r\n')]),
  );
  t.equal((await connection.answer())?.status, 200);
  t.equal(intake.records.length, 1);
  connection.send(
    `POST /_bulk HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ${bulk.length}\r\n\r\n${bulk}`,
  );
  t.equal((await connection.answer())?.status, 200, 'HTTP/1.0 as well');
  await connection.closed();
});

t.test('a chunked body past the bound is refused with 413', async (t) => {
  const { port, intake } = await startIntakeServer(t, { limits: { bodyBytesMax: 100_000 } });
  const connection = new RawConnection(port);
  connection.send(head('Transfer-Encoding: chunked'));
  connection.send(chunk(Buffer.alloc(90_000, 32))).send(chunk(Buffer.alloc(20_000, 32)));
  const answer = await connection.answer();
  t.equal(answer?.status, 413);
  t.same(answer?.headers.get('connection'), ['close']);
  await connection.closed();
  t.equal(intake.records.length, 0);
});

t.test('gzip, of several members too, and both kinds of deflate are inflated, coding names in any case', async (t) => {
  const { port, intake } = await startIntakeServer(t);
  const connection = new RawConnection(port);
  const half = Math.floor(bulk.length / 2);
  const members = Buffer.concat([gzipSync(bulk.slice(0, half)), gzipSync(bulk.slice(half))]);
  for (const [coding, body] of [
    ['GZip', gzipSync(bulk)],
    ['x-gzip', members],
    ['deflate', deflateSync(bulk)],
    ['Deflate', deflateRawSync(bulk)],
    ['identity', Buffer.from(bulk)],
  ] as const) {
    connection.send(coded(coding, body));
    t.equal((await connection.answer())?.status, 200, coding);
  }
  t.equal(intake.records.length, 5);
  connection.end();
});

t.test('compressed bodies that are cut off, damaged or followed by something are refused whole', async (t) => {
  const { port, intake } = await startIntakeServer(t);
  const connection = new RawConnection(port);
  const long = gzipSync(bulk.repeat(1000));
  const damaged = Buffer.from(long);
  damaged.writeUInt32LE(damaged.readUInt32LE(damaged.length - 8) ^ 1, damaged.length - 8);
  const bodies: [string, Buffer][] = [
    ['gzip', long.subarray(0, long.length - 1)],
    ['gzip', long.subarray(0, 40)],
    ['gzip', damaged],
    ['gzip', Buffer.concat([long, Buffer.from('rest')])],
    ['gzip', Buffer.concat([long, long.subarray(0, 30)])],
    ['gzip', Buffer.from(bulk)],
    ['deflate', deflateSync(bulk).subarray(0, 20)],
    ['deflate', deflateRawSync(bulk).subarray(0, 10)],
    ['deflate', Buffer.from('x')],
    ['br', Buffer.from(bulk)],
  ];
  for (const [coding, body] of bodies) {
    connection.send(coded(coding, body));
    const answer = await connection.answer();
    t.equal(answer?.status, 400, `${coding} ${body.length}`);
    t.match(JSON.parse(String(answer?.body)), { error: { type: 'illegal_argument_exception' } });
  }
  t.equal(intake.records.length, 0);
  connection.end();
});

t.test('a decompression bomb costs its bound and is answered 413', async (t) => {
  const { port, intake, admission } = await startIntakeServer(t, { limits: { bodyBytesMax: 1024 * 1024 } });
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 10));
  const lie = Buffer.from(bomb);
  lie.writeUInt32LE(10, lie.length - 4);
  const connection = new RawConnection(port);
  for (const body of [bomb, lie]) {
    connection.send(coded('gzip', body));
    t.equal((await connection.answer())?.status, 413);
  }
  t.equal(intake.records.length, 0);
  t.equal(admission.bytes, 0);
  connection.end();
});

t.test(
  'Expect: 100-continue is answered before the body, a declared length past the bound with a bare 413',
  async (t) => {
    const { port, intake } = await startIntakeServer(t, { limits: { bodyBytesMax: 1000 } });
    const connection = new RawConnection(port);
    connection.send(head('Expect: 100-continue', `Content-Length: ${bulk.length}`));
    t.equal((await connection.answer())?.status, 100);
    connection.send(bulk);
    t.equal((await connection.answer())?.status, 200);
    connection.send(head('Expect: 100-continue', 'Content-Length: 1001'));
    const refused = await connection.answer();
    t.match(refused, { status: 413, body: Buffer.alloc(0) });
    t.same(refused?.headers.get('connection'), ['close']);
    t.same(refused?.headers.get('x-elastic-product'), ['Elasticsearch']);
    await connection.closed();
    t.equal(intake.records.length, 1);
    const odd = new RawConnection(port).send(head('Expect: a miracle', 'Content-Length: 1'));
    t.equal((await odd.answer())?.status, 417);
    odd.end();
  },
);

t.test('a body that ends before its length is no request', async (t) => {
  const { port, intake, admission } = await startIntakeServer(t);
  for (const text of [
    `${head(`Content-Length: ${bulk.length + 10}`)}${bulk}`,
    `${head('Transfer-Encoding: chunked')}${bulk.length.toString(16)}\r\n${bulk}\r\n`,
  ]) {
    const connection = new RawConnection(port).send(text);
    connection.half();
    const answer = await connection.answer();
    t.ok(answer === undefined || answer.status === 400);
    await connection.closed();
  }
  t.equal(intake.records.length, 0);
  t.equal(admission.requests, 0);
});

t.test('what is not HTTP is answered 400 in the shape of Elasticsearch, and the connection ends', async (t) => {
  const { port, intake } = await startIntakeServer(t, { server: { headerBytesMax: 2048 } });
  const cases: [string, RegExp][] = [
    ['garbage\r\n\r\n', /invalid HTTP request/],
    [`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(4000)}\r\n\r\n`, /header is too long/],
    [head('Content-Length: 10', 'Transfer-Encoding: chunked'), /invalid HTTP request/],
    [head('Content-Length: 1', 'Content-Length: 2'), /invalid HTTP request/],
    [head('Content-Length: -1'), /invalid HTTP request/],
  ];
  for (const [text, reason] of cases) {
    const connection = new RawConnection(port).send(text);
    const answer = await connection.answer();
    t.equal(answer?.status, 400, text.slice(0, 30));
    t.same(answer?.headers.get('x-elastic-product'), ['Elasticsearch']);
    t.match(JSON.parse(String(answer?.body)), { status: 400, error: { reason } });
    await connection.closed();
  }
  const broken = new RawConnection(port).send(`${head('Transfer-Encoding: chunked')}zz\r\n`);
  await broken.closed();
  t.equal(intake.records.length, 0);
});

t.test('garbage behind a good request never ends up in its answer', async (t) => {
  const { port, intake } = await startIntakeServer(t);
  const release = Promise.withResolvers<void>();
  intake.onAppend = () => release.promise;
  const connection = new RawConnection(port).send(`${plain}garbage\r\n\r\n`);
  const ended = connection.closed();
  release.resolve();
  const answer = await connection.answer();
  t.ok(answer === undefined || answer.status === 200);
  await ended;
});

t.test('requests that come too slowly are ended', async (t) => {
  const { port } = await startIntakeServer(t, {
    server: { headersTimeoutMs: 100, requestTimeoutMs: 100 },
  });
  const connection = new RawConnection(port).send('POST /_bulk HTTP/1.1\r\nHost: x\r\n');
  t.equal((await connection.answer())?.status, 408);
  await connection.closed();
});

t.test('stopping takes nothing new, and gives every request under way its answer', async (t) => {
  const { port, intake, server } = await startIntakeServer(t);
  const began = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  intake.onAppend = () => {
    began.resolve();
    return release.promise;
  };
  const connection = new RawConnection(port).send(plain);
  await began.promise;
  const stopped = server.stop(10_000);
  release.resolve();
  t.equal((await connection.answer())?.status, 200);
  await stopped;
  await connection.closed();
  const late = new RawConnection(port).send(plain);
  t.equal(await late.answer(), undefined);
});

t.test('stopping does not wait longer than it is told', async (t) => {
  const { port, intake, server } = await startIntakeServer(t);
  const began = Promise.withResolvers<void>();
  intake.onAppend = () => {
    began.resolve();
    return new Promise(() => undefined);
  };
  const connection = new RawConnection(port).send(plain);
  await began.promise;
  await server.stop(1);
  t.equal(await connection.answer(), undefined);
});

t.test('a memory bound holds requests until there is room, first come first served', async (t) => {
  const { port, intake, admission } = await startIntakeServer(t, { memoryBytesMax: 100 });
  const release = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  intake.onAppend = () => {
    began.resolve();
    return release.promise;
  };
  const body = `{"create":{"_index":"logs"}}\n{"n":"${'x'.repeat(50)}"}\n`;
  const text = `${head(`Content-Length: ${body.length}`)}${body}`;
  const first = new RawConnection(port).send(text);
  await began.promise;
  const second = new RawConnection(port).send(text);
  release.resolve();
  t.equal((await first.answer())?.status, 200);
  t.equal((await second.answer())?.status, 200);
  t.equal(admission.bytes, 0);
  first.end();
  second.end();
});
