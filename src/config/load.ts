/**
 * Makes one checked `Config` from defaults, file, environment and flags, later ones winning. All problems of all sources
 * come in one error. A secret's text never passes through here: only its path.
 */
import { createHash } from 'node:crypto';
import { LogsealError } from '../errors.ts';
import { checkLayer } from './check.ts';
import type { Config, SettingKey } from './config.ts';
import { convert, nest } from './convert.ts';
import type { Environment } from './credential-path.ts';
import { credentialPath } from './credential-path.ts';
import { processEnvironment } from './environment.ts';
import { fileLayer } from './file-layer.ts';
import { readPath } from './key-path.ts';
import type { Layer, Problem } from './layer.ts';
import { environmentLayer, flagLayer } from './layer.ts';
import { relationFaults } from './relations.ts';
import { settingKeys, settings } from './settings.ts';

export interface ConfigSources {
  /** Default: that of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** By name without dashes, as `readFlags` gives them. */
  readonly flags?: Readonly<Record<string, string>>;
  /** The configuration file; goes before LOGSEAL_CONFIG. */
  readonly file?: string | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Where each value comes from: `default`, `logseal.yaml:12`, `LOGSEAL_ACK`, `--ack`. */
  readonly origins: ReadonlyMap<SettingKey, string>;
  readonly file: string | undefined;
}

/** Errors: CONFIG_INVALID with one line for each problem, `details.problems` the same as plain values. */
export function loadConfig(sources: ConfigSources = {}): LoadedConfig {
  const environment = sources.environment ?? processEnvironment();
  const file = sources.file ?? (environment.LOGSEAL_CONFIG || undefined);
  const problems: Problem[] = [];
  const layers: Layer[] = [];
  if (file !== undefined) layers.push(fileLayer(file, problems));
  layers.push(environmentLayer(environment, problems), flagLayer(sources.flags ?? {}, problems));
  for (const layer of layers) checkLayer(layer, problems);
  const { values, origins } = merge(layers, environment, problems);
  const config = nest(values);
  if (problems.length === 0) {
    for (const { key, sentence } of relationFaults(config)) {
      problems.push({ where: origins.get(key) ?? 'default', key, sentence });
    }
  }
  if (problems.length > 0) throw invalid(problems);
  return { config, origins, file };
}

/** SHA-256 hex over the whole configuration, for the boot record; the same settings give the same text in any order. */
export function configDigest(config: Config): string {
  const flat = settingKeys.map((key) => [key, readPath(config, key) ?? null]);
  return createHash('sha256').update(JSON.stringify(flat)).digest('hex');
}

/** Settings that differ, for a reload: those that may change under a running proxy, and those that wait for a restart. */
export function changedSettings(before: Config, after: Config): { reload: SettingKey[]; restart: SettingKey[] } {
  const changed = settingKeys.filter(
    (key) => JSON.stringify(readPath(before, key)) !== JSON.stringify(readPath(after, key)),
  );
  return {
    reload: changed.filter((key) => isReloaded(key, before, after)),
    restart: changed.filter((key) => !isReloaded(key, before, after)),
  };
}

/**
 * The running configuration with what a reload may change taken from `asked`. Errors: CONFIG_INVALID where the two contradict
 * each other.
 */
export function reloadedConfig(running: Config, asked: Config): Config {
  const values = new Map<SettingKey, unknown>();
  for (const key of settingKeys) values.set(key, readPath(isReloaded(key, running, asked) ? asked : running, key));
  const config = nest(values);
  const problems = relationFaults(config).map((fault) => ({ where: 'with what waits for a restart', ...fault }));
  if (problems.length > 0) throw invalid(problems);
  return config;
}

function isReloaded(key: SettingKey, running: Config, asked: Config): boolean {
  const { reload } = settings[key];
  if (reload !== 'replaced') return reload === true;
  return (readPath(running, key) === undefined) === (readPath(asked, key) === undefined);
}

function merge(layers: readonly Layer[], environment: Environment, problems: Problem[]) {
  const values = new Map<SettingKey, unknown>();
  const origins = new Map<SettingKey, string>();
  for (const key of settingKeys) {
    const path = key.split('.');
    let found: unknown = settings[key].default;
    let origin = 'default';
    for (const layer of layers) {
      const value = readPath(layer.values, key);
      if (value === undefined || (value === null && found !== null)) continue;
      [found, origin] = [value, layer.where(path)];
    }
    origins.set(key, origin);
    // A value whose form is wrong is already named; converting it would name it twice.
    if (problems.some((problem) => problem.key === key)) continue;
    const converted = locate(key, convert(key, found), environment);
    if ('value' in converted) values.set(key, converted.value);
    else problems.push({ where: origin, key, sentence: converted.sentence });
  }
  return { values, origins };
}

/** Names of service credentials become paths. */
function locate(key: SettingKey, converted: ReturnType<typeof convert>, environment: Environment): typeof converted {
  const { type } = settings[key];
  if ((type !== 'secret' && type !== 'secrets') || !('value' in converted) || converted.value === undefined) {
    return converted;
  }
  const paths: string[] = [];
  for (const value of [converted.value].flat()) {
    const located = credentialPath(String(value), environment);
    if ('sentence' in located) return located;
    paths.push(located.path);
  }
  return { value: type === 'secret' ? paths[0] : paths };
}

function invalid(problems: readonly Problem[]): LogsealError {
  const lines = problems.map(
    ({ where, key, sentence }) => `  ${[`${where}:`, key, sentence].filter(Boolean).join(' ')}`,
  );
  const title = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return new LogsealError('CONFIG_INVALID', `${title} in the configuration\n${lines.join('\n')}`, { problems });
}
