/** Checks one layer against the schema and turns what ajv finds into sentences for people: one for each key at fault. */

import type { ErrorObject } from 'ajv';
import { Ajv } from 'ajv';
import type { SettingKey } from './config.ts';
import type { Layer, Problem } from './layer.ts';
import { unknownName } from './layer.ts';
import { configSchema } from './schema.ts';
import type { Setting } from './settings.ts';
import { settingKeys, settings } from './settings.ts';
import { formatDuration, formatSize } from './units.ts';

/** Named often enough to deserve more than "not one of". */
const weakSuites = new Set(['crc32', 'crc32c', 'md5', 'sha1', 'sha-1']);

const validate = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true }).compile(configSchema());

/** Adds a problem for each unknown key and each value of a wrong form. */
export function checkLayer(layer: Layer, problems: Problem[]): void {
  if (validate(layer.values)) return;
  const seen = new Set<string>();
  for (const error of validate.errors ?? []) {
    const problem = describe(error, layer);
    if (seen.has(problem.key)) continue;
    seen.add(problem.key);
    problems.push(problem);
  }
}

/** `must be a duration such as …, from 1s to 1h`: what a value of this setting looks like. */
export function expectation(setting: Setting): string {
  const { min, max } = setting;
  switch (setting.type) {
    case 'text':
      return 'must be text';
    case 'path':
    case 'secret':
      return 'must be the path of a file or directory';
    case 'endpoint':
      return 'must be host:port';
    case 'urls':
      return 'must be one http(s) URL or a list of them';
    case 'paths':
    case 'secrets':
      return 'must be one path or a list of them';
    case 'patterns':
      return 'must be one pattern or a list of them';
    case 'choice':
      return `must be one of ${setting.choices?.join(', ')}`;
    case 'choices':
      return `must be a list of any of ${setting.choices?.join(', ')}, each once`;
    case 'rules':
      return 'must be a list of {pattern, chain}';
    case 'flag':
      return 'must be true or false';
    case 'count':
      return `must be a whole number of ${setting.unit} from ${min} to ${max}`;
    case 'size':
      return `must be a whole number with a unit (B, kB, MB, GB, KiB, MiB, GiB), from ${formatSize(min ?? 0)} to ${formatSize(max ?? 0)}`;
    case 'duration':
      return `must be a whole number with a unit (ms, s, m, h, d), from ${formatDuration(min ?? 0)} to ${formatDuration(max ?? 0)}`;
  }
}

function describe(error: ErrorObject, layer: Layer): Problem {
  const path = error.instancePath.split('/').slice(1).map(unescapePointer);
  const key = settingKeys.find((candidate) => `${path.join('.')}.`.startsWith(`${candidate}.`));
  if (key !== undefined) {
    return { where: layer.where(path), key, sentence: wrongValue(key, error.data) };
  }
  if (error.keyword === 'additionalProperties') {
    const place = [...path, String(error.params.additionalProperty)];
    const name = place.join('.');
    return { where: layer.where(place), key: name, sentence: unknownKey(name) };
  }
  return { where: layer.where(path), key: path.join('.'), sentence: 'must be a group of settings' };
}

function unknownKey(name: string): string {
  const last = name.split('.').at(-1) ?? '';
  if (/^(password|passphrase|apikey|secret|token)$/i.test(last)) {
    return 'is not a setting: secrets are given by the path of a file only (elasticsearch.passwordFile, elasticsearch.apiKeyFile)';
  }
  return unknownName(name, '', settingKeys);
}

function wrongValue(key: SettingKey, found: unknown): string {
  if (key === 'signature.suite' && typeof found === 'string' && weakSuites.has(found.toLowerCase())) {
    return `${found} can be forged and cannot sign anything: choose ${settings[key].choices?.join(', ')}; to show it beside a record name it in signature.digests`;
  }
  // A value is shown only if short and of a plain kind; nobody who put a secret in the wrong place wants it in a log.
  const shown =
    settings[key].type !== 'secret' &&
    settings[key].type !== 'secrets' &&
    (typeof found === 'number' || typeof found === 'boolean' || isShort(found));
  return shown ? `${expectation(settings[key])}, not ${JSON.stringify(found)}` : expectation(settings[key]);
}

function isShort(found: unknown): found is string {
  return typeof found === 'string' && found.length <= 40;
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
