/**
 * Programs from Debian's packages, unpacked into a folder of their own: nothing is installed, no root is needed, and
 * packages that exclude each other can be used side by side.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { run } from './command.ts';
import { onPath } from './java.ts';

/** Why packages cannot be fetched here, or undefined when they can. */
export function debianMissing(): string | undefined {
  if (onPath('apt-get') && onPath('dpkg')) return undefined;
  return 'NOT RUN: this test takes a program from Debian packages, and apt-get or dpkg is not here: run it on Debian or Ubuntu';
}

/** Downloads and unpacks them, once. The result is a root folder with usr/, etc/ and so on. */
export function debianPackages(name: string, packages: readonly string[]): Promise<string> {
  return cached(name, packages, async (dir) => {
    const downloads = join(dir, 'packages');
    await mkdir(downloads);
    await download(packages, downloads);
    for (const file of await readdir(downloads)) {
      if (file.endsWith('.deb')) await run('dpkg', ['-x', join(downloads, file), dir]);
    }
  });
}

/** With the machine's package lists, or, where it has none or old ones, with lists fetched into the folder. */
async function download(packages: readonly string[], dir: string): Promise<void> {
  const sandbox = ['-o', 'APT::Sandbox::User='];
  const fetch = (options: readonly string[]) => run('apt-get', [...options, 'download', ...packages], { cwd: dir });
  try {
    await fetch(sandbox);
  } catch {
    const lists = join(dir, 'lists');
    const cache = join(dir, 'cache');
    for (const path of [lists, cache]) await mkdir(join(path, 'partial'), { recursive: true });
    const own = [...sandbox, '-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${cache}`];
    await run('apt-get', [...own, '-q', 'update']);
    await fetch(own);
  }
}

/** Where the packages keep shared libraries: usr/lib/<architecture> and lib/<architecture>. */
export async function libraryDirs(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const base of [join(root, 'usr', 'lib'), join(root, 'lib')]) {
    const names = await readdir(base).catch(() => []);
    found.push(...names.filter((name) => name.includes('-linux-')).map((name) => join(base, name)));
  }
  return found;
}
