/** Seqs on the command line: `7`, or `3-5,9` for several. */
import { LogsealError } from '../src/errors.ts';

/** Errors: USAGE, naming the flag. */
export function seqOf(flag: string, text: string): number {
  const seq = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seq)) throw new LogsealError('USAGE', `${flag} ${text} is no seq: a whole number`);
  return seq;
}
