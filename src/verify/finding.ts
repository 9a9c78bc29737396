/**
 * The verdicts of format LSP1, each with its group: the one place that decides what an exit code is made of.
 *
 * Owns names, groups and the shape of a finding. Must never gain a verdict that the format page does not know.
 */

export const verdictGroups = {
  OK: 'good',
  'RETIRED-OK': 'good',
  'ERASED-OK': 'good',
  'REJECTED-OK': 'good',
  MODIFIED: 'tampering',
  'VIEW-DRIFT': 'tampering',
  MISSING: 'tampering',
  'MISSING-SEAL': 'tampering',
  REORDERED: 'tampering',
  DUPLICATED: 'tampering',
  MOVED: 'tampering',
  FORGED: 'tampering',
  FOREIGN: 'tampering',
  UNSIGNED: 'tampering',
  MALFORMED: 'tampering',
  TRUNCATED: 'tampering',
  'ROLLED-BACK': 'tampering',
  EQUIVOCATION: 'tampering',
  FORK: 'tampering',
  'ANCHOR-MISMATCH': 'tampering',
  UNAUTHORISED: 'tampering',
  'RETIRED-EARLY': 'tampering',
  'ERASE-INCOMPLETE': 'tampering',
  'UNKNOWN-KEY': 'cannot say',
  'BAD-KEY': 'cannot say',
  UNSUPPORTED: 'cannot say',
  'ANCHOR-INVALID': 'cannot say',
  STALE: 'cannot say',
  PENDING: 'information',
  UNCLEAN: 'information',
  CLOCK: 'information',
  WEAK: 'information',
  UNANCHORED: 'information',
} as const;

export type VerdictGroup = (typeof verdictGroups)[keyof typeof verdictGroups];
export type PlainVerdict = keyof typeof verdictGroups;
export type Verdict = PlainVerdict | `ACKNOWLEDGED(${PlainVerdict})`;

/** What was found at one place. Everything but the verdict and the sentence is absent where it does not apply. */
export interface Finding {
  verdict: Verdict;
  /** The chain's id, 22 characters. */
  chain?: string;
  epoch?: number;
  /** Position in the epoch. */
  index?: number;
  seq?: number;
  /** Last seq, where the finding is a run that begins at `seq`. */
  to?: number;
  /** How many records, seals or documents the finding stands for; 1 where absent. */
  count?: number;
  dest?: string;
  id?: string;
  /** Without `_id`: the whole index. */
  found?: { _index: string; _id?: string };
  /** Wall clock in ms since 1970: when what was found was signed, as far as that is known. */
  time?: number;
  /** One sentence for a person. Never a document's content. */
  detail: string;
}

/** UNANCHORED weighs more once the verifier's configuration names an anchor. */
export interface GroupRules {
  anchorConfigured: boolean;
}

export function groupOf(verdict: Verdict, rules: GroupRules): VerdictGroup {
  if (isAcknowledged(verdict)) return 'information';
  if (verdict === 'UNANCHORED' && rules.anchorConfigured) return 'cannot say';
  return verdictGroups[verdict];
}

function isAcknowledged(verdict: Verdict): verdict is `ACKNOWLEDGED(${PlainVerdict})` {
  return verdict.startsWith('ACKNOWLEDGED(');
}

/** Whether a text, say of an acknowledge record, names a verdict. */
export function isPlainVerdict(text: string): text is PlainVerdict {
  return Object.hasOwn(verdictGroups, text);
}

const exitCodes = { good: 0, tampering: 1, cannotSay: 2, couldNotRun: 3 } as const;

/** Exit code of a run that could be made: tampering before cannot-say before good. */
export function exitCodeOf(verdicts: Iterable<Verdict>, rules: GroupRules): 0 | 1 | 2 {
  let code: 0 | 1 | 2 = exitCodes.good;
  for (const verdict of verdicts) {
    const group = groupOf(verdict, rules);
    if (group === 'tampering') return exitCodes.tampering;
    if (group === 'cannot say') code = exitCodes.cannotSay;
  }
  return code;
}

/** The heaviest verdict of a run, for its last line: the first of the worst group, in the order of the format page. */
export function worstVerdict(verdicts: ReadonlySet<Verdict>, rules: GroupRules): Verdict {
  for (const group of ['tampering', 'cannot say'] as const) {
    for (const name of Object.keys(verdictGroups)) {
      if (isPlainVerdict(name) && verdicts.has(name) && groupOf(name, rules) === group) return name;
    }
  }
  return 'OK';
}
