/**
 * A wall clock that a test moves while a process runs: Debian's libfaketime under it, in all of its threads. The monotonic clock
 * and the times of files stay real.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianMissing, debianPackages, libraryDirs } from './debian.ts';

export interface FakeTime {
  /** For the process, its first start and every later one. */
  readonly environment: Record<string, string>;
  /** Seconds that its wall clock is ahead of ours, from now on. */
  set(seconds: number): void;
}

/** For `{ skip }`: why time cannot be faked here, or false. */
export function fakeTimeMissing(): string | false {
  return debianMissing() ?? false;
}

/** `dir` is made; the clock is right at first. */
export async function startFakeTime(dir: string): Promise<FakeTime> {
  const root = await debianPackages('libfaketime', ['libfaketime']);
  const [libraries] = await libraryDirs(root);
  if (libraries === undefined) throw new Error(`no libraries in ${root}`);
  const file = join(dir, 'offset');
  mkdirSync(dir, { recursive: true });
  const set = (seconds: number) => {
    // Appears whole: a process that reads half of it would have another time.
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(`${file}.new`, file);
  };
  set(0);
  return {
    set,
    environment: {
      LD_PRELOAD: join(libraries, 'faketime', 'libfaketimeMT.so.1'),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
  };
}
