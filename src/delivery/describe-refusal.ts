/**
 * Why a destination waits, for readyz and the log. Some reasons of the search engine quote the document that they are about, so
 * only those of errors that are about the cluster or the index are passed on.
 */
import type { Refusal } from './outcomes.ts';

const aboutNoDocument = new Set([
  'circuit_breaking_exception',
  'cluster_block_exception',
  'es_rejected_execution_exception',
  'index_closed_exception',
  'index_not_found_exception',
  'no_shard_available_action_exception',
  'process_cluster_event_timeout_exception',
  'resource_not_found_exception',
  'security_exception',
  'unavailable_shards_exception',
  'validation_exception',
]);

const charactersMax = 500;

export function describeRefusal({ kind, status, type, reason }: Refusal): string {
  if (kind === 'held') return reason;
  return (aboutNoDocument.has(type) ? `${status} ${type}: ${reason}` : `${status} ${type}`).slice(0, charactersMax);
}
