/** Durations, sizes and endpoints as people write them. Strict: one spelling, a unit always, no fractions, no blanks. */
import type { Endpoint } from './config.ts';

const durationUnits = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
const sizeUnits = {
  TiB: 1024 ** 4,
  GiB: 1024 ** 3,
  MiB: 1024 ** 2,
  KiB: 1024,
  TB: 1000 ** 4,
  GB: 1000 ** 3,
  MB: 1000 ** 2,
  kB: 1000,
  B: 1,
} as const;

/** Sources of regular expressions, also used in the JSON schema. */
export const durationPattern = '^(0|[1-9][0-9]*)(ms|s|m|h|d)$';
export const sizePattern = '^(0|[1-9][0-9]*)(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$';
export const endpointPattern = '^(\\[[0-9A-Fa-f:.]+\\]|[^\\s:\\[\\]/]+):(0|[1-9][0-9]{0,4})$';

/** Milliseconds of `1h`, `30s`, `250ms`; undefined if it is not one. */
export function parseDuration(text: string): number | undefined {
  return parseUnit(text, durationPattern, durationUnits);
}

/** Bytes of `64MiB`, `1GB`; undefined if it is not one. */
export function parseSize(text: string): number | undefined {
  return parseUnit(text, sizePattern, sizeUnits);
}

/** The shortest spelling: 3600000 is `1h`. */
export function formatDuration(ms: number): string {
  return formatUnit(ms, durationUnits, 'ms');
}

/** The shortest spelling with a binary unit: 67108864 is `64MiB`. */
export function formatSize(bytes: number): string {
  const { TiB, GiB, MiB, KiB, B } = sizeUnits;
  return formatUnit(bytes, { TiB, GiB, MiB, KiB, B }, 'B');
}

/** `host:port`, an IPv6 address in brackets; undefined if it is not one. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = new RegExp(endpointPattern).exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || !(port <= 65_535)) return undefined;
  return { host: match[1].replace(/^\[|\]$/g, ''), port };
}

export function formatEndpoint({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function parseUnit(text: string, pattern: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = new RegExp(pattern).exec(text);
  const factor = units[match?.[2] ?? ''];
  if (match === null || factor === undefined) return undefined;
  const value = Number(match[1]) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

function formatUnit(value: number, units: Readonly<Record<string, number>>, smallest: string): string {
  for (const [unit, factor] of Object.entries(units)) {
    if (value !== 0 && value % factor === 0) return `${value / factor}${unit}`;
  }
  return `${value}${smallest}`;
}
