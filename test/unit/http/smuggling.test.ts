/**
 * Requests that two readers could cut apart differently, each by hand over a socket: refused, the connection over, nothing signed,
 * and the search engine got exactly what was meant. Beside each kind stands a well-formed cousin that must pass.
 */
import { connect } from 'node:net';
import t from 'tap';
import { startIntakeServer } from '../../helpers/intake-server.ts';

const bulk = '{"create":{"_index":"logs"}}\n{"n":1}\n';
const size = bulk.length.toString(16);
const chunked = `${size}\r\n${bulk}\r\n0\r\n\r\n`;
/** What an attacker wants carried out. */
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const ndjson = 'Content-Type: application/x-ndjson';
const post = (headers: string[], body = bulk, line = 'POST /_bulk HTTP/1.1', host = 'Host: x') =>
  `${[line, ...(host === '' ? [] : [host]), ndjson, ...headers, '', ''].join('\r\n')}${body}`;
const search = (headers: string[], line = 'GET /logs/_search HTTP/1.1', host = 'Host: x') =>
  `${[line, ...(host === '' ? [] : [host]), ...headers, '', ''].join('\r\n')}`;
const length = `Content-Length: ${bulk.length}`;
const te = 'Transfer-Encoding: chunked';

const refused: Record<string, string[]> = {
  'lengths that disagree': [
    post([length, `Content-Length: ${bulk.length + 1}`]),
    post([length, length]),
    post([`${length}, ${bulk.length}`]),
    post([length, te], chunked),
    post([te, length], chunked),
    post([te, 'Content-Length: 0'], chunked),
  ],
  'lengths that are no plain number': [
    post([`Content-Length: +${bulk.length}`]),
    post([`Content-Length: -${bulk.length}`]),
    post([`Content-Length: 0${bulk.length}`]),
    post([`Content-Length: 0x${bulk.length.toString(16)}`]),
    post([`Content-Length: ${bulk.length}.0`]),
    post([`Content-Length: ${bulk.length} 0`]),
    post([`Content-Length: \x0b${bulk.length}`]),
    post(['Content-Length:']),
    post(['Content-Length: 9007199254740993']),
    post(['Content-Length: 18446744073709551652']),
  ],
  'odd transfer codings': [
    ...[
      'identity',
      'gzip, chunked',
      'chunked, identity',
      'chunked, chunked',
      ',chunked',
      'chunked,',
      'xchunked',
      'chunkedx',
      '"chunked"',
      'chunked;q=1',
      'chunked\t',
      '\x0bchunked',
      '',
    ].map((coding) => post([`Transfer-Encoding: ${coding}`], chunked)),
    post([te, te], chunked),
    post([te, 'Transfer-Encoding: identity'], chunked),
    post(['Transfer-Encoding : chunked'], chunked),
    post(['Transfer-Encoding:\r\n chunked'], chunked),
    post([te], chunked, 'POST /_bulk HTTP/1.0'),
  ],
  'lines that end or go on oddly': [
    `GET /logs/_search HTTP/1.1\nHost: x\n\n`,
    `GET /logs/_search HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n`,
    `GET /logs/_search HTTP/1.1\r\nHost: x\r\n\n`,
    `GET /logs/_search HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n`,
    `GET /logs/_search HTTP/1.1\r\nHost: x\r\r\n\r\n`,
    search(['X-A: b\r\n c']),
    search(['X-A: b\r\n\tc']),
    `GET /logs/_search HTTP/1.1\r\n X-A: b\r\nHost: x\r\n\r\n`,
  ],
  'header names and values that are none': [
    search(['X-A: a\0b']),
    search(['X-A\0: b']),
    search(['X-A: a\x01b']),
    search(['X-A: a\x7fb']),
    search(['X-A : b']),
    search(['X-A\t: b']),
    search([': b']),
    search(['X(: b']),
    search(['X\xe9: b']),
    search(['nothing']),
  ],
  hosts: [
    search([], undefined, ''),
    search(['Host: x']),
    search(['Host: y']),
    search([], undefined, 'Host: x, y'),
    search([], undefined, 'Host: x@y/z?'),
    search([], undefined, 'Host: x y'),
    search(['Host: y'], 'GET /logs/_search HTTP/1.0'),
  ],
  'targets that are no path': [
    ...['http://x/logs/_search', 'https://other/logs/_search', 'foo://x/', '*', 'logs/_search', '?q=1'].map((target) =>
      search([], `GET ${target} HTTP/1.1`),
    ),
    search([], 'OPTIONS * HTTP/1.1'),
    search([], 'CONNECT x:443 HTTP/1.1'),
    search([], 'DELETE /logs#x HTTP/1.1'),
    search([], 'DELETE /x\\..\\logs HTTP/1.1'),
    ...['/x/../logs', '/x/%2e%2E/logs', '/./logs', '/x/.%2e', '/x/..?q'].map((target) =>
      search([], `DELETE ${target} HTTP/1.1`),
    ),
    search([], 'GET /logs\x01 HTTP/1.1'),
    search([], 'GET /logs /x HTTP/1.1'),
    search([], `GET /${'x'.repeat(9000)} HTTP/1.1`),
  ],
  'other protocols': [
    'GET /logs/_search\r\n\r\n',
    search([], 'GET /logs/_search HTTP/0.9'),
    search([], 'GET /logs/_search HTTP/1.2'),
    search([], 'GET /logs/_search HTTP/2.0'),
    search([], 'GET /logs/_search http/1.1'),
    search([], 'GET /logs/_search HTTP/1.1 '),
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    search([], 'get /logs/_search HTTP/1.1'),
    search([], 'BREW /logs/_search HTTP/1.1'),
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    '\0'.repeat(100),
  ],
  'headers that count once, twice': [
    search(['Authorization: Basic YTph', 'Authorization: Basic YjpiCg==']),
    search(['es-security-runas-user: a', 'Es-Security-Runas-User: b']),
    post([length, 'content-type: application/json']),
    post([length, 'Content-Encoding: identity', 'content-encoding: gzip']),
  ],
  'headers of the whole way, named as of one hop': [
    post([length, 'Connection: content-length']),
    post([length, 'Connection: keep-alive, Content-Encoding']),
    search(['Authorization: Basic YTph', 'Connection: close, authorization']),
    post([te, 'Connection: transfer-encoding'], chunked),
    search(['Connection: host']),
  ],
  'too many, too long': [
    search(Array.from({ length: 200 }, (_, n) => `a${n}: b`)),
    search(Array.from({ length: 3000 }, () => 'a:b')),
    search([`X-A: ${'x'.repeat(20_000)}`]),
    post([te], `3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`),
  ],
  'chunks that are none': [
    ...['0x', '-', '+', ' ', ';a', 'f'.repeat(15), '1'.padEnd(17, '0'), 'g', '\r\n'].map((before) =>
      post([te], `${before}${chunked}`),
    ),
    post([te], `${size} \r\n${bulk}\r\n0\r\n\r\n`),
    post([te], `${size}\n${bulk}\r\n0\r\n\r\n`),
    post([te], `${size};a\n${bulk}\r\n0\r\n\r\n`),
    post([te], `${size};a\rb\r\n${bulk}\r\n0\r\n\r\n`),
    post([te], `${size};a=\x01\r\n${bulk}\r\n0\r\n\r\n`),
    post([te], `${size}\r\n${bulk}\n0\r\n\r\n`),
    post([te], `${size}\r\n${bulk}X\r\n0\r\n\r\n`),
    post([te], `${size}\r\n${bulk}0\r\n\r\n`),
    post([te], `${size}\r\n${bulk}\r\n0\n\n`),
    post([te], `${size}\r\n${bulk}\r\n0\r\nContent-Length: 5\r\n\r\n`),
    post([te], `${size}\r\n${bulk}\r\n0\r\n${te}\r\n\r\n`),
  ],
  expectations: [
    post([length, 'Expect: 200-ok']),
    post([length, 'Expect: 100-continue, more']),
    post([length, 'Expect: not 100-continue']),
    post([length, 'Expect: 100-continue', 'Expect: 100-continue']),
  ],
};

interface Outcome {
  statuses: number[];
  text: string;
}

/** Everything that is answered until the other side ends the connection. */
function answersTo(port: number, text: string): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.setEncoding('latin1');
  socket.on('data', (part: string) => {
    received += part;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    const statuses = [...received.matchAll(/HTTP\/1\.1 (\d\d\d) /g)].map((found) => Number(found[1]));
    resolve({ statuses, text: received });
  });
  socket.setTimeout(20_000, () => socket.destroy());
  socket.write(Buffer.from(text, 'latin1'));
  return promise;
}

for (const [kind, requests] of Object.entries(refused)) {
  t.test(`refused, and nothing behind it is looked at: ${kind}`, async (t) => {
    const { port, intake, asked } = await startIntakeServer(t);
    for (const request of requests) {
      const { statuses } = await answersTo(port, request + smuggled);
      const shown = JSON.stringify(request.length > 200 ? `${request.slice(0, 200)}…` : request);
      t.ok(statuses.length <= 1 && [400, 417, undefined].includes(statuses[0]), `${statuses.join()} ${shown}`);
    }
    t.equal(intake.records.length, 0, 'nothing was signed');
    t.strictSame(asked, [], 'nothing reached the search engine');
  });
}

const last = 'GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

t.test('well-formed cousins pass, each read to its end', async (t) => {
  const { port, intake, asked } = await startIntakeServer(t);
  const good = [
    post([length]),
    post([`content-length:${bulk.length}`]),
    post([`Content-Length: \t ${bulk.length} \t`]),
    post([te], chunked),
    post(['transfer-encoding:CHUNKED'], chunked),
    post(
      [te],
      `${size.padStart(8, '0').toUpperCase()};a="b;c";d\r\n${bulk}\r\n0;e\r\nX-Trailer: 1\r\nAuthorization: x\r\n\r\n`,
    ),
    post([length, 'Connection: te', 'TE: trailers', 'Keep-Alive: 5', 'Transfer_Encoding: chunked']),
    post([length], bulk, undefined, 'Host:'),
    post([length], bulk, undefined, 'hOsT: [::1]:9280'),
    post([length, 'X-A: caf\xe9\tx', 'X-A: twice', 'Cookie: a', 'Cookie: b']),
    `\r\n${post([length])}`,
  ];
  for (const request of good) {
    const { statuses } = await answersTo(port, request + last);
    t.strictSame(statuses, [200, 200], JSON.stringify(request));
  }
  t.equal(intake.records.length, good.length, 'each is signed once');
  t.ok(
    asked.length === good.length && asked.every(({ url }) => url === '/last'),
    'and the next one is read from its beginning',
  );
  const offer = ['Connection: keep-alive, Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'];
  const offered = await answersTo(port, post([length, ...offer]) + smuggled);
  t.strictSame(offered.statuses, [200], 'an offer of another protocol is not taken up, and ends the connection');
  const continued = await answersTo(port, post([length, 'Expect: 100-Continue', 'Connection: close']));
  t.strictSame(continued.statuses, [100, 200]);
  const old = await answersTo(port, post([length], bulk, 'POST /_bulk HTTP/1.0', '') + smuggled);
  t.ok(old.statuses.length <= 1, 'what comes behind HTTP/1.0 is not read');
  t.equal(asked.length, good.length);
});

t.test('through pass-through the search engine gets each request once, cut as it was meant', async (t) => {
  const { port, intake, asked } = await startIntakeServer(t);
  const inside = 'DELETE /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  const some = [
    search([`Content-Length: ${inside.length}`], 'POST /a/_search HTTP/1.1') + inside,
    `${search([te], 'POST /b/_search HTTP/1.1')}${inside.length.toString(16)}\r\n${inside}\r\n0\r\nHost: y\r\n\r\n`,
    search(['Content-Length: 0'], 'GET /c HTTP/1.1'),
    search([`Content-Length: ${inside.length}`], 'GET /d/_search HTTP/1.1') + inside,
  ];
  const { statuses } = await answersTo(port, some.join('') + last);
  t.strictSame(statuses, [200, 200, 200, 200, 200]);
  t.strictSame(
    asked
      .map(({ method, url, body }) => [method, url, body.toString()])
      .sort((a, b) => (String(a[1]) < String(b[1]) ? -1 : 1)),
    [
      ['POST', '/a/_search', inside],
      ['POST', '/b/_search', inside],
      ['GET', '/c', ''],
      ['GET', '/d/_search', inside],
      ['GET', '/last', ''],
    ],
  );
  const before = asked.length;
  const broken = [`3\r\nabcX\r\n0\r\n\r\n`, `3\r\nabc\r\nzz\r\n`, `3\r\nabc\r\n-1\r\n`];
  for (const body of broken) {
    const { statuses } = await answersTo(port, search([te], 'POST /e/_search HTTP/1.1') + body + smuggled);
    t.ok(
      statuses.length <= 1 && statuses[0] !== 200,
      `a body that breaks off has no answer of the search engine: ${statuses}`,
    );
  }
  t.strictSame((await answersTo(port, last)).statuses, [200]);
  t.strictSame(
    asked.slice(before).map(({ url }) => url),
    ['/last'],
    'and is no request there, nor does it spoil the next one',
  );
  t.equal(intake.records.length, 0);
});

t.test('headers for one hop end here, in both directions, and none is let in by a value', async (t) => {
  const { port, asked, upstream } = await startIntakeServer(t);
  upstream.respond = (_request, response) => {
    const names = [
      'Connection',
      'close, X-Hop',
      'X-Hop',
      '1',
      'Proxy-Authenticate',
      'x',
      'Keep-Alive',
      'timeout=1',
      'X-End',
      'caf\xe9',
    ];
    response.writeHead(200, [...names, 'X-elastic-product', 'Elasticsearch']);
    response.end('{}');
  };
  const hop = [
    'Connection: close, X-Secret',
    'Connection: x-other',
    'X-Secret: 1',
    'x-OTHER: 1',
    'Keep-Alive: 5',
    'Proxy-Authorization: Basic x',
    'Proxy-Connection: keep-alive',
    'TE: trailers',
    'Trailer: X-T',
    'Upgrade: h2c',
    'X-End: caf\xe9 %0d%0aX-In: 1',
    'X-Opaque-Id: a%0d%0aX-In: 1',
  ];
  const { statuses, text } = await answersTo(port, search(hop, 'GET /x?q=%0d%0aX-In:%201 HTTP/1.1'));
  t.strictSame(statuses, [200]);
  const sent = asked[0]?.rawHeaders ?? [];
  const names = sent.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  t.strictSame(names.sort(), ['connection', 'host', 'x-end', 'x-opaque-id']);
  t.equal(asked[0]?.headers['x-end'], 'caf\xe9 %0d%0aX-In: 1', 'as it came');
  t.equal(asked[0]?.headers.host, `127.0.0.1:${upstream.port}`, 'the host is the one that is asked');
  t.match(text, /^X-End: caf\xe9$/im);
  t.notMatch(text, /X-Hop|Proxy-Authenticate|timeout=1|^X-In/im);
});

t.test('a body that nobody reads does not keep its connection', async (t) => {
  const { port, intake, asked } = await startIntakeServer(t, { server: { unreadMs: 100 } });
  for (const body of ['Content-Length: 900000', te]) {
    for (const line of ['GET /_bulk HTTP/1.1', 'DELETE /logs HTTP/1.1', 'POST /logs/_update/1 HTTP/1.1']) {
      const { statuses } = await answersTo(port, search([body], line));
      t.match(String(statuses), /^(403|405)$/, `${line} ${body}`);
    }
  }
  t.strictSame(
    (await answersTo(port, post(['Content-Length: 5', 'Expect: 100-continue'], smuggled, 'GET /_bulk HTTP/1.1')))
      .statuses,
    [405],
  );
  t.equal(intake.records.length + asked.length, 0);
});

t.test(
  'a pause in a body, or in taking an answer, ends the connection; a request that waits is not idle',
  async (t) => {
    const { port, intake } = await startIntakeServer(t, { server: { idleTimeoutMs: 100 } });
    t.strictSame((await answersTo(port, post([`Content-Length: ${bulk.length + 1}`]))).statuses, []);
    intake.onAppend = () => new Promise((resolve) => setTimeout(resolve, 400));
    t.strictSame((await answersTo(port, post([length, 'Connection: close']))).statuses, [200]);
    t.equal(intake.records.length, 1);
  },
);
