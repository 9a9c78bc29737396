/** One name in three spellings: `wal.keep` in the file, LOGSEAL_WAL_KEEP in the environment, --wal-keep as a flag. */

import type { SettingKey } from './config.ts';
import { settingKeys } from './settings.ts';

/** `intake.closeInsteadOf429` → `LOGSEAL_INTAKE_CLOSE_INSTEAD_OF_429` */
export function environmentName(key: SettingKey): string {
  return `LOGSEAL_${words(key).join('_').toUpperCase()}`;
}

/** `wal.keep` → `wal-keep`, without the two dashes. */
export function flagName(key: SettingKey): string {
  return words(key).join('-').toLowerCase();
}

export const keyOfEnvironment: ReadonlyMap<string, SettingKey> = new Map(
  settingKeys.map((key) => [environmentName(key), key]),
);

export const keyOfFlag: ReadonlyMap<string, SettingKey> = new Map(settingKeys.map((key) => [flagName(key), key]));

/** The candidate that somebody who typed `word` most likely meant; undefined if none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const d = distance(word.toLowerCase(), candidate.toLowerCase());
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best;
}

function words(key: SettingKey): string[] {
  return key.split('.').flatMap((part) => part.split(/(?=[A-Z])|(?<=[a-z])(?=[0-9])/));
}

/** Levenshtein's, rows of the matrix only; words are short and few. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
