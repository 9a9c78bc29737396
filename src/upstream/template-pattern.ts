/** Elasticsearch's index patterns and lists of them. Pure. */
import { matchesGlob } from '../lib/glob.ts';

/**
 * `action.auto_create_index`: `true`, `false`, or patterns with `+` or `-`, the first that matches counts; a list without a
 * match forbids.
 */
export function mayAutoCreate(setting: string | undefined, name: string): boolean {
  if (setting === undefined || setting === '' || setting === 'true') return true;
  if (setting === 'false') return false;
  for (const part of setting.split(',').map((one) => one.trim())) {
    const forbids = part.startsWith('-');
    if (matchesGlob(part.replace(/^[+-]/, ''), name)) return !forbids;
  }
  return false;
}
