/** `logseal config check|show`: tells before the start what would be wrong at it, and where each value comes from. */
import type { Command } from 'commander';
import { readClientFile } from '../src/clients/client-file.ts';
import type { SettingKey } from '../src/config/config.ts';
import { readPath } from '../src/config/key-path.ts';
import type { LoadedConfig } from '../src/config/load.ts';
import { loadConfig } from '../src/config/load.ts';
import { formatValue } from '../src/config/reference.ts';
import { settingKeys } from '../src/config/settings.ts';
import { Output, table } from './output.ts';
import type { Terminal } from './terminal.ts';

export function register(program: Command, terminal: Terminal): void {
  const group = program.command('config').description('Check or show the configuration of the proxy.');
  group
    .command('check')
    .description('say what is wrong, all of it at once; exit code 3 if anything is')
    .option('--config <file>', 'configuration file')
    .action(async (options: { config?: string }) => {
      const loaded = load(options, terminal);
      const { clients, secrets } = loaded.config;
      if (clients.file !== undefined) readClientFile(clients.file, secrets.permissions);
      await new Output(terminal.stdout).line(`the configuration is good (${loaded.file ?? 'no file'})`);
    });
  group
    .command('show')
    .description('print every setting, its value and the place it comes from; secrets are paths and stay so')
    .option('--config <file>', 'configuration file')
    .option('--json', 'one object a line')
    .action(async (options: { config?: string; json?: boolean }) => {
      const loaded = load(options, terminal);
      const output = new Output(terminal.stdout);
      if (options.json !== true)
        for (const line of table(settingKeys.map((key) => row(loaded, key)))) await output.line(line);
      else {
        for (const key of settingKeys) {
          const value = readPath(loaded.config, key) ?? null;
          await output.json({ type: 'setting', v: 1, key, value, origin: loaded.origins.get(key) });
        }
      }
    });
}

function load(options: { config?: string }, terminal: Terminal): LoadedConfig {
  return loadConfig({ environment: terminal.environment, file: options.config });
}

function row(loaded: LoadedConfig, key: SettingKey): string[] {
  return [key, formatValue(key, readPath(loaded.config, key)), loaded.origins.get(key) ?? ''];
}
