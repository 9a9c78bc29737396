/**
 * `logseal export`: everything that a verifier elsewhere needs, as NDJSON on stdout: mappings, checkpoints, seals,
 * control records, rejects, records. `_source` to the byte. Memory is one page, however slow the reader of stdout is.
 */
import type { Command } from 'commander';
import { LogsealError } from '../src/errors.ts';
import { FieldReader } from '../src/verify/field-reader.ts';
import type { Source, SourceDocument } from '../src/verify/source.ts';
import { exportedIndex } from '../src/verify/sources/index-descriptions.ts';
import { openSource } from './open-source.ts';
import { Output } from './output.ts';
import { startProgress } from './progress.ts';
import { addSourceOptions, chooseSource } from './source-argument.ts';
import type { Terminal } from './terminal.ts';
import { timeOf } from './verify-flags.ts';

interface ExportFlags extends Readonly<Record<string, unknown>> {
  readonly index?: string;
  readonly from?: string;
  readonly to?: string;
}

export function register(program: Command, terminal: Terminal): void {
  const command = program
    .command('export')
    .description('Write everything that a verifier elsewhere needs as NDJSON to standard output.');
  addSourceOptions(command)
    .option('--index <names>', 'only records of these indices, data streams or patterns, by comma')
    .option('--from <time>', 'only records signed at or after this time')
    .option('--to <time>', 'only records signed before this time')
    .action((source: string | undefined, flags: ExportFlags) => run(source, flags, terminal));
}

async function run(argument: string | undefined, flags: ExportFlags, terminal: Terminal): Promise<void> {
  const choice = chooseSource(argument, flags, terminal);
  const isWanted = timeFilter(flags);
  const selection = flags.index === undefined ? {} : { index: flags.index, rejects: true };
  const source = openSource(choice, selection, terminal);
  const output = new Output(terminal.stdout);
  const progress = startProgress(terminal, 'exporting', 'documents');
  let written = 0;
  try {
    await source.open();
    for (const index of await source.indices()) await output.json(exportedIndex(index));
    for await (const lines of documents(source, isWanted)) {
      written += lines.count;
      await output.write(lines.bytes);
      progress.update(written);
    }
    for (const remark of source.remarks ?? []) terminal.stderr.write(`logseal: ${remark}\n`);
  } finally {
    progress.stop();
    await source.close();
  }
  if (written === 0) {
    throw new LogsealError('NOTHING_TO_VERIFY', `${source.description} holds nothing that could be exported`);
  }
}

interface Lines {
  bytes: Buffer;
  count: number;
}

async function* documents(source: Source, isWanted: (document: SourceDocument) => boolean): AsyncGenerator<Lines> {
  for await (const batch of source.system()) yield linesOf(batch);
  for await (const batch of source.records()) {
    const wanted = batch.filter(isWanted);
    if (wanted.length > 0) yield linesOf(wanted);
  }
}

const lineEnd = Buffer.from('}\n');

function linesOf(batch: readonly SourceDocument[]): Lines {
  const parts: Buffer[] = [];
  for (const { index, id, source } of batch) {
    parts.push(Buffer.from(`{"_index":${JSON.stringify(index)},"_id":${JSON.stringify(id)},"_source":`));
    parts.push(oneLine(source), lineEnd);
  }
  return { bytes: Buffer.concat(parts), count: batch.length };
}

/** In JSON a line end stands only between values, where a blank says the same; nothing that is signed has one there. */
function oneLine(source: Buffer): Buffer {
  if (!source.includes(0x0a) && !source.includes(0x0d)) return source;
  const line = Buffer.from(source);
  for (let at = 0; at < line.length; at++) if (line[at] === 0x0a || line[at] === 0x0d) line[at] = 0x20;
  return line;
}

/** Records by the time they were signed at; a document that says no such time stays in: it may be what was tampered with. */
function timeFilter({ from, to }: ExportFlags): (document: SourceDocument) => boolean {
  if (from === undefined && to === undefined) return () => true;
  const first = from === undefined ? Number.NEGATIVE_INFINITY : timeOf('--from', from);
  const end = to === undefined ? Number.POSITIVE_INFINITY : timeOf('--to', to);
  const field = new FieldReader();
  return ({ source }) => field.read(source) !== 'read' || (field.time >= first && field.time < end);
}
