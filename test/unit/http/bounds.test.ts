import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import type { Lease } from '../../../src/http/admission.ts';
import { Admission } from '../../../src/http/admission.ts';
import { prettyJson } from '../../../src/http/answer.ts';
import { errorAnswer } from '../../../src/http/error-response.ts';
import { parseTarget } from '../../../src/http/exchange.ts';
import { mediaTypes } from '../../../src/http/media-type.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';
import { refusalOf } from '../../helpers/parse.ts';

const never = new AbortController().signal;

t.test('requests past a bound wait in order, and leave with 429 or when their client leaves', async (t) => {
  const clock = new ManualClock();
  const admission = new Admission({ requestsMax: 2, bytesMax: 100, holdMs: 1000, clock });
  const first = await admission.enter(60, never);
  const order: string[] = [];
  const big = admission.enter(50, never).then((lease) => {
    order.push('big');
    return lease;
  });
  const small = admission.enter(10, never).then((lease) => {
    order.push('small');
    return lease;
  });
  const leaving = new AbortController();
  const left = admission.enter(10, leaving.signal);
  leaving.abort();
  await t.rejects(left, { code: 'CLIENT_GONE' });
  await t.rejects(admission.enter(1, AbortSignal.abort()), { code: 'CLIENT_GONE' });
  t.same(order, [], 'the small one does not overtake');
  first.release();
  first.release();
  (await big).release();
  (await small).release();
  t.same(order, ['big', 'small']);
  t.equal(admission.bytes + admission.requests, 0);
  const holder = await admission.enter(100, never);
  const late = admission.enter(1, never);
  clock.advance(1000);
  await t.rejects(late, { code: 'INTAKE_BUSY' });
  holder.release();
});

t.test('one that is alone may be larger than the bound; one that grows waits for room', async (t) => {
  const clock = new ManualClock();
  const admission = new Admission({ requestsMax: 10, bytesMax: 100, holdMs: 1000, clock });
  const alone = await admission.enter(500, never);
  alone.release();
  const one = await admission.enter(50, never);
  const two = await admission.enter(40, never);
  const grown = one.grow(30, never);
  two.release();
  await grown;
  t.equal(admission.bytes, 80);
  const three = await admission.enter(20, never);
  const never2 = one.grow(30, never);
  clock.advance(1000);
  await t.rejects(never2, { code: 'INTAKE_BUSY' });
  one.release();
  await one.grow(10, never);
  t.equal(admission.bytes, 20, 'what grows after it was given back is given back too');
  three.release();
  t.equal(admission.bytes, 0);
});

t.test('media types are taken, mirrored or refused as by Elasticsearch', async (t) => {
  const json = 'application/json';
  const vnd = (n: number, name = 'json') => `application/vnd.elasticsearch+${name}; compatible-with=${n}`;
  const good: [string, string | undefined, string | undefined, string][] = [
    [json, undefined, undefined, json],
    ['application/x-ndjson', '*/*', undefined, json],
    ['Application/JSON;charset="UTF-8"', 'text/html', undefined, json],
    [json, undefined, 'yaml', 'application/yaml'],
    [json, 'application/yaml', 'json', json],
    [json, 'text/html, application/yaml;q=0.5', undefined, 'application/yaml'],
    [vnd(9, 'x-ndjson'), vnd(9), undefined, 'application/vnd.elasticsearch+json;compatible-with=9'],
    [vnd(8), `${vnd(8)},text/plain`, undefined, 'application/vnd.elasticsearch+json;compatible-with=8'],
  ];
  for (const [content, accept, format, answer] of good)
    t.equal(mediaTypes(content, accept, format).answer, answer, `${content} ${accept}`);
  t.equal(mediaTypes(vnd(8), vnd(8)).version, 8);
  const bad: [string | undefined, string | undefined, number, RegExp][] = [
    [undefined, undefined, 406, /^Content-Type header \[\] is not supported$/],
    ['', undefined, 406, /^Content-Type header \[\] is not supported$/],
    ['text/foo', undefined, 406, /\[text\/foo\]/],
    ['application/cbor', undefined, 406, /cbor/],
    ['application/yaml', undefined, 406, /yaml/],
    ['garb age', undefined, 400, /Invalid media-type value on headers \[Content-Type\]/],
    [`application/json;${'x'.repeat(2000)}`, undefined, 400, /Invalid media-type/],
    [vnd(7), vnd(7), 400, /\[Content-Type, Accept\]/],
    [vnd(9), undefined, 400, /\[Content-Type, Accept\]/],
    [vnd(9), vnd(8), 400, /\[Content-Type, Accept\]/],
    [json, vnd(9), 400, /\[Content-Type, Accept\]/],
    [json, vnd(7), 400, /\[Content-Type, Accept\]/],
  ];
  for (const [content, accept, status, reason] of bad)
    t.match(
      refusalOf(() => mediaTypes(content, accept)),
      { status, reason },
      String(content),
    );
});

t.test('targets are taken apart as Elasticsearch does', async (t) => {
  t.match(parseTarget('//_bulk/?a=1&a=2&b&c=%20x+y&&=z'), { path: '//_bulk/', segments: ['_bulk'] });
  t.same(
    [...parseTarget('/?a=1&a=2&b&c=%20x+y&&').query],
    [
      ['a', '2'],
      ['b', ''],
      ['c', ' x y'],
    ],
  );
  t.match(parseTarget('/'), { path: '/', segments: [] });
  t.match(parseTarget('/a%2Fb/%3Cx%3E'), { segments: ['a/b', '<x>'] });
  t.match(
    refusalOf(() => parseTarget('/%')),
    { type: 'bad_parameter_exception' },
  );
  t.equal(parseTarget(`/?${'a&'.repeat(999)}b`).query.size, 2);
  t.match(
    refusalOf(() => parseTarget(`/?${'a&'.repeat(1000)}pipeline=p`)),
    { type: 'illegal_argument_exception' },
  );
});

t.test('errors become answers that pass on neither blame nor secrets', async (t) => {
  const answer = (error: unknown) => errorAnswer(error, 'id');
  t.match(answer(new LogsealError('CONFIG_INVALID', 'path of a key')), { status: 500 });
  t.notMatch(JSON.stringify(answer(new LogsealError('CONFIG_INVALID', 'path of a key'))), /path of a key/);
  t.match(answer(new LogsealError('STOPPING', 'x')), { status: 429, close: true });
  t.match(answer(new LogsealError('UPSTREAM_UNKNOWN', 'x')), { status: 503 });
  t.match(answer(new LogsealError('WAL_FAILED', 'x')), { kind: 'hang-up' });
  t.match(answer('thrown text'), { status: 500 });
});

t.test('pretty JSON looks as Elasticsearch prints it', async (t) => {
  t.equal(
    prettyJson({ a: [1, { b: null }], c: {}, d: [], e: undefined }),
    '{\n  "a" : [\n    1,\n    {\n      "b" : null\n    }\n  ],\n  "c" : { },\n  "d" : [ ]\n}',
  );
});

t.test('who sends most does not decide how long the others wait', async (t) => {
  const clock = new ManualClock();
  const admission = new Admission({ requestsMax: 80, bytesMax: 1e9, holdMs: 1000, clock });
  const entered: Lease[] = [];
  const waiting = Array.from({ length: 500 }, () =>
    admission.enter(1, never, 'greedy').then(
      (lease) => entered.push(lease),
      () => undefined,
    ),
  );
  await Promise.resolve();
  t.equal(admission.requests, 70, 'seven eighths of all');
  const small = await admission.enter(1, never, 'small');
  t.ok(small, 'at once, though hundreds wait');
  const second = await admission.enter(1, never, 'other');
  small.release();
  second.release();
  // The last places fill up with others; then each place that is given back goes to whose turn it is.
  const others: Lease[] = [];
  for (let n = 0; n < 10; n += 1) others.push(await admission.enter(1, never, `other ${n}`));
  const order: string[] = [];
  const wait = (source: string) =>
    admission.enter(1, never, source).then((lease) => {
      order.push(source);
      lease.release();
    });
  const late = [wait('a'), wait('a'), wait('b')];
  entered[0]?.release();
  await Promise.all(late);
  t.strictSame(order, ['a', 'b', 'a']);
  clock.advance(1000);
  for (const lease of [...entered, ...others]) lease.release();
  await Promise.all(waiting);
  for (const lease of entered) lease.release();
  t.equal(admission.requests + admission.bytes, 0);
});

t.test('bytes are shared as places are, and one that holds nothing may have all that is left', async (t) => {
  const admission = new Admission({ requestsMax: 1000, bytesMax: 800, holdMs: 1000, clock: new ManualClock() });
  const held: Lease[] = [];
  for (let n = 0; n < 14; n += 1) {
    void admission.enter(50, never, 'greedy').then(
      (lease) => held.push(lease),
      () => undefined,
    );
  }
  await Promise.resolve();
  await Promise.resolve();
  t.equal(admission.bytes, 700);
  const last = admission.enter(50, never, 'greedy');
  const small = await admission.enter(100, never, 'small');
  t.equal(admission.bytes, 800);
  small.release();
  for (const lease of held) lease.release();
  (await last).release();
  t.equal(admission.bytes, 0);
});
