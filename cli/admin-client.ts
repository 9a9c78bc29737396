/**
 * Asks the admin port of a running proxy, with its token and over TLS where it has them. What the proxy refuses is an error in the
 * proxy's own words.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { readSecretFile } from '../src/config/secret-file.ts';
import { LogsealError } from '../src/errors.ts';
import { systemClock } from '../src/lib/clock.ts';
import { Connection } from '../src/upstream/connection.ts';

export interface AdminFlags extends Readonly<Record<string, unknown>> {
  readonly admin: string;
  readonly adminTokenFile?: string;
  readonly adminCaFile?: string;
}

export interface AdminClient extends AsyncDisposable {
  /** The answer's JSON. Errors: ACT_REFUSED where the proxy says no, UPSTREAM_* where it cannot be asked. */
  ask(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown>;
}

const defaultAdmin = 'http://127.0.0.1:9281';
/** A retry of many records waits for the search engine. */
const requestTimeoutMs = 300_000;

export function addAdminOptions(command: Command): Command {
  return command
    .option('--admin <url>', 'admin port of the proxy', defaultAdmin)
    .option('--admin-token-file <file>', 'file with its token')
    .option('--admin-ca-file <file>', 'PEM of the authority that signed its certificate');
}

/** Errors: USAGE, CONFIG_INVALID. */
export function openAdmin(flags: AdminFlags): AdminClient {
  if (!/^https?:$/.test(URL.parse(flags.admin)?.protocol ?? '')) {
    throw new LogsealError('USAGE', `--admin ${flags.admin} is no http or https URL`);
  }
  const token = flags.adminTokenFile === undefined ? undefined : readSecretFile(flags.adminTokenFile, 'any');
  const ca = flags.adminCaFile === undefined ? undefined : readFileSync(flags.adminCaFile, 'utf8');
  const connection = new Connection({ nodes: [flags.admin], ca, requestTimeoutMs, clock: systemClock });
  const authorization = token === undefined ? null : `Bearer ${token}`;
  return {
    async ask(method, path, body) {
      const answer = await connection.ask(method, path, body, authorization);
      if (answer.status === 200) return answer.body;
      const said = (answer.body as { error?: unknown } | undefined)?.error;
      const sentence = typeof said === 'string' ? said : `status ${answer.status}`;
      throw new LogsealError('ACT_REFUSED', `${flags.admin}: ${sentence}`, { status: answer.status });
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
