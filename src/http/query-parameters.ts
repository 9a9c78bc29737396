/**
 * Owns the query parameters of bulk and document requests: which exist, what each may hold, and what it means here.
 * The table in docs/parameters.md says the same, and a test holds the two together.
 */
import type { PathFilter } from '../bulk/filter-path.ts';
import { parseFilterPath } from '../bulk/filter-path.ts';
import type { OperationDefaults } from '../bulk/operation.ts';
import { illegalArgument, refusal } from '../bulk/refusal.ts';
import type { Exchange } from './exchange.ts';

export interface WriteParameters {
  defaults: OperationDefaults;
  /** The answer has to wait for the search engine: refresh, wait_for_active_shards. */
  wantsStore: boolean;
  /** What was stored is to be visible to searches before the answer. */
  refresh: boolean;
  /** Longest wait for the search engine with ack `store`, milliseconds. */
  timeoutMs: number;
  filter: PathFilter | undefined;
}

const common = ['error_trace', 'filter_path', 'format', 'human', 'pretty'];
const shared = [
  'include_source_on_error',
  'pipeline',
  'refresh',
  'require_alias',
  'require_data_stream',
  'routing',
  'timeout',
  'wait_for_active_shards',
];
const source = ['_source', '_source_exclude_vectors', '_source_excludes', '_source_includes'];
export const bulkParameters = [...source, 'list_executed_pipelines', ...shared, ...common];
export const documentParameters = [
  'if_primary_term',
  'if_seq_no',
  'op_type',
  'version',
  'version_type',
  ...shared,
  ...common,
];

const timeoutMsDefault = 60_000;

/** Throws REQUEST_REFUSED, in Elasticsearch's words, for what it would not take. */
export function writeParameters(
  exchange: Exchange,
  known: readonly string[],
  index: string | undefined,
): WriteParameters {
  const { query } = exchange;
  checkKnown(exchange, known);
  const routing = query.get('routing');
  flag(query, 'include_source_on_error');
  const shards = activeShards(query.get('wait_for_active_shards'));
  const timeoutMs = duration('timeout', query.get('timeout')) ?? timeoutMsDefault;
  const refresh = refreshes(query.get('refresh'));
  return {
    defaults: {
      index,
      routing: routing === '' ? undefined : routing,
      pipeline: query.get('pipeline'),
      requireAlias: flag(query, 'require_alias'),
      requireDataStream: flag(query, 'require_data_stream'),
      listExecutedPipelines: flag(query, 'list_executed_pipelines'),
    },
    wantsStore: refresh || shards,
    refresh,
    timeoutMs,
    filter: parseFilterPath(query.get('filter_path')),
  };
}

function checkKnown(exchange: Exchange, known: readonly string[]): void {
  const unknown = [...exchange.query.keys()].filter((name) => !known.includes(name)).sort();
  if (unknown.length === 0) return;
  const path = exchange.target.split('?', 1)[0];
  const names = unknown.map((name) => `[${name}]${suggestion(name, known)}`).join(', ');
  const what = unknown.length === 1 ? 'parameter' : 'parameters';
  throw illegalArgument(`request [${path}] contains unrecognized ${what}: ${names}`);
}

/** What Elasticsearch says to a name that is nearly right. */
function suggestion(name: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, score: likeness(name, candidate) }))
    .filter(({ score }) => score > 0.5)
    .sort((a, b) => b.score - a.score || (a.candidate < b.candidate ? -1 : 1))
    .map(({ candidate }) => candidate);
  if (near.length === 0) return '';
  return near.length === 1 ? ` -> did you mean [${near[0]}]?` : ` -> did you mean any of [${near.join(', ')}]?`;
}

/** 1 for equal, 0 for nothing in common: Levenshtein's distance by the longer length. */
function likeness(a: string, b: string): number {
  if (a.length > 64) return 0;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return 1 - (row[b.length] as number) / Math.max(a.length, b.length);
}

/** A name without a value is true. */
function flag(query: ReadonlyMap<string, string>, name: string): boolean | undefined {
  const value = query.get(name);
  if (value === undefined) return undefined;
  if (value === '' || value === 'true') return true;
  if (value === 'false') return false;
  throw illegalArgument(`Failed to parse value [${value}] as only [true] or [false] are allowed.`);
}

function refreshes(value: string | undefined): boolean {
  if (value === undefined || value === 'false') return false;
  if (value === '' || value === 'true' || value === 'wait_for') return true;
  throw illegalArgument(`Unknown value for refresh: [${value}].`);
}

function activeShards(value: string | undefined): boolean {
  if (value === undefined) return false;
  if (value === 'all') return true;
  if (!/^-?\d{1,9}$/.test(value)) {
    const causedBy = { type: 'number_format_exception', reason: `For input string: "${value}"` };
    throw refusal('illegal_argument_exception', `cannot parse ActiveShardCount[${value}]`, { causedBy });
  }
  if (Number(value) < 0) throw illegalArgument('shard count cannot be a negative value');
  return true;
}

const unitMs: Readonly<Record<string, number>> = {
  nanos: 1e-6,
  micros: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function duration(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (value === '-1' || value === '0') return Number(value) === 0 ? 0 : undefined;
  const found = /^(\d{1,12})(nanos|micros|ms|s|m|h|d)$/.exec(value.trim().toLowerCase());
  if (found === null) {
    const why = 'unit is missing or unrecognized';
    throw illegalArgument(`failed to parse setting [${name}] with value [${value}] as a time value: ${why}`);
  }
  return Number(found[1]) * (unitMs[found[2] as string] as number);
}

/** A whole number out of the query. */
export function wholeNumber(query: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = query.get(name);
  if (value === undefined) return undefined;
  if (!/^-?\d{1,19}$/.test(value)) {
    const causedBy = { type: 'number_format_exception', reason: `For input string: "${value}"` };
    const reason = `Failed to parse long parameter [${name}] with value [${value}]`;
    throw refusal('illegal_argument_exception', reason, { causedBy });
  }
  return Number(value);
}
