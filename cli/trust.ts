/**
 * `logseal trust`: writes the trust file that a verifier brings (FORMAT section 6). From a data directory it is the instance's own; from
 * anywhere else the control chain is followed from a trust file that is there already, or pinned, saying so. A file that is
 * there is gone on from: what was trusted once is never left out.
 */
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { TrustFile } from '../src/chain/trust-file.ts';
import { encodeTrustFile } from '../src/chain/trust-file.ts';
import { LogsealError } from '../src/errors.ts';
import { replaceFile } from '../src/lib/durable-file.ts';
import { verdictGroups } from '../src/verify/finding.ts';
import { growTrustFiles } from '../src/verify/trust-growth.ts';
import { readInstance } from './keys-show.ts';
import { openSource } from './open-source.ts';
import { Output } from './output.ts';
import { addSourceOptions, chooseSource } from './source-argument.ts';
import type { Terminal } from './terminal.ts';
import type { VerifyFlags } from './verify-flags.ts';
import { readTrustFile, verifyOptions } from './verify-flags.ts';

interface TrustFlags extends VerifyFlags {
  readonly out: string;
  readonly origin?: string;
}

export function register(program: Command, terminal: Terminal): void {
  const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
  const command = program.command('trust').description('Write the trust file that a verifier brings with him.');
  addSourceOptions(command)
    .requiredOption('--out <file>', 'where to write it; one that is there is gone on from; - is standard output')
    .option('--trust <file>', 'an older trust file to go on from; may be given several times', collect)
    .option('--origin <name>', 'which instance, where the source holds several')
    .option('--key <file>', "the auditor's private key: chains are then taken by their tags")
    .option('--passphrase-file <file>', 'file with its passphrase')
    .action((source: string | undefined, flags: TrustFlags) => run(source, flags, terminal));
}

async function run(argument: string | undefined, flags: TrustFlags, terminal: Terminal): Promise<void> {
  const trust =
    (argument === undefined ? undefined : ownTrust(argument)) ?? (await grownTrust(argument, flags, terminal));
  const text = encodeTrustFile(trust);
  const output = new Output(terminal.stdout);
  if (flags.out === '-') return output.write(text);
  await replaceFile(flags.out, text, 0o644);
  await output.line(`${flags.out}: ${trust.origin}, ${trust.chains.length} chains`);
}

/** A data directory knows its own chains; undefined for any other source. */
function ownTrust(path: string): TrustFile | undefined {
  if (statSync(join(path, 'trust.json'), { throwIfNoEntry: false }) === undefined) return undefined;
  const trust = readTrustFile(join(path, 'trust.json'));
  const chains = [...trust.chains, ...readInstance(path).chains.map(({ id }) => id)];
  return { ...trust, chains: [...new Set(chains)] };
}

async function grownTrust(argument: string | undefined, flags: TrustFlags, terminal: Terminal): Promise<TrustFile> {
  const choice = chooseSource(argument, flags, terminal);
  const before = flags.trust ?? (isFile(flags.out) ? [flags.out] : undefined);
  const given = verifyOptions(
    choice,
    {
      ...flags,
      state: false,
      ...(flags.key === undefined ? { public: true } : {}),
      ...(before === undefined ? {} : { trust: before }),
    },
    terminal,
  );
  const { grown, findings } = await growTrustFiles({
    ...given,
    source: openSource(choice, {}, terminal),
    temporaryDirectory: tmpdir(),
    onFinding: () => {},
    onProgress: () => {},
  });
  const bad = findings.filter(({ verdict }) => isTampering(verdict)).length;
  if (bad > 0) terminal.stderr.write(`logseal: ${bad} findings on the way; logseal verify shows them\n`);
  const found = grown.filter(({ trust }) => flags.origin === undefined || trust.origin === flags.origin);
  const [only, ...others] = found;
  if (only === undefined)
    throw new LogsealError('NOTHING_TO_VERIFY', 'no instance was found there whose chains could be trusted');
  if (others.length > 0) {
    const names = found.map(({ trust }) => trust.origin).join(', ');
    throw new LogsealError('USAGE', `several instances are there: choose one with --origin: ${names}`);
  }
  if (only.pinned) {
    const sentence =
      'no trust file to go on from: this one is pinned from what the source says of itself. Compare its vkey';
    terminal.stderr.write(`logseal: ${sentence} with the trust.json of the proxy\n`);
  }
  return only.trust;
}

function isTampering(verdict: string): boolean {
  return Object.entries(verdictGroups).some(([name, group]) => name === verdict && group === 'tampering');
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
