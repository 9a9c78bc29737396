/**
 * Looks at everything that has to be right for a proxy to run, and says of each thing how it is and what to do. Runs beside the
 * proxy or before its first start; takes no lock and writes nothing but one small file to measure the disk, which it removes.
 * A check that fails unexpectedly is a line of its own: the others are made all the same.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { readEncryptionKeys } from '../config/encryption-keys.ts';
import type { ConfigSources, LoadedConfig } from '../config/load.ts';
import { loadConfig } from '../config/load.ts';
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { isMissingError } from '../lib/file-system.ts';
import type { Area, Check } from './check.ts';
import { areas, messageOf } from './check.ts';
import { checkClock, startClock } from './clock-check.ts';
import { checkDirectory, nearestDirectory } from './directory-check.ts';
import { checkDisk } from './disk-probe.ts';
import type { KnownInstance } from './key-check.ts';
import { checkCertificates, checkKeys } from './key-check.ts';
import type { LogSample } from './log-sample.ts';
import { sampleLog } from './log-sample.ts';
import { checkNodeCertificates } from './node-certificate.ts';
import { checkProxy } from './proxy-check.ts';
import { checkTemplates } from './template-check.ts';
import { checkSkew, checkUpstream, openUpstream } from './upstream-check.ts';

export interface Diagnosis {
  checks: Check[];
  /** Undefined where it cannot be loaded; then nothing else was looked at. */
  config: Config | undefined;
  sample: LogSample | undefined;
}

/** Bytes of the newest segments, which tell where records go, how large they are and how fast they come. */
const sampledBytes = 256 * 1024 * 1024;

export async function diagnose(sources: ConfigSources, clock: Clock): Promise<Diagnosis> {
  const start = startClock(clock);
  const loaded = loadChecked(sources);
  if ('checks' in loaded) return { checks: loaded.checks, config: undefined, sample: undefined };
  const { config, file } = loaded;
  const checks: Check[] = [{ area: 'configuration', status: 'ok', found: `it loads (${file ?? 'no file'})` }];
  const add = async (area: Area, look: () => Promise<readonly Check[]> | readonly Check[]) => {
    checks.push(...(await guarded(area, look)));
  };
  let instance: KnownInstance | undefined;
  let sample: LogSample | undefined;
  await add('directory', async () => {
    instance = await readInstance(config.dataDir);
    return checkDirectory(config);
  });
  await add('directory', async () => {
    sample = await sampleLog(config.dataDir, sampledBytes, readEncryptionKeys(config));
    return [];
  });
  const dests = sample?.destinations ?? [];
  await add('disk', async () => checkDisk(await nearestDirectory(config.dataDir)));
  await add('keys', () => checkKeys(config, instance, clock.now()));
  await add('certificates', () => checkCertificates(config, clock.now()));
  await add('certificates', () => checkNodeCertificates(config, clock.now()));
  await add('search engine', async () => {
    const { checks: found, reachable } = await checkUpstream(config, instance, dests);
    if (!reachable) return found;
    return [
      ...found,
      ...(await guarded('clock', async () => [await checkSkew(config, clock)])),
      ...(await templates(config, dests)),
    ];
  });
  await add('proxy', () => checkProxy(config, instance));
  await add('clock', () => checkClock(start, sample?.lastMs ?? sample?.newestMs, clock));
  checks.sort((a, b) => areas.indexOf(a.area) - areas.indexOf(b.area));
  return { checks, config, sample };
}

function templates(config: Config, dests: readonly string[]): Promise<readonly Check[]> {
  return guarded('templates', async () => {
    await using upstream = openUpstream(config);
    return await checkTemplates(config, upstream, dests);
  });
}

async function guarded(
  area: Area,
  look: () => Promise<readonly Check[]> | readonly Check[],
): Promise<readonly Check[]> {
  try {
    return await look();
  } catch (error) {
    return [{ area, status: 'fail', found: `it cannot be looked at: ${messageOf(error)}` }];
  }
}

function loadChecked(sources: ConfigSources): LoadedConfig | { checks: Check[] } {
  try {
    return loadConfig(sources);
  } catch (error) {
    if (!(error instanceof LogsealError) || error.code !== 'CONFIG_INVALID') throw error;
    const problems = Array.isArray(error.details.problems) ? (error.details.problems as Record<string, unknown>[]) : [];
    const advice = 'mend it; logseal config check tells whether it loads. Nothing else was looked at';
    const checks = problems.map(({ where, key, sentence }): Check => {
      const found = [`${where}:`, key, sentence].filter(Boolean).join(' ');
      return { area: 'configuration', status: 'fail', found, advice };
    });
    return {
      checks: checks.length > 0 ? checks : [{ area: 'configuration', status: 'fail', found: error.message, advice }],
    };
  }
}

/** Undefined where no proxy has run yet. Throws for one that cannot be read. */
async function readInstance(dataDir: string): Promise<KnownInstance | undefined> {
  const path = join(dataDir, 'instance.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissingError(error)) return undefined;
    throw error;
  }
  const state = JSON.parse(text) as Partial<KnownInstance>;
  const certificates = Array.isArray(state.certificates) ? state.certificates : [];
  return {
    ...(state.upstream === undefined ? {} : { upstream: state.upstream }),
    certificates,
    clean: state.clean === true,
  };
}
