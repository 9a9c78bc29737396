/** `logseal keys show`: what a data directory can still sign, and who can verify it. Reads beside a running proxy; shows no key. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chainIdBytes } from '../src/chain/key-tree.ts';
import { suiteOf } from '../src/chain/suite.ts';
import { loadConfig } from '../src/config/load.ts';
import { LogsealError } from '../src/errors.ts';
import { keyFilePath, readKeyFile } from '../src/keys/key-file.ts';
import { decodeBase64Url } from '../src/lib/base64url.ts';
import { Output, table } from './output.ts';
import type { Terminal } from './terminal.ts';

interface ShowOptions {
  readonly config?: string;
  readonly json?: boolean;
}

interface ShownInstance {
  readonly name: string;
  readonly control: string | undefined;
  readonly certificates: readonly string[];
  readonly chains: readonly { id: string; name: string; suite: number; createdMs: number }[];
}

/** Errors: DATA_DIR_INVALID, KEY_INVALID for a key file that is missing or damaged. */
export async function showKeys(dataDir: string | undefined, options: ShowOptions, terminal: Terminal): Promise<void> {
  const dir = dataDir ?? loadConfig({ environment: terminal.environment, file: options.config }).config.dataDir;
  const instance = readInstance(dir);
  const output = new Output(terminal.stdout);
  const rows = [['chain', 'epoch', 'suite', 'since', 'name']];
  for (const { id, name, suite, createdMs } of instance.chains) {
    const epoch = await openEpoch(dir, id);
    const since = new Date(createdMs).toISOString();
    const control = id === instance.control;
    rows.push([id, String(epoch), suiteOf(suite)?.name ?? String(suite), since, control ? `${name} (control)` : name]);
    if (options.json === true)
      await output.json({ type: 'chain', v: 1, chain: id, name, suite, epoch, since, control });
  }
  if (options.json === true) {
    return output.json({
      type: 'instance',
      v: 1,
      name: instance.name,
      origin: `${instance.name}/logseal`,
      certificates: instance.certificates,
    });
  }
  await output.line(`instance ${instance.name}`);
  for (const sha256 of instance.certificates) await output.line(`wrapped to certificate ${sha256}`);
  if (instance.certificates.length === 0) await output.line('wrapped to no certificate');
  for (const line of table(rows)) await output.line(line);
}

/** The key file's epoch; its keys are wiped at once. */
async function openEpoch(dir: string, id: string): Promise<number> {
  const chain = decodeBase64Url(id, chainIdBytes);
  if (chain === undefined) throw new LogsealError('DATA_DIR_INVALID', `${dir}: instance.json names no chain by ${id}`);
  const keys = await readKeyFile(keyFilePath(join(dir, 'keys'), chain));
  const { epoch } = keys;
  keys.wipe();
  return epoch;
}

export function readInstance(dir: string): ShownInstance {
  const path = join(dir, 'instance.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new LogsealError(
      'DATA_DIR_INVALID',
      `${dir} is no data directory of a proxy: it has no readable instance.json`,
      { cause },
    );
  }
  try {
    const state = JSON.parse(text) as ShownInstance;
    if (typeof state.name === 'string' && Array.isArray(state.chains) && Array.isArray(state.certificates))
      return state;
  } catch {
    // Said below.
  }
  throw new LogsealError('DATA_DIR_INVALID', `${path} is damaged`);
}
