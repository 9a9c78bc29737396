/**
 * Replaces a small file so that a reader finds either the old or the new bytes after a crash at any moment:
 * temporary file, fsync, rename, fsync of the directory.
 */
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

export async function replaceFile(path: string, bytes: Buffer | string, mode = 0o600): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', mode);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** Makes a directory, and those above it that are missing, for the owner alone; all their names are durable when resolved. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const top = dirname(resolve(first));
  for (let above = dirname(resolve(path)); above.length >= top.length; above = dirname(above)) {
    await syncDirectory(above);
    if (above === top) return;
  }
}

/** Makes creations, renames and removals in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
