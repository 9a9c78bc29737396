/**
 * Decides from an index's settings and mapping whether a signed document must carry its content as `raw` (FORMAT §4), and
 * whether it may be sent there at all. Pure. In doubt `raw` is written: it costs space, while leaving it out where the
 * search engine rewrites `_source` loses the record.
 */

import type { JsonObject } from './ask.ts';
import { isObject, objectAt, textAt, textsAt } from './ask.ts';

/** `never-needed` leave it out · `if-long-arrays` leave it out unless an array of 128 or more numbers is in the content. */
export type RawNeed = 'never-needed' | 'if-long-arrays' | 'always';

export interface SourceRule {
  sourceMode: 'stored' | 'synthetic';
  sourceDisabled: boolean;
  timeSeries: boolean;
  raw: RawNeed;
  /** Why `raw` is always written, in words; empty otherwise. */
  rawReasons: string[];
  /** Why nothing signed may be sent there. */
  held: string | undefined;
}

/** `settings` flat (`index.mode`), as text; several mappings when it is not known which one holds. */
export function sourceRule(settings: JsonObject, mappings: readonly JsonObject[]): SourceRule {
  const reasons: string[] = [];
  const mode = textAt(settings, 'index.mode') ?? 'standard';
  const declared = sourceModeOf(settings, mappings);
  const sources = mappings.map((mapping) => objectAt(mapping, '_source')).filter((source) => source !== undefined);
  const sourceDisabled = declared === 'disabled' || sources.some((source) => String(source.enabled) === 'false');
  const timeSeries = mode === 'time_series';
  const synthetic = declared === 'synthetic' || (declared === undefined && (mode === 'logsdb' || timeSeries));
  if (synthetic) reasons.push('synthetic _source');
  if (mode !== 'standard' && mode !== 'logsdb' && !timeSeries) reasons.push(`index mode ${mode}`);
  for (const name of ['index.default_pipeline', 'index.final_pipeline']) {
    const pipeline = textAt(settings, name);
    if (pipeline !== undefined && pipeline !== '_none') reasons.push(`${name} ${pipeline}`);
  }
  const filters = sources.filter((source) => filterOf(source) !== undefined);
  if (filters.length > 0) reasons.push('_source is filtered');
  const vector = mappings.map((mapping) => vectorFieldIn(mapping)).find((path) => path !== undefined);
  if (vector !== undefined) reasons.push(`vector field ${vector}`);
  const vectorsKept = textAt(settings, 'index.mapping.exclude_source_vectors') === 'false';
  const quiet: RawNeed = vectorsKept ? 'never-needed' : 'if-long-arrays';
  return {
    sourceMode: synthetic ? 'synthetic' : 'stored',
    sourceDisabled,
    timeSeries,
    raw: reasons.length > 0 ? 'always' : quiet,
    rawReasons: reasons,
    held: heldReason(sourceDisabled, timeSeries, synthetic, mappings, filters),
  };
}

function sourceModeOf(settings: JsonObject, mappings: readonly JsonObject[]): string | undefined {
  const declared = [
    textAt(settings, 'index.mapping.source.mode'),
    ...mappings.map((mapping) => textAt(objectAt(mapping, '_source'), 'mode')),
  ].filter((one) => one !== undefined);
  // Where two places disagree, the one that needs more care counts.
  return ['disabled', 'synthetic', 'stored'].find((mode) => declared.some((one) => one.toLowerCase() === mode));
}

function heldReason(
  disabled: boolean,
  timeSeries: boolean,
  synthetic: boolean,
  mappings: readonly JsonObject[],
  filters: readonly JsonObject[],
): string | undefined {
  if (disabled) return '_source is disabled, so nothing signed could be read back';
  if (timeSeries) return 'the index mode is time_series, which computes ids, so its documents cannot be signed';
  if (filters.some((source) => dropsSignatureField(source))) {
    return '_source includes/excludes take out the signature field; let them keep logseal.*';
  }
  if (synthetic && mappings.some((mapping) => String(mapping.subobjects) === 'false')) {
    return 'synthetic _source with subobjects: false gives the signature field back in pieces; use stored _source there';
  }
  return undefined;
}

function filterOf(source: JsonObject): { includes: string[]; excludes: string[] } | undefined {
  const includes = textsAt(source, 'includes');
  const excludes = textsAt(source, 'excludes');
  return includes.length + excludes.length === 0 ? undefined : { includes, excludes };
}

function dropsSignatureField(source: JsonObject): boolean {
  const filter = filterOf(source);
  if (filter === undefined) return false;
  const kept =
    filter.includes.length === 0 || filter.includes.some((one) => /^(\*|logseal|logseal\.\*|logseal\*)$/.test(one));
  return !kept || filter.excludes.some((one) => touchesField(one));
}

/** A pattern that can match `logseal` or anything in it; generous, because a false hold is told and a lost field is not. */
function touchesField(pattern: string): boolean {
  const literal = pattern.split('*', 1)[0] ?? '';
  if (literal === pattern) return pattern === 'logseal' || pattern.startsWith('logseal.');
  return 'logseal.'.startsWith(literal) || literal.startsWith('logseal.');
}

const vectorTypes = new Set(['dense_vector', 'sparse_vector', 'rank_vectors', 'semantic_text', 'knn_vector']);
const depthMax = 64;

/** The first path whose type keeps its values out of `_source`, anywhere, dynamic templates and multi-fields included. */
function vectorFieldIn(node: unknown, path = '', depth = 0): string | undefined {
  if (depth > depthMax) return `${path} (too deep to tell)`;
  if (Array.isArray(node)) {
    return node.map((one, at) => vectorFieldIn(one, `${path}[${at}]`, depth + 1)).find((found) => found !== undefined);
  }
  if (!isObject(node)) return undefined;
  const type = node.type;
  if (typeof type === 'string' && vectorTypes.has(type)) return path;
  for (const [name, value] of Object.entries(node)) {
    const below = name === 'properties' || name === 'fields' || name === 'mapping' ? path : `${path}.${name}`;
    const found = vectorFieldIn(value, below.replace(/^\./, ''), depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}
