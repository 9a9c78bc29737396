/**
 * Runs one command of `logseal`: finds it in the table, loads its file only then, and turns every failure into one sentence
 * and an exit code. Never prints a stack for what is expected.
 */
import { Command, CommanderError } from 'commander';
import packageFile from '../package.json' with { type: 'json' };
import { LogsealError } from '../src/errors.ts';
import type { CommandEntry } from './commands.ts';
import { exitCodes } from './exit-codes.ts';
import { ReaderGone } from './output.ts';
import type { Terminal } from './terminal.ts';

/** `argv` without node and script. The exit code is left in `terminal.exitCode`. */
export async function runCommandLine(
  argv: readonly string[],
  terminal: Terminal,
  commands: readonly CommandEntry[],
): Promise<void> {
  try {
    const program = createProgram(terminal);
    const entry = commands.find(({ name }) => name === wantedCommand(argv));
    if (entry !== undefined) (await entry.load()).register(program, terminal);
    else
      for (const { name, summary } of commands)
        program.command(name, { hidden: false }).summary(summary).description(summary);
    hush(program, terminal);
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    report(error, terminal);
  }
}

function createProgram(terminal: Terminal): Command {
  const program = new Command('logseal')
    .description('Signs every log record on its way to Elasticsearch, and proves later that nothing was changed.')
    .version(packageFile.version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError(true)
    .exitOverride();
  return program.configureOutput({ writeOut: (text) => terminal.stdout.write(text), writeErr: () => {} });
}

/** Sub-commands made by `register` do not inherit these from commander by themselves. */
function hush(program: Command, terminal: Terminal): void {
  for (const command of program.commands) {
    command.exitOverride().configureOutput({ writeOut: (text) => terminal.stdout.write(text), writeErr: () => {} });
    hush(command, terminal);
  }
}

function wantedCommand(argv: readonly string[]): string | undefined {
  const words = argv.filter((word) => !word.startsWith('-'));
  return words[0] === 'help' ? words[1] : words[0];
}

function report(error: unknown, terminal: Terminal): void {
  if (error instanceof ReaderGone) return;
  if (error instanceof CommanderError && error.exitCode === 0) return;
  terminal.exitCode = exitCodes.couldNotRun;
  terminal.stderr.write(`logseal: ${sentence(error)}\n`);
}

function sentence(error: unknown): string {
  if (error instanceof CommanderError && error.code === 'commander.help') return 'name a command; --help lists them';
  if (error instanceof CommanderError) return error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  if (error instanceof LogsealError) return error.message;
  if (error instanceof Error && 'syscall' in error) return error.message;
  // Not expected: a fault of ours, so whoever reports it needs the place.
  return `unexpected ${error instanceof Error ? error.stack : String(error)}`;
}
