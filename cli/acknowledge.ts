/**
 * `logseal acknowledge`: an operator says of a finding that it is known. Verification goes on showing it, as ACKNOWLEDGED, and no
 * longer counts it as tampering.
 */
import type { Command } from 'commander';
import { LogsealError } from '../src/errors.ts';
import type { DeskStatus } from '../src/proxy/operator-desk.ts';
import { isPlainVerdict } from '../src/verify/finding.ts';
import type { ActFlags } from './acts.ts';
import { addActOptions, order } from './acts.ts';
import { seqOf } from './seq-ranges.ts';
import type { Terminal } from './terminal.ts';

interface AcknowledgeFlags extends ActFlags {
  readonly chain: string;
  readonly from: string;
  readonly to?: string;
  readonly verdict: string;
  readonly reason: string;
}

export function register(program: Command, terminal: Terminal): void {
  const command = program
    .command('acknowledge')
    .description('Say of a finding that it is known, by an act that an operator signs.')
    .requiredOption('--chain <name or id>', 'chain of the records')
    .requiredOption('--from <seq>', 'first record')
    .option('--to <seq>', 'last record (default: the first)')
    .requiredOption('--verdict <verdict>', 'the verdict as verify shows it, such as MISSING')
    .requiredOption('--reason <text>', 'why it is so; stands in the control chain for ever');
  addActOptions(command).action((flags: AcknowledgeFlags) => run(flags, terminal));
}

async function run(flags: AcknowledgeFlags, terminal: Terminal): Promise<void> {
  const { verdict, reason } = flags;
  if (!isPlainVerdict(verdict)) throw new LogsealError('USAGE', `--verdict ${verdict} is no verdict of verify`);
  const from = seqOf('--from', flags.from);
  const to = flags.to === undefined ? from : seqOf('--to', flags.to);
  const make = async (status: DeskStatus) => {
    const chain = chainIdOf(status, flags.chain);
    return [{ kind: 'acknowledge' as const, body: { chain, from, to, verdict, reason } }];
  };
  await order(make, flags, terminal);
}

/** An open chain by name; one that has ended by its id. */
function chainIdOf(status: DeskStatus, chain: string): string {
  return status.chains.find(({ name }) => name === chain)?.id ?? chain;
}
