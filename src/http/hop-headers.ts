/** Owns which headers belong to one connection only and are not passed on (RFC 9110, 7.6.1). */

const hopByHop = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** A flat list of names and values, as node:http gives it, without what is for this hop and what `alsoDropped` names (lower case). */
export function endToEnd(raw: readonly string[], alsoDropped: ReadonlySet<string> = new Set()): string[] {
  const named = connectionOptions(raw);
  const kept: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || named.has(lower) || alsoDropped.has(lower)) continue;
    kept.push(name, raw[i + 1] as string);
  }
  return kept;
}

/** Headers that the Connection header names are for this hop too. */
function connectionOptions(raw: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() !== 'connection') continue;
    for (const name of (raw[i + 1] as string).split(',')) names.add(name.trim().toLowerCase());
  }
  return names;
}
