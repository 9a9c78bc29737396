/** The passphrase of an auditor's key, from a file: never from the command line, where every process list shows it. */
import { readSecretFile, secretFileFault } from '../src/config/secret-file.ts';
import type { Terminal } from './terminal.ts';

/** Its first and only line; a file that others can read is warned of. Errors: CONFIG_INVALID. */
export function readPassphrase(path: string | undefined, terminal: Pick<Terminal, 'stderr'>): string | undefined {
  if (path === undefined) return undefined;
  const passphrase = readSecretFile(path, 'any');
  if (secretFileFault(path, 'private') !== undefined) {
    terminal.stderr.write(`logseal: ${path} can be read by others: chmod 600 ${path}\n`);
  }
  return passphrase;
}
