/** `logseal rotate`: an operator ends chains and begins new ones, for a reason that the proxy cannot know by itself. */
import type { Command } from 'commander';
import { LogsealError } from '../src/errors.ts';
import type { DeskStatus } from '../src/proxy/operator-desk.ts';
import type { ActFlags, PlainAct } from './acts.ts';
import { addActOptions, order } from './acts.ts';
import type { AdminClient } from './admin-client.ts';
import type { Terminal } from './terminal.ts';

interface RotateFlags extends ActFlags {
  readonly chain?: string[];
  readonly all?: boolean;
  readonly why: string;
}

const reasons = ['suspicion', 'rolled-back'];

export function register(program: Command, terminal: Terminal): void {
  const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
  const command = program
    .command('rotate')
    .description('End chains and begin new ones in their place, by an order that an operator signs.')
    .option('--chain <name or id>', 'a chain; may be given several times', collect)
    .option('--all', 'all chains, the control chain last')
    .requiredOption('--why <reason>', reasons.join(' or '));
  addActOptions(command).action((flags: RotateFlags) => run(flags, terminal));
}

async function run(flags: RotateFlags, terminal: Terminal): Promise<void> {
  if (!reasons.includes(flags.why)) throw new LogsealError('USAGE', `--why is ${reasons.join(' or ')}`);
  if ((flags.all === true) === (flags.chain !== undefined)) {
    throw new LogsealError('USAGE', 'say which: --chain NAME, or --all');
  }
  await order((status, admin) => acts(status, admin, flags), flags, terminal);
}

async function acts(status: DeskStatus, admin: AdminClient, flags: RotateFlags): Promise<PlainAct[]> {
  // What signs in the place of a chain that was rolled back is new, and is announced by that one's rotation.
  const open = status.chains.filter(({ prepared }) => !prepared);
  const wanted = flags.chain ?? open.map(({ id }) => id);
  const made: PlainAct[] = [];
  for (const name of wanted) {
    const chain = open.find((known) => known.id === name || known.name === name);
    if (chain === undefined) {
      const names = open.map((known) => known.name).join(', ');
      throw new LogsealError('USAGE', `there is no open chain ${name}; there are ${names}`);
    }
    const prepared = (await admin.ask('POST', '/operator/prepare', { chain: chain.id })) as {
      old: string;
      new: string;
    };
    made.push({ kind: 'rotate', body: { old: prepared.old, new: prepared.new, why: flags.why } });
  }
  return made;
}
