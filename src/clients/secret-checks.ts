/**
 * Every try of a secret, one at a time: scrypt is costly by design, and whoever can reach the port could burn the machine's
 * time with wrong secrets. Addresses take turns; one that failed often is refused before anything is computed.
 */
import { LogsealError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { FairQueue } from '../lib/fair-queue.ts';
import type { PasswordHash } from './password-hash.ts';
import { matchesPassword } from './password-hash.ts';

interface Waiting {
  /** False: what waits is over. */
  go: (refused?: LogsealError) => void;
}

interface Failures {
  count: number;
  atMs: number;
}

/** Tries that wait at once, of all addresses. */
const waitingMax = 256;
const addressesMax = 4096;
/** An address may fail so often at once, then once every `forgiveMs`. */
const failuresMax = 10;
const forgiveMs = 5_000;

export class SecretChecks {
  readonly #clock: Clock;
  readonly #waiting = new FairQueue<Waiting>(waitingMax);
  readonly #failures = new Map<string, Failures>();
  #busy = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the secret is the hashed one. Throws CLIENT_LIMITED, with `retryAfterMs`, where it is not tried at all. */
  async matches(secret: string, kept: PasswordHash, address: string): Promise<boolean> {
    const origin = networkOf(address);
    this.#refuseTooMany(origin);
    await this.#turn(origin);
    try {
      this.#refuseTooMany(origin);
      const matches = await matchesPassword(secret, kept);
      if (!matches) this.#failed(origin);
      return matches;
    } finally {
      this.#next();
    }
  }

  async #turn(origin: string): Promise<void> {
    if (!this.#busy) {
      this.#busy = true;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const go = (refused?: LogsealError) => (refused === undefined ? resolve() : reject(refused));
    const left = this.#waiting.push(origin, { go });
    left?.go(limited('too many credentials wait to be checked', 1_000));
    return promise;
  }

  #next(): void {
    const first = this.#waiting.first();
    this.#busy = first !== undefined;
    if (first === undefined) return;
    this.#waiting.remove(first.source, first.entry, true);
    first.entry.go();
  }

  #refuseTooMany(origin: string): void {
    const { count, atMs } = this.#current(origin);
    if (count < failuresMax) return;
    const waitMs = Math.max(1, atMs + forgiveMs - this.#clock.monotonic());
    throw limited('too many wrong credentials from this address', waitMs);
  }

  #failed(origin: string): void {
    const { count, atMs } = this.#current(origin);
    this.#failures.delete(origin);
    this.#failures.set(origin, { count: count + 1, atMs });
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= addressesMax) break;
      this.#failures.delete(oldest);
    }
  }

  /** Failures less those that time has forgiven. */
  #current(origin: string): Failures {
    const nowMs = this.#clock.monotonic();
    const found = this.#failures.get(origin);
    if (found === undefined) return { count: 0, atMs: nowMs };
    const forgiven = Math.floor((nowMs - found.atMs) / forgiveMs);
    if (forgiven >= found.count) return { count: 0, atMs: nowMs };
    return { count: found.count - forgiven, atMs: found.atMs + forgiven * forgiveMs };
  }
}

function limited(reason: string, retryAfterMs: number): LogsealError {
  return new LogsealError('CLIENT_LIMITED', reason, { retryAfterMs });
}

/** Who has one IPv6 address has 2^64 of them. */
function networkOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').length;
  return [...groups, ...Array<string>(Math.max(0, missing)).fill('0')].slice(0, 4).join(':');
}
