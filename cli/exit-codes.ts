/** What the process says to the shell. Scripts depend on these numbers: they are never changed. */
export const exitCodes = {
  /** Done, and nothing bad was found. */
  ok: 0,
  /** Verification found tampering, `wal` damage, `doctor` something that fails, `health` a proxy that accepts nothing. */
  tampering: 1,
  /** Verification cannot say, for want of a key or of an answer. */
  cannotSay: 2,
  /** Wrong usage or configuration, source unreachable, nothing to verify. */
  couldNotRun: 3,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
