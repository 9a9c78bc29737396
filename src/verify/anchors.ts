/**
 * Statements of others about a checkpoint: copies under object lock, cosignatures, time stamps. What each kind is made of is not known here.
 *
 * Owns what follows from them: an anchor that does not verify says nothing (ANCHOR-INVALID), one that verifies over another text is
 * ANCHOR-MISMATCH, and one that holds binds the log as the checkpoint it is of.
 */
import type { VerifierKey } from '../chain/note.ts';
import { parseNote, verifyCheckpoint, verifyNote } from '../chain/note.ts';
import type { ValidCheckpoint } from './log-check.ts';
import type { Tally } from './tally.ts';

/** What an anchor turns out to be: over which checkpoint file, seen when. */
export type AnchorStatement = { valid: true; note: string; time?: number } | { valid: false; reason: string };

export interface Anchor {
  /** For the report: "copy in bucket x", "witness y". */
  readonly name: string;
  /** The checkpoint file that the anchor is said to be of. */
  readonly note: string;
  verify(): AnchorStatement;
}

/** A copy of a checkpoint that the verifier keeps, or fetched from a place the proxy cannot rewrite. */
export function copyAnchor(name: string, note: string): Anchor {
  return { name, note, verify: () => ({ valid: true, note }) };
}

/** A witness's signature line in the checkpoint file, under the witness's own key. */
export function witnessAnchor(name: string, note: string, key: VerifierKey): Anchor {
  return {
    name,
    note,
    verify: () => {
      const parsed = parseNote(note);
      const valid = parsed !== undefined && verifyNote(parsed, key);
      return valid ? { valid, note } : { valid: false, reason: `no valid signature of ${key.name}` };
    },
  };
}

/** The checkpoints that anchors bind this instance's log to; findings for those that do not hold. */
export function anchoredCheckpoints(
  anchors: readonly Anchor[],
  instances: readonly { origin: string; key: VerifierKey }[],
  tally: Tally,
): { origin: string; checkpoint: ValidCheckpoint; name: string }[] {
  const bound: { origin: string; checkpoint: ValidCheckpoint; name: string }[] = [];
  for (const anchor of anchors) {
    const statement = anchor.verify();
    if (!statement.valid) {
      tally.find({ verdict: 'ANCHOR-INVALID', detail: `${anchor.name} does not verify: ${statement.reason}.` });
      continue;
    }
    if (statement.note !== anchor.note) {
      tally.find({
        verdict: 'ANCHOR-MISMATCH',
        detail: `${anchor.name} verifies, but over another text than this checkpoint.`,
      });
      continue;
    }
    const text = parseNote(statement.note)?.text.split('\n')[0];
    const instance = instances.find(({ origin }) => origin === text);
    const verified = instance === undefined ? undefined : verifyCheckpoint(statement.note, instance.key);
    if (instance === undefined || verified?.ok !== true) {
      tally.find({ verdict: 'ANCHOR-INVALID', detail: `${anchor.name} is of no checkpoint of a trusted instance.` });
      continue;
    }
    const { size, root } = verified.checkpoint;
    bound.push({
      origin: instance.origin,
      name: anchor.name,
      checkpoint: { size, root, found: { _index: anchor.name } },
    });
  }
  return bound;
}
