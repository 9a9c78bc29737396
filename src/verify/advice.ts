/** What each verdict means and what to do about it, in words for a person under stress. One sentence each; details are in the manual. */
import type { PlainVerdict } from './finding.ts';

export interface Advice {
  means: string;
  next: string;
}

export const advice: Readonly<Record<PlainVerdict, Advice>> = {
  OK: { means: 'as it was signed, where it belongs', next: 'nothing' },
  'RETIRED-OK': { means: 'deleted by order of an operator, and its seal is kept', next: 'nothing' },
  'ERASED-OK': { means: 'its content was erased by order of an operator', next: 'nothing' },
  'REJECTED-OK': { means: 'refused by the search engine and kept among the rejects', next: 'nothing' },
  MODIFIED: {
    means: 'changed after it was signed',
    next: 'keep the index as it is; restore the record from a backup and compare',
  },
  'VIEW-DRIFT': {
    means: 'people see something else than what was signed',
    next: 'trust the signed text in logseal.raw; look at who changed document, mapping or alias',
  },
  MISSING: {
    means: 'signed and sealed, and not to be found',
    next: 'look for deletions in the audit log of the search engine; restore from a backup, or run logseal redeliver',
  },
  'MISSING-SEAL': {
    means: 'records that nothing closes',
    next: 'see whether the proxy runs; restore logseal-seals from a backup',
  },
  REORDERED: {
    means: 'records or seals that do not follow each other',
    next: 'treat the chain from there on as unproven and ask for help',
  },
  DUPLICATED: { means: 'a second copy of a record', next: 'find out who copied it; the copy can be deleted' },
  MOVED: { means: 'not where it was signed for', next: 'find out who moved it, and move it back' },
  FORGED: {
    means: 'not made by whoever holds the key',
    next: 'keep it as evidence; find out who can write there past the proxy',
  },
  FOREIGN: {
    means: 'of an instance or chain that is not trusted',
    next: 'if it is yours, give its trust file with --trust; else find out who wrote it',
  },
  UNSIGNED: { means: 'written past the proxy', next: 'find out who can write there past the proxy' },
  MALFORMED: {
    means: 'a signature field that cannot be read',
    next: 'keep it as evidence; restore the record from a backup',
  },
  TRUNCATED: { means: 'the end of the log was cut off', next: 'restore logseal-seals and the records from a backup' },
  'ROLLED-BACK': {
    means: 'an older state than this verifier has seen',
    next: 'see whether a snapshot was restored; redeliver or restore what is younger',
  },
  EQUIVOCATION: {
    means: 'two valid statements that contradict each other',
    next: 'the key or the proxy itself was misused: stop it and rotate its chains',
  },
  FORK: {
    means: 'two histories of one log',
    next: 'the checkpoint key or the proxy was misused: stop it and keep all copies',
  },
  'ANCHOR-MISMATCH': {
    means: 'an anchor over another history',
    next: 'keep both texts as evidence; the log was rewritten',
  },
  UNAUTHORISED: {
    means: 'an act that no operator ordered',
    next: 'ask every operator; rotate the chains if nobody did it',
  },
  'RETIRED-EARLY': {
    means: 'deleted before the policy allows it',
    next: 'ask the operator who signed it; restore from a backup',
  },
  'ERASE-INCOMPLETE': { means: 'ordered to be erased and still readable', next: 'erase it, copies and backups too' },
  'UNKNOWN-KEY': {
    means: 'no key was brought that could judge this',
    next: 'bring the key with --key or --operator-key, or go without with --public',
  },
  'BAD-KEY': {
    means: 'the key opened makes another chain',
    next: 'look for the right key; nothing is said about the records',
  },
  UNSUPPORTED: { means: 'written by a later version', next: 'verify with a newer release' },
  'ANCHOR-INVALID': { means: 'an anchor that proves nothing', next: 'fetch the anchor again, and see who wrote it' },
  STALE: { means: 'nothing was sealed lately', next: 'see whether the proxy runs' },
  PENDING: { means: 'too young to be judged', next: 'verify again in a minute' },
  UNCLEAN: { means: 'the proxy was stopped hard', next: 'nothing, if you know why' },
  CLOCK: { means: 'the clock jumped', next: 'look at the time service of the machine' },
  WEAK: { means: 'protected by less than a key of your own', next: 'make an auditor key with logseal keygen auditor' },
  UNANCHORED: {
    means: 'nothing outside the source confirms it',
    next: 'verify regularly, or keep checkpoints out of reach',
  },
};
