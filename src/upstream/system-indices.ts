/**
 * The proxy's own indices: seals, checkpoints, control records, rejects. What they hold is read by id or whole, so hardly
 * anything is indexed; stored source, no pipelines, whatever templates for `*` somebody has. A template makes them right
 * again after somebody deleted one.
 */

import type { Asker, JsonObject } from './ask.ts';
import { denied, objectAt, refusal } from './ask.ts';
import { leanMapping } from './signature-mapping.ts';

export const systemIndices = ['logseal-seals', 'logseal-checkpoints', 'logseal-control', 'logseal-rejects'] as const;
export type SystemIndex = (typeof systemIndices)[number];

/** Name of the index template for them. */
export const systemTemplate = 'logseal-system';

const plainSettings = {
  'index.number_of_shards': '1',
  'index.auto_expand_replicas': '0-1',
  'index.default_pipeline': '_none',
  'index.final_pipeline': '_none',
  'index.codec': 'default',
} as const;

/** An engine that does not know these keeps `_source` to the byte in any index. */
const systemSettings = { ...plainSettings, 'index.mode': 'standard', 'index.mapping.source.mode': 'stored' } as const;

const timed = { '@timestamp': { type: 'date' } } as const;
const word = { type: 'keyword', ignore_above: 256, doc_values: false } as const;

function systemMapping(name: SystemIndex): JsonObject {
  const own: Record<SystemIndex, JsonObject> = {
    'logseal-seals': { entry: { type: 'long' } },
    'logseal-checkpoints': {},
    'logseal-control': {},
    'logseal-rejects': { reject: { dynamic: false, properties: { status: { type: 'short' }, type: word } } },
  };
  return { dynamic: false, properties: { ...timed, ...leanMapping.properties, ...own[name] } };
}

export function isSystemIndex(name: string): name is SystemIndex {
  return (systemIndices as readonly string[]).includes(name);
}

/** Makes the index if it is missing, else adds to its mapping. Returns why it cannot be. Throws UPSTREAM_* without an answer. */
export async function ensureSystemIndex(asker: Asker, name: SystemIndex): Promise<string | undefined> {
  const mappings = systemMapping(name);
  let made = await asker.ask('PUT', `/${name}`, { settings: systemSettings, mappings });
  if (made.status === 400 && refusal(made)?.reason.includes('unknown setting')) {
    made = await asker.ask('PUT', `/${name}`, { settings: plainSettings, mappings });
  }
  if (made.status < 300) return undefined;
  const no = refusal(made);
  if (no?.type !== 'resource_already_exists_exception' && no?.type !== 'invalid_index_name_exception') {
    if (made.status >= 500 || made.status === 429) throw denied(made, `creating ${name}`);
    return `index ${name} cannot be created: ${no?.reason ?? 'no reason given'}`;
  }
  const { properties } = mappings;
  const added = await asker.ask('PUT', `/${name}/_mapping`, { properties });
  if (added.status < 300) return undefined;
  if (added.status >= 500 || added.status === 429) throw denied(added, `mapping of ${name}`);
  return `the mapping of ${name} does not fit: ${refusal(added)?.reason ?? 'no reason given'}`;
}

/** One template for all four: their union of fields. */
export function systemTemplateBody(): JsonObject {
  const properties = Object.assign({}, ...systemIndices.map((name) => objectAt(systemMapping(name), 'properties')));
  return {
    index_patterns: [...systemIndices],
    priority: 1_000_000,
    template: { settings: systemSettings, mappings: { dynamic: false, properties } },
    _meta: { managed_by: 'logseal' },
  };
}
