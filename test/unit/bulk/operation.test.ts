import t from 'tap';
import { carriedMetadata } from '../../../src/bulk/carried-metadata.ts';
import type { OperationDefaults } from '../../../src/bulk/operation.ts';
import { parseActionLine } from '../../../src/bulk/operation.ts';
import { problemsOf } from '../../../src/bulk/validation.ts';
import { present, refusalOf } from '../../helpers/parse.ts';

const parse = (text: string, defaults: OperationDefaults = {}, lenient = false) =>
  parseActionLine(text, 1, defaults, lenient);
const refused = (text: string, lenient = false) => refusalOf(() => parse(text, {}, lenient)).reason;
const problems = (text: string) => problemsOf(present(parse(text)));

t.test('what is not the shape of an action is refused in the words of Elasticsearch', async (t) => {
  const start = 'Malformed action/metadata line [1], ';
  const cases: [string, string][] = [
    ['[]', `${start}expected START_OBJECT but found [START_ARRAY]`],
    ['5', `${start}expected START_OBJECT but found [VALUE_NUMBER]`],
    ['"x"', `${start}expected START_OBJECT but found [VALUE_STRING]`],
    ['true', `${start}expected START_OBJECT but found [VALUE_BOOLEAN]`],
    ['{}', `${start}expected FIELD_NAME but found [END_OBJECT]`],
    ['{"foo":{}}', `${start}expected field [create], [delete], [index] or [update] but found [foo]`],
    ['{"index":5}', `${start}expected START_OBJECT or END_OBJECT but found [VALUE_NUMBER]`],
    ['{"index":null}', `${start}expected START_OBJECT or END_OBJECT but found [VALUE_NULL]`],
    ['{"index":{},"x":1}', `${start}expected END_OBJECT but found [FIELD_NAME]`],
    ['{"index":{}} {}', `${start}unexpected data after the closing brace`],
    ['{"index":{"routing":["x"]}}', `${start}expected a simple value for field [routing] but found [START_ARRAY]`],
    ['{"index":{"routing":{}}}', `${start}expected a simple value for field [routing] but found [START_OBJECT]`],
    ['{"index":{"_type":"x"}}', 'Action/metadata line [1] contains an unknown parameter [_type]'],
    [
      '{"index":{"dynamic_templates":"x"}}',
      'Action/metadata line [1] contains an unknown parameter [dynamic_templates]',
    ],
    ['{"index":{"_slice":"x"}}', 'request does not support [_slice]'],
    ['{"index":{"dynamic_templates":{"a":{}}}}', 'Expected text at 1:36 but found START_OBJECT'],
    ['{"index":{"version_type":"foo"}}', 'No version type match [foo]'],
    ['{"index":{"version":"x"}}', 'For input string: "x"'],
    ['{"index":{"retry_on_conflict":"z"}}', 'For input string: "z"'],
    ['{"index":{"require_alias":"yes"}}', 'Failed to parse value [yes] as only [true] or [false] are allowed.'],
    ['{"index":{"if_seq_no":-5}}', 'sequence numbers must be non negative. got [-5].'],
    ['{"index":{"if_primary_term":-1}}', 'primary term must be non negative. got [-1]'],
    [
      '{"update":{"version":3}}',
      'Update requests do not support versioning. Please use `if_seq_no` and `if_primary_term` instead',
    ],
    [
      '{"update":{"require_data_stream":true}}',
      'Update requests do not support the `require_data_stream` flag, as data streams do not support update operations',
    ],
    ['{"update":{"dynamic_templates":{"a":"b"}}}', 'Update request in line [1] does not accept dynamic_templates'],
    ['{"delete":{"dynamic_templates":{"a":"b"}}}', 'Delete request in line [1] does not accept dynamic_templates'],
  ];
  for (const [text, reason] of cases) t.equal(refused(text), reason, text);
});

t.test('what is not JSON is refused, wherever it breaks', async (t) => {
  const broken = [
    '{"index":{"_index":p1}}',
    '{"index":{"_index":"a"',
    '{"index":{"_index":"a"}',
    '{"index":{"_index":"a',
    '{"index"',
    '{"index":',
    '{"index":{"a" 1}}',
    '{"index":{"a"',
    '{"index":{"_id":01}}',
    '{"index":{"_id":1.}}',
    '{"index":{"_id":"\\x"}}',
    '{"index":{"_id":"\u0001"}}',
    '{"index":{,}}',
    '{"index":{"_id":}}',
    '{"index":}',
    '{"index":{"dynamic_template_params":{"a":}}}',
    '{"index":{"dynamic_template_params":{"a":[1,]}}}',
    '{"index":{"_id"::1}}',
    '{"index":{"_id":,1}}',
    '{"index":{"_id":1,}}',
    '{"index":{"_id":1,',
    '{"index":{"_id":1 "b":2}}',
    '{"index":{"_id":1]}',
    '{index:{}}',
    '}',
    'garbage',
    '/* c */ {"index":{}}',
    `{"index":{"dynamic_template_params":${'{"a":'.repeat(200)}`,
  ];
  for (const text of broken) {
    const { type, status } = refusalOf(() => parse(text));
    t.match(String(type), /^x_content_(parse|e_o_f)_exception$/, text.slice(0, 60));
    t.equal(status, 400);
  }
  t.match(
    refusalOf(() => parse('{"index":{"_index":p1}}')),
    {
      reason:
        "[1:22] Unrecognized token 'p1': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
    },
  );
  t.equal(refused('{"index":{}'), '[1:12] Unexpected end of file');
});

t.test('compatible-with=8 does not look at what stands behind the operation', async (t) => {
  t.equal(parse('{"index":{"_id":"1"},"x":1} garbage', {}, true)?.id, '1');
  t.equal(parse('{"index":{"_id":"1"}', {}, true)?.id, '1');
});

t.test('null is absent, simple values count as their text, an empty routing is none', async (t) => {
  t.match(parse('{"create":{"_id":null,"_index":"a","routing":null,"pipeline":null}}', { routing: 'r' }), {
    id: undefined,
    index: 'a',
    routing: 'r',
    pipeline: undefined,
  });
  t.match(parse('{"index":{"_id":5,"routing":true,"_index":1.50}}'), { id: '5', routing: 'true', index: '1.50' });
  t.equal(parse('{"index":{"routing":""}}', { routing: 'r' })?.routing, undefined);
  t.equal(parse('  \t\r'), undefined);
});

t.test('path and query are the defaults that a line overrides', async (t) => {
  const defaults = { index: 'd', pipeline: 'p', requireAlias: true, listExecutedPipelines: true };
  const operation = parse('{"index":{"_index":"own","require_alias":false}}', defaults);
  t.match(operation, { index: 'own', pipeline: 'p', requireAlias: false, listExecutedPipelines: true });
});

t.test('op_type create makes an index operation a create; anything else says nothing', async (t) => {
  t.equal(parse('{"index":{"op_type":"create"}}')?.action, 'create');
  t.equal(parse('{"index":{"op_type":"foo"}}')?.action, 'index');
  t.equal(parse('{"create":{"op_type":"index"}}')?.action, 'create');
});

t.test('numbers may be strings or have a fraction, and the unassigned values are none', async (t) => {
  t.match(parse('{"index":{"version":"3","version_type":"external_gt","_source":true}}'), {
    version: 3,
    versionType: 'external',
  });
  t.match(parse('{"index":{"version":3.5,"version_type":"external_gte"}}'), {
    version: 3,
    versionType: 'external_gte',
  });
  t.match(parse('{"index":{"if_seq_no":-2,"if_primary_term":0,"version":-3}}'), {
    ifSeqNo: undefined,
    ifPrimaryTerm: undefined,
    version: undefined,
  });
});

t.test('what travels with the record is carried as JSON, the rest is not', async (t) => {
  const text =
    '{"index":{"_index":"a","_id":"1","version":4,"version_type":"external","routing":"r\\"","pipeline":"p","require_alias":true,' +
    '"require_data_stream":true,"list_executed_pipelines":true,"_source":{"includes":["x"]},' +
    '"dynamic_templates":{"a":"b","n":1,"z":null},"dynamic_template_params":{"a":{"b":[1, 2]}}}}';
  const operation = parse(text);
  t.equal(
    carriedMetadata(present(operation)),
    '{"routing":"r\\"","pipeline":"p","require_alias":true,"require_data_stream":true,' +
      '"dynamic_templates":{"a":"b","n":"1","z":"null"},"dynamic_template_params":{"a":{"b":[1, 2]}},"list_executed_pipelines":true}',
  );
  t.equal(carriedMetadata(present(parse('{"index":{"_id":"1","dynamic_templates":{}}}'))), undefined);
});

t.test('operations are checked as Elasticsearch checks them', async (t) => {
  const cases: [string, string[]][] = [
    [
      '{"create":{"_index":"a","version_type":"external","version":3}}',
      ['create operations only support internal versioning. use index instead'],
    ],
    [
      '{"create":{"_index":"a","version":3}}',
      ['create operations do not support explicit versions. use index instead'],
    ],
    [
      '{"create":{"_index":"a","if_seq_no":3,"if_primary_term":1}}',
      ['create operations do not support compare and set. use index instead'],
    ],
    [
      '{"create":{"version":3}}',
      ['index is missing', 'create operations do not support explicit versions. use index instead'],
    ],
    [
      '{"create":{"_index":"a","if_primary_term":1}}',
      ['create operations do not support compare and set. use index instead'],
    ],
    [
      '{"index":{"_index":"a","version":3,"version_type":"external"}}',
      ['an id must be provided if version type or value are set'],
    ],
    [
      '{"index":{"_index":"a","_id":"1","version":3}}',
      [
        'internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and `if_primary_term` instead',
      ],
    ],
    [
      '{"index":{"_index":"a","_id":"1","version":-1,"version_type":"external"}}',
      ['illegal version value [-1] for version type [EXTERNAL]'],
    ],
    ['{"index":{"_index":"a","_id":"1","if_seq_no":3}}', ['ifSeqNo is set, but primary term is [0]']],
    ['{"index":{"_index":"a","_id":"1","if_primary_term":3}}', ['ifSeqNo is unassigned, but primary term is [3]']],
    [
      '{"index":{"_index":"a","_id":"1","if_primary_term":3,"if_seq_no":2,"version":1,"version_type":"external"}}',
      ['compare and write operations can not use versioning'],
    ],
    ['{"delete":{"_index":"a"}}', ['id is missing']],
    ['{"delete":{"_index":"a","_id":""}}', ['id is missing']],
    ['{"update":{"_id":"x"}}', ['index is missing']],
    ['{"index":{"_index":"a","pipeline":""}}', ['pipeline cannot be an empty string']],
    ['{"delete":{"_index":"a","_id":"1","pipeline":""}}', []],
    ['{"index":{"_index":"a","_id":"1","version":0,"version_type":"external_gte"}}', []],
    [`{"index":{"_index":"a","_id":"${'ä'.repeat(256)}"}}`, []],
    [
      `{"index":{"_index":"a","_id":"${'ä'.repeat(257)}"}}`,
      [`id [${'ä'.repeat(257)}] is too long, must be no longer than 512 bytes but was: 514`],
    ],
  ];
  for (const [text, expected] of cases) t.same(problems(text), expected, text.slice(0, 80));
});
