/**
 * What to do with an item that Elasticsearch refused. Only an error of the document's own content, or of what the shipper said
 * about it, is final; everything that a person or time can mend is tried again, and so is everything unknown.
 * `docs/errors.md` holds the same table for people; a test drives each of its rows through here.
 */
import type { ItemError } from './item-result.ts';

/**
 * `reject` never passes · `retry` may pass later · `mapping` see to the signature field's mapping and send again, never a
 * reject · `conflict` the id is taken: look whether by this record itself.
 */
export type ErrorVerdict = 'reject' | 'retry' | 'mapping' | 'conflict';

export interface RetryRule {
  type: string;
  /** A part of the reason that must be there; absent: any reason. */
  reason?: string;
  verdict: 'reject' | 'retry' | 'conflict';
}

/** First match counts. A type that is not here is `retry`. */
export const retryRules: readonly RetryRule[] = [
  { type: 'document_parsing_exception', verdict: 'reject' },
  { type: 'mapper_parsing_exception', verdict: 'reject' },
  { type: 'strict_dynamic_mapping_exception', verdict: 'reject' },
  { type: 'x_content_parse_exception', verdict: 'reject' },
  { type: 'parsing_exception', verdict: 'reject' },
  { type: 'routing_missing_exception', verdict: 'reject' },
  { type: 'invalid_index_name_exception', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'Limit of total fields', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'Limit of mapping depth', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'Limit of nested fields', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'number of nested documents has exceeded', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'immense term', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'cannot be changed from type', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: "can't merge a non object mapping", verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: "can't merge a non-nested mapping", verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'object mapping [', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'field name cannot', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'data stream timestamp field [', verdict: 'reject' },
  { type: 'illegal_argument_exception', reason: 'only write ops with an op_type of create', verdict: 'retry' },
  { type: 'illegal_argument_exception', reason: 'pipeline with id [', verdict: 'retry' },
  { type: 'illegal_argument_exception', reason: 'no write index is defined for alias', verdict: 'retry' },
  { type: 'version_conflict_engine_exception', verdict: 'conflict' },
  { type: 'cluster_block_exception', verdict: 'retry' },
  { type: 'index_closed_exception', verdict: 'retry' },
  { type: 'index_not_found_exception', verdict: 'retry' },
  { type: 'resource_not_found_exception', verdict: 'retry' },
  { type: 'validation_exception', verdict: 'retry' },
  { type: 'unavailable_shards_exception', verdict: 'retry' },
  { type: 'no_shard_available_action_exception', verdict: 'retry' },
  { type: 'es_rejected_execution_exception', verdict: 'retry' },
  { type: 'circuit_breaking_exception', verdict: 'retry' },
  { type: 'process_cluster_event_timeout_exception', verdict: 'retry' },
  { type: 'security_exception', verdict: 'retry' },
  { type: 'ingest_processor_exception', verdict: 'retry' },
];

/**
 * Where Elasticsearch names the field that it could not take, at the head of a reason. Anchored there, because further on a
 * reason quotes the document's values, and a document must not be able to say that the mapping is to blame.
 */
const namesSignatureField = new RegExp(
  '^(?:\\[\\d+:\\d+\\] )?(?:' +
    [
      'failed to parse field \\[',
      'mapping set to strict, dynamic introduction of \\[',
      'object mapping for \\[',
      'mapper \\[',
      "can't merge a non[ -](?:object|nested) mapping \\[",
      'object mapping \\[',
    ].join('|') +
    ')logseal[.\\]]',
);

export function errorVerdict(error: Pick<ItemError, 'type' | 'reason'>, status: number): ErrorVerdict {
  const rule = retryRules.find(({ type, reason }) => type === error.type && error.reason.includes(reason ?? ''));
  if (rule === undefined) return 'retry';
  if (rule.verdict === 'conflict') return 'conflict';
  // A server error or back-pressure passes, whatever its name says.
  if (rule.verdict === 'retry' || status === 429 || status >= 500) return 'retry';
  return namesSignatureField.test(error.reason) ? 'mapping' : 'reject';
}
