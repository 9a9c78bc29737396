/**
 * `logseal verify`: says whether anything was changed, removed, added or moved. Reads the source, the verifier's own files, and
 * writes nothing but its memory of each log. Exit codes: 0 good, 1 tampering, 2 cannot say, 3 could not run.
 */
import { tmpdir } from 'node:os';
import type { Command } from 'commander';
import { LogsealError } from '../src/errors.ts';
import { reportLines } from '../src/verify/report.ts';
import { verify } from '../src/verify/verification.ts';
import { exitCodes } from './exit-codes.ts';
import { openSource } from './open-source.ts';
import { Output } from './output.ts';
import { startProgress } from './progress.ts';
import { addSourceOptions, chooseSource } from './source-argument.ts';
import type { Terminal } from './terminal.ts';
import type { VerifyFlags } from './verify-flags.ts';
import { addVerifyOptions, verifyOptions } from './verify-flags.ts';

export function register(program: Command, terminal: Terminal): void {
  const command = program
    .command('verify')
    .description('Verify that nothing was changed, removed, added or moved since it was signed.');
  addVerifyOptions(addSourceOptions(command))
    .option('--index <name>', 'only records of this index; gaps are not judged then')
    .option('--chain <id>', 'only this chain; gaps are not judged then')
    .option('--from <time>', 'only records signed at or after this time')
    .option('--to <time>', 'only records signed before this time')
    .option('--json', 'one finding a line, the summary last')
    .action((source: string | undefined, flags: VerifyFlags) => run(source, flags, terminal));
}

async function run(argument: string | undefined, flags: VerifyFlags, terminal: Terminal): Promise<void> {
  const choice = chooseSource(argument, flags, terminal);
  const given = verifyOptions(choice, flags, terminal);
  const source = openSource(
    choice,
    given.selection.index === undefined ? {} : { index: given.selection.index },
    terminal,
  );
  const output = new Output(terminal.stdout);
  const json = flags.json === true;
  let written = Promise.resolve();
  const progress = startProgress(terminal, 'verifying', 'records');
  const summary = await verify({
    ...given,
    source,
    temporaryDirectory: tmpdir(),
    onFinding: (finding) => {
      if (json) written = written.then(() => output.json({ type: 'finding', v: 1, ...finding }));
    },
    onProgress: ({ phase, done }) => {
      if (phase === 'records') progress.update(done);
    },
  }).finally(() => progress.stop());
  await written;
  const chosen = Object.entries(given.selection).filter(([, value]) => value !== undefined);
  if (chosen.length > 0 && summary.records === 0 && summary.exit === exitCodes.ok) {
    const what = chosen.map(([name]) => `--${name}`).join(', ');
    throw new LogsealError('NOTHING_TO_VERIFY', `${source.description} has no signed record that ${what} would choose`);
  }
  terminal.exitCode = summary.exit;
  if (!json) {
    for (const line of reportLines(summary, given.anchors.length > 0)) await output.line(line);
    return;
  }
  const { checked, groups: _groups, ...told } = summary;
  const { asOf, origins } = checked;
  await output.json({ type: 'summary', v: 1, ...told, origins, ...(asOf === undefined ? {} : { asOf }) });
}
