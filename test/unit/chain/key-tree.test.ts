import t from 'tap';
import { EpochMac } from '../../../src/chain/epoch-mac.ts';
import { KeyReader } from '../../../src/chain/key-reader.ts';
import { chainIdOf, EpochKeys, epochCount } from '../../../src/chain/key-tree.ts';
import { decodeRangeKey, encodeRangeKey, makeRangeKey } from '../../../src/chain/range-key.ts';
import { logSuite, mac, suiteByName, suiteOf, suites } from '../../../src/chain/suite.ts';

const secret = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7));

t.test('suites are found by number and name, and nothing else is a suite', async (t) => {
  for (const suite of suites) {
    t.equal(suiteOf(suite.id), suite);
    t.equal(suiteByName(suite.name), suite);
  }
  for (const id of [0, 5, 0x20, 0x2f, -1, 1.5]) t.equal(suiteOf(id), undefined);
  for (const name of ['', 'sha1', 'MD5', 'crc32']) t.equal(suiteByName(name), undefined);
});

t.test('each step forward gives the key that the verifier derives, and forgets the one before', async (t) => {
  const keys = EpochKeys.fromSecret(logSuite, secret);
  const reader = KeyReader.fromSecret(logSuite, secret);
  t.same(keys.chain, chainIdOf(logSuite, secret));
  for (let epoch = 0; epoch < 70; epoch++) {
    t.equal(keys.epoch, epoch);
    t.same(keys.macKey(), reader.macKey(epoch));
    const ahead = keys.nodes;
    t.equal(ahead.length, 32 - [...epoch.toString(2)].filter((bit) => bit === '1').length);
    for (const { depth, prefix } of ahead) {
      t.ok(prefix * 2 ** (32 - depth) > epoch, 'no node leads to this epoch or an earlier one');
    }
    keys.advance();
  }
});

t.test('a restored state goes on as the original, and the copies do not share memory', async (t) => {
  const keys = EpochKeys.fromSecret(logSuite, secret);
  for (let i = 0; i < 5; i++) keys.advance();
  const state = keys.state();
  const restored = EpochKeys.fromState(state);
  state.macKey.fill(0);
  for (const node of state.nodes) node.key.fill(0);
  for (let i = 0; i < 5; i++) {
    t.same(restored.macKey(), keys.macKey());
    keys.advance();
    restored.advance();
  }
});

t.test('a chain ends with its last epoch and after wiping', async (t) => {
  const last = EpochKeys.fromState({
    suite: logSuite,
    chain: Buffer.alloc(16),
    epoch: epochCount - 1,
    macKey: Buffer.alloc(32, 1),
    nodes: [],
  });
  t.throws(() => last.advance(), { code: 'KEY_INVALID' });
  const keys = EpochKeys.fromSecret(logSuite, secret);
  keys.wipe();
  t.same(keys.macKey(), Buffer.alloc(32));
  t.same(keys.nodes, []);
  t.throws(() => keys.advance(), { code: 'KEY_INVALID' });
});

t.test('the verifier reaches every epoch in any order, and the kept mac follows', async (t) => {
  const reader = KeyReader.fromSecret(logSuite, secret);
  for (const epoch of [7, 6, 4294967295, 0, 2147483648, 7, 8]) {
    const fresh = KeyReader.fromSecret(logSuite, secret).macKey(epoch) as Buffer;
    t.same(reader.macKey(epoch), fresh);
    const header = Buffer.from(`header ${epoch}`);
    const tag = mac(logSuite, fresh, header).subarray(0, 16);
    t.ok(reader.epochMac(epoch)?.verifiesTag(header, tag));
    t.notOk(reader.epochMac(epoch)?.verifiesTag(header, Buffer.alloc(16)));
    t.notOk(reader.epochMac(epoch)?.verifiesTag(header, tag.subarray(0, 15)));
  }
  for (const epoch of [-1, 1.5, epochCount, Number.NaN]) t.equal(reader.epochMac(epoch), undefined);
  const before = reader.macKey(3) as Buffer;
  reader.wipe();
  t.notSame(reader.macKey(3), before, 'after wiping the keys are gone');
});

t.test('the mac of a long message is that of HMAC', async (t) => {
  const long = Buffer.alloc(5000, 3);
  const key = Buffer.alloc(32, 1);
  const epochMac = new EpochMac(logSuite, key);
  for (const suite of suites) {
    t.same(new EpochMac(suite, key).mac(long, long), mac(suite, key, long, long));
  }
  t.same(epochMac.mac(long), mac(logSuite, key, long));
  epochMac.wipe();
  t.notSame(epochMac.mac(long), mac(logSuite, key, long));
});

t.test('a range key has few nodes and opens its range alone', async (t) => {
  const chain = chainIdOf(logSuite, secret);
  const whole = KeyReader.fromSecret(logSuite, secret);
  for (const [from, to] of [
    [0, 0],
    [1, 6],
    [0, epochCount - 1],
    [1, epochCount - 2],
    [4294967295, 4294967295],
  ] as const) {
    const range = makeRangeKey(logSuite, chain, secret, from, to);
    t.ok(range.nodes.length <= 62);
    const decoded = decodeRangeKey(encodeRangeKey(range));
    if (!decoded.ok) throw new Error(decoded.reason);
    const reader = KeyReader.fromRange(decoded.range);
    t.same(reader.macKey(from), whole.macKey(from));
    t.same(reader.macKey(to), whole.macKey(to));
    if (from > 0) t.equal(reader.macKey(from - 1), undefined);
    if (to < epochCount - 1) t.equal(reader.macKey(to + 1), undefined);
  }
});

t.test('a range key in another form is refused with its reason, which shows no key', async (t) => {
  const good = JSON.parse(encodeRangeKey(makeRangeKey(logSuite, chainIdOf(logSuite, secret), secret, 5, 9))) as {
    nodes: Record<string, unknown>[];
  };
  const [node = {}, second = {}] = good.nodes;
  const cases: [unknown, RegExp][] = [
    [[], /members/],
    [{ ...good, more: 1 }, /members/],
    [{ ...good, chain: 'x' }, /chain/],
    [{ ...good, chain: 5 }, /chain/],
    [{ ...good, suite: 9 }, /suite/],
    [{ ...good, suite: '1' }, /suite/],
    [{ ...good, nodes: [] }, /nodes/],
    [{ ...good, nodes: Array.from({ length: 65 }, () => node) }, /nodes/],
    [{ ...good, nodes: [5] }, /node 0/],
    [{ ...good, nodes: [{ ...node, more: 1 }] }, /node 0/],
    [{ ...good, nodes: [{ ...node, depth: 33 }] }, /node 0/],
    [{ ...good, nodes: [{ ...node, prefix: -0 }] }, /out of|node 0/],
    [{ ...good, nodes: [{ ...node, depth: 1, prefix: 2 }] }, /node 0/],
    [{ ...good, nodes: [{ ...node, key: `${String(node.key)}A` }] }, /node 0/],
    [{ ...good, nodes: [{ ...node, key: 5 }] }, /node 0/],
    [{ ...good, nodes: [second, node] }, /node 1 is out of order/],
    [{ ...good, nodes: [node, node] }, /overlaps/],
  ];
  for (const [value, reason] of cases) {
    const text = JSON.stringify(value).replace('"prefix":0', '"prefix":-0');
    const decoded = decodeRangeKey(text);
    t.match(decoded, { ok: false, reason });
    if (!decoded.ok) t.notMatch(decoded.reason, String(node.key));
  }
  t.match(decodeRangeKey('{"key'), { ok: false, reason: 'is not JSON' });
});
