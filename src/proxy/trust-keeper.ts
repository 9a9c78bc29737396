/**
 * The trust file of a data directory: written once, by the first start that comes so far; looked at by all later ones, because an
 * operator may carry it away at any time. Must never be written anew over one that is there: what he took must stay true.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrustFile } from '../chain/trust-file.ts';
import { decodeTrustFile, encodeTrustFile } from '../chain/trust-file.ts';
import { LogsealError } from '../errors.ts';
import { replaceFile } from '../lib/durable-file.ts';

const cure =
  'put the copy that you took back in its place, or delete it: the next start writes one that begins with the chains of now';

/** `knows`: whether a chain is or was one of this directory. Throws DATA_DIR_INVALID for a file that says anything else than it does. */
export async function keepTrust(dir: string, trust: TrustFile, knows: (chain: string) => boolean): Promise<void> {
  const path = join(dir, 'trust.json');
  // Not only by the start that made the directory: a crash may have ended that one.
  if (!existsSync(path)) return replaceFile(path, encodeTrustFile(trust), 0o644);
  const decoded = decodeTrustFile(await readFile(path, 'utf8'));
  if (!decoded.ok) throw damaged(path, decoded.reason);
  const { origin, vkey, control, chains } = decoded.trust;
  if (origin !== trust.origin || vkey !== trust.vkey) throw damaged(path, 'names another instance than this one');
  const strange = [control, ...chains].find((chain) => !knows(chain));
  if (strange !== undefined) throw damaged(path, `names ${strange}, which is no chain of this directory`);
}

function damaged(path: string, what: string): LogsealError {
  return new LogsealError('DATA_DIR_INVALID', `${path} ${what}; ${cure}`, { path });
}
