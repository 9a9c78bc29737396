/**
 * `logseal keygen auditor`: makes the auditor's key pair, on a machine that is not the proxy's. Never overwrites: an auditor's
 * key that is lost makes every chain wrapped to it unreadable.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { LogsealError } from '../src/errors.ts';
import { createAuditor } from '../src/keys/auditor.ts';
import { registerEncryption } from './keygen-encryption.ts';
import { Output } from './output.ts';
import { readPassphrase } from './passphrase.ts';
import type { Terminal } from './terminal.ts';

export function register(program: Command, terminal: Terminal): void {
  const group = program.command('keygen').description('Make keys. Do this away from the proxy.');
  registerEncryption(group, terminal);
  group
    .command('auditor')
    .description("make the auditor's private key and the certificate that the proxy is given")
    .requiredOption('--out <dir>', 'directory for auditor.key.pem and auditor.cert.pem; made if it is not there')
    .option('--passphrase-file <file>', 'encrypts the private key with the passphrase in this file')
    .option('--name <name>', 'common name of the certificate', 'Logseal auditor')
    .option('--json', 'one object a line')
    .action((options: KeygenOptions) => writeAuditor(options, terminal));
}

interface KeygenOptions {
  readonly out: string;
  readonly name: string;
  readonly passphraseFile?: string;
  readonly json?: boolean;
}

async function writeAuditor(options: KeygenOptions, terminal: Terminal): Promise<void> {
  const passphrase = readPassphrase(options.passphraseFile, terminal);
  const key = join(options.out, 'auditor.key.pem');
  const certificate = join(options.out, 'auditor.cert.pem');
  await mkdir(options.out, { recursive: true, mode: 0o700 });
  // Both names are taken before the slow part, so that two runs at once cannot mix their halves.
  const keyFile = await create(key, 0o600);
  try {
    const certificateFile = await create(certificate, 0o644);
    try {
      const auditor = await createAuditor({ name: options.name, ...(passphrase !== undefined && { passphrase }) });
      await keyFile.writeFile(auditor.keyPem);
      await certificateFile.writeFile(auditor.certPem);
      await Promise.all([keyFile.sync(), certificateFile.sync()]);
    } catch (error) {
      await rm(certificate, { force: true });
      throw error;
    } finally {
      await certificateFile.close();
    }
  } catch (error) {
    await rm(key, { force: true });
    throw error;
  } finally {
    await keyFile.close();
  }
  const output = new Output(terminal.stdout);
  if (options.json === true) return output.json({ type: 'auditor', v: 1, key, certificate });
  await output.line(`${key} (keep it away from the proxy; without it nothing can be verified by key)`);
  await output.line(`${certificate} (give it to the proxy: LOGSEAL_AUDITOR_CERTIFICATES=${certificate})`);
}

async function create(path: string, mode: number) {
  try {
    return await open(path, 'wx', mode);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const reason = code === 'EEXIST' ? 'is there already and is not overwritten' : `cannot be written (${code})`;
    throw new LogsealError('USAGE', `${path} ${reason}`, { path, cause });
  }
}
