/**
 * `logseal clients`: makes entries of the file of the proxy's own clients. A secret comes from a file or from standard input, or is
 * generated and written to a file: never on the command line, where every process list shows it, and never on a screen.
 */
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { secretCharactersMax } from '../src/clients/authorization.ts';
import { readClientFile } from '../src/clients/client-file.ts';
import { hashPassword } from '../src/clients/password-hash.ts';
import { readSecretFile } from '../src/config/secret-file.ts';
import { LogsealError } from '../src/errors.ts';
import { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

interface AddFlags {
  readonly index: readonly string[];
  readonly chain?: string;
  readonly user?: string;
  readonly secretFile?: string;
  readonly keyOut?: string;
}

export function register(program: Command, terminal: Terminal): void {
  const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
  const group = program
    .command('clients')
    .description("Make and check entries of the file of the proxy's own clients.");
  group
    .command('add <name>')
    .description('print an entry for clients.file: with a new API key, or with a user whose password you give')
    .requiredOption('--index <pattern>', 'what it may write, * for any characters; may be given several times', collect)
    .option('--chain <name>', 'one chain for all its records')
    .option('--key-out <file>', 'new file for the encoded API key that the shipper is given')
    .option('--user <name>', 'a user with a password in place of an API key')
    .option('--secret-file <file>', 'file with the password; standard input where absent')
    .action((name: string, flags: AddFlags) => add(name, flags, terminal));
  group
    .command('hash')
    .description('print the hash of a secret, to stand in an entry')
    .option('--secret-file <file>', 'file with the secret; standard input where absent')
    .action(async (flags: { secretFile?: string }) => {
      const secret = await readSecret(flags.secretFile, terminal);
      await new Output(terminal.stdout).line(await hashPassword(secret));
    });
  group
    .command('check <file>')
    .description('read the file as the proxy would, and say everything that is wrong with it')
    .action(async (file: string) => {
      const entries = readClientFile(file, 'private');
      await new Output(terminal.stdout).line(`${file}: ${entries.length} clients, nothing wrong`);
    });
}

async function add(name: string, flags: AddFlags, terminal: Terminal): Promise<void> {
  if ((flags.user === undefined) === (flags.keyOut === undefined)) {
    throw new LogsealError('USAGE', 'give --key-out for an API key, or --user for a user with a password');
  }
  const credentials =
    flags.user === undefined
      ? { apiKeys: [await newKey(flags.keyOut ?? '')] }
      : { users: [{ name: flags.user, hash: await hashPassword(await readSecret(flags.secretFile, terminal)) }] };
  const chain = flags.chain === undefined ? {} : { chain: flags.chain };
  const entry = { name, ...credentials, indices: flags.index, ...chain };
  await new Output(terminal.stdout).write(stringify([entry], { lineWidth: 0 }));
}

/** The file is taken before the key is made: one that is there may be in use. */
async function newKey(path: string): Promise<{ id: string; hash: string }> {
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'error';
    const reason = code === 'EEXIST' ? 'is there already and is not overwritten' : `cannot be written (${code})`;
    throw new LogsealError('USAGE', `${path} ${reason}`, { path, cause });
  });
  try {
    const id = randomBytes(12).toString('base64url');
    const secret = randomBytes(32).toString('base64url');
    await file.writeFile(`${Buffer.from(`${id}:${secret}`).toString('base64')}\n`);
    await file.sync();
    return { id, hash: await hashPassword(secret) };
  } finally {
    await file.close();
  }
}

async function readSecret(path: string | undefined, terminal: Terminal): Promise<string> {
  const secret = path === undefined ? await readInput(terminal) : readSecretFile(path, 'any');
  if (secret === '' || secret.length > secretCharactersMax || /[\r\n\0]/.test(secret)) {
    throw new LogsealError('USAGE', `a secret is one line of 1 to ${secretCharactersMax} characters`);
  }
  return secret;
}

async function readInput({ stdin }: Terminal): Promise<string> {
  let text = '';
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.length > 2 * secretCharactersMax) break;
  }
  return text.replace(/\r?\n$/, '');
}
