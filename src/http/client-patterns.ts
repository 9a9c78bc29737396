/** Owns the choice of clients by what they say they are, or by where they call from. */
import type { IncomingMessage } from 'node:http';
import { matchesGlob } from '../lib/glob.ts';

export interface ClientPatterns {
  match(request: IncomingMessage): boolean;
}

/** Patterns, `*` for any run of characters, of the whole User-Agent header or of the whole address. */
export function clientPatterns(patterns: readonly string[]): ClientPatterns {
  const lowered = patterns.map((pattern) => pattern.toLowerCase());
  return {
    match(request) {
      if (lowered.length === 0) return false;
      // An IPv4 client of a dual-stack socket is shown as ::ffff:1.2.3.4.
      const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
      const agent = (request.headers['user-agent'] ?? '').toLowerCase();
      return lowered.some((pattern) => matchesGlob(pattern, agent) || matchesGlob(pattern, address));
    },
  };
}
