/** `logseal keys wrap`: for a ceremony, and for trying that an auditor's key opens what is wrapped to it. Never prints the secret. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { chainIdOf } from '../src/chain/key-tree.ts';
import { suiteByName } from '../src/chain/suite.ts';
import { LogsealError } from '../src/errors.ts';
import { readCertificates } from '../src/keys/auditor.ts';
import { wrapSecret } from '../src/keys/wrap.ts';
import { decodeBase64Url } from '../src/lib/base64url.ts';
import { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

interface WrapOptions {
  readonly certificate: readonly string[];
  readonly secretFile?: string;
  readonly suite: string;
  readonly out?: string;
  readonly json?: boolean;
}

const secretBytes = 32;

export async function wrapKey(options: WrapOptions, terminal: Terminal): Promise<void> {
  const suite = suiteByName(options.suite);
  if (suite === undefined) throw new LogsealError('USAGE', `${options.suite} is not a suite`);
  const certificates = await readCertificates(options.certificate);
  const secret = options.secretFile === undefined ? randomBytes(secretBytes) : readSecret(options.secretFile);
  try {
    const chain = chainIdOf(suite, secret).toString('base64url');
    const wrapped = wrapSecret(
      secret,
      certificates.map(({ pem }) => pem),
    );
    if (options.out !== undefined) writeNew(options.out, wrapped);
    const output = new Output(terminal.stdout);
    const fingerprints = certificates.map(({ sha256 }) => sha256);
    if (options.json === true) {
      const base64 = wrapped.toString('base64');
      return await output.json({
        type: 'wrap',
        v: 1,
        chain,
        suite: suite.id,
        certificates: fingerprints,
        wrapped: base64,
      });
    }
    await output.line(`chain ${chain}, suite ${suite.name}`);
    for (const { subject, sha256 } of certificates)
      await output.line(`wrapped to ${sha256} (${subject.replaceAll('\n', ', ')})`);
    await output.line(options.out ?? wrapped.toString('base64'));
  } finally {
    secret.fill(0);
  }
}

function readSecret(path: string): Buffer {
  const bytes = readFileSync(path);
  if (bytes.length === secretBytes) return bytes;
  const secret = decodeBase64Url(bytes.toString('latin1').trim(), secretBytes);
  bytes.fill(0);
  if (secret === undefined)
    throw new LogsealError('USAGE', `${path} is neither 32 bytes nor 43 characters of base64url`);
  return secret;
}

function writeNew(path: string, bytes: Buffer): void {
  try {
    writeFileSync(path, bytes, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    const there = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
    throw new LogsealError(
      'USAGE',
      `${path} ${there ? 'is there already and is not overwritten' : 'cannot be written'}`,
      { cause },
    );
  }
}
