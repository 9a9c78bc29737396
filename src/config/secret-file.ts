/** Secrets come from files only, so that no process list, environment dump or configuration backup holds one. */
import type { Stats } from 'node:fs';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { LogsealError } from '../errors.ts';
import { isCredential } from './credential-path.ts';
import { processEnvironment } from './environment.ts';

const SECRET_BYTES_MAX = 64 * 1024;
/** Of the file of clients: thousands of entries. */
export const clientFileBytesMax = 1024 * 1024;

export type SecretPermissions = 'private' | 'any';

/** The text of a secret file without its last line end. Errors: CONFIG_INVALID, naming the file and never its text. */
export function readSecretFile(path: string, permissions: SecretPermissions): string {
  const text = readPrivateFile(path, permissions).replace(/\r?\n$/, '');
  if (/[\r\n\0]/.test(text)) throw new LogsealError('CONFIG_INVALID', `${path}: must be one line`, { path });
  return text;
}

/** As `readSecretFile`, for a secret of several lines such as a PEM key. */
export function readPrivateFile(path: string, permissions: SecretPermissions): string {
  return readPrivateBytes(path, permissions).toString('utf8');
}

/** As `readSecretFile`, for a secret that is no text. */
export function readPrivateBytes(path: string, permissions: SecretPermissions): Buffer {
  const found = open(path, permissions);
  if ('fault' in found) throw new LogsealError('CONFIG_INVALID', `${path}: ${found.fault}`, { path });
  return found.bytes;
}

/** What keeps the file from being used as a secret; undefined if nothing does. */
export function secretFileFault(
  path: string,
  permissions: SecretPermissions,
  bytesMax = SECRET_BYTES_MAX,
): string | undefined {
  const found = open(path, permissions, bytesMax);
  return 'fault' in found ? found.fault : undefined;
}

/** What is looked at is what is read, whatever happens to the name meanwhile. */
function open(
  path: string,
  permissions: SecretPermissions,
  bytesMax = SECRET_BYTES_MAX,
): { bytes: Buffer } | { fault: string } {
  let file: number;
  try {
    // Without waiting: a pipe that nobody writes to must not hold up the start.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return { fault: code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})` };
  }
  try {
    const stat = fstatSync(file);
    const fault = sizeFault(stat, bytesMax) ?? faultOf(stat, permissions, isCredential(path, processEnvironment()));
    return fault === undefined ? { bytes: readFileSync(file) } : { fault };
  } finally {
    closeSync(file);
  }
}

function sizeFault(stat: Stats, bytesMax: number): string | undefined {
  if (!stat.isFile()) return 'is not a regular file';
  if (stat.size === 0) return 'is empty';
  return stat.size > bytesMax ? `has ${stat.size} bytes, more than a secret can have` : undefined;
}

function faultOf(stat: Stats, permissions: SecretPermissions, credential: boolean): string | undefined {
  if (permissions === 'any' || process.platform === 'win32') return undefined;
  if ((stat.mode & (credential ? 0o037 : 0o077)) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
    return `others can read it (mode ${mode}): chmod 600, or secrets.permissions: any where the platform mounts it so`;
  }
  const own = process.getuid?.();
  if (stat.uid !== own && stat.uid !== 0) {
    return `belongs to user ${stat.uid}, who can change it: chown it to the proxy's user ${own} or to root`;
  }
  return undefined;
}
