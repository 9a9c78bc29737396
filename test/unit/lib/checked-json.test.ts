import t from 'tap';
import { readChecked, withChecksum } from '../../../src/lib/checked-json.ts';

t.test('an object comes back without its checksum', async (t) => {
  const text = JSON.stringify(withChecksum({ a: 1 }));
  t.equal(text, '{"a":1,"sha256":"015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"}');
  t.strictSame(readChecked(text), { ok: true, value: { a: 1 }, checked: true });
  const indented = JSON.stringify(withChecksum({ b: { 2: 'ü', 1: [null, 1.5] }, a: undefined }), undefined, 2);
  t.strictSame(readChecked(indented), { ok: true, value: { b: { 1: [null, 1.5], 2: 'ü' } }, checked: true });
});

t.test('a text from before there was a checksum', async (t) => {
  t.strictSame(readChecked('{"a":1}'), { ok: true, value: { a: 1 }, checked: false });
  t.strictSame(readChecked('{"sha256":["x"]}'), { ok: true, value: { sha256: ['x'] }, checked: false });
});

t.test('any flipped bit is seen, or changes nothing', async (t) => {
  const value = { name: 'über', list: ['a', 7] };
  const bytes = Buffer.from(JSON.stringify(withChecksum(value), undefined, 2));
  let seen = 0;
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    const read = readChecked(flipped.toString());
    if (!read.ok || !read.checked) seen += 1;
    else t.strictSame(read.value, value);
  }
  t.ok(seen > bytes.length * 7, `${seen} of ${bytes.length * 8}`);
  for (const text of ['', '[]', 'null', '7']) t.notOk(readChecked(text).ok, text);
});
