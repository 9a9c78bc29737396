/** What a request is read under: bounds, time, and what the instance signs. */
import type { ObjectScanner } from '../lib/json-scan.ts';

export interface IntakeRules {
  /** Operations of one request. */
  itemsMax: number;
  documentBytesMax: number;
  /** One action line. */
  actionBytesMax: number;
  scanner: ObjectScanner;
  /** Wall clock, for date math. */
  nowMs: number;
  isSigned(dest: string): boolean;
  ownsId(id: string): boolean;
  /** Where nothing unsigned is taken from this client: the sentence why not. */
  whyNotForwarded: ((dest: string) => string) | undefined;
}
