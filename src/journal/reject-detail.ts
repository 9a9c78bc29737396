/**
 * Why the search engine refused a record, in a frame of its own before the control record that rejects it: the signed
 * control record holds only a reason word, and after a restart the document in the rejects index should still say more.
 *
 *   kind u8=3 ‖ JSON
 */
import assert from 'node:assert/strict';
import { entryKinds } from './entry-kind.ts';

export interface RejectDetail {
  /** The chain's id, base64url. */
  chain: string;
  seq: number;
  /** Status, type and reason as the search engine gave them. */
  status: number;
  type: string;
  reason: string;
}

export function encodeRejectDetail(detail: RejectDetail): Buffer {
  return Buffer.concat([Buffer.of(entryKinds.rejectDetail), Buffer.from(JSON.stringify(detail))]);
}

export function decodeRejectDetail(payload: Buffer): RejectDetail {
  assert(payload[0] === entryKinds.rejectDetail, 'not a reject detail');
  return JSON.parse(payload.toString('utf8', 1)) as RejectDetail;
}
