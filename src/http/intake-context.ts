/** What the bulk and the document handler need from the rest of the proxy, as small interfaces. */
import type { Intake } from '../bulk/intake.ts';
import type { IntakeRules } from '../bulk/intake-rules.ts';
import type { Clock } from '../lib/clock.ts';
import type { ObjectScanner } from '../lib/json-scan.ts';
import type { Admission } from './admission.ts';
import type { Caller } from './caller.ts';
import type { Exchange } from './exchange.ts';
import { unsignedReason } from './own-client.ts';
import type { Passthrough } from './passthrough.ts';

/**
 * Whether the holder of this Authorization header may create documents in all of `dests`. Where the search engine wants no
 * authentication: ok. Refusals of the whole request come with the search engine's own answer.
 */
export type Authorize = (authorization: string | undefined, dests: readonly string[]) => Promise<Authorized>;

export type Authorized =
  | { kind: 'ok' }
  | { kind: 'unauthorized'; status: number; headers: Readonly<Record<string, string>>; body: object }
  /** By destination: the sentence why not. The others are allowed. */
  | { kind: 'forbidden'; reasons: ReadonlyMap<string, string> };

export interface IntakeLimits {
  bodyBytesMax: number;
  documentBytesMax: number;
  itemsMax: number;
  /** One action line. */
  actionBytesMax: number;
}

/** What is counted once a request is done. */
export interface IntakeCounts {
  bodyBytes(bytes: number): void;
  /** Operations of a request that was read and answered, and those of them that were not signed. */
  operations(count: number, forwarded: number, refused: Iterable<{ error: { type: string } }>): void;
  /** Their sender heard yes. */
  acknowledged(count: number): void;
}

export interface IntakeContext {
  intake: Intake;
  authorize: Authorize;
  /**
   * Finds out which destinations can be signed. True: `isSigned` says otherwise now for one of them, and the request is read
   * again. Undefined at once where all of them are known.
   */
  learn: (dests: readonly string[]) => Promise<boolean> | undefined;
  /** Makes what is stored visible to searches, with the rights that wrote it. Never fails: a refresh comes by itself later. */
  refresh: (exchange: Pick<Exchange, 'request' | 'caller'>, dests: readonly string[]) => Promise<void>;
  passthrough: Passthrough;
  admission: Admission;
  limits: IntakeLimits;
  scanner: ObjectScanner;
  /** The configured acknowledgement; a request may ask for more. */
  ack: 'wal' | 'store';
  clock: Clock;
  counts: IntakeCounts;
}

export function rulesNow(context: IntakeContext, { client }: Caller): IntakeRules {
  const { intake, limits, scanner, clock } = context;
  return {
    itemsMax: limits.itemsMax,
    documentBytesMax: limits.documentBytesMax,
    actionBytesMax: limits.actionBytesMax,
    scanner,
    nowMs: clock.now(),
    isSigned: (dest) => intake.isSigned(dest),
    ownsId: (id) => intake.ownsId(id),
    whyNotForwarded: client && ((dest) => unsignedReason(client, dest)),
  };
}
