/**
 * Asks the search engine what the proxy will ask it: whether every node answers, as whom it takes us, what we may do there, whether
 * it is the one that the data directory belongs to, and what time it has. Changes nothing in it.
 */
import type { Config } from '../config/config.ts';
import { readUpstreamSettings } from '../config/credentials.ts';
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { systemClock } from '../lib/clock.ts';
import { isObject, objectAt, textAt } from '../upstream/ask.ts';
import type { UpstreamIdentity } from '../upstream/identity.ts';
import { systemIndices } from '../upstream/system-indices.ts';
import { Upstream } from '../upstream/upstream.ts';
import type { Check, Status } from './check.ts';
import { messageOf } from './check.ts';
import type { KnownInstance } from './key-check.ts';
import { durationText } from './words.ts';

const area = 'search engine';
/** The doctor answers soon, whatever requestTimeout says. */
const timeoutMsMax = 10_000;
const skewMsMax = 5_000;
const namesMax = 20;

/** What delivery does there. Without the last two it works, but adds no mapping and no template. */
const wantedOfIndices = ['create_doc', 'auto_configure', 'read', 'view_index_metadata', 'manage'] as const;
const wantedOfCluster = ['monitor', 'manage_index_templates'] as const;
const helpful: ReadonlySet<string> = new Set(['manage', 'manage_index_templates']);

/** The connection of the doctor; `only` for one node of several. Errors: CONFIG_INVALID. */
export function openUpstream(config: Config, only?: string): Upstream {
  const settings = readUpstreamSettings(config);
  return new Upstream({
    ...settings,
    ...(only === undefined ? {} : { nodes: [only] }),
    requestTimeoutMs: Math.min(settings.requestTimeoutMs, timeoutMsMax),
    clock: systemClock,
    embedded: false,
    templates: 'off',
    advise: () => undefined,
  });
}

export interface Found {
  checks: Check[];
  /** Whether it can be asked more. */
  reachable: boolean;
}

/** `dests`: where records went of late. */
export async function checkUpstream(
  config: Config,
  instance: KnownInstance | undefined,
  dests: readonly string[],
): Promise<Found> {
  if (config.elasticsearch.url.length === 0) return { checks: [embedded(instance)], reachable: false };
  const checks: Check[] = [];
  let identity: UpstreamIdentity | undefined;
  for (const node of config.elasticsearch.url) {
    await using upstream = openUpstream(config, node);
    const name = upstream.connection.names[0] ?? '';
    try {
      const found = await upstream.identity();
      const text = `${name} answers: ${found.distribution} ${found.version}, cluster ${found.clusterName}`;
      checks.push({ area, status: 'ok', found: text });
      if (identity !== undefined && identity.clusterUuid !== found.clusterUuid) {
        const advice = 'give nodes of one cluster only in elasticsearch.url';
        checks.push({ area, status: 'fail', found: `${name} is of another cluster than the nodes before it`, advice });
      }
      identity ??= found;
    } catch (error) {
      checks.push(unreachable(name, error));
    }
  }
  if (identity === undefined) return { checks, reachable: false };
  // With one node that answers the others are only a worry.
  for (const check of checks)
    if (check.status === 'fail' && check.found.includes('does not answer')) check.status = 'warn';
  checks.push(belongs(config.dataDir, instance, identity));
  await using upstream = openUpstream(config);
  checks.push(
    await privileges(upstream, dests).catch((error: unknown) => failed('the privileges cannot be asked for', error)),
  );
  return { checks, reachable: true };
}

function embedded(instance: KnownInstance | undefined): Check {
  const known = instance?.upstream;
  if (known !== undefined && known !== 'embedded') {
    const found = `no elasticsearch.url is set, and the records of the data directory went to the cluster ${known}`;
    return { area, status: 'fail', found, advice: 'set elasticsearch.url, or use a new data directory' };
  }
  const found = 'the embedded store: enough for a first try';
  return { area, status: 'warn', found, advice: 'set elasticsearch.url, with a new data directory' };
}

function unreachable(name: string, error: unknown): Check {
  const denied = error instanceof LogsealError && error.code === 'UPSTREAM_DENIED';
  if (denied) {
    const advice = 'mend elasticsearch.apiKeyFile, or username and passwordFile';
    return { area, status: 'fail', found: `${name} refuses our credentials: ${messageOf(error)}`, advice };
  }
  const advice = 'records wait in the log meanwhile; look at address, network, elasticsearch.caFile';
  return { area, status: 'fail', found: `${name} does not answer: ${messageOf(error)}`, advice };
}

function failed(what: string, error: unknown): Check {
  return { area, status: 'warn', found: `${what}: ${messageOf(error)}`, advice: 'look at the search engine' };
}

function belongs(dataDir: string, instance: KnownInstance | undefined, { clusterUuid }: UpstreamIdentity): Check {
  const known = instance?.upstream;
  if (known === undefined)
    return { area, status: 'ok', found: 'the data directory has sent nothing to any search engine yet' };
  if (known === clusterUuid) return { area, status: 'ok', found: 'it is the one that the data directory belongs to' };
  const found = `the records of ${dataDir} went to ${known}, and this is ${clusterUuid}`;
  return { area, status: 'fail', found, advice: 'use a new data directory, or start once with --new-upstream' };
}

async function privileges(upstream: Upstream, dests: readonly string[]): Promise<Check> {
  if (!(await upstream.isSecured())) {
    const advice = 'anybody who reaches it can change and delete records; verification finds it, and cannot undo it';
    return { area, status: 'warn', found: 'it asks nobody for credentials', advice };
  }
  const names = [...systemIndices, ...dests.slice(0, namesMax)];
  const body = { cluster: wantedOfCluster, index: [{ names, privileges: wantedOfIndices }] };
  const answer = await upstream.connection.ask('POST', '/_security/user/_has_privileges', body);
  if (answer.status !== 200 || !isObject(answer.body)) {
    const advice = 'mend elasticsearch.apiKeyFile, or username and passwordFile';
    return { area, status: 'fail', found: `it does not say what we may do: status ${answer.status}`, advice };
  }
  const missing = missingRights(answer.body);
  const user = textAt(answer.body, 'username') ?? 'unknown';
  if (missing.length === 0) {
    return {
      area,
      status: 'ok',
      found: `credentials of ${user} are good, with all privileges on ${names.length} names looked at`,
    };
  }
  const status: Status = missing.every(({ right }) => helpful.has(right)) ? 'warn' : 'fail';
  const list = missing.slice(0, 6).map(({ on, right }) => `${right} on ${on}`);
  const more = missing.length > list.length ? ` and ${missing.length - list.length} more` : '';
  return {
    area,
    status,
    found: `${user} lacks ${list.join(', ')}${more}`,
    advice: 'give the role of the proxy these privileges',
  };
}

function missingRights(body: unknown): { on: string; right: string }[] {
  const missing: { on: string; right: string }[] = [];
  const collect = (on: string, rights: Readonly<Record<string, unknown>> | undefined) => {
    for (const [right, has] of Object.entries(rights ?? {})) if (has !== true) missing.push({ on, right });
  };
  collect('the cluster', objectAt(body, 'cluster'));
  for (const name of Object.keys(objectAt(body, 'index') ?? {})) collect(name, objectAt(body, 'index', name));
  return missing;
}

/** How far our clock is from that of the search engine; undefined where it does not tell. */
export async function checkSkew(config: Config, clock: Clock = systemClock): Promise<Check> {
  await using upstream = openUpstream(config);
  const began = clock.now();
  const answer = await upstream.connection.ask('GET', '/_cat/health?format=json&h=epoch');
  const ended = clock.now();
  const date = answer.headers.date;
  const [row] = Array.isArray(answer.body) ? (answer.body as unknown[]) : [];
  const seconds = isObject(row) ? Number(row.epoch) : Number.NaN;
  // The header may be that of something between us and it.
  const told = Number.isFinite(seconds) || typeof date !== 'string' ? seconds * 1000 : Date.parse(date);
  if (!Number.isFinite(told)) return { area: 'clock', status: 'ok', found: 'the search engine does not tell the time' };
  // It tells whole seconds.
  const skewMs = told > ended ? told - ended : Math.max(0, began - told - 1000);
  const found = `${durationText(skewMs)} away from the clock of the search engine`;
  if (skewMs <= skewMsMax) return { area: 'clock', status: 'ok', found };
  return { area: 'clock', status: 'warn', found, advice: 'set both by NTP: times of records and of seals are ours' };
}
