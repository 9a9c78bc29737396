/** What the doctor says of one thing: how it is, what was looked at, and what to do. */

/** In the order in which they are told. */
export const areas = [
  'configuration',
  'directory',
  'disk',
  'clock',
  'keys',
  'certificates',
  'search engine',
  'templates',
  'proxy',
] as const;
export type Area = (typeof areas)[number];

/** `warn` works and should be looked at · `fail` does not work, or breaks a promise. */
export type Status = 'ok' | 'warn' | 'fail';

export interface Check {
  area: Area;
  status: Status;
  /** A sentence: what was looked at and found. Never a secret. */
  found: string;
  /** What to do. */
  advice?: string;
}

export const dayMs = 86_400_000;
/** A certificate that ends sooner is worth a warning. */
export const soonMs = 30 * dayMs;

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
