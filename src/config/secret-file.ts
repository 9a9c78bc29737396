/** Secrets come from files only, so that no process list, environment dump or configuration backup holds one. */
import { readFileSync, statSync } from 'node:fs';
import { LogsealError } from '../errors.ts';

const SECRET_BYTES_MAX = 64 * 1024;

/** The text of a secret file without its last line end. Errors: CONFIG_INVALID, naming the file and never its text. */
export function readSecretFile(path: string, permissions: 'private' | 'any'): string {
  const fault = secretFileFault(path, permissions);
  if (fault !== undefined) throw new LogsealError('CONFIG_INVALID', `${path}: ${fault}`, { path });
  const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  if (/[\r\n\0]/.test(text)) throw new LogsealError('CONFIG_INVALID', `${path}: must be one line`, { path });
  return text;
}

/** What keeps the file from being used as a secret; undefined if nothing does. */
export function secretFileFault(path: string, permissions: 'private' | 'any'): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'there is no such file';
  if (!stat.isFile()) return 'is not a regular file';
  if (stat.size === 0) return 'is empty';
  if (stat.size > SECRET_BYTES_MAX) return `has ${stat.size} bytes, more than a secret can have`;
  if (permissions === 'private' && process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
    return `others can read it (mode ${mode}): chmod 600, or secrets.permissions: any where the platform mounts it so`;
  }
  return undefined;
}
