/**
 * Replaces a small file so that a reader finds either the old or the new bytes after a crash at any moment:
 * temporary file, fsync, rename, fsync of the directory.
 */
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

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

/** Makes creations, renames and removals in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
