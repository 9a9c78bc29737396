/**
 * What has to be known before anything is delivered: that it is the search engine this data directory belongs to, and that it
 * does not know more of this instance than the directory does (an old copy was put back).
 */
import type { Checkpoint, VerifierKey } from '../chain/note.ts';
import { verifyCheckpoint } from '../chain/note.ts';
import { LogsealError } from '../errors.ts';
import type { JsonAnswer } from '../upstream/connection.ts';

/** Asks the search engine a question; the part of the connection that is needed here. */
export interface Asker {
  ask(method: string, path: string, body?: unknown): Promise<JsonAnswer>;
}

/** Throws UPSTREAM_CHANGED when the directory's records went elsewhere so far. */
export function checkUpstream(known: string | undefined, found: string, dataDir: string): void {
  if (known === undefined || known === found) return;
  throw new LogsealError(
    'UPSTREAM_CHANGED',
    `the data directory ${dataDir} belongs to the search engine ${known}, and this one is ${found}: ` +
      'use a new data directory, or start with --new-upstream, which ends all chains and begins new ones',
    { known, found },
  );
}

const checkpointsLooked = 100;

/**
 * The checkpoint of the largest log in the search engine under our own key; undefined if there is none. Larger than our own
 * log before anything of this start was published, it means that an old copy of the data directory was put back.
 */
export async function newestCheckpoint(asker: Asker, key: VerifierKey): Promise<Checkpoint | undefined> {
  const query = { size: checkpointsLooked, sort: [{ '@timestamp': 'desc' }], query: { match_all: {} } };
  const answer = await asker.ask('POST', '/logseal-checkpoints/_search', query);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) {
    throw new LogsealError('UPSTREAM_REFUSED', `the checkpoints cannot be read: status ${answer.status}`);
  }
  let newest: Checkpoint | undefined;
  for (const text of checkpointsOf(answer.body)) {
    const verified = verifyCheckpoint(text, key);
    if (verified.ok && verified.checkpoint.size > (newest?.size ?? 0)) newest = verified.checkpoint;
  }
  return newest;
}

function checkpointsOf(body: unknown): string[] {
  const hits = (body as { hits?: { hits?: { _source?: { checkpoint?: unknown } }[] } } | undefined)?.hits?.hits ?? [];
  return hits.map((hit) => hit._source?.checkpoint).filter((text) => typeof text === 'string');
}
