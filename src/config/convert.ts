/** Turns checked file values into the typed ones of `Config`, and refuses what only a number can tell: bounds, ports, URLs. */

import { expectation } from './check.ts';
import type { Config, SettingKey } from './config.ts';
import { writePath } from './key-path.ts';
import { settingKeys, settings } from './settings.ts';
import { parseDuration, parseEndpoint, parseSize } from './units.ts';

/** The typed value, or a sentence that says what is wrong with it. */
export function convert(key: SettingKey, value: unknown): { value: unknown } | { sentence: string } {
  const setting = settings[key];
  if (value === null || value === undefined) return { value: undefined };
  switch (setting.type) {
    case 'size':
    case 'duration': {
      const number = setting.type === 'size' ? parseSize(String(value)) : parseDuration(String(value));
      const fits = number !== undefined && number >= (setting.min ?? 0) && number <= (setting.max ?? Infinity);
      return fits ? { value: number } : { sentence: `${expectation(setting)}, not ${JSON.stringify(value)}` };
    }
    case 'endpoint': {
      const endpoint = parseEndpoint(String(value));
      return endpoint === undefined
        ? { sentence: `${expectation(setting)} with a port up to 65535` }
        : { value: endpoint };
    }
    case 'urls': {
      const urls = asList(value);
      const sentence = urls.map(urlFault).find((fault) => fault !== undefined);
      return sentence === undefined ? { value: urls.map((url) => url.replace(/\/+$/, '')) } : { sentence };
    }
    case 'paths':
    case 'secrets':
    case 'patterns':
      return { value: asList(value) };
    default:
      return { value };
  }
}

/** Nests flat values. Every key must be there: the list of settings and `Config` have the same members by their types. */
export function nest(values: ReadonlyMap<SettingKey, unknown>): Config {
  const config: Record<string, unknown> = {};
  for (const key of settingKeys) writePath(config, key, values.get(key));
  for (const member of Object.values(config)) if (typeof member === 'object') Object.freeze(member);
  return Object.freeze(config) as unknown as Config;
}

function asList(value: unknown): string[] {
  return typeof value === 'string' ? [value] : (value as readonly string[]).slice();
}

/** Never repeats the URL: it may hold a password. */
function urlFault(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return 'must be an http:// or https:// URL';
  if (url.username !== '' || url.password !== '') {
    return 'must not hold credentials: use elasticsearch.username with passwordFile, or apiKeyFile';
  }
  if (url.search !== '' || url.hash !== '') return 'must be a URL without query and fragment';
  return undefined;
}
