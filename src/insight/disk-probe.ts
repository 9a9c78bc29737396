/**
 * Measures what an fdatasync costs on the disk of the data directory, and whether that can be true for such a disk: a disk that
 * answers before it has written loses acknowledged records with the power. A measurement proves nothing by itself; it says what
 * it saw. Writes one small file of its own and removes it.
 */
import { closeSync, constants, fdatasyncSync, openSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Check } from './check.ts';
import { messageOf } from './check.ts';

const area = 'disk';
const writesMax = 64;
const blockBytes = 4096;
const budgetMs = 2000;

export type DeviceKind = 'rotating' | 'virtual' | 'solid' | 'unknown';

export interface Measured {
  writes: number;
  medianUs: number;
  slowestUs: number;
}

export async function checkDisk(directory: string): Promise<Check[]> {
  let measured: Measured;
  try {
    measured = measureSync(directory);
  } catch (error) {
    const found = `nothing can be written in ${directory}: ${messageOf(error)}`;
    return [
      {
        area,
        status: 'fail',
        found,
        advice: 'run the doctor as the user of the proxy, or give that user the directory',
      },
    ];
  }
  return [judgeSync(measured, await deviceOf(directory))];
}

/** Small writes, each followed by fdatasync, until there are enough or time is up. Synchronous, so that no queue is measured with them. */
function measureSync(directory: string): Measured {
  const path = join(directory, `.doctor-${process.pid}.probe`);
  const file = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
  try {
    const block = Buffer.alloc(blockBytes, 0x5a);
    const times: number[] = [];
    const end = performance.now() + budgetMs;
    // The first gives the file its blocks and is not counted.
    for (let n = 0; n <= writesMax && (times.length === 0 || performance.now() < end); n += 1) {
      const began = performance.now();
      writeSync(file, block, 0, blockBytes, n * blockBytes);
      fdatasyncSync(file);
      if (n > 0) times.push((performance.now() - began) * 1000);
    }
    times.sort((a, b) => a - b);
    const medianUs = times[Math.floor(times.length / 2)] ?? 0;
    return { writes: times.length, medianUs, slowestUs: times.at(-1) ?? 0 };
  } finally {
    closeSync(file);
    unlinkSync(path);
  }
}

/** The least that a write that reaches the medium takes, microseconds. */
const leastUs: Readonly<Record<DeviceKind, number>> = {
  // Half a turn at 15,000 a minute is 2 ms.
  rotating: 1000,
  virtual: 60,
  // With a cache that survives the power; without one it is ten times that.
  solid: 15,
  unknown: 15,
};

/** Whether so fast a disk can have told the truth. */
export function judgeSync({ writes, medianUs, slowestUs }: Measured, kind: DeviceKind): Check {
  const us = (value: number) => (value < 1000 ? `${value.toFixed(0)} µs` : `${(value / 1000).toFixed(1)} ms`);
  const found = `${writes} writes of ${blockBytes} bytes with fdatasync: ${us(medianUs)} each, the slowest ${us(slowestUs)}, on a disk that says it is ${kind}`;
  if (medianUs < leastUs[kind]) {
    const advice =
      'too fast to be true unless a battery stands behind it: ask who runs the disk whether its cache, and that of the host below it, survives the power';
    return { area, status: 'warn', found, advice };
  }
  if (medianUs > 100_000) {
    return { area, status: 'warn', found, advice: 'each acknowledgement waits for one of these: use a faster disk' };
  }
  return { area, status: 'ok', found };
}

/** As Linux tells it; `unknown` elsewhere and for file systems without a device of their own. */
async function deviceOf(directory: string): Promise<DeviceKind> {
  const { dev } = statSync(directory);
  // As makedev(3) packs them.
  const major = Math.floor(dev / 256) % 4096;
  const minor = (dev % 256) + Math.floor(dev / 2 ** 20) * 256;
  try {
    const device = await realpath(`/sys/dev/block/${major}:${minor}`);
    const rotational = await readFirst([`${device}/queue/rotational`, `${device}/../queue/rotational`]);
    if (rotational === undefined) return 'unknown';
    if (/\/(virtio\d|xen|vbd|vmbus)|\/(vd|xvd)[a-z]+\d*$/.test(device)) return 'virtual';
    return rotational === '1' ? 'rotating' : 'solid';
  } catch {
    return 'unknown';
  }
}

async function readFirst(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      return (await readFile(path, 'utf8')).trim();
    } catch {
      // The next one.
    }
  }
  return undefined;
}
