/**
 * `logseal health`: what readyz says of the proxy that runs with this configuration, in the same container or on the same machine.
 * Exit codes: 0 it accepts records, 1 it does not, 3 nobody answers.
 */
import type { Command } from 'commander';
import { loadConfig } from '../src/config/load.ts';
import { LogsealError } from '../src/errors.ts';
import { adminAddress, askAdmin } from '../src/insight/admin-question.ts';
import { exitCodes } from './exit-codes.ts';
import { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

export function register(program: Command, terminal: Terminal): void {
  program
    .command('health')
    .description('Ask the proxy that runs with this configuration whether it accepts records.')
    .option('--config <file>', 'configuration file of the proxy')
    .action((flags: { config?: string }) => run(flags.config, terminal));
}

async function run(file: string | undefined, terminal: Terminal): Promise<void> {
  const { config } = loadConfig({ environment: terminal.environment, file });
  const { status, body } = await askAdmin(config, '/readyz').catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new LogsealError('USAGE', `the admin port ${adminAddress(config)} does not answer: ${why}`);
  });
  terminal.exitCode = status === 200 ? exitCodes.ok : exitCodes.tampering;
  await new Output(terminal.stdout).line(body.trim());
}
