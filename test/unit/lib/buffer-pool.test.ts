import t from 'tap';
import { BufferPool } from '../../../src/lib/buffer-pool.ts';

const mebibyte = 1024 * 1024;

t.test('a buffer that was given back is lent again, in the length that is asked for', async (t) => {
  const pool = new BufferPool(4 * mebibyte);
  const first = pool.lend(700_000);
  t.equal(first.length, 700_000);
  pool.giveBack(first.subarray(10, 20));
  const second = pool.lend(600_000);
  t.equal(second.buffer, first.buffer);
  t.equal(second.length, 600_000);
  t.not(pool.lend(600_000).buffer, second.buffer);
});

t.test('a buffer given back twice is lent to one only', async (t) => {
  const pool = new BufferPool(4 * mebibyte);
  const buffer = pool.lend(mebibyte);
  pool.giveBack(buffer);
  pool.giveBack(buffer);
  t.equal(pool.lend(mebibyte).buffer, buffer.buffer);
  t.not(pool.lend(mebibyte).buffer, buffer.buffer);
});

t.test('memory that the pool has not lent is never lent', async (t) => {
  const pool = new BufferPool(4 * mebibyte);
  const foreign = Buffer.allocUnsafeSlow(mebibyte);
  pool.giveBack(foreign);
  t.not(pool.lend(mebibyte).buffer, foreign.buffer);
});

t.test('no more is kept than the bound, and nothing small or very large', async (t) => {
  const pool = new BufferPool(mebibyte);
  const [first, second] = [pool.lend(mebibyte), pool.lend(mebibyte)];
  pool.giveBack(first);
  pool.giveBack(second);
  t.equal(pool.lend(mebibyte).buffer, first.buffer);
  t.not(pool.lend(mebibyte).buffer, second.buffer);
  for (const size of [100, 17 * mebibyte]) {
    const buffer = pool.lend(size);
    t.equal(buffer.length, size);
    pool.giveBack(buffer);
    t.not(pool.lend(size).buffer, buffer.buffer);
  }
});
