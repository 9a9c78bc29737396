/**
 * Which chain a destination belongs to. A chain should live as long as its records do, so the default takes away what
 * changes from day to day: `logstash-2026.11.23` and `logstash-2026.11.24` are one chain and one retention.
 */
import { matchesGlob } from '../lib/glob.ts';

export interface ChainRule {
  /** Destination name with `*` for any run of characters. */
  pattern: string;
  chain: string;
}

/** The chain that takes what the bound on active chains leaves over. */
export const catchAllChain = 'catch-all';
export const controlChain = 'control';

const cacheEntriesMax = 4096;
const trailingDate = /[-_.](?:\d{4}(?:[-_.]?\d{2}){0,3}|\d{4}[-_.]?w\d{1,2})$/;
const trailingNumber = /[-_.]\d+$/;

/** Returns a function from destination to chain name; remembers a bounded number of answers. */
export function chainNaming(rules: readonly ChainRule[]): (dest: string) => string {
  const cache = new Map<string, string>();
  return (dest) => {
    const known = cache.get(dest);
    if (known !== undefined) return known;
    const name = rules.find(({ pattern }) => matchesGlob(pattern, dest))?.chain ?? stem(dest);
    if (cache.size >= cacheEntriesMax) cache.clear();
    cache.set(dest, name);
    return name;
  };
}

function stem(dest: string): string {
  const undated = dest.replace(trailingDate, '').replace(trailingNumber, '').replace(trailingDate, '');
  return undated === '' || undated === controlChain ? dest : undated;
}
