/** The token that opens the admin port: one line of a secret file, in the form that `Authorization: Bearer` can carry. */
import { LogsealError } from '../errors.ts';
import type { Config } from './config.ts';
import { readSecretFile } from './secret-file.ts';

/** Fewer could be tried out. */
const charactersMin = 16;
const charactersMax = 1024;

/** Undefined where none is configured. Errors: CONFIG_INVALID, naming the file and never its text. */
export function readAdminToken({ admin, secrets }: Config): string | undefined {
  const path = admin.tokenFile;
  if (path === undefined) return undefined;
  const token = readSecretFile(path, secrets.permissions);
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(token)) {
    throw new LogsealError('CONFIG_INVALID', `${path}: may hold letters, digits and . _ ~ + / - = only`, { path });
  }
  if (token.length < charactersMin || token.length > charactersMax) {
    const sentence = `must hold ${charactersMin} to ${charactersMax} characters, for example of: openssl rand -hex 32`;
    throw new LogsealError('CONFIG_INVALID', `${path}: ${sentence}`, { path });
  }
  return token;
}
