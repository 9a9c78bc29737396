/**
 * Operators' acts as the command line makes them: written down, signed with a private key that never goes to the proxy, and sent to its
 * admin port. A key kept offline signs in between: the act goes into a file, is signed elsewhere, and the file is sent.
 */
import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ControlKind } from '../src/chain/control-form.ts';
import type { OperatorSignature } from '../src/chain/control-record.ts';
import { operatorKeyId, signOperator } from '../src/chain/control-record.ts';
import { LogsealError } from '../src/errors.ts';
import { openOperatorKey } from '../src/keys/operator.ts';
import type { DeskStatus, TakenAct } from '../src/proxy/operator-desk.ts';
import type { AdminClient, AdminFlags } from './admin-client.ts';
import { addAdminOptions, openAdmin } from './admin-client.ts';
import { Output } from './output.ts';
import { readPassphrase } from './passphrase.ts';
import type { Terminal } from './terminal.ts';

/** What is to be said, before it is anybody's. */
export interface PlainAct {
  kind: ControlKind;
  body: object;
}

/** An act of a file. Without `operator` it waits for its signature. */
interface FiledAct extends PlainAct {
  v: 1;
  origin: string;
  operator?: OperatorSignature;
}

export interface KeyFlags extends Readonly<Record<string, unknown>> {
  readonly key?: string;
  readonly passphraseFile?: string;
  readonly serial?: string;
}

export interface ActFlags extends AdminFlags, KeyFlags {
  readonly out?: string;
  readonly json?: boolean;
}

const fileBytesMax = 16 * 1024 * 1024;
const actsMax = 10_000;

export function addKeyOptions(command: Command): Command {
  return command
    .option('--key <file>', "the operator's private key")
    .option('--passphrase-file <file>', 'file with its passphrase')
    .option('--serial <number>', 'of the first act; must be above all that the key has used (default: the time)');
}

export function addActOptions(command: Command): Command {
  return addAdminOptions(addKeyOptions(command))
    .option('--out <file>', 'write the act there instead of sending it; without --key it is not signed yet')
    .option('--json', 'one object a line');
}

/** Asks the proxy, makes the acts, and signs and sends them, or writes them down. */
export async function order(
  make: (status: DeskStatus, admin: AdminClient) => Promise<PlainAct[]>,
  flags: ActFlags,
  terminal: Terminal,
): Promise<void> {
  const key = operatorKey(flags, terminal);
  if (key === undefined && flags.out === undefined) {
    throw new LogsealError('USAGE', "give the operator's private key with --key, or a file for the act with --out");
  }
  await using admin = openAdmin(flags);
  const status = (await admin.ask('GET', '/operator')) as DeskStatus;
  const plain = await make(status, admin);
  const acts = plain.map(({ kind, body }): FiledAct => ({ v: 1, origin: status.origin, kind, body }));
  const signed = key === undefined ? acts : signAll(acts, key, flags, status);
  if (flags.out === undefined) await sendAll(signed, admin, flags, terminal);
  else await writeActs(flags.out, signed, terminal);
}

/** Signs the acts of a file, away from everything. */
export async function signFile(path: string, flags: KeyFlags & { out: string }, terminal: Terminal): Promise<void> {
  const key = operatorKey(flags, terminal);
  if (key === undefined) throw new LogsealError('USAGE', "give the operator's private key with --key");
  const acts = readActs(path);
  for (const { origin, kind, body } of acts) terminal.stderr.write(`${origin}: ${kind} ${JSON.stringify(body)}\n`);
  await writeActs(flags.out, signAll(acts, key, flags, undefined), terminal);
}

export async function sendFile(path: string, flags: ActFlags, terminal: Terminal): Promise<void> {
  const acts = readActs(path);
  if (acts.some(({ operator }) => operator === undefined)) {
    throw new LogsealError('USAGE', `${path} holds acts that are not signed: logseal operator sign ${path} --key …`);
  }
  await using admin = openAdmin(flags);
  await sendAll(acts, admin, flags, terminal);
}

function operatorKey(flags: KeyFlags, terminal: Terminal): KeyObject | undefined {
  if (flags.key === undefined) return undefined;
  const passphrase = readPassphrase(flags.passphraseFile, terminal);
  return openOperatorKey(readFileSync(flags.key), passphrase, flags.key);
}

function signAll(
  acts: readonly FiledAct[],
  key: KeyObject,
  flags: KeyFlags,
  status: DeskStatus | undefined,
): FiledAct[] {
  const id = operatorKeyId(createPublicKey(key));
  const last = status?.keys.find((known) => known.key === id)?.serial ?? -1;
  // The time rises by itself, also where the proxy's directory is an old copy that remembers a lower serial.
  const first = flags.serial === undefined ? Math.max(last + 1, Date.now()) : Number(flags.serial);
  if (!Number.isSafeInteger(first) || first < 0) {
    throw new LogsealError('USAGE', `--serial ${flags.serial} is no whole number`);
  }
  return acts.map((act, at) => ({ ...act, operator: signOperator(key, { ...act, serial: first + at }) }));
}

async function sendAll(
  acts: readonly FiledAct[],
  admin: AdminClient,
  flags: ActFlags,
  terminal: Terminal,
): Promise<void> {
  const output = new Output(terminal.stdout);
  for (const act of acts) {
    const taken = (await admin.ask('POST', '/operator/acts', act)) as TakenAct;
    const { kind, seq, id } = taken;
    if (flags.json === true) await output.json({ type: 'act', v: 1, kind, seq, id, body: act.body });
    else await output.line(`${kind} ${JSON.stringify(act.body)}: signed as control record ${seq} (${id})`);
  }
}

async function writeActs(path: string, acts: readonly FiledAct[], terminal: Terminal): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify({ v: 1, acts }, undefined, 2)}\n`, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    throw new LogsealError('USAGE', `${path} cannot be written, or is there already`, { cause });
  }
  const signed = acts.every(({ operator }) => operator !== undefined);
  const next = signed ? 'logseal operator send' : 'to be signed: logseal operator sign';
  await new Output(terminal.stdout).line(`${path}: ${acts.length} acts (${next} ${path})`);
}

function readActs(path: string): FiledAct[] {
  const text = readFileSync(path, 'utf8');
  if (text.length > fileBytesMax) throw new LogsealError('USAGE', `${path} is longer than a file of acts can be`);
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw new LogsealError('USAGE', `${path} is not JSON`, { cause });
  }
  const { v, acts } = (file ?? {}) as { v?: unknown; acts?: unknown };
  if (v !== 1 || !Array.isArray(acts) || acts.length === 0 || acts.length > actsMax || !acts.every(isAct)) {
    throw new LogsealError('USAGE', `${path} is no file of acts`);
  }
  return acts;
}

function isAct(value: unknown): value is FiledAct {
  const { origin, kind, body } = (value ?? {}) as Record<string, unknown>;
  return typeof origin === 'string' && typeof kind === 'string' && typeof body === 'object' && body !== null;
}
