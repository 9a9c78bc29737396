/** The auditor's private key that a reading command is given, or the development key of a data directory, saying so. */
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LogsealError } from '../src/errors.ts';
import { openAuditorKey } from '../src/keys/auditor.ts';
import { readPassphrase } from './passphrase.ts';
import type { SourceChoice } from './source-argument.ts';
import type { Terminal } from './terminal.ts';

export interface KeyOptions {
  readonly key?: string;
  readonly passphraseFile?: string;
}

export interface AuditorKey {
  readonly key: KeyObject;
  /** Whoever has the data has this key too, so it proves nothing to others: WEAK. */
  readonly development: boolean;
}

/** undefined: none is given and none lies with the data. Errors: KEY_INVALID, USAGE. */
export function openGivenKey(options: KeyOptions, choice: SourceChoice, terminal: Terminal): AuditorKey | undefined {
  const passphrase = readPassphrase(options.passphraseFile, terminal);
  if (options.key !== undefined) {
    return { key: openAuditorKey(readKey(options.key), passphrase, options.key), development: false };
  }
  if (choice.kind !== 'store') return undefined;
  const path = join(choice.dataDir, 'development-auditor', 'auditor.key.pem');
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch {
    return undefined;
  }
  terminal.stderr.write(`logseal: no --key: using the development key ${path}, which proves nothing to others\n`);
  return { key: openAuditorKey(pem, passphrase, path), development: true };
}

function readKey(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new LogsealError('KEY_INVALID', `${path} cannot be read`, { path, cause });
  }
}
