/** Seqs on the command line: `7`, or `3-5,9` for several. */
import { LogsealError } from '../src/errors.ts';

/** Errors: USAGE, naming the flag. */
export function seqOf(flag: string, text: string): number {
  const seq = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seq)) throw new LogsealError('USAGE', `${flag} ${text} is no seq: a whole number`);
  return seq;
}

/** `3-5,9` as inclusive runs. Errors: USAGE, naming the flag. */
export function seqsOf(flag: string, text: string): [number, number][] {
  return text.split(',').map((part) => {
    const [from = '', to = from] = part.split('-', 2);
    const run: [number, number] = [seqOf(flag, from), seqOf(flag, to)];
    if (run[0] > run[1]) throw new LogsealError('USAGE', `${flag} ${part} ends before it begins`);
    return run;
  });
}
