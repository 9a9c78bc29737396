/**
 * The flags of verification, read into what a run is given: keys, trust, memory, anchors. Everything here comes from the verifier's
 * side; what is taken from a data directory for want of better is said.
 */

import type { KeyObject } from 'node:crypto';
import { hash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { TrustFile } from '../src/chain/trust-file.ts';
import { decodeTrustFile } from '../src/chain/trust-file.ts';
import { LogsealError } from '../src/errors.ts';
import { readOperatorPublicKey } from '../src/keys/operator.ts';
import { unwrapSecret } from '../src/keys/wrap.ts';
import { decodeBase64Url } from '../src/lib/base64url.ts';
import type { Anchor } from '../src/verify/anchors.ts';
import { copyAnchor } from '../src/verify/anchors.ts';
import type { Selection, VerifyOptions } from '../src/verify/options.ts';
import type { PlacePattern } from '../src/verify/places.ts';
import type { Source } from '../src/verify/source.ts';
import type { Unwrap } from '../src/verify/trust.ts';
import { ViewComparison } from '../src/verify/view.ts';
import { openGivenKey } from './auditor-key.ts';
import type { SourceChoice } from './source-argument.ts';
import type { Terminal } from './terminal.ts';

export interface VerifyFlags extends Readonly<Record<string, unknown>> {
  readonly key?: string;
  readonly passphraseFile?: string;
  readonly public?: boolean;
  readonly trust?: string[];
  readonly state?: string | false;
  readonly operatorKey?: string[];
  readonly checkpoint?: string[];
  readonly place?: string[];
  readonly pipelinePath?: string[];
  readonly grace?: string;
  readonly index?: string;
  readonly chain?: string;
  readonly from?: string;
  readonly to?: string;
  readonly json?: boolean;
}

/** Everything of a run but source, places for output, and progress. */
export type GivenOptions = Omit<VerifyOptions, 'source' | 'temporaryDirectory' | 'onFinding' | 'onProgress'>;

const graceSeconds = '60';
const fileBytesMax = 16 * 1024 * 1024;

export function addVerifyOptions(command: Command): Command {
  const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
  return command
    .option('--key <file>', "the auditor's private key")
    .option('--passphrase-file <file>', 'file with its passphrase')
    .option('--public', 'verify without any key, by seals and checkpoints alone')
    .option('--trust <file>', 'trust file of an instance; may be given several times', collect)
    .option('--state <file>', 'where this verifier remembers the logs it has seen')
    .option('--no-state', 'neither read nor write that memory')
    .option('--operator-key <file>', "an operator's public key, PEM; may be given several times", collect)
    .option('--checkpoint <file>', 'a checkpoint kept elsewhere that the log must agree with', collect)
    .option('--place <dest=pattern>', 'indices by other names that belong to dest', collect)
    .option('--pipeline-path <path>', 'a field that an ingest pipeline may change', collect)
    .option('--grace <seconds>', 'how long a sealed record may be on its way', graceSeconds);
}

/** Errors: USAGE, KEY_INVALID. Warnings go to stderr. */
export function verifyOptions(choice: SourceChoice, flags: VerifyFlags, terminal: Terminal): GivenOptions {
  if (flags.public === true && flags.key !== undefined) throw usage('give either --key or --public, not both');
  const auditor = flags.public === true ? undefined : openGivenKey(flags, choice, terminal);
  if (auditor === undefined && flags.public !== true) {
    throw usage("give the auditor's private key with --key, or verify without with --public");
  }
  const remarks: string[] = [];
  const trust = readTrust(choice, flags, remarks);
  return {
    now: Date.now(),
    graceMs: graceOf(flags),
    trust,
    unwrap: auditor === undefined ? undefined : unwrapWith(auditor.key),
    operatorKeys: (flags.operatorKey ?? []).map(readOperatorPublicKey),
    selection: selectionOf(flags),
    stateFile: stateFileOf(choice, flags, trust, terminal),
    remarks,
    anchors: (flags.checkpoint ?? []).map(readCheckpoint),
    placePatterns: (flags.place ?? []).map(placePattern),
    pipelinePaths: flags.pipelinePath ?? [],
    view: new ViewComparison(),
    developmentKey: auditor?.development === true,
  };
}

function unwrapWith(key: KeyObject): Unwrap {
  return (_chain, wrapped) => {
    if (wrapped.length === 0) return undefined;
    try {
      return unwrapSecret(wrapped, key);
    } catch (error) {
      if (error instanceof LogsealError && error.code === 'KEY_INVALID') return undefined;
      throw error;
    }
  };
}

/** Given trust files; for a data directory without any the one that the proxy keeps there. */
function readTrust(choice: SourceChoice, flags: VerifyFlags, remarks: string[]): TrustFile[] {
  if (flags.trust !== undefined) return flags.trust.map(readTrustFile);
  if (choice.kind !== 'store') return [];
  const path = join(choice.dataDir, 'trust.json');
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return [];
  remarks.push(`no --trust was given: the trust file was taken from the data directory itself (${path})`);
  return [readTrustFile(path)];
}

export function readTrustFile(path: string): TrustFile {
  const decoded = decodeTrustFile(readSmall(path).toString());
  if (!decoded.ok) throw usage(`${path} is no trust file: it ${decoded.reason}`);
  return decoded.trust;
}

/** Given, or by source under the state directory of the user: the same place read again is compared with what it was. */
function stateFileOf(
  choice: SourceChoice,
  { state }: VerifyFlags,
  trust: readonly TrustFile[],
  { environment }: Terminal,
): (source: Source) => string | undefined {
  if (state === false) return () => undefined;
  if (typeof state === 'string') return () => state;
  if (choice.kind === 'ndjson' && choice.path === '-') return () => undefined;
  const base = environment.XDG_STATE_HOME ?? join(environment.HOME ?? homedir(), '.local', 'state');
  return (source) => {
    const place = choice.kind === 'search' ? choice.config.elasticsearch.url.join(',') : resolve(choice.path);
    const name = [choice.kind, source.identity ?? place, ...trust.map(({ origin }) => origin)].join('\n');
    return join(base, 'logseal', `verify-${hash('sha256', name, 'hex').slice(0, 16)}.json`);
  };
}

function readCheckpoint(path: string): Anchor {
  return copyAnchor(`the checkpoint in ${path}`, readSmall(path).toString());
}

function readSmall(path: string): Buffer {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined || size > fileBytesMax) throw usage(`${path} is not there, or no file of this kind`);
  return readFileSync(path);
}

function selectionOf({ index, chain, from, to }: VerifyFlags): Selection {
  if (chain !== undefined && decodeBase64Url(chain, 16) === undefined)
    throw usage(`--chain ${chain} is no chain id of 22 characters`);
  return {
    ...(index === undefined ? {} : { index }),
    ...(chain === undefined ? {} : { chain }),
    ...(from === undefined ? {} : { from: timeOf('--from', from) }),
    ...(to === undefined ? {} : { to: timeOf('--to', to) }),
  };
}

/** ISO 8601, or milliseconds since 1970. */
export function timeOf(flag: string, text: string): number {
  const time = /^\d{11,15}$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isSafeInteger(time)) throw usage(`${flag} ${text} is no time: write it as 2026-11-23T10:00:00Z`);
  return time;
}

function graceOf({ grace }: VerifyFlags): number {
  const seconds = Number(grace ?? graceSeconds);
  if (!Number.isFinite(seconds) || seconds < 0 || seconds > 86_400)
    throw usage(`--grace ${grace} is not between 0 and 86400 seconds`);
  return Math.round(seconds * 1000);
}

function placePattern(text: string): PlacePattern {
  const split = text.indexOf('=');
  if (split <= 0 || split === text.length - 1) throw usage(`--place ${text} is not dest=pattern`);
  return { dest: text.slice(0, split), pattern: text.slice(split + 1) };
}

function usage(sentence: string): LogsealError {
  return new LogsealError('USAGE', sentence);
}
