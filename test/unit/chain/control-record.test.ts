import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { canonicalJson } from '../../../src/chain/canonical-json.ts';
import type { ControlBodies, ControlKind } from '../../../src/chain/control-form.ts';
import {
  controlKinds,
  decodeControl,
  encodeControl,
  needsOperator,
  signOperator,
  verifyOperator,
} from '../../../src/chain/control-record.ts';

const chain = 'Z8TVsjBZ41lmBQ_ehD1Nrw';
const other = 'naXsbvC0IW6elj6Vkr2C8A';
const hash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const root = Buffer.alloc(32, 1).toString('base64');
const origin = 'logs.example.com/logseal';

const bodies: ControlBodies = {
  chain: { id: chain, name: 'app', suite: 1, wrapped: 'AQI=', certificates: [hash], origin },
  boot: {
    version: '1.0.0',
    clean: false,
    replayed: 3,
    vkey: 'x+y+z',
    log: 12,
    upstream: 'embedded',
    config: hash,
    chains: { [chain]: { epoch: 3, seq: 44 } },
  },
  place: { dest: 'logs', index: '.ds-logs-000001', documents: 5 },
  reject: {
    chain,
    seqs: [
      [4, 4],
      [7, 9],
    ],
    reason: 'failure-store',
  },
  retry: { chain, seqs: [[4, 4]] },
  discard: { chain, seqs: [[4, 4]], reason: 'poison "pill"' },
  policy: { class: 'one-year', age: 31_536_000_000, paths: ['event.ingested'], keys: [hash] },
  retire: { chain, seqs: [[0, 9]], leaves: { 0: [root], 12: [] }, reason: 'retention' },
  erase: { chain, seq: 5, reason: 'court order' },
  rotate: { old: chain, new: other, why: 'schedule' },
  acknowledge: { chain, from: 1, to: 2, verdict: 'MISSING', reason: 'disk' },
};

const { privateKey } = generateKeyPairSync('ed25519');
const publicKey = createPublicKey(privateKey);

function signedBy(kind: ControlKind, body: object, serial = 1): ReturnType<typeof signOperator> {
  return signOperator(privateKey, { origin, serial, kind, body });
}

t.test('every kind comes back as it was written, members in the order of the table', async (t) => {
  t.equal(controlKinds.length, 11);
  for (const kind of controlKinds) {
    const body = bodies[kind];
    const operator = needsOperator(kind, body) ? signedBy(kind, body) : undefined;
    const shuffled = Object.fromEntries(Object.entries(body).reverse());
    const content = encodeControl(kind, shuffled, operator);
    t.equal(content.toString('utf8'), JSON.stringify({ [kind]: body, ...(operator && { operator }) }));
    t.same(decodeControl(content), { ok: true, record: { kind, body, ...(operator && { operator }) } });
  }
});

t.test('the operator is needed exactly where the format says', async (t) => {
  const needing = controlKinds.filter((kind) => needsOperator(kind, bodies[kind]));
  t.same(needing, ['discard', 'policy', 'retire', 'erase', 'acknowledge']);
  for (const why of ['schedule', 'clock', 'certificates', 'upstream']) t.notOk(needsOperator('rotate', { why }));
  for (const why of ['suspicion', 'rolled-back']) t.ok(needsOperator('rotate', { why }));
  t.ok(needsOperator('rotate', {}));
  t.throws(() => encodeControl('erase', bodies.erase), { code: 'CONTROL_INVALID', message: /operator/ });
  t.match(
    decodeControl(Buffer.from(JSON.stringify({ erase: bodies.erase }))),
    { ok: true },
    'reading leaves the judgement',
  );
});

t.test('an operator signature holds for its key, instance, serial and body alone', async (t) => {
  const record = { kind: 'erase', body: bodies.erase, operator: signedBy('erase', bodies.erase, 7) } as const;
  t.ok(verifyOperator(publicKey, origin, record));
  t.notOk(verifyOperator(publicKey, 'other/logseal', record));
  t.notOk(verifyOperator(publicKey, origin, { ...record, body: { ...bodies.erase, seq: 6 } }));
  t.notOk(verifyOperator(publicKey, origin, { ...record, operator: { ...record.operator, serial: 8 } }));
  t.notOk(verifyOperator(publicKey, origin, { ...record, operator: { ...record.operator, sig: 'x' } }));
  t.notOk(verifyOperator(publicKey, origin, { kind: 'erase', body: bodies.erase }));
  const another = generateKeyPairSync('ed25519');
  t.notOk(verifyOperator(another.publicKey, origin, record));
  t.throws(() => signedBy('erase', {}), { code: 'CONTROL_INVALID' });
  t.throws(() =>
    signOperator(privateKey, { origin: 'x'.repeat(70_000), serial: 1, kind: 'erase', body: bodies.erase }),
  );
});

t.test('a body of another form is refused, and the reason names the member', async (t) => {
  const cases: [ControlKind, object, RegExp][] = [
    ['chain', { id: 'x' }, /chain\.id/],
    ['chain', { suite: 0 }, /suite/],
    ['chain', { wrapped: 'A' }, /base64/],
    ['chain', { certificates: ['x'] }, /certificates/],
    ['chain', { certificates: 5 }, /certificates/],
    ['chain', { more: 1 }, /unknown member "more"/],
    ['boot', { clean: 1 }, /true or false/],
    ['boot', { replayed: -1 }, /replayed/],
    ['boot', { config: hash.toUpperCase() }, /config/],
    ['boot', { chains: { x: { epoch: 0, seq: 0 } } }, /chains/],
    ['boot', { chains: { [chain]: { epoch: 0 } } }, /chains/],
    ['boot', { chains: { [chain]: 5 } }, /chains/],
    ['boot', { chains: { [chain]: { epoch: 2 ** 32, seq: 0 } } }, /chains/],
    ['boot', { chains: [] }, /chains/],
    ['place', { dest: 5 }, /dest/],
    ['place', { dest: 'x'.repeat(70_000) }, /dest/],
    ['place', { dest: '\ud800' }, /dest/],
    ['place', { documents: 1.5 }, /documents/],
    ['reject', { seqs: [] }, /seqs/],
    ['reject', { seqs: [[2, 1]] }, /seqs/],
    ['reject', { seqs: [[1]] }, /seqs/],
    ['reject', { seqs: [1] }, /seqs/],
    ['reject', { seqs: [[0, 2 ** 53]] }, /seqs/],
    ['reject', { reason: 'other' }, /reason/],
    ['retire', { leaves: { '01': [root] } }, /leaves/],
    ['retire', { leaves: { 4294967296: [root] } }, /leaves/],
    ['retire', { leaves: { 1: ['x'] } }, /leaves/],
    ['rotate', { why: 'mood' }, /why/],
    ['acknowledge', { verdict: 'missing' }, /verdict/],
  ];
  for (const [kind, change, reason] of cases) {
    const body = { ...bodies[kind], ...change };
    t.match(decodeControl(Buffer.from(JSON.stringify({ [kind]: body }))), { ok: false, reason });
    t.throws(() => encodeControl(kind, body), { code: 'CONTROL_INVALID', message: reason });
  }
  for (const kind of controlKinds) {
    for (const name of Object.keys(bodies[kind])) {
      const { [name]: _gone, ...rest } = bodies[kind] as Record<string, unknown>;
      t.match(decodeControl(Buffer.from(JSON.stringify({ [kind]: rest }))), {
        ok: false,
        reason: `${kind} lacks ${name}`,
      });
    }
  }
});

t.test('what is no control record is refused', async (t) => {
  const operator = signedBy('erase', bodies.erase);
  const erase = JSON.stringify(bodies.erase);
  const cases: [string | Buffer, RegExp][] = [
    ['{', /JSON/],
    ['[]', /object/],
    [Buffer.from('{"place":{"dest":"\xff"}}', 'latin1'), /UTF-8/],
    ['{}', /known kind/],
    ['{"unknown":{}}', /known kind/],
    ['{"constructor":{}}', /known kind/],
    [JSON.stringify({ place: bodies.place, retry: bodies.retry }), /known kind/],
    ['{"place":5}', /place is no object/],
    [`{"erase":${erase},"erase":${erase}}`, /"erase" twice/],
    [`{"erase":${erase.replace('{', '{"seq":6,')}}`, /"seq" twice/],
    [JSON.stringify({ place: bodies.place, operator }), /place has no operator/],
    [`{"erase":${erase},"operator":5}`, /operator is not/],
    [JSON.stringify({ erase: bodies.erase, operator: { ...operator, more: 1 } }), /operator is not/],
    [JSON.stringify({ erase: bodies.erase, operator: { ...operator, key: 'x' } }), /operator\.key/],
    [JSON.stringify({ erase: bodies.erase, operator: { ...operator, serial: -1 } }), /operator\.serial/],
    [JSON.stringify({ erase: bodies.erase, operator: { ...operator, sig: 'x' } }), /operator\.sig/],
  ];
  for (const [content, reason] of cases) t.match(decodeControl(Buffer.from(content)), { ok: false, reason });
  t.throws(() => encodeControl('erase', bodies.erase, { ...operator, sig: 'x' }), { code: 'CONTROL_INVALID' });
  const rotate = { rotate: bodies.rotate, operator: signedBy('rotate', bodies.rotate) };
  t.match(decodeControl(Buffer.from(JSON.stringify(rotate))), { ok: true }, 'a rotation may have one all the same');
});

t.test('what has no canonical form is refused', async (t) => {
  for (const value of [undefined, Number.NaN, Number.POSITIVE_INFINITY, '\ud800', { '\udc00': 1 }, 1n, () => 1]) {
    t.throws(() => canonicalJson(value), TypeError);
  }
});
