/** Elasticsearch's index patterns and lists of them. Pure. */

/** Only `*` is special. */
export function matchesPattern(pattern: string, name: string): boolean {
  const literal = (part: string) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`, 's').test(name);
}

/**
 * `action.auto_create_index`: `true`, `false`, or patterns with `+` or `-`, the first that matches counts; a list without a
 * match forbids.
 */
export function mayAutoCreate(setting: string | undefined, name: string): boolean {
  if (setting === undefined || setting === '' || setting === 'true') return true;
  if (setting === 'false') return false;
  for (const part of setting.split(',').map((one) => one.trim())) {
    const forbids = part.startsWith('-');
    if (matchesPattern(part.replace(/^[+-]/, ''), name)) return !forbids;
  }
  return false;
}
