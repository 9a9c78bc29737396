/**
 * `logseal wal inspect|check`: what the logs of a data directory hold, what waits in them and since when, and whether any byte of
 * them is not what it was. Beside a running proxy or without one; takes no lock and writes nothing.
 */
import type { Command } from 'commander';
import { readEncryptionKeys } from '../src/config/encryption-keys.ts';
import { loadConfig } from '../src/config/load.ts';
import { LogsealError } from '../src/errors.ts';
import type { WalSurvey } from '../src/insight/wal-survey.ts';
import { surveyWal } from '../src/insight/wal-survey.ts';
import { damageLines, walBlocks, walObjects } from '../src/insight/wal-text.ts';
import { exitCodes } from './exit-codes.ts';
import { Output, table } from './output.ts';
import { startProgress } from './progress.ts';
import type { Terminal } from './terminal.ts';

interface WalFlags {
  readonly config?: string;
  readonly dataDir?: string;
  readonly encryptionKeyFile?: string;
  readonly secretsPermissions?: string;
  readonly top?: string;
  readonly json?: boolean;
}

const topDefault = 10;
/** So that all of it stays one screen. */
const segmentsMax = 12;

export function register(program: Command, terminal: Terminal): void {
  const group = program.command('wal').description('Look into the logs of a data directory; changes nothing.');
  const inspect = group
    .command('inspect')
    .description('show segments, cursor, what waits for the search engine and since when')
    .option('--top <n>', 'destinations that are named', String(topDefault));
  const check = group
    .command('check')
    .description('read every byte of write-ahead log, seal log and cursors; exit code 1 if any is damaged');
  for (const [command, act] of [[inspect, showWal] as const, [check, checkWal] as const]) {
    command
      .argument('[data-dir]', 'data directory of a proxy (default: as configured)')
      .option('--data-dir <dir>', 'the same')
      .option('--config <file>', 'configuration file')
      .option('--encryption-key-file <file>', 'key of encrypted segments: without it only their outside is looked at')
      .option('--secrets-permissions <which>', 'private, or any where the platform mounts secrets readable for all')
      .option('--json', 'one object a line, the whole last')
      .action((dataDir: string | undefined, flags: WalFlags) => act(dataDir, flags, terminal));
  }
}

async function showWal(argument: string | undefined, flags: WalFlags, terminal: Terminal): Promise<void> {
  const top = Number(flags.top ?? topDefault);
  if (!Number.isSafeInteger(top) || top < 0) throw new LogsealError('USAGE', `--top: ${flags.top} is no count`);
  const survey = await read(argument, flags, terminal);
  const nowMs = Date.now();
  const output = new Output(terminal.stdout);
  if (flags.json === true) return tellObjects(survey, nowMs, output);
  for (const block of walBlocks(survey, { nowMs, top, segmentsMax })) {
    for (const line of 'lines' in block ? block.lines : table(block.rows)) await output.line(line);
  }
  await tellDamage(survey, output);
}

async function checkWal(argument: string | undefined, flags: WalFlags, terminal: Terminal): Promise<void> {
  const survey = await read(argument, flags, terminal);
  const output = new Output(terminal.stdout);
  if (flags.json === true) return tellObjects(survey, Date.now(), output);
  const { segments, sealLog } = survey;
  const frames = segments.reduce((sum, segment) => sum + segment.frames, 0);
  await output.line(
    `${survey.dataDir}: ${segments.length} segments with ${frames} frames, ${sealLog.entries} seals, cursors, head`,
  );
  await tellDamage(survey, output);
}

async function read(argument: string | undefined, flags: WalFlags, terminal: Terminal): Promise<WalSurvey> {
  const settings: [string, string | undefined][] = [
    ['data-dir', argument ?? flags.dataDir],
    ['secrets-permissions', flags.secretsPermissions],
  ];
  const named = settings.filter((one): one is [string, string] => one[1] !== undefined);
  const sources = { environment: terminal.environment, flags: Object.fromEntries(named), file: flags.config };
  const { config } = loadConfig(sources);
  const { dataDir } = config;
  const { encryption } = config;
  const { encryptionKeyFile: keyFile = encryption.keyFile } = flags;
  const keys = readEncryptionKeys({ ...config, encryption: { ...encryption, keyFile } });
  const progress = startProgress(terminal, 'reading', 'bytes');
  try {
    const survey = await surveyWal({ dataDir, keys, onProgress: (bytes) => progress.update(bytes) });
    terminal.exitCode = survey.damage.length === 0 ? exitCodes.ok : exitCodes.tampering;
    return survey;
  } finally {
    progress.stop();
  }
}

async function tellDamage(survey: WalSurvey, output: Output): Promise<void> {
  const found = damageLines(survey);
  for (const line of found) await output.line(line);
  await output.line(found.length === 0 ? 'No damage found.' : `${found.length} places are damaged.`);
  await output.line(
    survey.total.closedFrames > 0
      ? 'Not covered: what is encrypted beyond its checksums, tags and signatures (logseal verify), key files.'
      : 'Not covered: tags and signatures (logseal verify), key files, and damage to the last group of a crash, which looks like a torn write.',
  );
}

async function tellObjects(survey: WalSurvey, nowMs: number, output: Output): Promise<void> {
  for (const object of walObjects(survey, nowMs)) await output.json(object);
}
