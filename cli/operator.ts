/** `logseal operator`: what an operator needs to know, the policy, and acts whose key is kept offline. */
import type { Command } from 'commander';
import { operatorKeyId } from '../src/chain/control-record.ts';
import { LogsealError } from '../src/errors.ts';
import { readOperatorPublicKey } from '../src/keys/operator.ts';
import type { DeskStatus } from '../src/proxy/operator-desk.ts';
import type { ActFlags, KeyFlags } from './acts.ts';
import { addActOptions, addKeyOptions, order, sendFile, signFile } from './acts.ts';
import type { AdminFlags } from './admin-client.ts';
import { addAdminOptions, openAdmin } from './admin-client.ts';
import { Output, table } from './output.ts';
import type { Terminal } from './terminal.ts';

interface PolicyFlags extends ActFlags {
  readonly class: string;
  readonly age: string;
  readonly path?: string[];
  readonly operatorKey: string[];
}

export function register(program: Command, terminal: Terminal): void {
  const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
  const group = program.command('operator').description('Acts that only an operator may order.');
  addAdminOptions(group.command('show').description('origin, keys with their last serials, and open chains'))
    .option('--json', 'as one object')
    .action((flags: AdminFlags & { json?: boolean }) => show(flags, terminal));
  addActOptions(
    group
      .command('policy')
      .description('say what holds from now on: smallest age, paths of pipelines, operators')
      .option('--class <name>', 'retention class', 'default')
      .option('--age <days>', 'smallest age at which records may be retired', '0')
      .option('--path <name>', 'a field that an ingest pipeline may change', collect)
      .requiredOption('--operator-key <file>', "an operator's public key; may be given several times", collect),
  ).action((flags: PolicyFlags) => policy(flags, terminal));
  addKeyOptions(group.command('sign <file>').description('sign the acts of a file, where the key is'))
    .requiredOption('--out <file>', 'where the signed acts go')
    .action((file: string, flags: KeyFlags & { out: string }) => signFile(file, flags, terminal));
  addAdminOptions(group.command('send <file>').description('send signed acts to the proxy'))
    .option('--json', 'one object a line')
    .action((file: string, flags: ActFlags) => sendFile(file, flags, terminal));
}

async function show(flags: AdminFlags & { json?: boolean }, terminal: Terminal): Promise<void> {
  await using admin = openAdmin(flags);
  const status = (await admin.ask('GET', '/operator')) as DeskStatus;
  const output = new Output(terminal.stdout);
  if (flags.json === true) return output.json({ type: 'operator', ...status });
  await output.line(status.origin);
  for (const { key, serial } of status.keys) {
    await output.line(`operator key ${key}: ${serial < 0 ? 'no act yet' : `last serial ${serial}`}`);
  }
  if (status.keys.length === 0) await output.line('operator.keys is empty: this proxy takes no acts');
  const rows = status.chains.map(({ id, name, epoch, seq, rolledBack, prepared }) => [
    ...[id, name, `epoch ${epoch}`, `seq ${seq}`],
    rolledBack ? 'ROLLED-BACK' : prepared ? 'signs in its place' : '',
  ]);
  for (const line of table(rows)) await output.line(line);
}

async function policy(flags: PolicyFlags, terminal: Terminal): Promise<void> {
  const days = Number(flags.age);
  const age = days * 86_400_000;
  if (flags.age === '' || !Number.isSafeInteger(age) || age < 0) {
    throw new LogsealError('USAGE', `--age ${flags.age} is no number of days`);
  }
  const keys = flags.operatorKey.map((path) => operatorKeyId(readOperatorPublicKey(path)));
  const body = { class: flags.class, age, paths: flags.path ?? [], keys };
  await order(async () => [{ kind: 'policy', body }], flags, terminal);
}
