/**
 * `logseal rejects`: the records that the search engine refused. Listing and showing read the rejects index beside the proxy; a retry
 * asks the running proxy to send them again, signature and all, once the mapping is mended; a discard is an operator's signed word
 * that they are never to go where they belonged. Nothing here removes a document.
 */
import type { Command } from 'commander';
import { runsOf } from '../src/delivery/rejects.ts';
import { LogsealError } from '../src/errors.ts';
import type { ActFlags } from './acts.ts';
import { addActOptions, order } from './acts.ts';
import type { AdminFlags } from './admin-client.ts';
import { addAdminOptions, openAdmin } from './admin-client.ts';
import { exitCodes } from './exit-codes.ts';
import { openSource } from './open-source.ts';
import { Output, table } from './output.ts';
import type { Reject } from './rejects-list.ts';
import { readRejects } from './rejects-list.ts';
import { seqsOf } from './seq-ranges.ts';
import { addSourceOptions, chooseSource } from './source-argument.ts';
import type { Terminal } from './terminal.ts';

interface ChoiceFlags extends Readonly<Record<string, unknown>> {
  readonly chain?: string;
  readonly seqs?: string;
  readonly dest?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Of one request to the proxy. */
const retriedAtOnce = 200;

export function register(program: Command, terminal: Terminal): void {
  const group = program.command('rejects').description('Records that the search engine refused.');
  addChoice(addSourceOptions(group.command('list').description('which records, and why')))
    .option('--json', 'one object a line')
    .action((source: string | undefined, flags: ChoiceFlags) => list(source, flags, terminal));
  addSourceOptions(group.command('show').description('one of them, with its content'))
    .requiredOption('--chain <id>', 'its chain')
    .requiredOption('--seqs <seqs>', 'its seq, or several: 3-5,9')
    .action((source: string | undefined, flags: ChoiceFlags) => show(source, flags, terminal));
  addAdminOptions(addChoice(addSourceOptions(group.command('retry').description('send them again, mapping mended'))))
    .option('--all', 'all that were neither sent again nor discarded')
    .option('--json', 'one object a line')
    .action((source: string | undefined, flags: ChoiceFlags & AdminFlags) => retry(source, flags, terminal));
  addActOptions(
    addChoice(addSourceOptions(group.command('discard').description('say that they never go where they belonged')))
      .option('--all', 'all that were neither sent again nor discarded')
      .requiredOption('--reason <text>', 'why; stands in the control chain for ever'),
  ).action((source: string | undefined, flags: ChoiceFlags & ActFlags & { reason: string }) =>
    discard(source, flags, terminal),
  );
}

function addChoice(command: Command): Command {
  return command
    .option('--chain <id>', 'records of this chain')
    .option('--seqs <seqs>', 'of these seqs: 3-5,9')
    .option('--dest <name>', 'records for this destination');
}

async function list(argument: string | undefined, flags: ChoiceFlags, terminal: Terminal): Promise<void> {
  const output = new Output(terminal.stdout);
  const rejects = await chosen(argument, flags, terminal);
  if (flags.json === true) {
    for (const { content: _, ...reject } of rejects) await output.json({ type: 'reject', v: 1, ...reject });
    return;
  }
  const rows = rejects.map(({ chain, seq, dest, state, status, error, reason }) => [
    ...[chain, String(seq), dest, state, `${status} ${error}`],
    reason,
  ]);
  for (const line of table(rows)) await output.line(line);
  const open = rejects.filter(({ state }) => state === 'open').length;
  await output.line(`${rejects.length} records in the rejects, ${open} of them open`);
}

async function show(argument: string | undefined, flags: ChoiceFlags, terminal: Terminal): Promise<void> {
  const output = new Output(terminal.stdout);
  const rejects = await chosen(argument, flags, terminal);
  if (rejects.length === 0) throw new LogsealError('USAGE', 'no such record is in the rejects');
  for (const { chain, seq, dest, id, time, state, status, error, reason, field, value, mapping, content } of rejects) {
    await output.line(`record ${seq} of chain ${chain}, for ${dest}, id ${id}`);
    await output.line(`  signed ${time === undefined ? '' : new Date(time).toISOString()}, ${state}`);
    await output.line(`  refused ${status} ${error}: ${reason}`);
    if (field !== undefined) {
      const wanted = mapping === undefined ? '' : `, mapped as ${mapping}`;
      await output.line(`  field ${field}: ${value ?? 'not there'}${wanted}`);
    }
    await output.line(`  ${content}`);
  }
}

async function retry(argument: string | undefined, flags: ChoiceFlags & AdminFlags, terminal: Terminal): Promise<void> {
  const rejects = await chosenForAct(argument, flags, terminal);
  const output = new Output(terminal.stdout);
  await using admin = openAdmin(flags);
  let delivered = 0;
  let total = 0;
  for (const [chain, seqs] of byChain(rejects)) {
    for (let at = 0; at < seqs.length; at += retriedAtOnce) {
      const part = seqs.slice(at, at + retriedAtOnce);
      const answer = (await admin.ask('POST', '/rejects/retry', { chain, seqs: part })) as {
        records: { seq: number; outcome: string; reason?: string }[];
      };
      for (const { seq, outcome, reason } of answer.records) {
        total += 1;
        if (outcome === 'delivered') delivered += 1;
        if (flags.json === true) await output.json({ type: 'retried', v: 1, chain, seq, outcome, reason });
        else if (outcome !== 'delivered') await output.line(`${chain} ${seq}: ${outcome}: ${reason}`);
      }
    }
  }
  if (flags.json !== true) await output.line(`${delivered} of ${total} records are delivered`);
  if (delivered < total) terminal.exitCode = exitCodes.cannotSay;
}

async function discard(
  argument: string | undefined,
  flags: ChoiceFlags & ActFlags & { reason: string },
  terminal: Terminal,
): Promise<void> {
  const rejects = await chosenForAct(argument, flags, terminal);
  const make = async () =>
    Array.from(byChain(rejects), ([chain, seqs]) => ({
      kind: 'discard' as const,
      body: { chain, seqs: runsOf(seqs), reason: flags.reason },
    }));
  await order(make, flags, terminal);
}

/** An act is never about everything by an oversight. */
async function chosenForAct(argument: string | undefined, flags: ChoiceFlags, terminal: Terminal): Promise<Reject[]> {
  const { chain, seqs, dest, all } = flags;
  if (all !== true && chain === undefined && dest === undefined) {
    throw new LogsealError('USAGE', 'say which: --chain with --seqs, --dest, or --all');
  }
  const rejects = await chosen(argument, flags, terminal);
  const wanted = seqs === undefined ? rejects.filter(({ state }) => state === 'open') : rejects;
  if (wanted.some(({ state }) => state === 'discarded')) {
    throw new LogsealError('USAGE', 'one of them was discarded: an operator has said that it goes nowhere');
  }
  if (wanted.length === 0) throw new LogsealError('USAGE', 'no such record is open in the rejects');
  return wanted;
}

async function chosen(argument: string | undefined, flags: ChoiceFlags, terminal: Terminal): Promise<Reject[]> {
  const { chain, seqs, dest } = flags;
  const wanted = seqs === undefined ? undefined : seqsOf('--seqs', seqs);
  if (wanted !== undefined && chain === undefined) throw new LogsealError('USAGE', '--seqs are those of one --chain');
  const source = openSource(chooseSource(argument, flags, terminal), { index: 'logseal-rejects' }, terminal);
  const rejects = await readRejects(source);
  return rejects.filter(
    (reject) =>
      (chain === undefined || reject.chain === chain) &&
      (dest === undefined || reject.dest === dest) &&
      (wanted === undefined || wanted.some(([from, to]) => reject.seq >= from && reject.seq <= to)),
  );
}

function byChain(rejects: readonly Reject[]): Map<string, number[]> {
  const chains = new Map<string, number[]>();
  for (const { chain, seq } of rejects) {
    const seqs = chains.get(chain);
    if (seqs === undefined) chains.set(chain, [seq]);
    else seqs.push(seq);
  }
  return chains;
}
