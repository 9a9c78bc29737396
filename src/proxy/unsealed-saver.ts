/**
 * Keeps on disk from where frames may belong to an epoch without a seal, also while nothing is delivered: a start after a long
 * outage must not read all that waits only to find the open epochs.
 * Must never save a place that a later call takes back: `position` only grows.
 */
import { systemClock } from '../lib/clock.ts';
import type { CursorFile } from '../wal/cursor.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';

const everyMs = 10_000;

/** To be called often; saves now and then. A disk that fails is `fatal`. */
export function unsealedSaver(
  unsealed: Pick<CursorFile<Position>, 'save'>,
  position: () => Position,
  fatal: (error: unknown) => void,
): () => void {
  let dueMs = systemClock.monotonic() + everyMs;
  let saved: Position = { segment: 0, offset: 0 };
  return () => {
    if (systemClock.monotonic() < dueMs) return;
    dueMs = systemClock.monotonic() + everyMs;
    const next = position();
    if (comparePositions(next, saved) <= 0) return;
    saved = { ...next };
    unsealed.save(saved).catch(fatal);
  };
}
