/**
 * `logseal keygen`: makes the auditor's and operators' key pairs, on a machine that is not the proxy's. Never overwrites: an
 * auditor's key that is lost makes every chain wrapped to it unreadable.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { LogsealError } from '../src/errors.ts';
import { createAuditor } from '../src/keys/auditor.ts';
import { createOperator } from '../src/keys/operator.ts';
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
    .action((options: AuditorOptions) => writeAuditor(options, terminal));
  group
    .command('operator')
    .description("make an operator's key pair: the private key signs acts, the proxy is given the public one")
    .requiredOption('--out <dir>', 'directory for operator.key.pem and operator.pub.pem; made if it is not there')
    .option('--passphrase-file <file>', 'encrypts the private key with the passphrase in this file')
    .option('--json', 'one object a line')
    .action((options: KeygenOptions) => writeOperator(options, terminal));
}

interface KeygenOptions {
  readonly out: string;
  readonly passphraseFile?: string;
  readonly json?: boolean;
}

interface AuditorOptions extends KeygenOptions {
  readonly name: string;
}

async function writeAuditor(options: AuditorOptions, terminal: Terminal): Promise<void> {
  const passphrase = readPassphrase(options.passphraseFile, terminal);
  const key = join(options.out, 'auditor.key.pem');
  const certificate = join(options.out, 'auditor.cert.pem');
  await writePair(options.out, key, certificate, async () => {
    const auditor = await createAuditor({ name: options.name, ...(passphrase !== undefined && { passphrase }) });
    return { secret: auditor.keyPem, open: auditor.certPem };
  });
  const output = new Output(terminal.stdout);
  if (options.json === true) return output.json({ type: 'auditor', v: 1, key, certificate });
  await output.line(`${key} (keep it away from the proxy; without it nothing can be verified by key)`);
  await output.line(`${certificate} (give it to the proxy: LOGSEAL_AUDITOR_CERTIFICATES=${certificate})`);
}

async function writeOperator(options: KeygenOptions, terminal: Terminal): Promise<void> {
  const operator = createOperator(readPassphrase(options.passphraseFile, terminal));
  const key = join(options.out, 'operator.key.pem');
  const publicKey = join(options.out, 'operator.pub.pem');
  await writePair(options.out, key, publicKey, async () => ({ secret: operator.keyPem, open: operator.publicPem }));
  const output = new Output(terminal.stdout);
  if (options.json === true) return output.json({ type: 'operator', v: 1, key, publicKey, sha256: operator.id });
  await output.line(`${key} (keep it away from the proxy: it orders rotations, discards and acknowledgements)`);
  await output.line(`${publicKey} (give it to the proxy: LOGSEAL_OPERATOR_KEYS=${publicKey}`);
  await output.line('  and to whoever verifies: --operator-key)');
  await output.line(`SHA-256 of the public key: ${operator.id}`);
}

/** Both names are taken before the slow part, so that two runs at once cannot mix their halves. */
async function writePair(
  directory: string,
  secretPath: string,
  openPath: string,
  make: () => Promise<{ secret: string; open: string }>,
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const secretFile = await create(secretPath, 0o600);
  try {
    const openFile = await create(openPath, 0o644);
    try {
      const { secret, open: text } = await make();
      await secretFile.writeFile(secret);
      await openFile.writeFile(text);
      await Promise.all([secretFile.sync(), openFile.sync()]);
    } catch (error) {
      await rm(openPath, { force: true });
      throw error;
    } finally {
      await openFile.close();
    }
  } catch (error) {
    await rm(secretPath, { force: true });
    throw error;
  } finally {
    await secretFile.close();
  }
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
