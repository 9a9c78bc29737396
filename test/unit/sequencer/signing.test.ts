import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Instance } from '../../../src/sequencer/instance.ts';
import type { WriteAheadLog } from '../../../src/wal/write-ahead-log.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';
import type { LoggedRecord } from '../../helpers/signing-rig.ts';
import { brokenLinks, openSigning, openWal, readLog } from '../../helpers/signing-rig.ts';

function chainOf(records: LoggedRecord[], dest: string): string {
  return records.find((record) => record.dest === dest)?.chain ?? '';
}

t.test('a first start makes the control chain, names it on itself, and says that it booted', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.close();
  const { records, seals } = await readLog(dir);
  t.match(records[0]?.content, /^\{"chain":\{"id":"/);
  t.match(records[1]?.content, /^\{"boot":\{"version":"test","clean":true/);
  t.equal(records[0]?.chain, rig.instance.state.control);
  t.strictSame(
    seals.map(({ reason, count }) => [reason, count]),
    [['shutdown', 2]],
  );
  t.equal((await Instance.open(dir, undefined, 0)).state.clean, true);
});

t.test('an epoch closes when it is full, and the next record links to its seal', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.append('web-2026.11.23', 100);
  await rig.close();
  const { records, seals } = await readLog(dir);
  const chain = chainOf(records, 'web-2026.11.23');
  const own = seals.filter((seal) => seal.chain.toString('base64url') === chain);
  t.strictSame(
    own.map(({ reason, first, count }) => [reason, first, count]),
    [
      ['size', 0, 40],
      ['size', 40, 40],
      ['shutdown', 80, 20],
    ],
  );
  t.strictSame(brokenLinks(records, seals, chain), []);
  t.match(records.find((record) => record.chain === chain)?.id, /^[\w-]{22}$/);
});

t.test('an epoch closes by age, and silence is sealed by the control chain', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.append('web', 3);
  rig.clock.advance(10_000);
  await rig.signing.chains.all[0]?.exclusive(() => undefined);
  rig.clock.advance(60_000);
  await rig.signing.chains.control.exclusive(() => undefined);
  await rig.close();
  const { seals } = await readLog(dir);
  const reasons = seals.map((seal) => seal.reason);
  t.ok(reasons.includes('time'), 'the data epoch');
  t.ok(reasons.includes('idle'), 'an empty epoch of the control chain');
});

t.test('after a crash open epochs are closed, none is continued, and the chain goes on without a gap', async (t) => {
  const dir = t.testdir();
  const first = await openSigning(dir);
  await first.append('web', 50);
  await first.crash();
  const second = await openSigning(dir);
  await second.append('web', 5);
  await second.close();
  const { records, seals } = await readLog(dir);
  const chain = chainOf(records, 'web');
  const own = seals.filter((seal) => seal.chain.toString('base64url') === chain);
  t.strictSame(
    own.map(({ reason, epoch, first: from, count }) => [reason, epoch, from, count]),
    [
      ['size', 0, 0, 40],
      ['recovery', 1, 40, 10],
      ['shutdown', 2, 50, 5],
    ],
  );
  t.strictSame(brokenLinks(records, seals, chain), []);
  t.ok(records.some((record) => record.content.includes('"boot":{"version":"test","clean":false')));
});

t.test(
  'a seal that is in the write-ahead log alone is taken into the seal log, and the key only moves on',
  async (t) => {
    const dir = t.testdir();
    const first = await openSigning(dir);
    await first.append('web', 5);
    cpSync(join(dir, 'log'), join(dir, 'log-before'), { recursive: true });
    cpSync(join(dir, 'keys'), join(dir, 'keys-before'), { recursive: true });
    first.clock.advance(10_000);
    await first.signing.chains.all[0]?.exclusive(() => undefined);
    await first.crash();
    for (const part of ['log', 'keys']) {
      rmSync(join(dir, part), { recursive: true });
      cpSync(join(dir, `${part}-before`), join(dir, part), { recursive: true });
    }
    const second = await openSigning(dir);
    await second.append('web', 1);
    await second.close();
    const { records, seals } = await readLog(dir);
    const chain = chainOf(records, 'web');
    const own = seals.filter((seal) => seal.chain.toString('base64url') === chain);
    t.strictSame(
      own.map(({ epoch }) => epoch),
      own.map((_, place) => place),
      'each epoch is sealed once',
    );
    t.strictSame(brokenLinks(records, seals, chain), []);
  },
);

t.test('a key file from before the newest seals is refused, with the chain and both epochs', async (t) => {
  const dir = t.testdir();
  const first = await openSigning(dir);
  await first.append('web', 5);
  cpSync(join(dir, 'keys'), join(dir, 'keys-old'), { recursive: true });
  await first.append('web', 100);
  await first.crash();
  rmSync(join(dir, 'keys'), { recursive: true });
  cpSync(join(dir, 'keys-old'), join(dir, 'keys'), { recursive: true });
  await t.rejects(openSigning(dir), { code: 'DATA_DIR_INVALID', message: /key file is at epoch 0/ });
});

t.test('a chain that was begun and never announced is removed with its key', async (t) => {
  const dir = t.testdir();
  const first = await openSigning(dir);
  await first.append('web', 1);
  const orphan = first.signing.chains.all[0];
  const { state } = first.instance;
  const stray = Buffer.alloc(16, 7).toString('base64url');
  const key = readdirSync(join(dir, 'keys')).find((name) => name.startsWith(orphan?.id22 ?? '?'));
  cpSync(join(dir, 'keys', key ?? ''), join(dir, 'keys', `${stray}.key`));
  await first.instance.update({ chains: [...state.chains, { id: stray, name: 'x', suite: 1, createdMs: 0 }] });
  await first.crash();
  const second = await openSigning(dir);
  t.notOk(existsSync(join(dir, 'keys', `${stray}.key`)));
  t.notOk(second.instance.state.chains.some((chain) => chain.id === stray));
  await second.close();
});

t.test('a rotation ends the old chain with its last seal, and its key is gone', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.append('web', 3);
  const old = rig.signing.chains.all[0]?.id22 ?? '';
  const oldControl = rig.signing.chains.control.id22;
  await rig.signing.rotateAll('certificates');
  await rig.append('web', 2);
  t.notOk(existsSync(join(dir, 'keys', `${old}.key`)));
  await rig.close();
  const { records, seals } = await readLog(dir);
  t.strictSame(
    seals.filter((seal) => seal.reason === 'rotate').map((seal) => seal.chain.toString('base64url')),
    [old, oldControl],
  );
  const chains = [...new Set(records.filter(({ dest }) => dest === 'web').map(({ chain }) => chain))];
  t.equal(chains.length, 2);
  t.equal(records.filter(({ content }) => content.startsWith('{"rotate":')).length, 2, 'both are said');
  const next = chains.find((chain) => chain !== old) ?? '';
  t.strictSame(brokenLinks(records, seals, next), [], 'the new chain begins at 0');
});

t.test('an ended chain that a crash left in the list is dropped, and its successor goes on', async (t) => {
  const dir = t.testdir();
  const first = await openSigning(dir);
  await first.append('web', 3);
  const before = first.instance.state.chains;
  await first.signing.rotateAll('schedule');
  const after = first.instance.state.chains;
  await first.instance.update({ chains: [...before, ...after] });
  await first.crash();
  const second = await openSigning(dir);
  await second.append('web', 1);
  t.strictSame(second.instance.state.chains, after);
  await second.close();
});

t.test('a rotation that a crash cut off before the old chain ended is finished at the next start', async (t) => {
  const dir = t.testdir();
  const clock = new ManualClock();
  const { wal } = await openWal(dir, clock);
  let left = Number.POSITIVE_INFINITY;
  const stalling = {
    append: (payload: Buffer, space: 'normal' | 'reserve') => {
      left -= 1;
      return left < 0 ? new Promise<never>(() => undefined) : wal.append(payload, space);
    },
    room: () => true,
    get durable() {
      return wal.durable;
    },
  };
  const first = await openSigning(dir, { wal: stalling as unknown as WriteAheadLog, clock });
  await first.append('web', 3);
  const [old] = first.signing.chains.all;
  // The chain record and the rotate record get through, the last seal does not.
  left = 2;
  void first.signing.rotateAll('schedule');
  while (left >= 0) await new Promise((resolve) => setImmediate(resolve));
  await wal.close();
  await first.crash();
  const second = await openSigning(dir);
  await second.append('web', 1);
  await second.close();
  const { records, seals } = await readLog(dir);
  const chains = [...new Set(records.filter(({ dest }) => dest === 'web').map(({ chain }) => chain))];
  t.equal(chains[0], old?.id22);
  t.equal(chains.length, 2, 'the new chain took over');
  const ends = seals.filter((seal) => seal.chain.toString('base64url') === old?.id22).map(({ reason }) => reason);
  t.strictSame(ends, ['recovery', 'rotate']);
  t.strictSame(brokenLinks(records, seals, chains[1] ?? ''), []);
});

t.test('past the bound on chains the catch-all chain takes the rest', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir, { chainsMax: 3 });
  for (const dest of ['a', 'b', 'c', 'd']) await rig.append(dest, 1);
  t.strictSame(
    rig.signing.chains.all.map((chain) => chain.name),
    ['a', 'b', 'catch-all', 'control'],
  );
  await rig.close();
});

t.test('an id in the form of a generated one of ours is known, another is not', async (t) => {
  const dir = t.testdir();
  const rig = await openSigning(dir);
  await rig.append('web', 1);
  const id = (await readLog(dir)).records.find((record) => record.dest === 'web')?.id ?? '';
  t.equal(rig.signing.sequencer.ownsId(id), true);
  t.equal(rig.signing.sequencer.ownsId(Buffer.alloc(16, 1).toString('base64url')), false);
  t.equal(rig.signing.sequencer.ownsId('order-4711'), false);
  t.equal(rig.signing.sequencer.isSigned('.kibana'), false);
  t.equal(rig.signing.sequencer.isSigned('.ds-logs-app-default-2026.11.23-000001'), true);
  await rig.close();
});
