/**
 * Whether a client may write where it says, asked at the search engine with the client's own credentials. While the search
 * engine is away, what it said within the last hour holds: an outage is a normal day, and a stranger stays one.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { LogsealError } from '../errors.ts';
import type { Authorize, Authorized } from '../http/intake-context.ts';
import type { Clock } from '../lib/clock.ts';
import type { Permission } from '../upstream/privileges.ts';

export interface AuthorizeOptions {
  mayCreate: (authorization: string | undefined, dests: readonly string[]) => Promise<Permission>;
  /** What was found out last about whether the search engine wants credentials; kept over restarts. */
  secured: () => boolean | undefined;
  clock: Clock;
  /** Milliseconds that an answer holds while the search engine cannot be asked. */
  awayMs: number;
}

const rememberedMax = 20_000;

export function createAuthorize(options: AuthorizeOptions): Authorize {
  const { clock, awayMs, mayCreate, secured } = options;
  const key = randomBytes(32);
  const good = new Map<string, number>();

  function remember(client: string, dests: readonly string[]): void {
    for (const dest of dests) {
      const entry = `${client} ${dest}`;
      good.delete(entry);
      good.set(entry, clock.monotonic() + awayMs);
    }
    for (const entry of good.keys()) {
      if (good.size <= rememberedMax) return;
      good.delete(entry);
    }
  }

  function holds(client: string, dests: readonly string[]): boolean {
    return dests.every((dest) => (good.get(`${client} ${dest}`) ?? 0) > clock.monotonic());
  }

  return async (authorization, dests) => {
    const client = createHmac('sha256', key)
      .update(authorization ?? '')
      .digest('base64url');
    try {
      const permission = await mayCreate(authorization, dests);
      if (permission.kind === 'allowed') remember(client, dests);
      return toAuthorized(permission, dests);
    } catch (error) {
      if (!(error instanceof LogsealError) || error.disposition !== 'retry') throw error;
      if (secured() === false || holds(client, dests)) return { kind: 'ok' };
      throw error;
    }
  };
}

function toAuthorized(permission: Permission, dests: readonly string[]): Authorized {
  switch (permission.kind) {
    case 'allowed':
      return { kind: 'ok' };
    case 'unauthenticated': {
      const challenge = permission.challenges.join(', ');
      return {
        kind: 'unauthorized',
        status: permission.status,
        headers: challenge === '' ? {} : { 'www-authenticate': challenge },
        body: permission.body as object,
      };
    }
    case 'denied': {
      const reason = (dest: string) =>
        `action [indices:data/write/bulk[s]] is unauthorized for user [${permission.user}] on indices [${dest}]`;
      const denied = dests.filter((dest) => permission.dests.has(dest));
      return { kind: 'forbidden', reasons: new Map(denied.map((dest) => [dest, reason(dest)])) };
    }
  }
}
