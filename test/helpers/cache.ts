/**
 * Things that tests fetch or build once and share: each lies in `.cache/` of the checkout under a name that holds
 * the hash of what it was made from, appears there whole (built beside, then renamed), and is never changed after.
 * Safe when several test files ask at once: one builds, the others wait.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export const projectDir = resolve(import.meta.dirname, '..', '..');
const cacheDir = join(projectDir, '.cache');
const waitMsMax = 10 * 60_000;

/** The folder `.cache/<name>-<hash of parts>`, made by `build` (which fills the empty folder it is given) if it is not there. */
export async function cached(
  name: string,
  parts: readonly string[],
  build: (dir: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
  const dir = join(cacheDir, `${name}-${hash}`);
  if (existsSync(dir)) return dir;
  await mkdir(cacheDir, { recursive: true });
  const unlock = await lock(`${dir}.lock`);
  try {
    if (existsSync(dir)) return dir;
    const draft = `${dir}.${randomUUID()}`;
    try {
      await mkdir(draft);
      await build(draft);
      await rename(draft, dir);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
    return dir;
  } finally {
    await unlock();
  }
}

/** A lock by exclusive creation, holding the owner's process id: one left by a dead process is taken over. */
async function lock(path: string): Promise<() => Promise<void>> {
  const until = performance.now() + waitMsMax;
  for (;;) {
    const file = await open(path, 'wx').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return undefined;
      throw error;
    });
    if (file) {
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    }
    const owner = await readFile(path, 'utf8').catch(() => '');
    if (owner !== '' && !alive(Number(owner))) {
      await rm(path, { force: true });
      continue;
    }
    if (performance.now() > until) throw new Error(`${path} is held by process ${owner} for more than ten minutes`);
    await pause(200);
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
