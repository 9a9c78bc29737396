/**
 * What a search engine says of its indices: mappings, how `_source` is kept, data streams, and aliases with a filter.
 *
 * Owns the reading of `GET /*` and `GET /_alias`. All of it is what the search engine claims: nothing here makes a record good.
 */
import type { JsonObject } from '../../upstream/ask.ts';
import { isObject, objectAt, textAt, textsAt } from '../../upstream/ask.ts';
import { sourceRule } from '../../upstream/source-rule.ts';
import type { IndexDescription } from '../source.ts';

/** `indices`: the answer to `GET /*?flat_settings=true`. `aliases`: that to `GET /_alias`, where data streams stand too. */
export function describeIndices(indices: JsonObject, aliases: JsonObject): IndexDescription[] {
  const filteredOfStream = new Map<string, string[]>();
  for (const [name, entry] of Object.entries(aliases)) {
    if (indices[name] === undefined) filteredOfStream.set(name, filteredAliases(entry));
  }
  return Object.entries(indices).map(([name, entry]) => {
    const mappings = objectAt(entry, 'mappings') ?? {};
    const dataStream = textAt(entry, 'data_stream');
    const { sourceMode } = sourceRule(flat(objectAt(entry, 'settings') ?? {}), [mappings]);
    const ofStream = dataStream === undefined ? [] : (filteredOfStream.get(dataStream) ?? []);
    const filtered = [...new Set([...filteredAliases(entry), ...ofStream])];
    return {
      name,
      mappings,
      sourceMode,
      filteredAliases: filtered,
      ...(dataStream === undefined ? {} : { dataStream }),
    };
  });
}

/**
 * The line that an export has of an index. Synthetic source is said inside the mapping, as an index that was made so by its
 * mapping has it.
 */
export function exportedIndex(index: IndexDescription): JsonObject {
  const { name, sourceMode, dataStream, filteredAliases: filtered } = index;
  const mappings = isObject(index.mappings) ? index.mappings : {};
  const mode = sourceMode === 'synthetic' ? { _source: { ...objectAt(mappings, '_source'), mode: 'synthetic' } } : {};
  return {
    _index: name,
    _mappings: { ...mappings, ...mode },
    ...(dataStream === undefined ? {} : { _data_stream: dataStream }),
    ...(filtered.length === 0 ? {} : { _filtered_aliases: filtered }),
  };
}

/** The reverse of it. */
export function describeExported(name: string, line: unknown): IndexDescription {
  const mappings = objectAt(line, '_mappings') ?? {};
  const dataStream = textAt(line, '_data_stream');
  const { sourceMode } = sourceRule({}, [mappings]);
  const filtered = textsAt(line, '_filtered_aliases');
  return { name, mappings, sourceMode, filteredAliases: filtered, ...(dataStream === undefined ? {} : { dataStream }) };
}

function filteredAliases(entry: unknown): string[] {
  return Object.entries(objectAt(entry, 'aliases') ?? {})
    .filter(([, alias]) => isObject(alias) && alias.filter !== undefined)
    .map(([name]) => name);
}

/** `flat_settings` is not known everywhere. */
function flat(settings: JsonObject, prefix = ''): JsonObject {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(settings)) {
    if (isObject(value)) Object.assign(out, flat(value, `${prefix}${name}.`));
    else out[prefix + name] = value;
  }
  return out;
}
