/**
 * A mapping as the comparison needs it: a rule for each field, and which fields have none.
 *
 * Owns the reading of `properties`. The mapping is what the search engine says: it decides how values are compared, never whether a
 * record is compared at all, and what it takes out of the comparison is listed.
 */
import type { JsonObject } from '../upstream/ask.ts';
import { isObject, objectAt, textAt } from '../upstream/ask.ts';
import { joinPath } from './view-paths.ts';
import type { FieldRule, Leaf } from './view-rules.ts';
import { fieldRule } from './view-rules.ts';
import { Decimal } from './view-tree.ts';

export interface MappedField {
  type: string;
  /** Undefined: a type without a rule. */
  rule: FieldRule | undefined;
  /** What null counts as. */
  nullValue: Leaf | undefined;
  /** What every document of the index has, of a constant_keyword. */
  constant: string | undefined;
}

export interface MappedFields {
  fields: ReadonlyMap<string, MappedField>;
  /** Fields whose values Elasticsearch takes out of `_source`. */
  vectors: ReadonlySet<string>;
}

const vectorTypes: ReadonlySet<string> = new Set([
  'dense_vector',
  'sparse_vector',
  'rank_vectors',
  'semantic_text',
  'knn_vector',
]);
const groupTypes: ReadonlySet<string> = new Set(['object', 'nested', 'passthrough']);
const depthMax = 64;

export function mappedFields(mappings: unknown): MappedFields {
  const fields = new Map<string, MappedField>();
  collect(objectAt(mappings, 'properties') ?? {}, '', fields, 0);
  const vectors = [...fields].filter(([, { type }]) => vectorTypes.has(type)).map(([path]) => path);
  return { fields, vectors: new Set(vectors) };
}

function collect(properties: JsonObject, prefix: string, fields: Map<string, MappedField>, depth: number): void {
  for (const [name, field] of Object.entries(properties)) {
    if (!isObject(field) || depth > depthMax) continue;
    const path = joinPath(prefix, name);
    const type = textAt(field, 'type') ?? 'object';
    if (groupTypes.has(type)) collect(objectAt(field, 'properties') ?? {}, path, fields, depth + 1);
    else if (type !== 'alias') fields.set(path, mapped(type, field));
  }
}

function mapped(type: string, field: JsonObject): MappedField {
  return {
    type,
    rule: fieldRule(type, field),
    nullValue: leafOf(field.null_value),
    constant: type === 'constant_keyword' ? textAt(field, 'value') : undefined,
  };
}

function leafOf(value: unknown): Leaf | undefined {
  if (typeof value === 'number') return new Decimal(String(value));
  return typeof value === 'string' || typeof value === 'boolean' ? value : undefined;
}
