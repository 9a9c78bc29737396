/**
 * Asks the admin port of the proxy that a configuration is for, from the same machine: at its address, with its token, and over TLS
 * where it speaks that.
 */
import { readFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { readAdminToken } from '../config/admin-token.ts';
import type { Config } from '../config/config.ts';
import { adminHasTls } from '../config/tls-files.ts';

const timeoutMsMax = 5_000;
const answerBytesMax = 1024 * 1024;

/** A GET. The token goes only to whom the configured certificate belongs. Throws where nobody answers. */
export function askAdmin(config: Config, path: string): Promise<{ status: number; body: string }> {
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

export function adminAddress({ adminListen }: Config): string {
  return `${adminListen.host}:${adminListen.port}`;
}
