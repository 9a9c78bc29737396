/**
 * The SOURCE of every reading command: an Elasticsearch URL, a data directory, an NDJSON export or `-`, and the flags that go
 * with it, named like the settings. Decides what is meant; opening it belongs to `src/verify/sources/`.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../src/config/config.ts';
import { loadConfig } from '../src/config/load.ts';
import { LogsealError } from '../src/errors.ts';
import type { Terminal } from './terminal.ts';

export type SourceChoice =
  | { readonly kind: 'search'; readonly config: Config }
  | { readonly kind: 'store'; readonly config: Config; readonly dataDir: string; readonly path: string }
  | { readonly kind: 'ndjson'; readonly config: Config /** `-` is stdin. */; readonly path: string };

const connectionFlags = [
  ['data-dir <dir>', 'data directory of the proxy'],
  ['elasticsearch-url <urls>', 'nodes of the cluster, by comma'],
  ['elasticsearch-ca-file <file>', 'PEM of the authority that signed the cluster certificate'],
  ['elasticsearch-ca-fingerprint <sha256>', 'fingerprint of that certificate, in place of the file'],
  ['elasticsearch-certificate-file <file>', 'PEM of a client certificate'],
  ['elasticsearch-key-file <file>', 'PEM of its private key'],
  ['elasticsearch-api-key-file <file>', 'file with an encoded API key'],
  ['elasticsearch-username <name>', 'user name, with a password file'],
  ['elasticsearch-password-file <file>', 'file with the password'],
  ['elasticsearch-request-timeout <duration>', 'such as 60s'],
  ['secrets-permissions <which>', 'private, or any where the platform mounts secrets readable for all'],
] as const;

/** Adds `[source]` (or nothing, where the command has arguments of its own) and the connection flags. */
export function addSourceOptions(command: Command, argument: 'source' | 'none' = 'source'): Command {
  if (argument === 'source') {
    command.argument('[source]', 'Elasticsearch URL, data directory, NDJSON export or - (default: as configured)');
  }
  command.option('--config <file>', 'configuration file');
  for (const [flag, description] of connectionFlags) command.option(`--${flag}`, description);
  return command;
}

/**
 * `options` as commander gives them. Without SOURCE the configuration decides: its cluster, else its data directory.
 * Errors: CONFIG_INVALID; USAGE if SOURCE is nothing that can be read.
 */
export function chooseSource(
  source: string | undefined,
  options: Readonly<Record<string, unknown>>,
  terminal: Pick<Terminal, 'environment'>,
): SourceChoice {
  const flags: Record<string, string> = {};
  for (const [flag] of connectionFlags) {
    const name = flag.split(' ')[0] ?? '';
    const value = options[name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    if (typeof value === 'string') flags[name] = value;
  }
  if (source !== undefined && /^https?:\/\//i.test(source)) flags['elasticsearch-url'] = source;
  const file = typeof options.config === 'string' ? options.config : undefined;
  const { config } = loadConfig({ environment: terminal.environment, flags, file });
  if (source === '-') return { kind: 'ndjson', config, path: '-' };
  if (flags['elasticsearch-url'] !== undefined && (source === undefined || source === flags['elasticsearch-url'])) {
    return { kind: 'search', config };
  }
  if (source === undefined) {
    return config.elasticsearch.url.length > 0 ? { kind: 'search', config } : storeChoice(config.dataDir, config);
  }
  const stat = statSync(source, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return storeChoice(source, config);
  if (stat !== undefined) return { kind: 'ndjson', config, path: source };
  throw new LogsealError('USAGE', `${source} is neither an Elasticsearch URL nor a directory or file that exists`);
}

function storeChoice(dataDir: string, config: Config): SourceChoice {
  const path = join(dataDir, 'store', 'logseal.sqlite');
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    const reason = statSync(join(dataDir, 'instance.json'), { throwIfNoEntry: false })
      ? 'its records are in a cluster: give the Elasticsearch URL as source'
      : 'it is no data directory of a proxy';
    throw new LogsealError('USAGE', `${dataDir} has no embedded store: ${reason}`);
  }
  return { kind: 'store', config, dataDir, path };
}
