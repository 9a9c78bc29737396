/**
 * The settings for people: the complete example file and the table of the manual, both made from the list of settings and
 * compared with it by a test, so that neither can drift.
 */
import type { Endpoint, SettingKey } from './config.ts';
import { environmentName, flagName } from './names.ts';
import type { FileValue, Setting } from './settings.ts';
import { settingKeys, settings } from './settings.ts';
import { formatDuration, formatEndpoint, formatSize } from './units.ts';

/** The text of `config/logseal.yaml`: every key with default, bounds and reason. What has no default stands as a comment. */
export function exampleFile(): string {
  const lines = [
    '# yaml-language-server: $schema=./logseal.schema.json',
    '# Every setting of Logseal with its default. Each can also be given as environment variable or flag:',
    '# wal.keep here, LOGSEAL_WAL_KEEP there, --wal-keep on the command line; flags win over environment, environment over file.',
    '# Relative paths start at the working directory. An unknown key is an error.',
  ];
  let group = '';
  for (const key of settingKeys) {
    const [first = '', member] = key.split('.');
    if (first !== group) lines.push('', ...(member === undefined ? [] : [`${first}:`]));
    group = first;
    const indent = member === undefined ? '' : '  ';
    const setting = settings[key];
    const about = [bounds(setting), reloadNote(setting)].filter(Boolean);
    lines.push(`${indent}# ${setting.reason}${about.map((text) => `; ${text}`).join('')}`);
    const unset = setting.default === null;
    lines.push(`${indent}${unset ? '# ' : ''}${member ?? first}: ${unset ? '…' : yamlValue(setting.default)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The table of `docs/operating.md`, in Markdown. */
export function settingsTable(): string {
  const rows = settingKeys.map((key) => {
    const setting = settings[key];
    const cells = [`\`${key}\``, `\`${environmentName(key)}\``, `\`--${flagName(key)}\``];
    const value = setting.default === null ? '' : `\`${yamlValue(setting.default)}\``;
    return `| ${[...cells, value, bounds(setting), setting.reason].join(' | ')} |`;
  });
  return ['| file | environment | flag | default | values | why |', '|---|---|---|---|---|---|', ...rows, ''].join(
    '\n',
  );
}

/** A typed value as it would be written in the file. */
export function formatValue(key: SettingKey, value: unknown): string {
  const { type } = settings[key];
  if (value === undefined) return '(not set)';
  if (type === 'duration') return formatDuration(Number(value));
  if (type === 'size') return formatSize(Number(value));
  if (type === 'endpoint') return formatEndpoint(value as Endpoint);
  return yamlValue(value as FileValue);
}

function reloadNote({ reload }: Setting): string {
  if (reload === 'replaced') return 'another one takes effect on SIGHUP';
  return reload === true ? 'changes take effect on SIGHUP' : '';
}

function bounds({ type, min, max, unit, choices }: Setting): string {
  switch (type) {
    case 'choice':
      return `one of ${choices?.join(', ')}`;
    case 'choices':
      return `any of ${choices?.join(', ')}`;
    case 'count':
      return `${min} to ${max} ${unit}`;
    case 'size':
      return `${formatSize(min ?? 0)} to ${formatSize(max ?? 0)}`;
    case 'duration':
      return `${formatDuration(min ?? 0)} to ${formatDuration(max ?? 0)}`;
    default:
      return '';
  }
}

function yamlValue(value: FileValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
