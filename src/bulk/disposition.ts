/**
 * Owns the question what becomes of an operation before its document is looked at: signed, passed through, or refused by itself.
 */

import { isReservedName, resolveName, streamBehind } from './index-name.ts';
import type { IntakeRules } from './intake-rules.ts';
import type { ItemError } from './item-error.ts';
import { changeRefused, forbidden, illegalItem, itemError, ownedId, reservedIndex } from './item-error.ts';
import type { Action, Operation } from './operation.ts';

export type Disposition =
  | { kind: 'signed'; dest: string }
  /** For a destination that is not signed: Elasticsearch hears it as it came. */
  | { kind: 'forwarded'; dest: string }
  | { kind: 'refused'; error: ItemError };

/** `operation.index` is set: its absence refuses the whole request. */
export function dispositionOf(operation: Operation, rules: IntakeRules): Disposition {
  const index = operation.index ?? '';
  const { action, id } = operation;
  const resolved = resolveName(index, rules.nowMs);
  if ('error' in resolved) return { kind: 'refused', error: itemError(index, id, 400, resolved.error) };
  const { dest } = resolved;
  if (isReservedName(dest)) return { kind: 'refused', error: reservedIndex(dest, id) };
  const stream = streamBehind(dest);
  if (stream !== undefined && (isReservedName(stream) || rules.isSigned(stream))) {
    return { kind: 'refused', error: backingIndexRefused(action, dest, stream, id) };
  }
  if (!rules.isSigned(dest)) {
    if (rules.whyNotForwarded === undefined) return { kind: 'forwarded', dest };
    return { kind: 'refused', error: forbidden(dest, id, rules.whyNotForwarded(dest)) };
  }
  if (action === 'update' || action === 'delete') return { kind: 'refused', error: changeRefused(dest, id, action) };
  if (id === '') {
    return { kind: 'refused', error: illegalItem(dest, id, 'if _id is specified it must not be empty') };
  }
  if (id !== undefined && rules.ownsId(id)) return { kind: 'refused', error: ownedId(dest, id) };
  return { kind: 'signed', dest };
}

function backingIndexRefused(action: Action, dest: string, stream: string, id: string | undefined): ItemError {
  if (action === 'update' || action === 'delete') return changeRefused(dest, id, action);
  const which = action === 'create' ? 'op_type=create' : 'op_type=index and no if_primary_term and if_seq_no set';
  return illegalItem(
    dest,
    id,
    `index request with ${which} targeting backing indices is disallowed, choose corresponding data stream [${stream}] instead`,
  );
}
