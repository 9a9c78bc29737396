/**
 * `logseal templates show|remove`: which index templates bring the signature field's mapping, and the way back. Talks to the
 * search engine only; indices that are there keep their mapping, and so stay searchable and verifiable.
 */
import type { Command } from 'commander';
import { readUpstreamSettings } from '../src/config/credentials.ts';
import { LogsealError } from '../src/errors.ts';
import { systemClock } from '../src/lib/clock.ts';
import { Upstream } from '../src/upstream/upstream.ts';
import { Output } from './output.ts';
import { addSourceOptions, chooseSource } from './source-argument.ts';
import type { Terminal } from './terminal.ts';

interface TemplateFlags extends Readonly<Record<string, unknown>> {
  readonly json?: boolean;
}

export function register(program: Command, terminal: Terminal): void {
  const group = program
    .command('templates')
    .description("Show or remove the signature field's mapping in index templates.");
  const show = group.command('show').description('list the templates that bring the mapping; changes nothing');
  const remove = group
    .command('remove')
    .description('take the mapping out of every template again; indices that are there keep it');
  for (const [command, act] of [[show, showTemplates] as const, [remove, removeTemplates] as const]) {
    addSourceOptions(command, 'none')
      .option('--json', 'one object a line')
      .action((flags: TemplateFlags) => act(flags, terminal));
  }
}

async function showTemplates(flags: TemplateFlags, terminal: Terminal): Promise<void> {
  await using upstream = openCluster(flags, terminal);
  await say(await upstream.templates.list(), 'has the mapping', 'no template has the mapping', flags, terminal);
}

async function removeTemplates(flags: TemplateFlags, terminal: Terminal): Promise<void> {
  await using upstream = openCluster(flags, terminal);
  await say(await upstream.templates.remove(), 'restored or removed', 'nothing was to be removed', flags, terminal);
  if (flags.json === true) return;
  const sentence = 'a running proxy with templates: compose adds them again; set templates: advise or off before';
  terminal.stderr.write(`logseal: ${sentence}\n`);
}

async function say(
  names: readonly string[],
  what: string,
  nothing: string,
  flags: TemplateFlags,
  terminal: Terminal,
): Promise<void> {
  const output = new Output(terminal.stdout);
  for (const name of names) {
    if (flags.json === true) await output.json({ type: 'template', v: 1, name });
    else await output.line(`${name}: ${what}`);
  }
  if (names.length === 0 && flags.json !== true) await output.line(nothing);
}

function openCluster(flags: TemplateFlags, terminal: Terminal): Upstream {
  const choice = chooseSource(undefined, flags, terminal);
  if (choice.kind !== 'search') {
    throw new LogsealError('USAGE', 'the embedded store has no templates: give --elasticsearch-url');
  }
  return new Upstream({
    ...readUpstreamSettings(choice.config),
    clock: systemClock,
    embedded: false,
    templates: 'off',
    advise: () => undefined,
  });
}
