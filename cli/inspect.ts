/** `logseal inspect <index> <id>`: one record, every field of its header, and its proof, in words. Writes nothing. */
import { tmpdir } from 'node:os';
import type { Command } from 'commander';
import { inspectRecord } from '../src/verify/inspect.ts';
import { inspectLines } from '../src/verify/inspect-lines.ts';
import { exitCodes } from './exit-codes.ts';
import { openSource } from './open-source.ts';
import { Output } from './output.ts';
import { addSourceOptions, chooseSource } from './source-argument.ts';
import type { Terminal } from './terminal.ts';
import type { VerifyFlags } from './verify-flags.ts';
import { addVerifyOptions, verifyOptions } from './verify-flags.ts';

export function register(program: Command, terminal: Terminal): void {
  const command = program
    .command('inspect')
    .description('Show one record in full: its header, whether it verifies, and its proof.')
    .argument('<index>', 'index that the document lies in')
    .argument('<id>', 'its _id')
    // A generated id may begin with a dash.
    .allowUnknownOption();
  addVerifyOptions(addSourceOptions(command, 'none'))
    .option('--source <source>', 'Elasticsearch URL, data directory or NDJSON export (default: as configured)')
    .option('--json', 'one object')
    .action((index: string, id: string, flags: InspectFlags) => run(index, id, flags, terminal));
}

interface InspectFlags extends VerifyFlags {
  readonly source?: string;
}

async function run(index: string, id: string, flags: InspectFlags, terminal: Terminal): Promise<void> {
  const choice = chooseSource(flags.source, flags, terminal);
  const options = verifyOptions(choice, flags, terminal);
  const sources = { find: openSource(choice, { index }, terminal), all: openSource(choice, {}, terminal) };
  const record = await inspectRecord(
    sources,
    {
      ...options,
      source: sources.all,
      temporaryDirectory: tmpdir(),
      onFinding: () => {},
      onProgress: () => {},
    },
    index,
    id,
  );
  const output = new Output(terminal.stdout);
  if (record.tagVerifies === false || record.contentVerifies === false) terminal.exitCode = exitCodes.tampering;
  if (flags.json === true) return output.json({ type: 'record', v: 1, ...record });
  for (const line of inspectLines(record)) await output.line(line);
}
