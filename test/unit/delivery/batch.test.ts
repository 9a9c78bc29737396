import t from 'tap';
import { encodeSignatureField, parseSignatureField, spliceSignatureField } from '../../../src/chain/signature-field.ts';
import type { BatchOptions } from '../../../src/delivery/batch.ts';
import { BatchEncoder, BodyBuffer, encodeReject, encodeRewrite } from '../../../src/delivery/batch.ts';
import { Destinations } from '../../../src/delivery/destinations.ts';
import type { Item } from '../../../src/delivery/item.ts';
import { recordsFrame, viewOf } from '../../../src/delivery/item.ts';
import { ItemReader } from '../../../src/delivery/item-reader.ts';
import type { RawNeed } from '../../../src/delivery/port.ts';
import { recordFlags } from '../../../src/journal/records-entry.ts';
import type { TestRecord } from '../../helpers/log-writer.ts';
import { recordsPayload } from '../../helpers/log-writer.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';
import { cutSignatureField } from '../../helpers/signature-cut.ts';

const chain = Buffer.from('67c4d5b23059e35966050fde843d4daf', 'hex');
const plain: BatchOptions = { hash: true, rawAlways: false };

function itemsOf(records: TestRecord[], options: { type?: 0 | 1; epoch?: number; timeMs?: number } = {}): Item[] {
  const destinations = new Destinations({
    upstream: {} as never,
    places: {} as never,
    clock: new ManualClock(),
    factsAgeMsMax: 1,
  });
  const { payload } = recordsPayload(chain, 998_017, records, options);
  const items: Item[] = [];
  const position = { segment: 1, offset: 0 };
  new ItemReader(destinations).read(recordsFrame(payload, position, position), false, () => true, items);
  for (const { destination } of items) {
    destination.facts = { writeIndex: undefined, raw: 'never-needed', documents: 0, held: undefined };
  }
  return items;
}

function encode(items: Item[], options = plain, raw?: RawNeed): { action: Record<string, unknown>; text: string }[] {
  for (const { destination } of items) if (raw !== undefined) destination.facts = { ...destination.facts, raw };
  const body = new BodyBuffer(64);
  new BatchEncoder(options).encode(items, body);
  const lines = body.written().toString().split('\n');
  t.equal(lines.pop(), '', 'a body ends in a line feed');
  return items.map((_, i) => ({
    action: (JSON.parse(lines[2 * i] ?? '') as { create: Record<string, unknown> }).create,
    text: lines[2 * i + 1] ?? '',
  }));
}

/** What the encoder of the format itself makes of a record. */
function expected(item: Item, raw: boolean, hash = true): string {
  const view = viewOf(item);
  const { header } = item.frame;
  const field = encodeSignatureField({
    suite: header.suite,
    type: view.type,
    flags: (view.flags & 1) as 0 | 1,
    chain: header.chain,
    epoch: header.epoch,
    index: view.index,
    seq: view.seq,
    timeMs: view.timeMs,
    dest: view.dest,
    ...((view.flags & recordFlags.idGiven) === 0 ? {} : { id: view.id }),
    ...(hash ? { hash: view.hash } : {}),
    prev: view.prev,
    tag: view.tag,
    salt: view.salt,
    ...(raw ? { raw: view.content } : {}),
  });
  const content = (view.flags & recordFlags.lineFeed) === 0 ? view.content : blanked(view.content);
  return spliceSignatureField(content, Buffer.from(field)).toString();
}

function blanked(content: Buffer): Buffer {
  return Buffer.from(content.toString().replaceAll(/[\n\r]/g, ' '));
}

const contents = [
  '{"message":"café \\ud83d\\ude00","n":9007199254740993, "f":1.50}',
  '{ "a" : {"b":[1,2,"x\\"y\\\\"]} }',
  '{}',
  '{  }',
  `{"long":"${'é"'.replace('"', '\\"').repeat(2000)}"}`,
  '{"tab":\t"kept as it is"}',
];

t.test('a document is what the encoder of the format makes of its record, with and without raw and hash', async (t) => {
  const cases = [
    { options: { epoch: 12 }, records: contents.map((content) => ({ dest: 'logs-app-default', content })) },
    {
      options: { type: 1 as const, epoch: 0, timeMs: 7 },
      records: [{ dest: 'logseal-control', content: '{"place":{"dest":"a","index":"b","documents":0}}' }],
    },
    {
      options: { epoch: 4_294_967_295, timeMs: 9_007_199_254_740_000 },
      records: ['x', 'with "quotes" and \\', 'ü\u0001', 'a'.repeat(512)].map((id) => ({
        dest: 'größe',
        id,
        content: contents[0] ?? '',
      })),
    },
  ];
  for (const { options, records } of cases) {
    for (const hash of [true, false]) {
      for (const raw of ['never-needed', 'always'] as const) {
        const items = itemsOf(records, options);
        for (const [i, { action, text }] of encode(items, { hash, rawAlways: false }, raw).entries()) {
          const item = items[i]!;
          t.equal(text, expected(item, raw === 'always', hash));
          t.match(action, { _index: records[i]?.dest, _id: viewOf(item).id });
          const cut = cutSignatureField(Buffer.from(text));
          t.ok(parseSignatureField(cut?.field ?? Buffer.alloc(0)).ok);
          t.equal(cut?.content.toString(), viewOf(item).content.toString());
        }
      }
    }
  }
});

t.test(
  'raw is written exactly where the bytes would not come back, and only without it no pipeline may run',
  async (t) => {
    const vector = `{"v":[${Array.from({ length: 128 }, (_, i) => i).join(',')}]}`;
    const cases: [string, TestRecord, RawNeed, boolean, string | undefined][] = [
      ['nothing in the way', { dest: 'a', content: '{"a":1}' }, 'never-needed', false, '_none'],
      ['always', { dest: 'a', content: '{"a":1}' }, 'always', true, undefined],
      ['a line feed', { dest: 'a', content: '{"a":\r\n1}' }, 'never-needed', true, undefined],
      ['a long array that is safe', { dest: 'a', content: vector }, 'never-needed', false, '_none'],
      ['a long array that is not', { dest: 'a', content: vector }, 'if-long-arrays', true, undefined],
      ['a short array', { dest: 'a', content: '{"v":[1,2]}' }, 'if-long-arrays', false, '_none'],
      ['a request pipeline', { dest: 'a', content: '{}', meta: { pipeline: 'p"q' } }, 'never-needed', true, 'p"q'],
      ['the empty pipeline', { dest: 'a', content: '{}', meta: { pipeline: '_none' } }, 'never-needed', false, '_none'],
    ];
    for (const [name, record, need, raw, pipeline] of cases) {
      const items = itemsOf([record]);
      const [line] = encode(items, plain, need);
      t.equal(items[0]?.raw, raw, name);
      t.equal(line?.text, expected(items[0]!, raw), name);
      t.equal(line?.action.pipeline, pipeline, name);
    }
    const [always] = encode(itemsOf([{ dest: 'a', content: '{}' }]), { hash: true, rawAlways: true });
    t.match(always?.text, /"raw":"\{\}"\}\}$/);
  },
);

t.test('the carried metadata stands in the action line, and nothing else of it', async (t) => {
  const meta = {
    routing: 'r"1',
    require_alias: true,
    require_data_stream: false,
    dynamic_templates: { 'a.b': 't' },
    timeout: '1m',
    version: null,
  };
  const [first, second] = encode(
    itemsOf([
      { dest: 'a', content: '{}', meta },
      { dest: 'a', content: '{}' },
    ]),
  );
  t.strictSame(Object.keys(first?.action ?? {}).sort(), [
    '_id',
    '_index',
    'dynamic_templates',
    'pipeline',
    'require_alias',
    'require_data_stream',
    'routing',
  ]);
  t.match(first?.action, { routing: 'r"1', require_alias: true, dynamic_templates: { 'a.b': 't' } });
  t.strictSame(Object.keys(second?.action ?? {}).sort(), ['_id', '_index', 'pipeline']);
});

t.test('a rewrite carries the content and the condition that nobody has changed the document', async (t) => {
  const [item] = itemsOf([{ dest: 'alias', content: '{"a":1}', meta: { routing: 'r' } }]);
  const [action, text] = encodeRewrite(item!, 'concrete', 7, 3, plain).toString().split('\n');
  t.strictSame(JSON.parse(action ?? ''), {
    index: {
      _index: 'concrete',
      _id: viewOf(item!).id,
      routing: 'r',
      if_seq_no: 7,
      if_primary_term: 3,
      pipeline: '_none',
    },
  });
  t.equal(text, expected(item!, true));
});

t.test('a reject document holds the whole signature field, the time and the reason', async (t) => {
  const [item] = itemsOf([{ dest: 'a', id: 'own', content: '{"n":"not a\\nnumber"}' }], { timeMs: 1_763_891_234_666 });
  const cause = { status: 400, type: 'document_parsing_exception', reason: 'failed to parse field [n]', detail: {} };
  const [action, text] = encodeReject(item!, 'generated', cause, plain).toString().split('\n');
  t.strictSame(JSON.parse(action ?? ''), { create: { _index: 'logseal-rejects', _id: 'generated' } });
  const document = JSON.parse(text ?? '') as Record<string, unknown>;
  t.strictSame(Object.keys(document), ['@timestamp', 'logseal', 'reject']);
  t.equal(document['@timestamp'], '2025-11-23T09:47:14.666Z');
  t.match(document.logseal, { id: 'own', raw: '{"n":"not a\\nnumber"}' });
  t.strictSame(document.reject, { status: 400, type: cause.type, reason: cause.reason });
});

t.test('digests of the content stand behind raw, and change nothing else', async (t) => {
  const content = '{"message":"digests"}';
  const shown =
    '"digests":{"crc32":"50f2c38f","md5":"39881c92142d4d2544b8bad003cdd6b4","sha1":"dd12d0dbe419f9bcb32010cae48aaaa8e5b34ab5"}';
  for (const raw of ['never-needed', 'always'] as const) {
    const items = itemsOf([{ dest: 'web', content }]);
    const [written] = encode(items, { ...plain, digests: ['crc32', 'md5', 'sha1'] }, raw);
    const [without] = encode(items, plain, raw);
    t.equal(written?.text, without?.text.replace('},"message', `,${shown}},"message`));
    const cut = cutSignatureField(Buffer.from(written?.text ?? ''));
    t.equal(cut?.content.toString(), content);
    t.equal(parseSignatureField(cut?.field ?? Buffer.alloc(0)).ok, true);
  }
});
