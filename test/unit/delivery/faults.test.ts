import t from 'tap';
import type { CursorValue } from '../../../src/delivery/cursor-keeper.ts';
import { comparePositions } from '../../../src/wal/position.ts';
import { DeliveryRig } from '../../helpers/delivery-rig.ts';
import type { Fault } from '../../helpers/fake-store.ts';
import { FakeStore } from '../../helpers/fake-store.ts';
import type { TestRecord, WrittenRecord } from '../../helpers/log-writer.ts';

const firstSeed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 1_000_000));
const runs = process.env.LOGSEAL_TEST_SEED === undefined ? 30 : 1;

/** Small and good enough, and the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const faults: Fault[] = ['lost', 'half', 'away', 'fewer', 'html', 'busy', 'unreachable-lookup'];
const dests = ['plain', 'rolling', 'piped', 'sick'];

interface World {
  rig: DeliveryRig;
  store: FakeStore;
  random: () => number;
  /** Set false to end all trouble. */
  trouble: boolean;
  problems: string[];
}

function randomRecord({ random }: World, n: number): TestRecord {
  const dest = dests[Math.floor(random() * dests.length)]!;
  const kind = random();
  const content =
    kind < 0.05 ? `{"poison":${n}}` : kind < 0.08 ? `{"drop":${n}}` : kind < 0.11 ? `{"odd":${n}}` : `{"n":${n}}`;
  const record: TestRecord = { dest, content };
  if (random() < 0.1) record.id = `given-${Math.floor(random() * 40)}`;
  if (random() < 0.2) record.meta = { routing: `r${Math.floor(random() * 3)}` };
  if (random() < 0.05) record.content = record.content.replace(':', ':\n');
  return record;
}

/** What the store does to documents while there is trouble, and what it always does. */
function makeTrouble(world: World): void {
  const { store, random, rig } = world;
  store.rollOver('rolling', 'rolling-1');
  store.finalPipeline.add('piped');
  let generation = 1;
  let blockedUntil = 0;
  store.refuse = ({ text, dest, op }) => {
    if (op === 'index' || dest.startsWith('logseal-')) {
      return world.trouble && random() < 0.05
        ? { status: 429, type: 'es_rejected_execution_exception', reason: 'full' }
        : undefined;
    }
    if (text.includes('"poison"'))
      return { status: 400, type: 'document_parsing_exception', reason: 'failed to parse' };
    if (text.includes('"drop"')) return 'dropped';
    if (!world.trouble) return undefined;
    if (text.includes('"odd"')) return { status: 500, type: 'some_new_exception', reason: 'odd' };
    const blocked = dest === 'sick' && store.bulks < blockedUntil;
    if (blocked) return { status: 403, type: 'cluster_block_exception', reason: 'read-only' };
    return random() < 0.02 ? { status: 503, type: 'unavailable_shards_exception', reason: 'no shard' } : undefined;
  };
  store.fault = () => {
    if (!world.trouble) return 'none';
    if (random() < 0.1) store.rollOver('rolling', `rolling-${++generation}`);
    if (random() < 0.1) blockedUntil = store.bulks + 20;
    return random() < 0.25 ? faults[Math.floor(random() * faults.length)]! : 'none';
  };
  const maybeKill = async () => {
    if (world.trouble && random() < 0.02) rig.kill();
  };
  store.gate = maybeKill;
  rig.controlGate = maybeKill;
}

/** Indices that hold a document with each tag. */
function standing(store: FakeStore): Map<string, string[]> {
  const places = new Map<string, string[]>();
  for (const { index, text } of store.documents.values()) {
    const tag = /"tag":"([^"]{22})"/.exec(text)?.[1];
    if (tag !== undefined) places.set(tag, [...(places.get(tag) ?? []), index]);
  }
  return places;
}

function coveredByLane(record: WrittenRecord, value: CursorValue): boolean {
  return value.lanes.some(
    ({ dests: members, position, parked }) =>
      members.includes(record.dest) &&
      (comparePositions(position, record.position) <= 0 || parked.some(({ seq }) => seq === record.seq)),
  );
}

function watchCursor(world: World): void {
  const { rig, store, problems } = world;
  rig.onSave = (value) => {
    const places = standing(store);
    for (const record of rig.log.written) {
      if (comparePositions(record.position, value.main) >= 0 || places.has(record.tag)) continue;
      if (!coveredByLane(record, value)) problems.push(`cursor passed ${record.dest} seq ${record.seq}`);
    }
  };
}

function checkPlaces(t: { fail(message: string): unknown }, world: World, seed: number): void {
  const { rig, store } = world;
  const places = standing(store);
  const named = new Set<string>();
  for (const { reject } of rig.log.controls as { reject?: { chain: string; seqs: [number, number][] } }[]) {
    for (const [from, to] of reject?.seqs ?? []) {
      for (let seq = from; seq <= to; seq += 1) named.add(`${reject?.chain}:${seq}`);
    }
  }
  for (const { tag, dest, chain, seq, content } of rig.log.written) {
    const found = places.get(tag) ?? [];
    const where = `seed ${seed}, ${dest} seq ${seq} ${content}: ${found.join(', ') || 'nowhere'}`;
    const rejected = named.has(`${chain}:${seq}`);
    if (found.length !== 1) t.fail(where);
    else if (rejected !== (found[0] === 'logseal-rejects')) t.fail(`${where}, rejected: ${rejected}`);
    else if (!rejected && !found[0]?.startsWith(dest)) t.fail(where);
  }
  for (const { text, index } of store.documents.values()) {
    if (index === 'piped' && !text.includes('"raw":')) t.fail(`seed ${seed}: a piped document without its content`);
  }
}

for (let run = 0; run < runs; run += 1) {
  const seed = firstSeed + run;
  t.test(
    `every record ends exactly once in its place or in the rejects, whatever fails and however often (seed ${seed})`,
    async (t) => {
      const random = randomFrom(seed);
      const store = new FakeStore();
      const rig = await DeliveryRig.open(t.testdir(), store, 4096);
      rig.random = random;
      rig.limits = { lanesMax: 3, parkedMax: 3, batchItemsMax: 7, windowBytesMax: 20_000, giveUpAfterMs: 1e12 };
      const world: World = { rig, store, random, trouble: true, problems: [] };
      makeTrouble(world);
      watchCursor(world);
      let sent = 0;
      let seals = 0;
      for (let step = 0; step < 60; step += 1) {
        rig.ensureStarted();
        const count = 1 + Math.floor(random() * 12);
        await rig.log.records(Array.from({ length: count }, () => randomRecord(world, sent++)));
        if (random() < 0.1) await rig.log.seal(seals++);
        const wait = Math.floor(random() * 40);
        for (let i = 0; i < wait; i += 1) {
          await new Promise((resolve) => setImmediate(resolve));
          if (random() < 0.3) rig.clock.advance(100);
        }
        if (random() < 0.05) rig.kill();
      }
      world.trouble = false;
      rig.kill();
      await rig.start();
      await rig.idle();
      t.strictSame(world.problems, [], `seed ${seed}`);
      checkPlaces(t, world, seed);
      t.equal(store.in('logseal-seals').length, seals, `seed ${seed}: every seal is published`);
      await rig.finish();
    },
  );
}
