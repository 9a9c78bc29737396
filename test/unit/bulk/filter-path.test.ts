import t from 'tap';
import { filterValue, parseFilterPath } from '../../../src/bulk/filter-path.ts';
import { present } from '../../helpers/parse.ts';

const answer = {
  took: 3,
  errors: true,
  items: [
    { create: { _index: 'a', _id: '1', _shards: { total: 1 }, status: 201 } },
    { create: { _index: 'a', _id: '2', status: 400, error: { type: 'x', reason: 'y' } } },
  ],
};
const filtered = (parameter: string) => {
  const filter = parseFilterPath(parameter);
  return filter === undefined ? 'no filter' : (filterValue(answer, filter) ?? {});
};

t.test('paths choose what they choose in Elasticsearch', async (t) => {
  const cases: [string, unknown][] = [
    ['', 'no filter'],
    ['-', 'no filter'],
    [' , ', 'no filter'],
    ['took', { took: 3 }],
    ['took, errors', { took: 3, errors: true }],
    ['nothing', {}],
    [
      'errors,items.*.error,items.*.status',
      {
        errors: true,
        items: [{ create: { status: 201 } }, { create: { status: 400, error: { type: 'x', reason: 'y' } } }],
      },
    ],
    ['items.*.error', { items: [{ create: { error: { type: 'x', reason: 'y' } } }] }],
    ['items.*.error.type', { items: [{ create: { error: { type: 'x' } } }] }],
    ['items.create._sh*', { items: [{ create: { _shards: { total: 1 } } }] }],
    ['items.*._i*,-items.*._id', { items: [{ create: { _index: 'a' } }, { create: { _index: 'a' } }] }],
    ['**.status', { items: [{ create: { status: 201 } }, { create: { status: 400 } }] }],
    ['items.**', { items: answer.items }],
    ['**', answer],
    ['items.**.type', { items: [{ create: { error: { type: 'x' } } }] }],
    ['-took,-items', { errors: true }],
    ['-items.*', { took: 3, errors: true }],
    [
      '-**.reason,-**._shards,-took,-**._i*',
      {
        errors: true,
        items: [{ create: { status: 201 } }, { create: { status: 400, error: { type: 'x' } } }],
      },
    ],
    ['-**', {}],
    ['took.deeper', {}],
    ['items.create.status.x', {}],
    ['it?ms', {}],
  ];
  for (const [parameter, expected] of cases) t.same(filtered(parameter), expected, parameter);
});

t.test('a dot in a name is escaped, empty objects go', async (t) => {
  const filter = present(parseFilterPath('a\\.b'));
  t.same(filterValue({ 'a.b': 1, a: { b: 2 } }, filter), { 'a.b': 1 });
  const excluding = present(parseFilterPath('-a.b'));
  t.same(filterValue({ a: { b: 1 }, c: [{ d: null }] }, excluding), { c: [{ d: null }] });
  t.equal(filterValue(5, excluding), 5);
});

t.test('a filter of any length is answered in bounded time', async (t) => {
  const patterns = Array.from({ length: 500 }, (_, i) => `${'**.*.'.repeat(500)}x${i}`);
  const hostile = present(parseFilterPath([...patterns, 'e*'.repeat(2000)].join(',')));
  t.same(filterValue(answer, hostile), undefined);
});
