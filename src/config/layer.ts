/**
 * What one source (file, environment, flags) says, nested as the file is, each value with the place where it stands.
 * Reads text only; whether a value is any good is decided in `check.ts`.
 */
import type { SettingKey } from './config.ts';
import { writePath } from './key-path.ts';
import { environmentName, flagName, keyOfEnvironment, keyOfFlag, nearest } from './names.ts';
import type { FileValue } from './settings.ts';
import { settings } from './settings.ts';

export interface Layer {
  readonly values: Readonly<Record<string, unknown>>;
  /** Names the place of a value for people: `logseal.yaml:12`, `LOGSEAL_ACK`, `--ack`. */
  where(path: readonly string[]): string;
}

export interface Problem {
  readonly where: string;
  /** Dotted name, empty where the source as a whole is meant. */
  readonly key: string;
  readonly sentence: string;
}

/** Names of the environment that are no settings. */
const reserved = new Set(['LOGSEAL_CONFIG']);
const reservedPrefix = 'LOGSEAL_TEST_';
/** What Kubernetes puts into every container beside a service called logseal. */
const serviceLink = /^LOGSEAL_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_\w+)?)?)$/;

/** Empty variables count as not set, as container platforms pass them. */
export function environmentLayer(
  environment: Readonly<Record<string, string | undefined>>,
  problems: Problem[],
): Layer {
  const entries: [SettingKey, string][] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('LOGSEAL_') || isReserved(name)) continue;
    if (text === undefined || text === '') continue;
    const key = keyOfEnvironment.get(name);
    if (key === undefined)
      problems.push({ where: 'environment', key: name, sentence: unknownName(name, '', keyOfEnvironment.keys()) });
    else entries.push([key, text]);
  }
  return textLayer(entries, environmentName);
}

function isReserved(name: string): boolean {
  return name.startsWith(reservedPrefix) || reserved.has(name) || serviceLink.test(name);
}

/** `flags` by name without dashes: `{'wal-keep': '1h'}`. */
export function flagLayer(flags: Readonly<Record<string, string>>, problems: Problem[]): Layer {
  const entries: [SettingKey, string][] = [];
  for (const [name, text] of Object.entries(flags)) {
    const key = keyOfFlag.get(name);
    if (key === undefined)
      problems.push({ where: 'flags', key: `--${name}`, sentence: unknownName(name, '--', keyOfFlag.keys()) });
    else entries.push([key, text]);
  }
  return textLayer(entries, (key) => `--${flagName(key)}`);
}

/** Of a name that no setting has: says what was probably meant, or that a secret does not belong there. */
export function unknownName(name: string, prefix: string, candidates: Iterable<string>): string {
  const meant = nearest(name, candidates);
  if (meant !== undefined) return `is not a setting; did you mean ${prefix}${meant}?`;
  return 'is not a setting';
}

function textLayer(entries: readonly [SettingKey, string][], nameOf: (key: SettingKey) => string): Layer {
  const values: Record<string, unknown> = {};
  const names = new Map<string, string>();
  for (const [key, text] of entries) {
    names.set(key, nameOf(key));
    writePath(values, key, fileValue(key, text));
  }
  return {
    values,
    where: (path) => names.get(path.slice(0, 2).join('.')) ?? names.get(path[0] ?? '') ?? 'environment',
  };
}

/** Text as it would stand in the file; what does not fit stays text and fails the schema. */
function fileValue(key: SettingKey, text: string): FileValue {
  switch (settings[key].type) {
    case 'count':
      return /^[0-9]{1,15}$/.test(text) ? Number(text) : text;
    case 'flag':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'urls':
    case 'paths':
    case 'secrets':
    case 'patterns':
    case 'choices':
      return splitList(text);
    case 'rules':
      return splitList(text).map(ruleValue);
    default:
      return text;
  }
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** `logs-*=web` */
function ruleValue(text: string): string | Record<string, string> {
  const [pattern, chain, ...rest] = text.split('=');
  return pattern === undefined || chain === undefined || rest.length > 0 ? text : { pattern, chain };
}
