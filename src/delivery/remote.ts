/**
 * Delivery as the main thread has it: the thread, and the messages. The thread's end, however it comes, ends the process:
 * a proxy that accepts and does not deliver helps nobody for long.
 */
import { Worker } from 'node:worker_threads';
import { LogsealError } from '../errors.ts';
import type { EventName } from '../log.ts';
import type { Credentials } from '../upstream/connection.ts';
import type { NodeTls } from '../upstream/node-connector.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';
import type { ControlCall, FromDelivery, ThreadStart, ToDelivery } from './message.ts';
import { messageOf } from './message-of.ts';
import type { DeliveryStats, SettledRecord } from './port.ts';
import type { RetriedRecord, RetryRequest } from './retry.ts';
import type { BulkTiming } from './search-engine.ts';

export interface RemoteDeliveryOptions {
  start: ThreadStart;
  /** Signs a control record; durable when resolved. */
  control(call: ControlCall): Promise<unknown>;
  settled(outcomes: SettledRecord[]): void;
  trim(before: Position): void;
  event(level: 'info' | 'warn' | 'error', name: EventName, fields: Record<string, unknown>): void;
  stats(stats: DeliveryStats, timings: readonly BulkTiming[]): void;
  fatal(error: unknown): void;
}

export class RemoteDelivery {
  readonly #worker: Worker;
  readonly #options: RemoteDeliveryOptions;
  readonly #started = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #retries = new Map<number, (records: RetriedRecord[] | undefined, error: string) => void>();
  #retryCalls = 0;
  #stopping = false;
  #newest: { stats: DeliveryStats; durable: Position; nodesOut: string[] } | undefined;
  #drained: { until: Position; resolve: () => void } | undefined;

  constructor(options: RemoteDeliveryOptions) {
    this.#options = options;
    const file = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);
    // Neither flags nor environment of the proxy: the thread needs none of them.
    this.#worker = new Worker(file, { workerData: { logsealDelivery: options.start }, env: {}, execArgv: [] });
    this.#started.promise.catch(() => undefined);
    this.#worker.on('message', (message: FromDelivery) => this.#take(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => {
      if (!this.#stopping) this.#fail(new LogsealError('DELIVERY_FAILED', 'the delivery thread ended by itself'));
      this.#stopped.resolve();
    });
  }

  /** Sends rejected records again. Errors: UPSTREAM_REFUSED with the reason where that could not begin. */
  retry(request: RetryRequest): Promise<RetriedRecord[]> {
    const { promise, resolve, reject } = Promise.withResolvers<RetriedRecord[]>();
    const call = this.#retryCalls;
    this.#retryCalls += 1;
    this.#retries.set(call, (records, error) => {
      if (records === undefined) reject(new LogsealError('UPSTREAM_REFUSED', error));
      else resolve(records);
    });
    this.#say({ kind: 'retry', call, request });
    return promise;
  }

  /** Begins to send. Resolves when the thread has looked through the log. */
  start(): Promise<void> {
    this.#say({ kind: 'start' });
    return this.#started.promise;
  }

  /** The log is durable up to here. */
  grew(durable: Position): void {
    this.#say({ kind: 'grew', durable: { segment: durable.segment, offset: durable.offset } });
  }

  watch(chain: string, from: number, count: number): void {
    this.#say({ kind: 'watch', chain, from, count });
  }

  unwatch(chain: string, from: number, count: number): void {
    this.#say({ kind: 'unwatch', chain, from, count });
  }

  /** Another key, password or certificate towards the search engine. */
  replaceCredentials(credentials: Credentials & NodeTls): void {
    this.#say({ kind: 'credentials', credentials });
  }

  get stats(): DeliveryStats | undefined {
    return this.#newest?.stats;
  }

  /** Addresses of nodes that get no records at the moment. */
  get nodesOut(): readonly string[] {
    return this.#newest?.nodesOut ?? [];
  }

  /** Resolves with true when everything before `until` is answered for and published, with false when `ended` comes first. */
  async drained(until: Position, ended: Promise<unknown>): Promise<boolean> {
    const drained = new Promise<boolean>((resolve) => {
      this.#drained = { until, resolve: () => resolve(true) };
    });
    return Promise.race([drained, ended.then(() => false)]);
  }

  /** Ends what is under way within about `graceMs`, saves the cursor. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#say({ kind: 'stop', graceMs });
    await this.#stopped.promise;
  }

  #take(message: FromDelivery): void {
    const { settled, trim, event, stats, fatal } = this.#options;
    if (message.kind === 'settled') settled(message.outcomes);
    else if (message.kind === 'trim') trim(message.before);
    else if (message.kind === 'event') event(message.level, message.name, message.fields);
    else if (message.kind === 'started') this.#started.resolve();
    else if (message.kind === 'retried') {
      const waiting = this.#retries.get(message.call);
      this.#retries.delete(message.call);
      waiting?.(message.records, message.error);
    } else if (message.kind === 'control') void this.#control(message.call, message.control);
    else if (message.kind === 'fatal') fatal(failure(message.error));
    else if (message.kind === 'stats') {
      this.#newest = { stats: message.stats, durable: message.durable, nodesOut: message.nodesOut };
      stats(message.stats, message.timings);
      this.#checkDrained();
    }
  }

  async #control(call: number, control: ControlCall): Promise<void> {
    try {
      await this.#options.control(control);
      this.#say({ kind: 'controlled', call, error: undefined });
    } catch (error) {
      this.#say({ kind: 'controlled', call, error: error instanceof Error ? error.message : String(error) });
    }
  }

  #checkDrained(): void {
    const { stats, durable } = this.#newest ?? {};
    if (this.#drained === undefined || stats?.idle !== true || durable === undefined) return;
    if (comparePositions(durable, this.#drained.until) < 0) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }

  #fail(error: unknown): void {
    this.#started.reject(error);
    if (!this.#stopping) this.#options.fatal(error);
  }

  #say(message: ToDelivery): void {
    this.#worker.postMessage(message);
  }
}

/** What comes out of the thread has lost its code on the way. */
function failure(cause: unknown): LogsealError {
  return new LogsealError('DELIVERY_FAILED', `delivery failed: ${messageOf(cause)}`, { cause });
}
