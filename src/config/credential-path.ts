/**
 * Secret files that the service manager brings: `credential:NAME` is the file of that name in $CREDENTIALS_DIRECTORY, where
 * systemd puts what LoadCredential= and LoadCredentialEncrypted= name, for this service alone and in memory only.
 */
import { dirname, join, resolve } from 'node:path';

const prefix = 'credential:';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The path that a secret setting means, or a sentence that says why it means none. */
export function credentialPath(value: string, environment: Environment): { path: string } | { sentence: string } {
  if (!value.startsWith(prefix)) return { path: value };
  const name = value.slice(prefix.length);
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/.test(name)) return { sentence: `${prefix} is followed by one name` };
  const directory = environment.CREDENTIALS_DIRECTORY;
  if (directory === undefined || directory === '') {
    return {
      sentence: `${value} is a service credential, and the service manager gave none (LoadCredential= of systemd)`,
    };
  }
  return { path: join(directory, name) };
}

/** Whether the service manager guards the file: it may then show a group that can read it, which is this service's entry. */
export function isCredential(path: string, { CREDENTIALS_DIRECTORY: directory }: Environment): boolean {
  return directory !== undefined && directory !== '' && dirname(resolve(path)) === resolve(directory);
}
