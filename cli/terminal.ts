/** What a command is given instead of `process`: streams, environment, and the place for its exit code. */
import type { Readable, Writable } from 'node:stream';
import type { ExitCode } from './exit-codes.ts';

export interface Terminal {
  readonly stdin: Readable;
  /** Results only. */
  readonly stdout: Writable;
  /** Progress, warnings, errors. */
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Set by a command that ran and has something to say; 0 otherwise. */
  exitCode: ExitCode;
}
