/**
 * Which concrete indices stand behind a name now, and which of them takes new documents. Always asked anew: what was true
 * before a roll-over is how twins are made.
 */

import type { Asker, JsonObject } from './ask.ts';
import { askFor, askOptional, objectAt, objectsAt, textAt, textsAt } from './ask.ts';

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

const missing: Topology = { kind: 'missing', indices: [], writeIndex: undefined };

/** True for a name that can be one index, alias or data stream: no pattern, no list, no date math. */
export function isPlainName(name: string): boolean {
  return name !== '' && Buffer.byteLength(name) <= 255 && !/[*?,<>|"\\/ #:\p{Lu}]|^[-_+]|^\.{1,2}$/u.test(name);
}

/** Throws UPSTREAM_* as `askFor`. */
export async function resolveTopology(asker: Asker, name: string): Promise<Topology> {
  if (!isPlainName(name)) return missing;
  const resolved = await askOptional(asker, 'GET', `/_resolve/index/${encodeURIComponent(name)}?expand_wildcards=all`);
  const stream = objectsAt(resolved, 'data_streams').find((one) => textAt(one, 'name') === name);
  if (stream !== undefined) {
    const indices = await datedIndices(asker, textsAt(stream, 'backing_indices'));
    return { kind: 'data-stream', indices, writeIndex: indices.at(-1)?.name };
  }
  const alias = objectsAt(resolved, 'aliases').find((one) => textAt(one, 'name') === name);
  if (alias !== undefined) return resolveAlias(asker, name, textsAt(alias, 'indices'));
  const index = objectsAt(resolved, 'indices').find((one) => textAt(one, 'name') === name);
  if (index === undefined) return missing;
  return { kind: 'index', indices: [{ name, createdMs: 0, aliasRouting: undefined }], writeIndex: name };
}

/** Those that can have been the write index at or after `sinceMs`. `slackMs` covers clocks that differ. */
export function writeIndicesSince(topology: Topology, sinceMs: number, slackMs: number): ConcreteIndex[] {
  if (topology.kind !== 'data-stream') return topology.indices;
  return topology.indices.filter((_, at) => {
    const next = topology.indices[at + 1];
    return next === undefined || next.createdMs === 0 || next.createdMs + slackMs >= sinceMs;
  });
}

/** An alias may name data streams; their backing indices are what holds documents, the newest of them takes new ones. */
async function resolveAlias(asker: Asker, alias: string, named: readonly string[]): Promise<Topology> {
  if (named.length === 0) return { kind: 'alias', indices: [], writeIndex: undefined };
  const path = `/_resolve/index/${named.map(encodeURIComponent).join(',')}?expand_wildcards=all`;
  const streams = objectsAt(await askFor(asker, 'GET', path), 'data_streams');
  const flags = await askByIndex(asker, named, '/_alias', 'ignore_unavailable=true&expand_wildcards=all');
  const flag = (name: string) => objectAt(flags, name, 'aliases', alias);
  const backing = (name: string) => {
    const stream = streams.find((one) => textAt(one, 'name') === name);
    return stream === undefined ? [name] : textsAt(stream, 'backing_indices');
  };
  const indices = named.flatMap((name) =>
    backing(name).map((index) => ({ name: index, createdMs: 0, aliasRouting: textAt(flag(name), 'index_routing') })),
  );
  // The one that is flagged; else the only one, unless it is flagged as not.
  const flagged = named.filter((name) => flag(name)?.is_write_index === true);
  const [only] = named.length === 1 ? named.filter((name) => flag(name)?.is_write_index !== false) : [];
  const writer = flagged.length === 1 ? flagged[0] : only;
  return { kind: 'alias', indices, writeIndex: writer === undefined ? undefined : backing(writer).at(-1) };
}

/** Those of the names that exist, closed ones included, with the time they were made. */
async function datedIndices(asker: Asker, names: readonly string[]): Promise<ConcreteIndex[]> {
  const query = 'flat_settings=true&ignore_unavailable=true&expand_wildcards=all';
  const found = await askByIndex(asker, names, '/_settings/index.creation_date', query);
  return names
    .filter((name) => objectAt(found, name) !== undefined)
    .map((name) => ({
      name,
      createdMs: Number(textAt(objectAt(found, name, 'settings'), 'index.creation_date') ?? 0),
      aliasRouting: undefined,
    }));
}

/** Thousands of backing indices would make a path that no server takes. */
async function askByIndex(asker: Asker, names: readonly string[], end: string, query: string): Promise<JsonObject> {
  const all: Record<string, unknown> = {};
  for (let at = 0; at < names.length; at += 40) {
    const part = names
      .slice(at, at + 40)
      .map(encodeURIComponent)
      .join(',');
    Object.assign(all, await askFor(asker, 'GET', `/${part}${end}?${query}`));
  }
  return all;
}
