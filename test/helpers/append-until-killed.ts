/**
 * Child of the crash test: locks and opens the log in argv[2], reports the recovery, appends payloads that begin with their
 * number, and writes each number to stdout once it was acknowledged. Runs until it is killed.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { CursorFile } from '../../src/wal/cursor.ts';
import { DirectoryLock } from '../../src/wal/lock.ts';
import type { Position } from '../../src/wal/position.ts';
import { WriteAheadLog } from '../../src/wal/write-ahead-log.ts';

const directory = process.argv[2] as string;
let next = Number(process.argv[3]);

await DirectoryLock.acquire(directory);
const { cursor, value } = await CursorFile.open(join(directory, 'cursor'), (json) => json as Position);
const { wal } = await WriteAheadLog.open({
  dir: join(directory, 'wal'),
  bytesMax: 1024 ** 3,
  reserveBytes: 1024 ** 2,
  segmentBytes: 256 * 1024,
  keepMs: 3_600_000,
  clock: systemClock,
  cursor: value,
  fatal: (error) => {
    throw error;
  },
});
writeSync(1, 'ready\n');

async function appendForEver(): Promise<void> {
  for (;;) {
    const n = next++;
    const payload = Buffer.alloc(100 + (n % 50) * 400, n % 251);
    payload.writeUInt32BE(n, 0);
    const position = await wal.append(payload, 'normal');
    // Synchronous: what stands in the pipe was acknowledged, whatever happens next.
    writeSync(1, `${n} ${position.segment} ${position.offset}\n`);
    if (n % 100 === 0) await cursor.save(position);
  }
}
await Promise.all(Array.from({ length: 6 }, appendForEver));
