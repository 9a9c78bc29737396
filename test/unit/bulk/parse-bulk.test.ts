import t from 'tap';
import { noon, read, refusalOf } from '../../helpers/parse.ts';

const line = '{"create":{"_index":"logs"}}';
const why = (body: string | Buffer, defaults = {}, rules = {}) => refusalOf(() => read(body, defaults, rules)).reason;

t.test('a record is the bytes from brace to brace, as they came', async (t) => {
  const { records, operations } = read(
    `${line}\n  {"a": 1e400,"\\u0061":[1 , 2]} \r\n{"index":{"_index":"web","_id":"7"}}\n{}\n`,
  );
  t.same(operations, ['create signed', 'index signed']);
  t.same(
    records.map(({ dest, id, content }) => [dest, id, content]),
    [
      ['logs', undefined, '{"a": 1e400,"\\u0061":[1 , 2]}'],
      ['web', '7', '{}'],
    ],
  );
  t.equal(records[1]?.flags, 4, 'the empty object is marked');
});

t.test('long arrays of numbers are marked', async (t) => {
  const { records } = read(`${line}\n{"v":[${Array(128).fill(1).join(',')}]}\n`);
  t.equal(records[0]?.flags, 2);
});

t.test(
  'where an action is expected, blank lines, blanks, carriage returns and a byte order mark are no harm',
  async (t) => {
    const { operations } = read(`\uFEFF${line}\r\n{"a":1}\r\n\n   \n\r\n \t ${line}\n{"a":1}\n\n\n`);
    t.same(operations, ['create signed', 'create signed']);
  },
);

t.test('an empty line where a document is expected is taken as the document', async (t) => {
  t.same(read(`${line}\n\n${line}\n{"a":1}\n`).operations, [
    'create refused 400 document_parsing_exception',
    'create signed',
  ]);
  t.equal(
    why(`${line}\n\n{"a":1}\n`),
    'Malformed action/metadata line [3], expected field [create], [delete], [index] or [update] but found [a]',
  );
});

t.test('a missing last newline refuses the request, a missing last document is dropped', async (t) => {
  t.equal(why(`${line}\n{"a":1}`), 'The bulk request must be terminated by a newline [\\n]');
  t.same(read(`${line}\n{"a":1}\n${line}\n`).operations, ['create signed']);
  t.equal(why(`${line}\n`), 'Validation Failed: 1: no requests added;');
  t.equal(why('\n\n'), 'Validation Failed: 1: no requests added;');
});

t.test('action lines that differ in their id alone are told apart', async (t) => {
  const ids = ['a', 'bb', 'owned-1', 'ä', 'q\\"q', '', 'x'.repeat(512), 'd'];
  const body = ids.map((id) => `{"create":{"_index":"logs","_id":"${id}","routing":"r"}}\n{"n":1}\n`).join('');
  const { records, operations, parsed } = read(body);
  t.same(operations, [
    'create signed',
    'create signed',
    'create refused 400 illegal_argument_exception',
    'create signed',
    'create signed',
    'create refused 400 illegal_argument_exception',
    'create signed',
    'create signed',
  ]);
  t.same(
    records.map(({ id }) => id),
    ['a', 'bb', 'ä', 'q"q', 'x'.repeat(512), 'd'],
  );
  t.same(parsed.batch.metas, ['{"routing":"r"}'], 'metadata that is alike is kept once');
  t.match(parsed.errors.get(2)?.error.reason, /has the form of the ids that this proxy generates/);
  t.equal(parsed.errors.get(5)?.error.reason, 'if _id is specified it must not be empty');
});

t.test('an id of more than 512 bytes refuses the request, also behind one that is shorter', async (t) => {
  const long = 'x'.repeat(513);
  const body = `{"create":{"_index":"logs","_id":"a"}}\n{}\n{"create":{"_index":"logs","_id":"${long}"}}\n{}\n`;
  t.equal(why(body), `Validation Failed: 1: id [${long}] is too long, must be no longer than 512 bytes but was: 513;`);
});

t.test('metadata of one line never leaks into the next', async (t) => {
  const { records } = read(
    [
      '{"create":{"_index":"logs","_id":"1","pipeline":"p"}}',
      '{"create":{"_index":"logs","_id":"2"}}',
      '{"index":{"_index":"logs","_id":"2"}}',
      '{"index":{"_id":"3","_index":"logs"}}',
    ]
      .map((action) => `${action}\n{}\n`)
      .join(''),
  );
  t.same(
    records.map(({ id, meta }) => [id, meta]),
    [
      ['1', { pipeline: 'p' }],
      ['2', undefined],
      ['2', undefined],
      ['3', undefined],
    ],
  );
});

t.test('a document that is not one acceptable object is refused by itself, with its place', async (t) => {
  const deep = `{"a":${'['.repeat(30)}${']'.repeat(30)}}`;
  const documents = [
    '[1]',
    'null',
    '{"a":',
    '{"a":1}x',
    '{"a":nope}',
    '{"logseal":1}',
    '{"logs\\u0065al.x":1}',
    deep,
    '',
    '\r',
  ];
  const body = [...documents, '{"ok":1}'].map((document) => `${line}\n${document}\n`).join('');
  const { operations, parsed } = read(body);
  t.equal(operations.at(-1), 'create signed');
  t.same(new Set(operations.slice(0, -1)), new Set(['create refused 400 document_parsing_exception']));
  t.same(
    documents.map((_, i) => parsed.errors.get(i)?.error.reason),
    [
      'Malformed content, must start with an object',
      'Malformed content, must start with an object',
      '[1:2] failed to parse: [1:6] Unexpected end of file',
      '[1:2] failed to parse: [1:8] Unexpected character, the document is not JSON as RFC 8259 has it',
      '[1:2] failed to parse: [1:6] Unexpected character, the document is not JSON as RFC 8259 has it',
      '[1:2] a top-level field [logseal] or beginning with [logseal.] is kept for the signature',
      '[1:2] a top-level field [logseal] or beginning with [logseal.] is kept for the signature',
      '[1:2] failed to parse: [1:25] Document nesting depth exceeds the maximum allowed',
      '[0:0] failed to parse, document is empty',
      '[0:0] failed to parse, document is empty',
    ],
  );
  t.equal(parsed.errors.get(0)?.id, null);
});

t.test('bytes that are not UTF-8 cost only the document they are in', async (t) => {
  const bad = Buffer.from('{"a":"\xff"}', 'latin1');
  const body = Buffer.concat([Buffer.from(`${line}\n{"a":1}\n${line}\n`), bad, Buffer.from(`\n${line}\n{"a":"ä"}\n`)]);
  const { operations, records } = read(body);
  t.same(operations, ['create signed', 'create refused 400 document_parsing_exception', 'create signed']);
  t.equal(records[1]?.content, '{"a":"ä"}');
  const action = Buffer.from('{"create":{"_index":"\xff"}}\n{}\n', 'latin1');
  t.match(
    refusalOf(() => read(action)),
    { type: 'x_content_parse_exception' },
    'in an action line they refuse the request',
  );
});

t.test('bounds: document, action line, number of operations', async (t) => {
  const { operations } = read(`${line}\n{"a":"${'x'.repeat(5000)}"}\n${line}\n{}\n`);
  t.same(operations, ['create refused 400 illegal_argument_exception', 'create signed']);
  t.match(why(`{"create":{"_index":"logs","pipeline":"${'x'.repeat(3000)}"}}\n{}\n`), /longer than \[2048\] bytes/);
  const many = `${line}\n{}\n`.repeat(11);
  t.match(
    refusalOf(() => read(many, {}, { itemsMax: 10 })),
    { status: 413, type: 'illegal_argument_exception' },
  );
  t.equal(read(many, {}, { itemsMax: 11 }).parsed.count, 11);
});

t.test('tables grow with tiny operations', async (t) => {
  const { records, parsed } = read('{"create":{}}\n{}\n'.repeat(900), { index: 'l' });
  t.equal(records.length, 900);
  t.equal(parsed.batch.dests.length, 1);
});

t.test('update and delete of what is signed are refused by themselves; elsewhere they pass', async (t) => {
  const body = [
    '{"delete":{"_index":"logs","_id":"1"}}',
    '{"update":{"_index":"logs","_id":"1"}}\n{"doc":{}}',
    '{"delete":{"_index":".kibana","_id":"1"}}',
    '{"update":{"_index":".kibana","_id":"1","if_seq_no":1,"if_primary_term":1,"retry_on_conflict":3}}\n{"doc":{}}',
    '{"index":{"_index":"metrics-cpu"}}\n[not looked at',
    '{"create":{"_index":"logs"}}\n{"a":1}',
  ].join('\n');
  const { operations, parsed } = read(`${body}\n`);
  t.same(operations, [
    'delete refused 400 illegal_argument_exception',
    'update refused 400 illegal_argument_exception',
    'delete forwarded',
    'update forwarded',
    'index forwarded',
    'create signed',
  ]);
  const forwarded = parsed.forwarded.map(({ start, end }) => parsed.batch.body.toString('utf8', start, end)).join('');
  t.equal(forwarded, `${body.split('\n').slice(3, 8).join('\n')}\n`, 'line by line as it came');
  t.match(parsed.errors.get(0)?.error.reason, /signed and are never changed or deleted/);
});

t.test("the proxy's own indices and backing indices of signed streams take nothing", async (t) => {
  const names = [
    'logseal-rejects',
    '.ds-logs-app-2026.11.23-000001',
    '.ds-.kibana-x-2026.11.23-000001',
    '.fs-logseal-x-2026.11.23-000001',
  ];
  const body = names.map((name) => `{"index":{"_index":"${name}"}}\n{}\n`).join('');
  const { operations, parsed } = read(body);
  t.same(operations, [
    'index refused 403 security_exception',
    'index refused 400 illegal_argument_exception',
    'index forwarded',
    'index refused 400 illegal_argument_exception',
  ]);
  t.match(parsed.errors.get(1)?.error.reason, /choose corresponding data stream \[logs-app\] instead/);
  t.same(
    read(
      '{"create":{"_index":".ds-logs-2026.11.23-000001"}}\n{}\n{"delete":{"_index":".ds-logs-2026.11.23-000001","_id":"1"}}\n',
    ).operations,
    ['create refused 400 illegal_argument_exception', 'delete refused 400 illegal_argument_exception'],
  );
});

t.test('a name that no index can have is refused in the words of Elasticsearch', async (t) => {
  const cases: [string, string][] = [
    ['Upper', 'must be lowercase'],
    ['', 'must not be empty'],
    ['_x', "must not start with '_', '-', or '+'"],
    ['a#b', "must not contain '#'"],
    ['a:b', "must not contain ':'"],
    ['..', "must not be '.' or '..'"],
    ['x'.repeat(256), 'index name is too long, (256 > 255)'],
    ['a b', `must not contain the following characters [' ','"','*',',','/','<','>','?','\\','|']`],
  ];
  for (const [name, problem] of cases) {
    const { parsed } = read(`{"index":{"_index":"${name}"}}\n{}\n`);
    t.same(parsed.errors.get(0), {
      status: 400,
      index: name,
      id: null,
      error: {
        type: 'invalid_index_name_exception',
        reason: `Invalid index name [${name}], ${problem}`,
        index_uuid: '_na_',
        index: name,
      },
    });
  }
});

t.test('date math becomes the name that it means when it is accepted', async (t) => {
  const { records } = read('{"create":{"_index":"<logs-{now/d}>"}}\n{}\n', {}, { nowMs: noon });
  t.equal(records[0]?.dest, 'logs-2026.11.23');
  const { parsed } = read('{"create":{"_index":"<logs-{now/d>"}}\n{}\n');
  t.equal(parsed.errors.get(0)?.error.type, 'invalid_index_name_exception');
});

t.test('problems of all operations are told together', async (t) => {
  t.equal(why('{"index":{}}\n{}\n{"create":{}}\n{}\n'), 'Validation Failed: 1: index is missing;2: index is missing;');
});

t.test('if_seq_no asks for the answer of the search engine', async (t) => {
  t.equal(read('{"index":{"_index":"a","_id":"1","if_seq_no":1,"if_primary_term":1}}\n{}\n').parsed.wantsStore, true);
  t.equal(read('{"index":{"_index":"a","_id":"1"}}\n{}\n').parsed.wantsStore, false);
});
