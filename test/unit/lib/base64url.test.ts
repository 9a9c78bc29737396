import t from 'tap';
import { decodeBase64, decodeBase64Url } from '../../../src/lib/base64url.ts';

t.test('a value is read from its one spelling', async (t) => {
  const tag = Buffer.from('f0fb0102030405060708090a0b0c0dfe', 'hex');
  t.same(decodeBase64Url(tag.toString('base64url'), 16), tag);
  t.same(decodeBase64(tag.toString('base64'), 16), tag);
  t.same(decodeBase64('', undefined), Buffer.alloc(0));
  t.same(decodeBase64('AQI='), Buffer.from([1, 2]));
});

t.test('another spelling, length or alphabet is not read', async (t) => {
  t.equal(decodeBase64Url('AB', 1), undefined, 'spare bits');
  t.equal(decodeBase64Url('AA==', 1), undefined, 'padding');
  t.equal(decodeBase64Url('A+', 1), undefined, 'the other alphabet');
  t.equal(decodeBase64Url('AAA', 1), undefined, 'too long');
  t.equal(decodeBase64Url('A', 1), undefined, 'too short');
  t.equal(decodeBase64Url('ééé', 2), undefined, 'no base64 at all');
  t.equal(decodeBase64('AA', 1), undefined, 'no padding');
  t.equal(decodeBase64('AAA=', 1), undefined, 'two bytes where one is due');
  t.equal(decodeBase64('AB==', 1), undefined, 'spare bits');
  t.equal(decodeBase64('A A='), undefined, 'a blank');
});
