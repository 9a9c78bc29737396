/**
 * Which concrete indices stand behind a name now, and which of them takes new documents. Always asked anew: what was true
 * before a roll-over is how twins are made.
 */

import type { Asker, JsonObject } from './ask.ts';
import { askFor, askOptional, isObject, objectAt, objectsAt, textAt, textsAt } from './ask.ts';

export interface ConcreteIndex {
  name: string;
  /** Wall clock of the cluster, milliseconds; 0 where it cannot be told. */
  createdMs: number;
  /** Routing that the alias forces upon documents sent through it. */
  aliasRouting: string | undefined;
}

export interface Topology {
  kind: 'index' | 'alias' | 'data-stream' | 'missing';
  /** Oldest first for a data stream. */
  indices: ConcreteIndex[];
  /** undefined: missing, or an alias without one write index. */
  writeIndex: string | undefined;
}

export interface ResolvedTopology extends Topology {
  /** By index name: aliases of an alias, flat settings (the creation date at least), mappings where asked for. */
  described: JsonObject;
}

const missing: ResolvedTopology = { kind: 'missing', indices: [], writeIndex: undefined, described: {} };

/** True for a name that can be one index, alias or data stream: no pattern, no list, no date math. */
export function isPlainName(name: string): boolean {
  return name !== '' && Buffer.byteLength(name) <= 255 && !/[*?,<>|"\\/ #:\p{Lu}]|^[-_+]|^\.{1,2}$/u.test(name);
}

/** Throws UPSTREAM_* as `askFor`. */
export async function resolveTopology(asker: Asker, name: string, withMappings: boolean): Promise<ResolvedTopology> {
  if (!isPlainName(name)) return missing;
  const resolved = await askOptional(asker, 'GET', `/_resolve/index/${encodeURIComponent(name)}?expand_wildcards=all`);
  const stream = objectsAt(resolved, 'data_streams').find((one) => textAt(one, 'name') === name);
  if (stream !== undefined)
    return describeIndices(asker, 'data-stream', name, textsAt(stream, 'backing_indices'), withMappings);
  const alias = objectsAt(resolved, 'aliases').find((one) => textAt(one, 'name') === name);
  if (alias !== undefined) {
    const names = await concreteNames(asker, textsAt(alias, 'indices'));
    return describeIndices(asker, 'alias', name, names, withMappings);
  }
  const index = objectsAt(resolved, 'indices').find((one) => textAt(one, 'name') === name);
  return index === undefined ? missing : describeIndices(asker, 'index', name, [name], withMappings);
}

/** Those that can have been the write index at or after `sinceMs`. `slackMs` covers clocks that differ. */
export function writeIndicesSince(topology: Topology, sinceMs: number, slackMs: number): ConcreteIndex[] {
  if (topology.kind !== 'data-stream') return topology.indices;
  return topology.indices.filter((_, at) => {
    const next = topology.indices[at + 1];
    return next === undefined || next.createdMs === 0 || next.createdMs + slackMs >= sinceMs;
  });
}

/** An alias may name data streams; their backing indices are what holds documents. */
async function concreteNames(asker: Asker, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const path = `/_resolve/index/${names.map(encodeURIComponent).join(',')}?expand_wildcards=all`;
  const streams = objectsAt(await askFor(asker, 'GET', path), 'data_streams');
  return names.flatMap((name) => {
    const stream = streams.find((one) => textAt(one, 'name') === name);
    return stream === undefined ? [name] : textsAt(stream, 'backing_indices');
  });
}

async function describeIndices(
  asker: Asker,
  kind: Topology['kind'],
  dest: string,
  names: readonly string[],
  withMappings: boolean,
): Promise<ResolvedTopology> {
  const described: Record<string, JsonObject> = {};
  const ends = withMappings ? [''] : ['/_settings/index.creation_date', ...(kind === 'alias' ? ['/_alias'] : [])];
  // Thousands of backing indices would make a path that no server takes.
  for (let at = 0; at < names.length; at += 40) {
    const part = names
      .slice(at, at + 40)
      .map(encodeURIComponent)
      .join(',');
    for (const end of ends) {
      const query = `expand_wildcards=all&ignore_unavailable=true${end === '/_alias' ? '' : '&flat_settings=true'}`;
      const answer = await askFor(asker, 'GET', `/${part}${end}?${query}`);
      for (const [name, parts] of Object.entries(answer)) {
        if (isObject(parts)) described[name] = { ...described[name], ...parts };
      }
    }
  }
  const indices = names
    .filter((name) => objectAt(described, name) !== undefined)
    .map((name) => ({
      name,
      createdMs: Number(textAt(objectAt(described, name, 'settings'), 'index.creation_date') ?? 0),
      aliasRouting: kind === 'alias' ? textAt(objectAt(described, name, 'aliases', dest), 'index_routing') : undefined,
    }));
  const writeIndex = kind === 'alias' ? aliasWriteIndex(dest, indices, described) : indices.at(-1)?.name;
  return { kind, indices, writeIndex, described };
}

/** The one that is flagged; else the only one, unless it is flagged as not. An alias of one data stream writes to its newest. */
function aliasWriteIndex(alias: string, indices: readonly ConcreteIndex[], described: JsonObject): string | undefined {
  const flagOf = (name: string) => objectAt(described, name, 'aliases', alias)?.is_write_index;
  const flagged = indices.filter(({ name }) => flagOf(name) === true);
  if (flagged.length === 1) return flagged[0]?.name;
  const [only] = indices;
  return indices.length === 1 && only !== undefined && flagOf(only.name) !== false ? only.name : undefined;
}
