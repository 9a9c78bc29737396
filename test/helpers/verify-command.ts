/**
 * `logseal` as an auditor runs it: its own process, its words on standard output. Findings come back as short lines that a
 * test can compare as a set.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { Finding } from '../../src/verify/finding.ts';
import { bare } from './command.ts';

const main = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');
const outputBytesMax = 256 * 1024 * 1024;

export interface CommandResult {
  exit: number;
  stdout: string;
  stderr: string;
}

export interface VerifySummary {
  verdict: string;
  exit: number;
  /** Data records. */
  records: number;
  chains: number;
  epochs: number;
  counts: Record<string, number>;
  notCovered: string[];
  seconds: number;
}

export interface Verdicts {
  exit: number;
  summary: VerifySummary;
  findings: Finding[];
  /** As `tell` says them. */
  told: string[];
  stderr: string;
}

/** Runs any command of `logseal`; an exit code is a result, not an error. */
export function logseal(...args: string[]): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(
      ...bare(process.execPath, [main, ...args]),
      { maxBuffer: outputBytesMax, env: { PATH: process.env.PATH, HOME: '/nowhere' } },
      (error, stdout, stderr) => {
        const exit = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ exit, stdout, stderr });
      },
    );
  });
}

/** `logseal verify … --json`. Throws with what it wrote where it could not run, or ended otherwise than its summary says. */
export async function verifyCommand(...args: string[]): Promise<Verdicts> {
  const { exit, stdout, stderr } = await logseal('verify', ...args, '--json');
  const lines = stdout.split('\n').filter((line) => line !== '');
  const summary = lines.length === 0 ? undefined : (JSON.parse(lines.at(-1) ?? '') as VerifySummary);
  if (summary === undefined || exit !== summary.exit) throw new Error(`verify ended with ${exit}: ${stderr}`);
  const findings = lines.slice(0, -1).map((line) => JSON.parse(line) as Finding);
  return { exit, summary, findings, told: tell(findings), stderr };
}

const information: ReadonlySet<string> = new Set(['PENDING', 'UNCLEAN', 'CLOCK', 'WEAK', 'UNANCHORED']);

function isSerious({ verdict }: Finding): boolean {
  return !information.has(verdict);
}

/**
 * Findings, without what is information only, as `MODIFIED web 7`, `MISSING web 7-9`, `MISSING-SEAL web epoch 1`,
 * `UNSIGNED web/x1`, `VIEW-DRIFT web`: by dest or chain (`names` gives a chain's), else by where it was found.
 */
export function tell(findings: readonly Finding[], names: ReadonlyMap<string, string> = new Map()): string[] {
  return findings
    .filter(isSerious)
    .map(({ verdict, dest, chain, found, epoch, seq, to }) => {
      const where = dest ?? (chain === undefined ? found?._index : (names.get(chain) ?? chain)) ?? '';
      const named = chain === undefined && dest === undefined && found?._index !== 'logseal-checkpoints';
      const id = named && found?._id !== undefined ? `/${found._id}` : '';
      const run = to === undefined ? '' : `-${to}`;
      const place = seq === undefined ? (epoch === undefined ? '' : ` epoch ${epoch}`) : ` ${seq}${run}`;
      return `${verdict} ${where}${id}${place}`.trimEnd();
    })
    .sort();
}
