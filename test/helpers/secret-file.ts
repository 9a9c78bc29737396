/** Files as the proxy wants those that hold secrets: readable by their owner alone. */
import { chmodSync, renameSync, writeFileSync } from 'node:fs';

/** Replaces the file as a careful operator does: nobody reads half of it. Returns the path. */
export function writeSecret(path: string, text: string): string {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  chmodSync(`${path}.new`, 0o600);
  renameSync(`${path}.new`, path);
  return path;
}
