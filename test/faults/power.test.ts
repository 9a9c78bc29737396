/**
 * Fault class *power*: the real proxy runs on a disk that records, and the power goes at every change of that record. What was synced
 * is there; of everything else any part, in any order. LOGSEAL_TEST_SEED repeats a run's draws.
 */
import type { Test } from 'tap';
import t from 'tap';
import { randomFrom } from '../helpers/simulated-disk.ts';
import type { Problem } from './crash-check.ts';
import { faultyMountMissing } from './faulty-mount.ts';
import type { Cut, Outcome } from './power-cuts.ts';
import { cutInProcess, cutUnderProxy, everyCut, someCuts } from './power-cuts.ts';
import type { ProtectionName } from './protections.ts';
import { protections, withoutProtection } from './protections.ts';
import type { RecordedRun, RunOptions } from './recorded-run.ts';
import { recordRun } from './recorded-run.ts';
import type { Row } from './row.ts';
import { record } from './row.ts';

const skip = faultyMountMissing();
const long = process.env.LOGSEAL_TEST_FAULTS_LONG !== undefined;
const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`LOGSEAL_TEST_SEED=${seed}`);
if (skip) t.comment(skip);

const statesInShort = 160;
/** At most: the first damage ends it. */
const controlStates = 150;
const underProxyInShort = 2;

/** Killed, then started again and stopped: recovery, deliveries, trims and an end in order are in the record, too. */
const killedAndStopped: RunOptions = {
  processes: [
    { bulks: 40, end: 'kill' },
    { bulks: 40, end: 'stop' },
  ],
};
/** Chains end and begin all the time. */
const rotating: RunOptions = {
  processes: [
    { bulks: 30, end: 'kill' },
    { bulks: 60, end: 'kill' },
    { bulks: 30, end: 'stop' },
  ],
  environment: { LOGSEAL_CHAINS_ROTATE_EVERY: '1s', LOGSEAL_EPOCH_RECORDS_MAX: '16' },
};

function rowOf(fault: string, outcome: Outcome, verify: string): Row {
  const count = (kind: string) =>
    outcome.problems.filter((one) => one.kind === kind).reduce((sum, one) => sum + one.count, 0);
  const starts = outcome.problems.filter((one) => one.kind === 'start').length;
  const seals = count('seals') > 0 ? [`${count('seals')} seals or keys wrong`] : [];
  const failed = starts > 0 ? [`${starts} of ${outcome.states} do not start`] : [];
  return {
    class: 'power',
    fault,
    injected: outcome.states,
    acknowledged: outcome.acknowledged,
    lost: count('lost'),
    twice: count('twice'),
    outOfPlace: count('outOfPlace'),
    verify: [...failed, ...seals, ...(verify === 'clean' ? [] : [verify])].join(', ') || 'clean',
  };
}

/** The first few, so that a failure can be repeated and understood. */
function told(run: RecordedRun, outcome: Outcome): string[] {
  return outcome.problems.slice(0, 10).map(({ after, draw, text }) => {
    const change = run.changes.find(({ number }) => number === after);
    return `after change ${after} (${change?.kind} ${change?.path}), draw ${draw}: ${text}`;
  });
}

async function wholeRun(t: Test, name: string, options: RunOptions): Promise<void> {
  const run = await recordRun(options);
  const random = randomFrom(seed);
  const cuts = long ? everyCut(run.changes, 8) : someCuts(run.changes, statesInShort, random);
  const outcome = await cutInProcess(run, cuts, seed);
  t.strictSame(
    told(run, outcome),
    [],
    `${run.changes.length} changes, ${outcome.states} states: every promise is kept`,
  );
  t.ok(outcome.states > statesInShort / 2 && outcome.acknowledged > 0, 'there was something to lose');

  const sample: Cut[] = someCuts(run.changes, long ? 60 : underProxyInShort, random);
  const under = await cutUnderProxy(run, sample, seed);
  t.strictSame(
    under.flatMap(({ problems }) => problems),
    [],
    `the real proxy starts on ${under.length} of them, and all is stored once`,
  );
  const verify = under.map((one) => one.verify).find((text) => text !== 'clean') ?? 'clean';
  t.equal(verify, 'clean', 'and verifies');
  const recoverMs = Math.max(...under.map((one) => one.recoverMs));
  record({ ...rowOf(name, outcome, verify), ...(under.length === 0 ? {} : { recoverMs }) });
}

t.test('power cut at any change of a run that is killed and stopped', { skip }, (t) =>
  wholeRun(t, 'power cut, what was not synced in any part and order', killedAndStopped),
);

if (long) {
  t.test('power cut while chains are rotated', { skip }, (t) =>
    wholeRun(t, 'power cut while chains are rotated', rotating),
  );
}

const controls: readonly [ProtectionName, Problem['kind']][] = [
  ['fsync', 'lost'],
  ['seal-before-key', 'start'],
  ['directory-fsync', 'lost'],
];
for (const [name, damage] of controls) {
  const { without } = protections[name];
  t.test(`control: without ${without} the damage is seen`, { skip }, async (t) => {
    const run = await recordRun({ processes: [{ bulks: 20, end: 'kill' }], nodeFlags: withoutProtection(name) });
    // Before the first answer there is nothing to lose.
    const from = run.acknowledged[0]?.at ?? 0;
    const promising = run.changes.filter(({ number }) => number >= from);
    const cuts = someCuts(promising, controlStates, randomFrom(seed));
    const outcome = await cutInProcess(run, cuts, seed, { until: damage, keep: [0] });
    const seen = outcome.problems.some(({ kind }) => kind === damage);
    t.ok(seen, `${outcome.states} states: ${told(run, outcome)[0]}`);
    record({ ...rowOf('power cut, what was not synced in any part and order', outcome, 'clean'), without });
  });
}
