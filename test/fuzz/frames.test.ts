/**
 * Files of the write-ahead log that were flipped, cut, spliced and mixed with those of another log, in clear and encrypted: whoever
 * reads them never gets a payload that was not written at that place, and hears of the damage by a LogsealError or not at all.
 */
import { createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { LogsealError } from '../../src/errors.ts';
import type { LogKeys } from '../../src/wal/frame-cipher.ts';
import { WalReader } from '../../src/wal/reader.ts';
import { walkLog } from '../../src/wal/walk.ts';
import { SimulatedDisk } from '../helpers/simulated-disk.ts';
import { openWal, payloadOf } from '../helpers/wal-model.ts';
import { bytesOf, fuzz } from './fuzz-target.ts';

const keys: LogKeys = { current: createSecretKey(Buffer.alloc(32, 1)), previous: [] };
/** A length that the bytes claim must not be believed: beside 4 MiB pieces nothing large is held. */
const heapGrowthMax = 256 * 1024 * 1024;
const segments = 3;
const pathOf = (segment: number) => `/wal/${String(segment).padStart(16, '0')}.wal`;

interface Log {
  disk: SimulatedDisk;
  keys: LogKeys | undefined;
  /** Payloads by segment and offset, as written and (with `stored`) as they stand on disk. */
  payloads: Map<string, string>;
  stored: Map<string, string>;
}

async function logOf(keys: LogKeys | undefined, from: number): Promise<Log> {
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk, { keys });
  for (let n = 0; n < 60; n++) await wal.append(payloadOf(from + n, 20 + ((n * 7) % 60)), 'normal');
  await wal.close();
  const log = { disk, keys, payloads: new Map<string, string>(), stored: new Map<string, string>() };
  await readPayloads(log, (key, payload) => void log.payloads.set(key, payload));
  await walkPayloads(disk, (key, payload) => void log.stored.set(key, payload));
  return log;
}

type Seen = (key: string, payload: string) => void;

async function readPayloads({ disk, keys }: Pick<Log, 'disk' | 'keys'>, seen: Seen): Promise<void> {
  await using reader = await WalReader.open(keys === undefined ? '/wal' : { path: '/wal', keys }, undefined, disk);
  for (;;) {
    const frames = await reader.next(undefined);
    if (frames === undefined) return;
    for (const { payload, position } of frames)
      seen(`${position.segment} ${position.offset}`, payload.toString('latin1'));
  }
}

async function walkPayloads(disk: SimulatedDisk, seen: Seen): Promise<void> {
  const begin = ({ number }: { number: number }) => ({
    frame: (payload: Buffer, offset: number) => seen(`${number} ${offset}`, payload.toString('latin1')),
  });
  for await (const step of walkLog({ directory: '/wal', begin, wantedFrom: undefined, fs: disk })) void step;
}

const logs = { clear: await logOf(undefined, 0), encrypted: await logOf(keys, 0) };
const others = { clear: await logOf(undefined, 1000), encrypted: await logOf(keys, 1000) };

const place = fc.nat(4096);
const edits = fc.record({
  encrypted: fc.boolean(),
  edits: fc.array(
    fc.record({
      kind: fc.constantFrom('flip', 'cut', 'put', 'move', 'foreign', 'swap', 'remove', 'word'),
      segment: fc.integer({ min: 1, max: segments }),
      from: fc.integer({ min: 1, max: segments }),
      at: place,
      source: place,
      length: fc.oneof(fc.nat(16), fc.nat(2048)),
      text: fc.string({ unit: fc.nat(255).map((byte) => String.fromCharCode(byte)), maxLength: 40 }),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});
type Input = typeof edits extends fc.Arbitrary<infer T> ? T : never;
type Edit = Input['edits'][number];

function apply(disk: SimulatedDisk, other: SimulatedDisk, edit: Edit): void {
  const { kind, segment, from, source, length, text } = edit;
  disk.damage(pathOf(segment), (before) => {
    const own = Buffer.from(before);
    const at = Math.min(edit.at, own.length);
    const piece = (bytes: Buffer) => Buffer.from(bytes.subarray(source, source + length));
    const over = (bytes: Buffer) => Buffer.concat([own.subarray(0, at), bytes, own.subarray(at + bytes.length)]);
    switch (kind) {
      case 'flip':
        if (at < own.length) own[at] = (own[at] ?? 0) ^ (1 << (length & 7));
        return own;
      case 'cut':
        return own.subarray(0, at);
      case 'put':
        return Buffer.concat([own.subarray(0, at), bytesOf(text), own.subarray(at)]);
      case 'move':
        return over(piece(disk.content(pathOf(from))));
      case 'foreign':
        return over(piece(other.content(pathOf(from))));
      case 'swap':
        return Buffer.from(other.content(pathOf(from)));
      case 'word':
        // A length of a frame, maybe: as large as it can be.
        return over(Buffer.alloc(4, length % 2 === 0 ? 0xff : 0x7f));
      default:
        return Buffer.concat([own.subarray(0, at), own.subarray(at + length)]);
    }
  });
}

t.test('no reader gives what was not written there', async (t) => {
  for (const { payloads, stored } of Object.values(logs)) {
    t.equal(payloads.size, 60, 'a whole log is read whole');
    t.ok(stored.size >= 60);
  }
  await fuzz<Input>(t, {
    name: 'frames',
    inputs: edits,
    runs: 300,
    check: async ({ encrypted, edits }) => {
      const kind = encrypted ? 'encrypted' : 'clear';
      const log = logs[kind];
      const strangers = others[kind];
      const disk = log.disk.copy();
      for (const edit of edits) apply(disk, strangers.disk, edit);
      const faults: string[] = [];
      // A whole file of another log is told apart by its header's id alone, which readers of one file cannot know.
      const knows = (known: 'payloads' | 'stored') => (key: string, payload: string) => {
        if (payload === '' || log[known].get(key) === payload || strangers[known].get(key) === payload) return;
        faults.push(`${known}: at ${key} ${JSON.stringify(payload.slice(0, 80))}`);
      };
      const before = process.memoryUsage().arrayBuffers;
      await expected(() => readPayloads({ disk, keys: log.keys }, knows('payloads')));
      await expected(() => walkPayloads(disk, knows('stored')));
      const grown = process.memoryUsage().arrayBuffers - before;
      if (grown > heapGrowthMax) faults.push(`${grown} bytes were held`);
      // A start may cut a torn tail, and then everything is read again.
      await expected(async () => {
        const { wal } = await openWal(disk, { keys: log.keys });
        await wal.close();
        await readPayloads({ disk, keys: log.keys }, knows('payloads'));
      });
      return faults[0];
    },
  });
});

async function expected(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof LogsealError)) throw error;
  }
}
