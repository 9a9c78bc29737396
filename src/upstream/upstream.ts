/**
 * The search engine as the rest of the proxy sees it: one connection, and everything of this unit around it. Built once by
 * the composition root and closed with it.
 */
import type { Clock } from '../lib/clock.ts';
import type { BulkQuery } from './bulk-client.ts';
import { BulkClient } from './bulk-client.ts';
import type { ConnectionOptions, Credentials } from './connection.ts';
import { Connection } from './connection.ts';
import type { DestinationInfo } from './destination.ts';
import { DestinationBook } from './destination.ts';
import type { UpstreamIdentity } from './identity.ts';
import { askIdentity } from './identity.ts';
import type { BulkAnswer } from './item-result.ts';
import type { StoredRecord, WantedRecord } from './lookup.ts';
import { Lookup } from './lookup.ts';
import type { TemplatesMode } from './mapping-keeper.ts';
import { MappingKeeper } from './mapping-keeper.ts';
import type { NodeTls } from './node-connector.ts';
import type { Permission } from './privileges.ts';
import { Privileges } from './privileges.ts';
import { Templates } from './templates.ts';

export interface UpstreamOptions extends Omit<ConnectionOptions, 'clock'> {
  clock: Clock;
  /** The nodes are the embedded store of this proxy. */
  embedded: boolean;
  templates: TemplatesMode;
  /** What a person should know about templates. */
  advise: (template: string, text: string) => void;
}

export class Upstream {
  readonly connection: Connection;
  readonly templates: Templates;
  readonly #bulk: BulkClient;
  readonly #book: DestinationBook;
  readonly #keeper: MappingKeeper;
  readonly #lookup: Lookup;
  readonly #privileges: Privileges;

  constructor(options: UpstreamOptions) {
    const { clock, embedded, templates: mode, advise } = options;
    this.connection = new Connection(options);
    const asker = this.connection;
    this.templates = new Templates(asker);
    this.#bulk = new BulkClient(this.connection);
    this.#book = new DestinationBook({ asker, clock, embedded });
    const book = this.#book;
    this.#keeper = new MappingKeeper({ asker, clock, embedded, mode, book, templates: this.templates, advise });
    this.#lookup = new Lookup({ asker, embedded });
    const exists = async (dest: string) => (await this.#book.describe(dest)).exists;
    this.#privileges = new Privileges({ asker, clock, embedded, exists });
  }

  send(body: readonly Buffer[], query: BulkQuery): Promise<BulkAnswer> {
    return this.#bulk.send(body, query);
  }

  describe(dest: string, fresh = false): Promise<DestinationInfo> {
    return this.#book.describe(dest, { fresh });
  }

  invalidate(dest: string): void {
    this.#keeper.forget(dest);
  }

  find(wanted: readonly WantedRecord[]): Promise<StoredRecord[][]> {
    return this.#lookup.find(wanted);
  }

  /** Why the signature field's mapping cannot be had there; undefined when it is. */
  async ensureMapping(dest: string): Promise<string | undefined> {
    const state = await this.#keeper.ensureSignatureMapping(dest);
    return state.ok ? undefined : state.reason;
  }

  countUnsigned(index: string): Promise<number> {
    return this.#book.countUnsigned(index);
  }

  mayCreate(authorization: string | undefined, dests: readonly string[]): Promise<Permission> {
    return this.#privileges.mayCreate(authorization, dests);
  }

  /** Whether the search engine wants credentials; kept a minute. Throws UPSTREAM_* when it cannot be asked. */
  isSecured(): Promise<boolean> {
    return this.#privileges.isSecured();
  }

  /** What was last found out about that. */
  get secured(): boolean | undefined {
    return this.#privileges.secured;
  }

  /** Another key or password of the proxy itself, from the next request on; other certificates, from the next socket on. */
  replaceCredentials(credentials: Credentials & NodeTls): void {
    this.connection.replaceCredentials(credentials);
  }

  identity(): Promise<UpstreamIdentity> {
    return askIdentity(this.connection);
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
