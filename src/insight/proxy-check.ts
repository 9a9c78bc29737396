/** Whether the proxy of a data directory runs, and what it says of itself at its admin port. */
import { readFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { readAdminToken } from '../config/admin-token.ts';
import type { Config } from '../config/config.ts';
import { adminHasTls } from '../config/tls-files.ts';
import { lockHolder } from '../wal/lock-state.ts';
import type { Check } from './check.ts';
import { messageOf } from './check.ts';
import type { KnownInstance } from './key-check.ts';

const area = 'proxy';
const timeoutMsMax = 5_000;
const answerBytesMax = 1024 * 1024;

export async function checkProxy(config: Config, instance: KnownInstance | undefined): Promise<Check[]> {
  const holder = instance === undefined ? undefined : await lockHolder(config.dataDir);
  if (holder === undefined) {
    const after =
      instance?.clean === false ? '; the last one ended without a clean stop, and the next start recovers' : '';
    return [{ area, status: 'ok', found: `no proxy runs on ${config.dataDir}${after}` }];
  }
  const name = holder.pid === undefined ? 'a process' : `process ${holder.pid}`;
  const running: Check = { area, status: 'ok', found: `${name} runs on ${config.dataDir}` };
  try {
    const { status, body } = await askAdmin(config, '/readyz');
    return [running, ...readyChecks(status, body)];
  } catch (error) {
    const found = `its admin port ${addressOf(config)} does not answer: ${messageOf(error)}`;
    return [
      running,
      { area, status: 'warn', found, advice: 'give the doctor the configuration that the proxy was started with' },
    ];
  }
}

function readyChecks(status: number, text: string): Check[] {
  let body: { ready?: unknown; reasons?: unknown; notCovered?: unknown };
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    return [
      {
        area,
        status: 'warn',
        found: `its admin port answers ${status}, and not as a proxy does`,
        advice: 'look at adminListen',
      },
    ];
  }
  const strings = (value: unknown) => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);
  const ready = body.ready === true;
  const reasons = strings(body.reasons);
  const checks: Check[] = reasons.map((reason) => ({ area, status: ready ? 'warn' : 'fail', found: reason }));
  if (ready) checks.unshift({ area, status: 'ok', found: 'it accepts records (readyz)' });
  else if (checks.length === 0)
    checks.push({
      area,
      status: 'fail',
      found: `it accepts no records (readyz answers ${status})`,
      advice: 'ask with admin.tokenFile set for the reasons',
    });
  const passing = strings(body.notCovered);
  if (passing.length > 0)
    checks.push({ area, status: 'warn', found: `passes through unsigned: ${passing.slice(0, 5).join(', ')}` });
  return checks;
}

function addressOf({ adminListen }: Config): string {
  return `${adminListen.host}:${adminListen.port}`;
}

/** The token goes only to whom the configured certificate belongs. */
function askAdmin(config: Config, path: string): Promise<{ status: number; body: string }> {
  const { host, port } = config.adminListen;
  if (port === 0) throw new Error('adminListen has port 0: the process chose one');
  const anywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  const token = readAdminToken(config);
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const common = { host: anywhere[host] ?? host, port, path, headers, timeout: timeoutMsMax, agent: false as const };
  const { certificateFile } = config.tls;
  const secure = adminHasTls(config) && certificateFile !== undefined;
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const request = secure
    ? secureRequest({
        ...common,
        // The very certificate is what is trusted, whatever name it is for.
        ca: readFileSync(certificateFile, 'utf8'),
        allowPartialTrustChain: true,
        checkServerIdentity: () => undefined,
      })
    : plainRequest(common);
  request.on('response', (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > answerBytesMax) response.destroy(new Error('the answer is too long'));
      else chunks.push(chunk);
    });
    response.once('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    response.once('error', reject);
  });
  request.once('timeout', () => request.destroy(new Error(`no answer within ${timeoutMsMax / 1000} s`)));
  request.once('error', reject);
  request.end();
  return promise;
}
