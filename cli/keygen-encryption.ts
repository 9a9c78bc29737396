/**
 * `logseal keygen encryption`: makes a key for encryption at rest. Never overwrites: what waits in a write-ahead log under a key
 * that is lost is lost with it.
 */
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Command } from 'commander';
import { encryptionKeyBytes } from '../src/config/encryption-keys.ts';
import { LogsealError } from '../src/errors.ts';
import { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

interface EncryptionOptions {
  readonly out: string;
  readonly json?: boolean;
}

export function registerEncryption(group: Command, terminal: Terminal): void {
  group
    .command('encryption')
    .description('make a key that encrypts the write-ahead log at rest')
    .requiredOption('--out <file>', 'file for the key: 32 random bytes as base64, readable by its owner alone')
    .option('--json', 'one object a line')
    .action((options: EncryptionOptions) => writeKey(options, terminal));
}

async function writeKey({ out, json }: EncryptionOptions, terminal: Terminal): Promise<void> {
  const file = await open(out, 'wx', 0o600).catch((cause: unknown) => {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const reason = code === 'EEXIST' ? 'is there already and is not overwritten' : `cannot be written (${code})`;
    throw new LogsealError('USAGE', `${out} ${reason}`, { path: out, cause });
  });
  try {
    await file.writeFile(`${randomBytes(encryptionKeyBytes).toString('base64')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  const output = new Output(terminal.stdout);
  if (json === true) return output.json({ type: 'encryption-key', v: 1, key: out });
  await output.line(
    `${out} (keep a copy apart from the data directory: without it what waits there cannot be delivered)`,
  );
  await output.line(`Give it to the proxy: LOGSEAL_ENCRYPTION_KEY_FILE=${out}`);
}
