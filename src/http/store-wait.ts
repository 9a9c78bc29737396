/** Owns the wait of a request for the search engine's own answers: bounded, and honest when the time is up. */
import type { Outcome, Outcomes } from '../bulk/intake.ts';
import type { Clock } from '../lib/clock.ts';

/**
 * The outcomes, or, after `timeoutMs`, what Elasticsearch says when a shard does not answer in time. The records are safe all
 * the same, and go on to be delivered.
 */
export async function waitForStore(
  outcomes: Outcomes,
  dests: readonly string[],
  timeoutMs: number,
  clock: Clock,
): Promise<Outcome[]> {
  const late = Promise.withResolvers<Outcome[]>();
  const timer = clock.after(timeoutMs, () => late.resolve(dests.map((dest) => timedOut(dest, timeoutMs))));
  try {
    return await Promise.race([outcomes.promise, late.promise]);
  } finally {
    timer.cancel();
    outcomes.forget();
    // A later failure is not an unhandled one.
    outcomes.promise.catch(() => undefined);
  }
}

function timedOut(index: string, timeoutMs: number): Outcome {
  const reason = `[${index}] the search engine has not answered within [${timeoutMs}ms]; the record is on disk and will be delivered`;
  const error = { type: 'unavailable_shards_exception', reason };
  return { status: 503, index, version: 0, seqNo: 0, primaryTerm: 0, error };
}
