import { createSecretKey } from 'node:crypto';
import t from 'tap';
import type { LogKeys } from '../../../src/wal/frame-cipher.ts';
import type { Position } from '../../../src/wal/position.ts';
import { PowerCut, randomFrom, SimulatedDisk } from '../../helpers/simulated-disk.ts';
import type { Opened } from '../../helpers/wal-model.ts';
import { openWal, payloadOf, readAll } from '../../helpers/wal-model.ts';

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`seed ${seed} (LOGSEAL_TEST_SEED)`);

const one = createSecretKey(Buffer.alloc(32, 1));
const two = createSecretKey(Buffer.alloc(32, 2));
/** New segments under one key, under the other, in clear; the old ones can be read in each case. */
const settings: readonly LogKeys[] = [
  { current: one, previous: [two] },
  { current: two, previous: [one] },
  { current: undefined, previous: [one, two] },
];
const all: LogKeys = { current: one, previous: [two] };
type Keys = (random: () => number) => LogKeys;
/** With what each start writes: always in clear, or with encryption begun, ended and its key changed at any start. */
const modes: readonly [string, Keys][] = [
  ['in clear', () => ({ current: undefined, previous: [] })],
  ['encrypted, the key changed at any start', (random) => settings[Math.floor(random() * 3)] as LogKeys],
];

/** What outlives the crash outside the log: answers given, and the cursor that the owner keeps. */
interface Promised {
  sent: number;
  acknowledged: number[];
  cursor: Position | undefined;
}

async function work(
  disk: SimulatedDisk,
  promised: Promised,
  random: () => number,
  rounds: number,
  keys: Keys,
): Promise<void> {
  let opened: Opened | undefined;
  for (let round = 0; round < rounds; round++) {
    opened ??= await openWal(disk, { cursor: promised.cursor, keys: keys(random) });
    const { wal } = opened;
    const group = Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
      const n = promised.sent++;
      return wal.append(payloadOf(n, 1 + Math.floor(random() * 700)), 'normal').then(() => {
        promised.acknowledged.push(n);
      });
    });
    const results = await Promise.allSettled(group);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    if (random() < 0.2) {
      const written = await readAll(disk, promised.cursor, wal.durable, all);
      const done = written[Math.floor(random() * written.length)];
      if (done !== undefined) {
        promised.acknowledged = promised.acknowledged.filter((n) => n > done.n);
        promised.cursor = done.next;
        await wal.trim(done.next);
      }
    }
    if (random() < 0.1) {
      await wal.close();
      opened = undefined;
    }
  }
  await opened?.wal.close();
}

/** Throws unless every promised frame is there exactly once, in order, with at most unanswered ones after them. */
async function check(disk: SimulatedDisk, promised: Promised, where: string): Promise<void> {
  const { wal } = await openWal(disk, { cursor: promised.cursor, keys: all });
  const found = (await readAll(disk, promised.cursor, wal.durable, all)).map((frame) => frame.n);
  await wal.close();
  const ascending = found.every((n, index) => index === 0 || n > (found[index - 1] as number));
  const there = promised.acknowledged.every((n, index) => found[index] === n);
  if (!ascending || !there) throw new Error(`${where}: promised ${promised.acknowledged}, found ${found}`);
}

async function untilCut(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return false;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (error instanceof PowerCut || cause instanceof PowerCut) return true;
    throw error;
  }
}

async function callsOf(rounds: number, runSeed: number, keys: Keys): Promise<number> {
  const disk = new SimulatedDisk();
  await work(disk, { sent: 0, acknowledged: [], cursor: undefined }, randomFrom(runSeed), rounds, keys);
  return disk.calls;
}

for (const [mode, keys] of modes) {
  t.test(
    `${mode}: after a power cut before any call, every answered frame is there exactly once and in order`,
    async (t) => {
      const rounds = 20;
      let cuts = 0;
      for (let run = 0; run < 2; run++) {
        const runSeed = seed + run;
        const calls = await callsOf(rounds, runSeed, keys);
        for (let cutAt = 1; cutAt <= calls; cutAt++) {
          const disk = new SimulatedDisk();
          const promised: Promised = { sent: 0, acknowledged: [], cursor: undefined };
          disk.cutAt = cutAt;
          const cut = await untilCut(() => work(disk, promised, randomFrom(runSeed), rounds, keys));
          if (cut) cuts += 1;
          disk.restart(randomFrom(runSeed + cutAt));
          await check(disk, promised, `seed ${runSeed}, cut at ${cutAt}`);
        }
      }
      t.ok(cuts > 300, `${cuts} power cuts`);
    },
  );

  t.test(`${mode}: a power cut at any call of a recovery loses nothing, and another recovery ends it`, async (t) => {
    let cuts = 0;
    for (let run = 0; run < 40; run++) {
      const random = randomFrom(seed + 1000 + run);
      const disk = new SimulatedDisk();
      const promised: Promised = { sent: 0, acknowledged: [], cursor: undefined };
      disk.cutAt = 20 + Math.floor(random() * 250);
      await untilCut(() => work(disk, promised, random, 60, keys));
      disk.restart(random);
      for (let cutAt = 1; ; cutAt++) {
        disk.cutAt = cutAt;
        const cut = await untilCut(() => openWal(disk, { cursor: promised.cursor, keys: keys(random) }));
        if (!cut) break;
        cuts += 1;
        disk.restart(random);
      }
      disk.restart(random);
      await check(disk, promised, `seed ${seed}, run ${run}`);
    }
    t.ok(cuts > 500, `${cuts} power cuts`);
  });

  t.test(
    `${mode}: after a failed sync and a restart of the process alone, what recovery shows survives a power cut`,
    async (t) => {
      for (let run = 0; run < 60; run++) {
        const random = randomFrom(seed + 2000 + run);
        const disk = new SimulatedDisk();
        const promised: Promised = { sent: 0, acknowledged: [], cursor: undefined };
        let syncs = Math.floor(random() * 40);
        disk.fault = (call) => {
          if (call === 'syncBytes' && syncs-- === 0) throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
          return undefined;
        };
        await work(disk, promised, random, 40, keys).catch(() => undefined);
        disk.kill();
        const first = await openWal(disk, { cursor: promised.cursor, keys: all });
        const shown = (await readAll(disk, promised.cursor, first.wal.durable, all)).map((frame) => frame.n);
        disk.restart(random);
        const second = await openWal(disk, { cursor: promised.cursor, keys: all });
        const after = (await readAll(disk, promised.cursor, second.wal.durable, all)).map((frame) => frame.n);
        if (shown.join() !== after.join()) throw new Error(`seed ${seed}, run ${run}: shown ${shown}, after ${after}`);
        if (!promised.acknowledged.every((n, index) => after[index] === n)) throw new Error(`run ${run}: lost`);
      }
      t.pass('60 runs');
    },
  );
}
