/**
 * Every error that Logseal expects: one closed list of codes, each with what the one who meets it should do.
 * A message names the thing and the place; it never holds a secret or a document's body.
 */

/** What the caller of a failed act does: try again later, refuse the request or item, or stop the process. */
export type Disposition = 'retry' | 'refuse' | 'stop';

export const errorCodes = {
  ACT_REFUSED: 'refuse',
  CLIENT_GONE: 'refuse',
  CLIENT_LIMITED: 'retry',
  CONFIG_INVALID: 'stop',
  CONTROL_INVALID: 'refuse',
  DATA_DIR_LOCKED: 'stop',
  DATA_DIR_INVALID: 'stop',
  DELIVERY_FAILED: 'stop',
  DEMO_FAILED: 'refuse',
  ENCRYPTION_KEY_MISSING: 'stop',
  ENCRYPTION_KEY_WRONG: 'stop',
  INTAKE_BUSY: 'retry',
  KEY_INVALID: 'stop',
  LOG_CORRUPT: 'stop',
  LOG_FULL: 'retry',
  REQUEST_REFUSED: 'refuse',
  NOTHING_TO_VERIFY: 'refuse',
  STOPPING: 'retry',
  UPSTREAM_CHANGED: 'stop',
  UPSTREAM_DENIED: 'retry',
  UPSTREAM_REFUSED: 'retry',
  UPSTREAM_UNKNOWN: 'retry',
  USAGE: 'refuse',
  WAL_CORRUPT: 'stop',
  WAL_FAILED: 'stop',
  WAL_TRIMMED: 'refuse',
} as const satisfies Record<string, Disposition>;

export type ErrorCode = keyof typeof errorCodes;

/** An expected failure. `details` are plain values for logs: never secrets, never document bodies. */
export class LogsealError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: Record<string, unknown> & { cause?: unknown } = {}) {
    const { cause, ...rest } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'LogsealError';
    this.code = code;
    this.details = rest;
  }

  get disposition(): Disposition {
    return errorCodes[this.code];
  }
}
