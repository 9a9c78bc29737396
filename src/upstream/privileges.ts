/**
 * Whether a client may create documents where it says, asked with the client's own Authorization: the proxy never lends its
 * rights. Answers are kept for a minute under a keyed hash of the header, so that no credential stays in memory here.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { Asker, JsonObject } from './ask.ts';
import { denied, isObject, objectAt } from './ask.ts';

export type Permission =
  | { kind: 'allowed' }
  /** The whole request: what Elasticsearch would say, to be handed on. */
  | { kind: 'unauthenticated'; status: number; body: unknown; challenges: string[] }
  /** These destinations are refused item by item, with 403. `user` for the sentence. */
  | { kind: 'denied'; dests: ReadonlySet<string>; user: string };

export interface PrivilegesOptions {
  asker: Asker;
  clock: Clock;
  /** The embedded store has no users. */
  embedded: boolean;
  /** Default 60 s. */
  keepMs?: number;
  /** Pairs of client and destination kept. Default 20,000. */
  entriesMax?: number;
  /** Whether a destination is there already: who may not make one needs no right to. */
  exists: (dest: string) => Promise<boolean>;
}

interface Kept {
  user: string;
  may: boolean;
  untilMs: number;
}

export class Privileges {
  readonly #options: PrivilegesOptions;
  readonly #key = randomBytes(32);
  readonly #kept = new Map<string, Kept>();
  /** Whether the engine wanted credentials when it was last asked; undefined before that. */
  secured: boolean | undefined;
  #secured: { value: boolean; untilMs: number } | undefined;

  constructor(options: PrivilegesOptions) {
    this.#options = options;
  }

  /** Throws UPSTREAM_* when the engine cannot be asked; nothing is allowed then. */
  async mayCreate(authorization: string | undefined, dests: readonly string[]): Promise<Permission> {
    if (this.#options.embedded || !(await this.isSecured())) return { kind: 'allowed' };
    const { clock, entriesMax = 20_000 } = this.#options;
    const client = createHmac('sha256', this.#key)
      .update(authorization ?? '')
      .digest('base64url');
    const denials = new Set<string>();
    const unknown: string[] = [];
    let user = '';
    for (const dest of new Set(dests)) {
      const kept = this.#kept.get(`${client} ${dest}`);
      if (kept === undefined || kept.untilMs <= clock.monotonic()) unknown.push(dest);
      else if (!kept.may) {
        denials.add(dest);
        user = kept.user;
      }
    }
    if (unknown.length > 0) {
      const answer = await this.#ask(authorization ?? null, unknown);
      if ('kind' in answer) return answer;
      for (const dest of unknown) {
        const may = await this.#may(answer.rights, dest);
        if (!may) denials.add(dest);
        this.#kept.delete(`${client} ${dest}`);
        const untilMs = clock.monotonic() + (this.#options.keepMs ?? 60_000);
        this.#kept.set(`${client} ${dest}`, { user: answer.user, may, untilMs });
      }
      user = answer.user;
      for (const key of this.#kept.keys()) {
        if (this.#kept.size <= entriesMax) break;
        this.#kept.delete(key);
      }
    }
    return denials.size === 0 ? { kind: 'allowed' } : { kind: 'denied', dests: denials, user };
  }

  async #may(rights: JsonObject, dest: string): Promise<boolean> {
    const own = objectAt(rights, dest);
    if (own?.create_doc !== true) return false;
    return own.auto_configure === true || (await this.#options.exists(dest));
  }

  async #ask(
    authorization: string | null,
    dests: readonly string[],
  ): Promise<Permission | { user: string; rights: JsonObject }> {
    const body = { index: [{ names: dests, privileges: ['create_doc', 'auto_configure'] }] };
    const answer = await this.#options.asker.ask('POST', '/_security/user/_has_privileges', body, authorization);
    if (answer.status === 401) {
      const challenge = answer.headers['www-authenticate'] ?? [];
      return {
        kind: 'unauthenticated',
        status: 401,
        body: answer.body,
        challenges: typeof challenge === 'string' ? [challenge] : challenge,
      };
    }
    if (answer.status !== 200 || !isObject(answer.body)) throw denied(answer, 'checking what a client may do');
    return { user: String(answer.body.username ?? ''), rights: objectAt(answer.body, 'index') ?? {} };
  }

  /**
   * A cluster without the security module has no such request and says so; it lets everybody do everything. Asked without
   * credentials, so that a secured cluster answers 401, or 200 where it lets strangers in.
   */
  async isSecured(): Promise<boolean> {
    const { asker, clock, embedded, keepMs = 60_000 } = this.#options;
    if (embedded) return false;
    if (this.#secured !== undefined && this.#secured.untilMs > clock.monotonic()) return this.#secured.value;
    const answer = await asker.ask('GET', '/_security/_authenticate', undefined, null);
    const none = isObject(answer.body) && /no handler found|disabled/i.test(JSON.stringify(answer.body.error ?? ''));
    const value = !([400, 404, 405, 500].includes(answer.status) && none);
    if (value && answer.status !== 401 && answer.status !== 403 && answer.status !== 200) {
      throw denied(answer, 'asking whether the cluster wants credentials');
    }
    this.secured = value;
    this.#secured = { value, untilMs: clock.monotonic() + keepMs };
    return value;
  }
}
