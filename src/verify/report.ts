/**
 * The report for a person: one screen, plain words. What was checked, what was found, where, since when, what next, what not.
 *
 * Owns the wording. Pure: takes a summary, returns lines. The last line says what was not covered.
 */
import { advice } from './advice.ts';
import type { Verdict, VerdictGroup } from './finding.ts';
import { groupOf, isPlainVerdict } from './finding.ts';
import type { Summary } from './options.ts';
import type { FindingGroup } from './tally.ts';

const groupsShown = 6;
const examplesShown = 2;

export function reportLines(summary: Summary, anchorConfigured: boolean): string[] {
  const rules = { anchorConfigured };
  const inGroup = (group: VerdictGroup): FindingGroup[] =>
    summary.groups.filter(({ verdict }) => groupOf(verdict, rules) === group);
  const bad = inGroup('tampering');
  const unsure = inGroup('cannot say');
  const info = inGroup('information');
  return [
    headline(summary, bad, unsure),
    '',
    ...checkedLines(summary),
    `Found    ${countsLine(summary)}`,
    ...groupLines([...bad, ...unsure], examplesShown),
    ...groupLines(info, 1),
    ...sinceLines(bad),
    ...nextLines([...bad, ...unsure]),
    '',
    ...notCoveredLines(summary),
  ];
}

function recordsOf(count: number): string {
  return count === 1 ? '1 record' : `${number(count)} records`;
}

function headline({ exit, records, counts }: Summary, bad: FindingGroup[], unsure: FindingGroup[]): string {
  if (exit === 1) {
    const verdicts = [...new Set(bad.map(({ verdict }) => verdict))];
    return `TAMPERING FOUND: ${verdicts.join(', ')}`;
  }
  if (exit === 2) {
    const verdicts = [...new Set(unsure.map(({ verdict }) => verdict))];
    return `CANNOT SAY: ${verdicts.length > 0 ? verdicts.join(', ') : 'UNANCHORED'}. Nothing bad was found as far as could be seen.`;
  }
  const young = counts.PENDING ?? 0;
  const pending = young === 0 ? '' : `; ${number(young)} of them are PENDING, not sealed for long enough yet`;
  return `VERIFIED: ${recordsOf(records)}, nothing changed, removed, added or moved${pending}.`;
}

function checkedLines({ checked, records, chains, epochs, seconds }: Summary): string[] {
  const key = checked.withKey ? "with the auditor's key" : 'without a key, tags taken as given';
  const rate = seconds > 0 ? `, ${number(Math.round(checked.documents / seconds))} documents a second` : '';
  const lines = [
    `Checked  ${recordsOf(records)} of ${chains} chains, ${number(epochs)} epochs, ${key} (${seconds.toFixed(1)} s${rate})`,
    `         in ${checked.source}`,
  ];
  if (checked.since !== undefined && checked.asOf !== undefined) {
    lines.push(`         signed between ${time(checked.since)} and ${time(checked.asOf)}, as of the newest seal`);
  }
  if (checked.origins.length > 0) {
    const by = checked.anchored.length > 0 ? `, confirmed by ${checked.anchored.join(', ')}` : '';
    lines.push(`         log of ${checked.origins.join(', ')}: ${number(checked.seals)} seals${by}`);
  }
  return lines;
}

function countsLine({ counts }: Summary): string {
  return Object.entries(counts)
    .map(([verdict, count]) => `${number(count)} ${verdict}`)
    .join(' · ');
}

function groupLines(groups: FindingGroup[], examples: number): string[] {
  const lines: string[] = [];
  for (const group of groups.slice(0, groupsShown)) {
    const where = group.place === undefined ? '' : ` in ${group.place}`;
    const meaning = isPlainVerdict(group.verdict) ? ` (${advice[group.verdict].means})` : '';
    lines.push(`  ${group.verdict}${meaning}: ${number(group.count)}${where}${chainOf(group)}`);
    for (const { found, seq, detail } of group.examples.slice(0, examples)) {
      const id = found?._id === undefined ? '' : `${found._index}/${found._id}: `;
      const place = seq === undefined ? '' : `seq ${seq}: `;
      lines.push(`    ${id}${place}${detail}`);
    }
  }
  if (groups.length > groupsShown) lines.push(`  and ${groups.length - groupsShown} more kinds and places: see --json`);
  return lines;
}

function chainOf({ chain, firstSeq, lastSeq }: FindingGroup): string {
  if (chain === undefined) return '';
  const range =
    firstSeq === undefined ? '' : firstSeq === lastSeq ? `, seq ${firstSeq}` : `, seq ${firstSeq} to ${lastSeq}`;
  return `, chain ${chain}${range}`;
}

function sinceLines(bad: FindingGroup[]): string[] {
  const since = bad.reduce<number | undefined>((least, group) => {
    if (group.since === undefined) return least;
    return least === undefined ? group.since : Math.min(least, group.since);
  }, undefined);
  return since === undefined ? [] : [`Since    the oldest record concerned was signed about ${time(since)}`];
}

function nextLines(groups: FindingGroup[]): string[] {
  const verdicts = [...new Set<Verdict>(groups.map(({ verdict }) => verdict))].filter(isPlainVerdict);
  return verdicts
    .slice(0, groupsShown)
    .map((verdict, at) => `${at === 0 ? 'Next     ' : '         '}${verdict}: ${advice[verdict].next}`);
}

function notCoveredLines({ notCovered }: Summary): string[] {
  if (notCovered.length === 0) return ['Not covered: nothing that belongs to the instances named above.'];
  const shown = notCovered.slice(0, groupsShown);
  const more = notCovered.length > shown.length ? [`and ${notCovered.length - shown.length} more`] : [];
  return [`Not covered: ${[...shown, ...more].join('; ')}.`];
}

function number(value: number): string {
  return value.toLocaleString('en');
}

function time(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
