/**
 * Who is a client of the proxy's own, by API key, user and password, or verified certificate. What was found right is known for
 * a short time under a keyed hash of the header, so that a credential is not kept in memory and scrypt runs once, not for each request.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { matchesGlob } from '../lib/glob.ts';
import { readAuthorization } from './authorization.ts';
import { Client } from './client.ts';
import type { CertificateRule, ClientEntry } from './client-file.ts';
import { readClientFile } from './client-file.ts';
import type { PasswordHash } from './password-hash.ts';
import { unmatchable } from './password-hash.ts';
import { SecretChecks } from './secret-checks.ts';

export interface ClientBookOptions {
  path: string;
  permissions: 'private' | 'any';
  /** `own`: nobody else comes in. `either`: who is not in the file is passed on, for the search engine to judge. */
  mode: 'own' | 'either';
  clock: Clock;
}

/** What a verified certificate says; src/http has one like it. */
export interface PresentedCertificate {
  readonly commonName: string | undefined;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** SHA-256, lower-case hex. */
  readonly fingerprint: string;
}

export interface Identity {
  authorization: string | undefined;
  certificate: PresentedCertificate | undefined;
  /** Of the connection. */
  address: string;
}

export type Identified =
  | { kind: 'own'; client: Client }
  /** Not in the file, and the mode lets it be passed on with its own credentials. */
  | { kind: 'stranger' }
  /** `user`: whom the header named, undefined without one. */
  | { kind: 'refused'; user: string | undefined };

interface Book {
  readonly clients: ReadonlyMap<string, Client>;
  readonly apiKeys: ReadonlyMap<string, Kept>;
  readonly users: ReadonlyMap<string, Kept>;
  readonly certificates: readonly { rule: CertificateRule; client: Client }[];
  /** Tried for names that the file does not have: it must not be told from a wrong secret by its time. */
  readonly nobody: PasswordHash;
}

interface Kept {
  readonly client: Client;
  readonly hash: PasswordHash;
}

const goodMs = 5 * 60_000;
const badMs = 30_000;
const rememberedMax = 10_000;

export class ClientBook {
  readonly #options: ClientBookOptions;
  readonly #checks: SecretChecks;
  readonly #key = randomBytes(32);
  /** Apart, so that wrong headers push out no right one. */
  #good: Remembered;
  #bad: Remembered;
  readonly #asking = new Map<string, Promise<Identified>>();
  #book: Book;

  private constructor(options: ClientBookOptions, book: Book) {
    this.#options = options;
    this.#book = book;
    this.#checks = new SecretChecks(options.clock);
    this.#good = new Remembered(options.clock, goodMs);
    this.#bad = new Remembered(options.clock, badMs);
  }

  /** Errors: CONFIG_INVALID with every problem of the file. */
  static open(options: ClientBookOptions): ClientBook {
    return new ClientBook(options, bookOf(readClientFile(options.path, options.permissions)));
  }

  /** Number of clients. */
  get size(): number {
    return this.#book.clients.size;
  }

  /**
   * Reads the file again, all or nothing; what it no longer has is out with the next request.
   * Errors: CONFIG_INVALID, and the clients stay as they were.
   */
  reload(): void {
    this.replace(this.read());
  }

  /** The file as it stands, for a reload of several things that must all be right. Errors: CONFIG_INVALID. */
  read(): readonly ClientEntry[] {
    return readClientFile(this.#options.path, this.#options.permissions);
  }

  replace(entries: readonly ClientEntry[]): void {
    this.#book = bookOf(entries, this.#book);
    this.#good = new Remembered(this.#options.clock, goodMs);
    this.#bad = new Remembered(this.#options.clock, badMs);
    this.#asking.clear();
  }

  /** A header decides alone: a certificate counts only where there is none. Throws CLIENT_LIMITED where it is not looked at. */
  identify(identity: Identity): Identified | Promise<Identified> {
    const { authorization, certificate } = identity;
    if (authorization === undefined) return this.#byCertificate(certificate);
    const header = createHmac('sha256', this.#key).update(authorization).digest('base64url');
    const known = this.#good.get(header) ?? this.#bad.get(header);
    if (known !== undefined) return known;
    const asking = this.#asking.get(header);
    if (asking !== undefined) return asking;
    const book = this.#book;
    const found = this.#bySecret(authorization, identity.address).then((result) => {
      if (this.#book !== book) return result;
      if (result.kind === 'own') this.#good.set(header, result);
      if (result.kind === 'refused') this.#bad.set(header, result);
      return result;
    });
    this.#asking.set(header, found);
    const done = () => {
      if (this.#asking.get(header) === found) this.#asking.delete(header);
    };
    found.then(done, done);
    return found;
  }

  #byCertificate(certificate: PresentedCertificate | undefined): Identified {
    const { certificates } = this.#book;
    const match = certificate && certificates.find(({ rule }) => fits(rule, certificate));
    if (match !== undefined) return { kind: 'own', client: match.client };
    return this.#options.mode === 'either' ? { kind: 'stranger' } : { kind: 'refused', user: undefined };
  }

  async #bySecret(authorization: string, address: string): Promise<Identified> {
    const book = this.#book;
    const stranger: Identified = { kind: 'stranger' };
    const either = this.#options.mode === 'either';
    const presented = readAuthorization(authorization);
    if (presented.kind === 'other') return either ? stranger : { kind: 'refused', user: undefined };
    const kept = (presented.kind === 'apiKey' ? book.apiKeys : book.users).get(presented.name);
    if (kept === undefined && either) return stranger;
    const matches = await this.#checks.matches(presented.secret, kept?.hash ?? book.nobody, address);
    if (kept === undefined || !matches) return { kind: 'refused', user: presented.name };
    return { kind: 'own', client: kept.client };
  }
}

/** By keyed hash of the header, for a while, a bounded number of them. */
class Remembered {
  readonly #clock: Clock;
  readonly #keepMs: number;
  readonly #entries = new Map<string, { found: Identified; untilMs: number }>();

  constructor(clock: Clock, keepMs: number) {
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  get(header: string): Identified | undefined {
    const entry = this.#entries.get(header);
    return entry !== undefined && entry.untilMs > this.#clock.monotonic() ? entry.found : undefined;
  }

  set(header: string, found: Identified): void {
    this.#entries.delete(header);
    this.#entries.set(header, { found, untilMs: this.#clock.monotonic() + this.#keepMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= rememberedMax) break;
      this.#entries.delete(oldest);
    }
  }
}

function bookOf(entries: readonly ClientEntry[], before?: Book): Book {
  const clients = new Map(entries.map((entry) => [entry.name, new Client(entry, before?.clients.get(entry.name))]));
  const kept = (of: 'apiKeys' | 'users') =>
    new Map(
      entries.flatMap((entry) =>
        entry[of].map(({ name, hash }) => [name, { client: clients.get(entry.name) as Client, hash }] as const),
      ),
    );
  const [apiKeys, users] = [kept('apiKeys'), kept('users')];
  const hashes = [...apiKeys.values(), ...users.values()].map(({ hash }) => hash);
  return {
    clients,
    apiKeys,
    users,
    certificates: entries.flatMap((entry) =>
      entry.certificates.map((rule) => ({ rule, client: clients.get(entry.name) as Client })),
    ),
    nobody: unmatchable(hashes.toSorted((a, b) => b.ln - a.ln || b.p - a.p)[0]),
  };
}

function fits(rule: CertificateRule, certificate: PresentedCertificate): boolean {
  const { fingerprint, commonName, dnsName, uri } = rule;
  if (fingerprint !== undefined && fingerprint !== certificate.fingerprint) return false;
  if (commonName !== undefined && !matchesGlob(commonName, certificate.commonName ?? '')) return false;
  if (dnsName !== undefined && !certificate.dnsNames.some((name) => matchesGlob(dnsName, name))) return false;
  return uri === undefined || certificate.uris.some((name) => matchesGlob(uri, name));
}
