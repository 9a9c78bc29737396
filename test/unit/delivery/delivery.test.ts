import t from 'tap';
import { comparePositions } from '../../../src/wal/position.ts';
import { DeliveryRig } from '../../helpers/delivery-rig.ts';
import { FakeStore } from '../../helpers/fake-store.ts';
import type { TestRecord } from '../../helpers/log-writer.ts';

function records(count: number, dest = 'logs', from = 0): TestRecord[] {
  return Array.from({ length: count }, (_, i) => ({ dest, content: `{"n":${from + i}}` }));
}

async function rigOf(dir: string, store = new FakeStore()): Promise<DeliveryRig> {
  return DeliveryRig.open(dir, store);
}

/** Every record stands exactly once, in its destination or in the rejects. */
function placesOf(rig: DeliveryRig): Map<string, string[]> {
  const places = new Map<string, string[]>(rig.log.written.map((record) => [record.tag, []]));
  for (const { index, text } of rig.store.documents.values()) {
    const tag = (JSON.parse(text) as { logseal?: { tag: string } }).logseal?.tag;
    if (tag !== undefined) places.get(tag)?.push(index);
  }
  return places;
}

t.test('records and control records come to their destinations once, and the cursor follows', async (t) => {
  const rig = await rigOf(t.testdir());
  await rig.start();
  await rig.log.records([...records(50, 'a'), ...records(50, 'b')]);
  await rig.log.records([{ dest: 'a', id: 'given', content: '{"own":true}', meta: { routing: 'r' } }]);
  await rig.idle();
  t.equal(rig.store.in('a').length, 51);
  t.equal(rig.store.in('b').length, 50);
  t.strictSame(new Set([...placesOf(rig).values()].map((found) => found.length)), new Set([1]));
  t.strictSame(
    rig.log.controls.map((control) => control.place),
    [
      { dest: 'a', index: 'a', documents: 0 },
      { dest: 'b', index: 'b', documents: 0 },
      { dest: 'logseal-control', index: 'logseal-control', documents: 0 },
    ],
  );
  await rig.finish();
  t.equal(comparePositions(rig.saved.at(-1)!.main, rig.log.wal.durable), 0);
  t.equal(comparePositions(rig.trims.at(-1)!, rig.log.wal.durable), 0);
});

t.test('documents that were there before are counted into the place record', async (t) => {
  const store = new FakeStore();
  store.documentsBefore.set('old', 17);
  const rig = await rigOf(t.testdir(), store);
  await rig.start();
  await rig.log.records(records(3, 'old'));
  await rig.idle();
  t.match(rig.log.controls[0], { place: { dest: 'old', index: 'old', documents: 17 } });
  await rig.finish();
});

t.test('a cursor and places that are gone make no twin, though an alias rolled over', async (t) => {
  const store = new FakeStore();
  store.rollOver('stream', 'stream-1');
  const rig = await rigOf(t.testdir(), store);
  await rig.start();
  await rig.log.records(records(20, 'stream'));
  await rig.idle();
  store.rollOver('stream', 'stream-2');
  rig.kill();
  await rig.forget();
  await rig.start();
  await rig.log.records(records(5, 'stream', 20));
  await rig.idle();
  t.equal(store.in('stream-1').length, 20);
  t.equal(store.in('stream-2').length, 5);
  await rig.finish();
});

t.test('an answer that is lost before an alias rolls over makes no twin, with routing and without', async (t) => {
  const store = new FakeStore();
  store.rollOver('stream', 'stream-1');
  let lost = 0;
  store.fault = (items) => {
    if (items === 0 || store.in('stream-1').length > 0 || lost > 0) return 'none';
    lost += 1;
    setImmediate(() => store.rollOver('stream', 'stream-2'));
    return 'lost';
  };
  const rig = await rigOf(t.testdir(), store);
  await rig.log.records(
    records(20, 'stream').map((record, i) => (i % 2 === 0 ? record : { ...record, meta: { routing: `r${i}` } })),
  );
  await rig.start();
  await rig.idle();
  t.equal(lost, 1);
  t.equal(store.in('stream-1').length, 20);
  t.equal(store.in('stream-2').length, 0);
  await rig.finish();
});

t.test('every kind of broken answer ends with every record stored once', async (t) => {
  const dir = t.testdir({ lost: {}, half: {}, away: {}, fewer: {}, html: {}, busy: {} });
  for (const fault of ['lost', 'half', 'away', 'fewer', 'html', 'busy'] as const) {
    const store = new FakeStore();
    let left = 4;
    store.fault = (items) => (items > 0 && left-- > 0 ? fault : 'none');
    const rig = await rigOf(`${dir}/${fault}`, store);
    await rig.log.records(records(30, 'a'));
    await rig.start();
    await rig.idle();
    t.equal(store.in('a').length, 30, fault);
    t.equal(rig.delivery?.stats().unreachable, undefined);
    await rig.finish();
  }
});

t.test('results in another order than the records neither lose one nor reject another', async (t) => {
  const store = new FakeStore();
  let left = 20;
  store.fault = (items) => (items > 0 && left-- > 0 ? 'reversed' : 'none');
  const busy = { status: 429, type: 'es_rejected_execution_exception', reason: 'too much' };
  let turn = 0;
  store.refuse = ({ dest, text }) => {
    if (dest !== 'a') return undefined;
    if (text.includes('"n":4')) return { status: 400, type: 'document_parsing_exception', reason: 'failed to parse' };
    turn += 1;
    return left > 0 && turn % 3 === 0 ? busy : undefined;
  };
  const rig = await rigOf(t.testdir(), store);
  await rig.log.records(Array.from({ length: 10 }, (_, n) => ({ dest: 'a', content: `{"n":${n}}` })));
  await rig.start();
  await rig.idle();
  const stored = store.in('a').map(({ text }) => (JSON.parse(text) as { n: number }).n);
  t.strictSame(new Set(stored), new Set([0, 1, 2, 3, 5, 6, 7, 8, 9]));
  t.equal(stored.length, 9);
  t.equal(store.in('logseal-rejects').length, 1, 'only what was refused');
  await rig.finish();
});

t.test('of records that nobody waits for any more nothing is told', async (t) => {
  const store = new FakeStore();
  const rig = await rigOf(t.testdir(), store);
  await rig.start();
  rig.delivery?.watch(rig.log.chainId, 0, 1);
  rig.delivery?.watch(rig.log.chainId, 1, 1);
  rig.delivery?.unwatch(rig.log.chainId, 0);
  await rig.log.records([
    { dest: 'a', content: '{"n":1}' },
    { dest: 'a', content: '{"n":2}' },
  ]);
  await rig.idle();
  t.strictSame(
    rig.settled.map(({ seq }) => seq),
    [1],
  );
  await rig.finish();
});

t.test('a conflict with our own document is done, with another document a reject', async (t) => {
  const store = new FakeStore();
  const rig = await rigOf(t.testdir(), store);
  await rig.start();
  rig.delivery?.watch(rig.log.chainId, 0, 3);
  await rig.log.records([
    { dest: 'a', id: 'one', content: '{"n":1}' },
    { dest: 'a', id: 'two', content: '{"n":2}' },
  ]);
  await rig.idle();
  await rig.log.records([{ dest: 'a', id: 'two', content: '{"n":"second"}' }]);
  await rig.idle();
  t.equal(store.in('a').length, 2);
  const [reject] = store.in('logseal-rejects');
  t.match(JSON.parse(reject?.text ?? '{}'), {
    logseal: { id: 'two', raw: '{"n":"second"}' },
    reject: { status: 409, type: 'version_conflict_engine_exception' },
  });
  t.ok(rig.log.controls.some((control) => (control.reject as { reason?: string } | undefined)?.reason === 'conflict'));
  t.strictSame(
    rig.settled.map(({ seq, outcome }) => [seq, outcome.status, outcome.error?.type]),
    [
      [0, 201, undefined],
      [1, 201, undefined],
      [2, 409, 'version_conflict_engine_exception'],
    ],
  );
  await rig.finish();
});

t.test(
  'a document that cannot be mapped goes to the rejects after its control record, and holds up nobody',
  async (t) => {
    const store = new FakeStore();
    store.refuse = ({ text, dest }) =>
      dest === 'a' && text.includes('"poison"')
        ? { status: 400, type: 'document_parsing_exception', reason: 'failed to parse field [n]' }
        : undefined;
    let durable = false;
    const rig = await rigOf(t.testdir(), store);
    rig.controlGate = async () => {
      t.equal(store.in('logseal-rejects').length, 0, 'no document before the control record');
      durable = true;
    };
    await rig.start();
    await rig.log.records([...records(5, 'a'), { dest: 'a', content: '{"poison":1}' }, ...records(5, 'a', 5)]);
    await rig.idle();
    t.ok(durable);
    t.equal(store.in('a').length, 10);
    t.equal(store.in('logseal-rejects').length, 1);
    const reject = rig.log.controls.find((control) => control.reject !== undefined);
    t.match(reject, { reject: { chain: rig.log.chainId, seqs: [[5, 5]], reason: 'mapping' } });
    await rig.finish();
  },
);

t.test(
  'what a reject record on disk names goes nowhere else, also after a restart that lost everything else',
  async (t) => {
    const store = new FakeStore();
    let poison = true;
    store.refuse = ({ text, dest }) => {
      if (dest === 'logseal-rejects' && poison)
        return { status: 403, type: 'cluster_block_exception', reason: 'read-only' };
      return poison && text.includes('"poison"')
        ? { status: 400, type: 'document_parsing_exception', reason: 'failed to parse field [n]' }
        : undefined;
    };
    const rig = await rigOf(t.testdir(), store);
    await rig.log.records([{ dest: 'a', content: '{"poison":1}' }]);
    await rig.start();
    await rig.until(() => rig.log.controls.some((control) => control.reject !== undefined));
    rig.kill();
    poison = false;
    await rig.start();
    await rig.idle();
    t.equal(store.in('a').length, 0);
    t.match(JSON.parse(store.in('logseal-rejects')[0]?.text ?? '{}'), {
      reject: { reason: 'failed to parse field [n]' },
    });
    t.equal(rig.log.controls.filter((control) => control.reject !== undefined).length, 1);
    await rig.finish();
  },
);

t.test('what a pipeline drops or a failure store takes is a reject', async (t) => {
  const store = new FakeStore();
  store.refuse = ({ text }) =>
    text.includes('"drop"') && !text.includes('"reject"')
      ? 'dropped'
      : text.includes('"fail"') && !text.includes('"reject"')
        ? 'failure-store'
        : undefined;
  const rig = await rigOf(t.testdir(), store);
  await rig.start();
  await rig.log.records([
    { dest: 'a', content: '{"drop":1}' },
    { dest: 'a', content: '{"fail":1}' },
    { dest: 'a', content: '{"n":1}' },
  ]);
  await rig.idle();
  t.equal(store.in('a').length, 1);
  t.equal(store.in('logseal-rejects').length, 2);
  const reasons = rig.log.controls.flatMap(({ reject }) => (reject as { reason?: string } | undefined)?.reason ?? []);
  t.strictSame(reasons.sort(), ['dropped', 'failure-store']);
  await rig.finish();
});

t.test(
  'a pipeline that ran although none should makes the documents be written again with their content',
  async (t) => {
    const store = new FakeStore();
    store.finalPipeline.add('a');
    const rig = await rigOf(t.testdir(), store);
    await rig.start();
    await rig.log.records([...records(4, 'a'), ...records(2, 'b')]);
    await rig.idle();
    for (const { text, version } of store.in('a')) {
      t.match(JSON.parse(text), { logseal: { raw: /^\{"n":\d\}$/ } });
      t.equal(version, 2);
    }
    await rig.log.records(records(1, 'a', 9));
    await rig.idle();
    t.ok(store.in('a').some(({ text, version }) => version === 1 && text.includes('"raw":"{\\"n\\":9}"')));
    await rig.finish();
  },
);

t.test('a restart between such an answer and the second writing still ends with the content', async (t) => {
  const store = new FakeStore();
  store.finalPipeline.add('a');
  const rig = await rigOf(t.testdir(), store);
  store.fault = (items) => (items > 0 && store.in('a').length > 0 ? 'away' : 'none');
  await rig.log.records(records(4, 'a'));
  await rig.start();
  await rig.until(() => store.in('a').length === 4);
  rig.kill();
  store.fault = () => 'none';
  await rig.start();
  await rig.idle();
  for (const { text } of store.in('a')) t.match(JSON.parse(text), { logseal: { raw: /^\{"n":\d\}$/ } });
  await rig.finish();
});

t.test('a destination that refuses waits alone, in a lane, and is whole and single when it opens', async (t) => {
  const store = new FakeStore();
  let blocked = true;
  store.refuse = ({ dest }) =>
    dest === 'sick' && blocked
      ? { status: 403, type: 'cluster_block_exception', reason: 'index read-only' }
      : undefined;
  const rig = await rigOf(t.testdir(), store);
  rig.limits = { parkedMax: 4 };
  await rig.start();
  for (let i = 0; i < 20; i += 1)
    await rig.log.records([...records(10, 'sick', 10 * i), ...records(10, 'well', 10 * i)]);
  await rig.until(() => store.in('well').length === 200);
  t.equal(store.in('sick').length, 0);
  t.match(rig.delivery?.stats().held, [{ dest: 'sick', reason: /cluster_block_exception/ }]);
  t.equal(rig.delivery?.stats().lanes, 1);
  await rig.until(() => rig.saved.at(-1)?.lanes.length === 1);
  blocked = false;
  await rig.idle();
  t.equal(store.in('sick').length, 200);
  t.equal(rig.delivery?.stats().lanes, 0);
  t.strictSame(rig.delivery?.stats().held, []);
  t.strictSame(new Set([...placesOf(rig).values()].map((found) => found.length)), new Set([1]));
  await rig.log.records(records(5, 'sick', 1000));
  await rig.idle();
  t.equal(store.in('sick').length, 205);
  await rig.finish();
});

t.test('a lane goes on after a restart where it stood', async (t) => {
  const store = new FakeStore();
  let blocked = true;
  store.refuse = ({ dest }) =>
    dest === 'sick' && blocked
      ? { status: 403, type: 'cluster_block_exception', reason: 'index read-only' }
      : undefined;
  const rig = await rigOf(t.testdir(), store);
  rig.limits = { parkedMax: 4 };
  await rig.start();
  for (let i = 0; i < 10; i += 1)
    await rig.log.records([...records(10, 'sick', 10 * i), ...records(10, 'well', 10 * i)]);
  await rig.until(() => store.in('well').length === 100 && rig.saved.at(-1)?.lanes.length === 1);
  await rig.until(() => comparePositions(rig.saved.at(-1)!.main, rig.log.wal.durable) === 0);
  rig.kill();
  const lookups = store.lookups;
  await rig.start();
  t.equal(rig.delivery?.stats().lanes, 1);
  blocked = false;
  await rig.idle();
  t.equal(store.in('sick').length, 100);
  t.equal(store.in('well').length, 100);
  t.ok(store.lookups > lookups);
  await rig.finish();
});

t.test(
  'single records of an unknown error are put aside, and go to the rejects when they were refused for long enough',
  async (t) => {
    const store = new FakeStore();
    store.refuse = ({ text, dest }) =>
      dest !== 'logseal-rejects' && text.includes('"odd"')
        ? { status: 500, type: 'some_new_exception', reason: 'who knows' }
        : undefined;
    const rig = await rigOf(t.testdir(), store);
    rig.limits = { giveUpAfterMs: 3_600_000, parkedMax: 4 };
    await rig.start();
    await rig.log.records([...records(5, 'a'), { dest: 'a', content: '{"odd":1}' }, ...records(5, 'a', 5)]);
    await rig.until(() => store.in('a').length === 10);
    await rig.until(() => rig.delivery?.stats().parked === 1 && rig.saved.at(-1)?.lanes[0]?.parked.length === 1);
    t.match(rig.delivery?.stats().held, [{ dest: 'a' }], 'its destination is named as long as a record of it waits');
    rig.kill();
    await rig.start();
    await rig.log.records(records(5, 'a', 10));
    await rig.until(() => store.in('a').length === 15);
    t.equal(store.in('logseal-rejects').length, 0);
    let n = 0;
    // Only while the cluster answers others does the time count.
    await rig.until(() => {
      if (n++ % 100 === 0) void rig.log.records(records(1, 'other', n));
      return store.in('logseal-rejects').length === 1;
    });
    t.match(
      rig.log.controls.find(({ reject }) => reject !== undefined),
      { reject: { reason: 'blocked', seqs: [[5, 5]] } },
    );
    await rig.idle();
    await rig.finish();
  },
);

t.test('a destination whose facts forbid it gets nothing until they change', async (t) => {
  const store = new FakeStore();
  store.held.set('a', 'a field logseal of its own');
  const rig = await rigOf(t.testdir(), store);
  await rig.start();
  await rig.log.records([...records(5, 'a'), ...records(5, 'b')]);
  await rig.until(() => store.in('b').length === 5 && rig.delivery?.stats().lanes === 1);
  t.equal(store.in('a').length, 0);
  t.match(rig.delivery?.stats().held, [{ dest: 'a', reason: 'a field logseal of its own' }]);
  store.held.clear();
  await rig.idle();
  t.equal(store.in('a').length, 5);
  await rig.finish();
});

t.test('an index that cannot be looked into keeps only its own records waiting', async (t) => {
  const store = new FakeStore();
  let lose = true;
  store.fault = (items) => {
    if (items === 0 || !lose) return 'none';
    lose = false;
    store.closed.add('a');
    return 'lost';
  };
  store.refuse = ({ dest }) =>
    store.closed.has(dest) ? { status: 400, type: 'index_closed_exception', reason: 'closed' } : undefined;
  const rig = await rigOf(t.testdir(), store);
  await rig.log.records([...records(5, 'a'), ...records(5, 'b')]);
  await rig.start();
  await rig.until(() => rig.delivery?.stats().lanes === 1 && store.in('b').length === 5);
  store.closed.clear();
  await rig.idle();
  t.equal(store.in('a').length, 5);
  await rig.finish();
});

t.test('more sick destinations than lanes share one, and all come whole', async (t) => {
  const store = new FakeStore();
  let blocked = true;
  store.refuse = ({ dest }) =>
    dest.startsWith('sick') && blocked
      ? { status: 403, type: 'cluster_block_exception', reason: 'blocked' }
      : undefined;
  const rig = await rigOf(t.testdir(), store);
  rig.limits = { lanesMax: 2, parkedMax: 0 };
  await rig.start();
  for (let i = 0; i < 5; i += 1) {
    for (const dest of ['sick-1', 'sick-2', 'sick-3', 'sick-4', 'well'])
      await rig.log.records(records(10, dest, 10 * i));
  }
  await rig.until(() => store.in('well').length === 50);
  t.equal(rig.delivery?.stats().lanes, 2);
  blocked = false;
  await rig.idle();
  for (const dest of ['sick-1', 'sick-2', 'sick-3', 'sick-4', 'well']) t.equal(store.in(dest).length, 50, dest);
  t.strictSame(new Set([...placesOf(rig).values()].map((found) => found.length)), new Set([1]));
  await rig.finish();
});

t.test('one line that makes the whole request be refused is found, and stands alone', async (t) => {
  const store = new FakeStore();
  const send = store.send.bind(store);
  store.send = async (body, query) => {
    if (Buffer.concat(body).includes('"evil"')) store.fault = () => 'bad';
    try {
      return await send(body, query);
    } finally {
      store.fault = () => 'none';
    }
  };
  const rig = await rigOf(t.testdir(), store);
  await rig.log.records([...records(20, 'a'), { dest: 'b', content: '{"evil":1}' }, ...records(20, 'c')]);
  await rig.start();
  await rig.until(() => store.in('a').length === 20 && store.in('c').length === 20);
  await rig.until(() => rig.delivery?.stats().held[0]?.dest === 'b');
  await rig.finish();
});

t.test('seals follow the records before them, in order, and the newest checkpoint follows the seals', async (t) => {
  const store = new FakeStore();
  let blocked = true;
  store.refuse = ({ dest }) =>
    dest === 'sick' && blocked ? { status: 403, type: 'cluster_block_exception', reason: 'blocked' } : undefined;
  const rig = await rigOf(t.testdir(), store);
  await rig.start();
  await rig.log.records(records(5, 'well'));
  const first = await rig.log.seal(0);
  await rig.idle();
  t.equal(store.in('logseal-seals').length, 1);
  await rig.log.records(records(5, 'sick'));
  await rig.log.seal(1);
  await rig.log.records(records(5, 'well', 5));
  await rig.log.seal(2);
  await rig.until(() => store.in('well').length === 10);
  await rig.until(() => comparePositions(rig.saved.at(-1)!.main, rig.log.wal.durable) === 0);
  t.equal(store.in('logseal-seals').length, 1, 'a seal waits for the lane before it');
  rig.kill();
  await rig.start();
  blocked = false;
  await rig.idle();
  const seals = store.in('logseal-seals');
  t.strictSame(
    seals.map(({ id }) => id),
    [0, 1, 2].map((epoch) => `${rig.log.chainId}-${epoch}`),
  );
  t.match(JSON.parse(seals[0]?.text ?? ''), { '@timestamp': '2025-11-23T09:47:24.000Z', seal: first, entry: 0 });
  t.equal(store.in('logseal-checkpoints').at(-1)?.id.split('-')[1], '3');
  t.equal(rig.delivery?.stats().published, 2);
  await rig.finish();
});

t.test('sent marks reach the disk before what lies beyond them is sent', async (t) => {
  const store = new FakeStore();
  const rig = await rigOf(t.testdir(), store);
  const send = store.send.bind(store);
  store.send = (body, query) => {
    const newest = rig.saved.at(-1);
    const tags = Buffer.concat(body).toString();
    for (const { tag, position } of rig.log.written) {
      if (!tags.includes(tag)) continue;
      t.ok(newest !== undefined && comparePositions(position, newest.sent) < 0, 'within the durable mark');
    }
    return send(body, query);
  };
  await rig.start();
  for (let i = 0; i < 5; i += 1) {
    await rig.log.records(records(5, 'a', 5 * i));
    await rig.idle();
  }
  await rig.finish();
});

t.test('a stop ends while the search engine is away, and the next start goes on', async (t) => {
  const store = new FakeStore();
  store.fault = () => 'away';
  const rig = await rigOf(t.testdir(), store);
  await rig.log.records(records(5, 'a'));
  await rig.start();
  await rig.until(() => rig.delivery?.stats().unreachable !== undefined);
  await rig.delivery?.stop();
  store.fault = () => 'none';
  await rig.start();
  await rig.idle();
  t.equal(store.in('a').length, 5);
  await rig.finish();
});
