/**
 * Reads how long the certificates of the search engine's nodes hold. Looks at dates only and sends nothing, so it trusts nobody:
 * whether a certificate is the right one is for the connection to say.
 */
import { connect } from 'node:tls';
import type { Config } from '../config/config.ts';
import type { Check } from './check.ts';
import { messageOf } from './check.ts';
import { untilCheck } from './key-check.ts';

const area = 'certificates';
const timeoutMsMax = 5_000;

export async function checkNodeCertificates({ elasticsearch }: Config, nowMs: number): Promise<Check[]> {
  const checks: Check[] = [];
  for (const node of elasticsearch.url) {
    const url = URL.parse(node);
    if (url?.protocol !== 'https:') continue;
    const what = `certificate of ${url.host}`;
    try {
      const endsMs = await certificateEnd(url.hostname.replace(/^\[|\]$/g, ''), Number(url.port || 443));
      checks.push(untilCheck(area, what, endsMs, nowMs, 'whoever runs the search engine has to renew it'));
    } catch (error) {
      checks.push({ area, status: 'warn', found: `${what} cannot be looked at: ${messageOf(error)}` });
    }
  }
  return checks;
}

/** Milliseconds since 1970. */
function certificateEnd(host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const socket = connect({ host, port, servername: /[a-z]/i.test(host) ? host : '', rejectUnauthorized: false });
  socket.setTimeout(timeoutMsMax, () => socket.destroy(new Error(`no answer within ${timeoutMsMax / 1000} s`)));
  // A node that wants a certificate of ours may end the connection after the handshake; the dates are known by then.
  socket.once('secureConnect', () => {
    const { valid_to: until } = socket.getPeerCertificate();
    resolve(Date.parse(until));
    socket.destroy();
  });
  socket.once('error', reject);
  socket.once('close', () => reject(new Error('the connection was closed')));
  return promise;
}
