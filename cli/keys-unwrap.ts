/**
 * `logseal keys unwrap`: opens the secrets of all chains that the source's control records name. Prints secrets, because that
 * is what it is for; a chain's id proves that its secret is the right one, so nothing else in the source need be trusted.
 */
import type { KeyObject } from 'node:crypto';
import { chainIdOf } from '../src/chain/key-tree.ts';
import { suiteOf } from '../src/chain/suite.ts';
import { LogsealError } from '../src/errors.ts';
import { unwrapSecret } from '../src/keys/wrap.ts';
import type { Source } from '../src/verify/source.ts';
import { systemIndices } from '../src/verify/source.ts';
import type { StoredText } from '../src/verify/system-documents.ts';
import type { TrustRecord } from '../src/verify/trust.ts';
import { trustRecords } from '../src/verify/trust.ts';
import type { KeyOptions } from './auditor-key.ts';
import { openGivenKey } from './auditor-key.ts';
import { openSource } from './open-source.ts';
import { Output } from './output.ts';
import { chooseSource } from './source-argument.ts';
import type { Terminal } from './terminal.ts';

interface UnwrapOptions extends KeyOptions {
  readonly json?: boolean;
}

/** Errors: KEY_INVALID if the key opens none of them; USAGE without a key. */
export async function unwrapKeys(
  argument: string | undefined,
  options: UnwrapOptions,
  terminal: Terminal,
): Promise<void> {
  const choice = chooseSource(argument, options as Readonly<Record<string, unknown>>, terminal);
  const given = openGivenKey(options, choice, terminal);
  if (given === undefined) throw new LogsealError('USAGE', "give the auditor's private key with --key");
  const source = openSource(choice, {}, terminal);
  await source.open();
  try {
    const { secrets, closed } = unwrapAll(await chainRecords(source), given.key);
    const total = Object.keys(secrets).length + closed.length;
    if (total === 0) throw new LogsealError('USAGE', `${source.description} has no control record that names a chain`);
    if (closed.length === total) throw new LogsealError('KEY_INVALID', `this key opens none of the ${total} chains`);
    for (const chain of closed) terminal.stderr.write(`logseal: chain ${chain} is not wrapped to this key\n`);
    const output = new Output(terminal.stdout);
    if (options.json === true) await output.json(secrets);
    else for (const [chain, secret] of Object.entries(secrets)) await output.line(`${chain} ${secret}`);
  } finally {
    await source.close();
  }
}

async function chainRecords(source: Source): Promise<TrustRecord[]> {
  const texts: StoredText[] = [];
  for await (const batch of source.system()) {
    for (const { index, id, source: text } of batch) {
      // A source may use its buffer again for the next batch.
      if (index === systemIndices.control) texts.push({ index, id, text: Buffer.from(text) });
    }
  }
  return trustRecords(texts);
}

function unwrapAll(
  records: readonly TrustRecord[],
  key: KeyObject,
): { secrets: Record<string, string>; closed: string[] } {
  const secrets: Record<string, string> = {};
  const named = new Set<string>();
  for (const { record } of records) {
    if (record.kind !== 'chain') continue;
    const { id, suite: number, wrapped } = record.body;
    named.add(id);
    const suite = suiteOf(number);
    if (suite === undefined || wrapped === '' || secrets[id] !== undefined) continue;
    const secret = tryUnwrap(Buffer.from(wrapped, 'base64'), key);
    if (secret === undefined) continue;
    if (chainIdOf(suite, secret).toString('base64url') === id) secrets[id] = secret.toString('base64url');
    secret.fill(0);
  }
  return { secrets, closed: [...named].filter((id) => secrets[id] === undefined) };
}

function tryUnwrap(wrapped: Buffer, key: KeyObject): Buffer | undefined {
  try {
    return unwrapSecret(wrapped, key);
  } catch (error) {
    if (error instanceof LogsealError && error.code === 'KEY_INVALID') return undefined;
    throw error;
  }
}
