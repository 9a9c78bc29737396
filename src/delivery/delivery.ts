/**
 * The life of delivery: from the cursor on disk to the end of the log, and after it as it grows. Puts the parts together and
 * decides nothing about records itself. Reads the log's files, keeps `delivery/`, and knows the process around it only by
 * DeliveryHost: it may run in a worker. Assumes that it is the only one that delivers from this data directory.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LogsealError } from '../errors.ts';
import { RecordView } from '../journal/records-entry.ts';
import type { Clock } from '../lib/clock.ts';
import type { CursorFile } from '../wal/cursor.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import { Adaptive } from './adaptive.ts';
import { BacklogCount } from './backlog-count.ts';
import type { BatchOptions } from './batch.ts';
import { learnFromLog } from './control-documents.ts';
import type { CursorStore, CursorValue } from './cursor-keeper.ts';
import { beginning, CursorKeeper, earliest, neededFrom, SentMark } from './cursor-keeper.ts';
import { Destinations } from './destinations.ts';
import { Dispatch } from './dispatch.ts';
import { firstRecordAt } from './item.ts';
import { Lanes } from './lanes.ts';
import type { PlacesOptions } from './places.ts';
import { Places } from './places.ts';
import type { Backlog, DeliveryHost, DeliveryStats, DeliveryUpstream } from './port.ts';
import { Publication } from './publication.ts';
import { Pump } from './pump.ts';
import { RejectRegister } from './rejects.ts';
import type { RetriedRecord, RetryOptions, RetryRequest } from './retry.ts';
import { Retries } from './retry.ts';
import { pause } from './retry-policy.ts';
import { Watchers } from './watchers.ts';

export interface DeliveryLimits {
  /** Bytes of frames read ahead of the first that is not answered for. */
  windowBytesMax: number;
  /** Bytes of log in one bulk request; its body is larger by the signature fields. */
  batchBytesMin: number;
  batchBytesMax: number;
  batchItemsMax: number;
  concurrencyMax: number;
  latencyMsAim: number;
  lanesMax: number;
  /** Refused records of one lane that are put aside. */
  parkedMax: number;
  backoffMsMin: number;
  backoffMsMax: number;
  giveUpAfterMs: number;
  factsAgeMsMax: number;
  cursorIntervalMs: number;
}

export const defaultLimits: DeliveryLimits = {
  windowBytesMax: 64 * 1024 * 1024,
  batchBytesMin: 64 * 1024,
  batchBytesMax: 5 * 1024 * 1024,
  batchItemsMax: 10_000,
  concurrencyMax: 8,
  latencyMsAim: 1000,
  lanesMax: 32,
  parkedMax: 64,
  backoffMsMin: 500,
  backoffMsMax: 30_000,
  giveUpAfterMs: 24 * 60 * 60 * 1000,
  factsAgeMsMax: 60_000,
  cursorIntervalMs: 1000,
};

export interface DeliveryOptions {
  walDir: LogDirectory;
  /** Where `places` is kept. */
  dir: string;
  /** Everything before it is on disk when delivery starts. */
  durable: Position;
  /** What the cursor file held; undefined at the first start. */
  cursor: CursorValue | undefined;
  store: CursorStore | CursorFile<CursorValue>;
  /** Writes the file `places`; a test counts itself in between. */
  replace?: PlacesOptions['replace'];
  upstream: DeliveryUpstream;
  /** As `RetryOptions`; without it nothing that was rejected is sent again. */
  rejected?: RetryOptions['rejected'];
  host: DeliveryHost;
  clock: Clock;
  random: () => number;
  batch: BatchOptions;
  limits?: Partial<DeliveryLimits>;
  /** Delivery cannot go on: the log or the cursor cannot be read or written, or an invariant is broken. */
  fatal(error: unknown): void;
}

const none = {
  delivered: { data: 0, control: 0 },
  rejected: { mapping: 0, conflict: 0, dropped: 0, 'failure-store': 0, blocked: 0 },
};

interface Parts {
  keeper: CursorKeeper;
  pump: Pump;
  lanes: Lanes;
  publication: Publication;
  dispatch: Dispatch;
  adaptive: Adaptive;
  destinations: Destinations;
  retries: Retries;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #limits: DeliveryLimits;
  readonly #abort = new AbortController();
  readonly #watchers: Watchers;
  readonly #register = new RejectRegister();
  #durable: Position;
  #parts: Parts | undefined;
  #running: Promise<unknown> = Promise.resolve();
  readonly #cursor: CursorValue;
  readonly #count: BacklogCount;
  #looked: Promise<Places> | undefined;
  #backlog: Backlog | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#durable = options.durable;
    this.#watchers = new Watchers(options.host);
    // Without a cursor (never saved, or deleted) anything in the log may have been sent.
    this.#cursor = options.cursor ?? { main: beginning, sent: options.durable, seals: beginning, lanes: [] };
    this.#count = new BacklogCount(this.#cursor);
  }

  /** Looks through the log, once, for what was decided before and for what waits. `start` does it if nobody did. */
  look(): Promise<unknown> {
    this.#looked ??= this.#look();
    return this.#looked;
  }

  /** Resolves when the log has been looked through, and sending has begun. */
  async start(): Promise<void> {
    const { walDir, durable } = this.#options;
    const cursor = this.#cursor;
    this.#looked ??= this.#look();
    const places = await this.#looked;
    await learnFromLog(walDir, durable, this.#durable, { register: this.#register, places });
    const parts = this.#assemble(cursor, places);
    this.#parts = parts;
    parts.lanes.restore(cursor.lanes, cursor.sent);
    parts.lanes.take(this.#count.found.inLanes);
    parts.pump.grew(this.#durable);
    const fatal = (error: unknown) => this.#fail(error);
    this.#running = Promise.all([
      parts.pump.run().catch(fatal),
      parts.publication.run().catch(fatal),
      this.#keepCursor(parts.keeper).catch(fatal),
    ]);
  }

  async #look(): Promise<Places> {
    const { dir, walDir, host, upstream, replace, durable } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const path = join(dir, 'places');
    const places = await Places.open({ path, host, upstream, ...(replace === undefined ? {} : { replace }) });
    const learned = { register: this.#register, places, count: this.#count };
    await learnFromLog(walDir, neededFrom(this.#cursor), durable, learned);
    this.#backlog = this.#count.found;
    return places;
  }

  /** The log is durable up to here. */
  grew(durable: Position): void {
    this.#durable = durable;
    this.#parts?.pump.grew(durable);
  }

  /** `settled` will tell of these records. Call before `grew` reaches them. */
  watch(chain: string, from: number, count: number): void {
    this.#watchers.watch(chain, from, count);
  }

  /** Nobody waits any more for the records that `watch` named from `from` on. */
  unwatch(chain: string, from: number): void {
    this.#watchers.unwatch(chain, from);
  }

  /** As `Retries.retry`. Errors: UPSTREAM_REFUSED before delivery has begun. */
  async retry(request: RetryRequest): Promise<RetriedRecord[]> {
    if (this.#parts !== undefined) return this.#parts.retries.retry(request);
    throw new LogsealError('UPSTREAM_REFUSED', 'delivery has not begun: nothing is sent at the moment');
  }

  /** Waits for what is under way, saves the cursor. Records that were being tried again stay for the next start. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    await this.#parts?.lanes.stopped();
    await this.#parts?.keeper.save();
  }

  stats(): DeliveryStats {
    const parts = this.#parts;
    const oldest = parts?.pump.inFlight.oldest;
    const view = oldest === undefined ? undefined : new RecordView().seek(oldest.payload, firstRecordAt);
    return {
      main: parts?.pump.position ?? beginning,
      idle: parts !== undefined && this.#isIdle(parts),
      lanes: parts?.lanes.count ?? 0,
      parked: parts?.lanes.parked ?? 0,
      held: parts?.destinations.held() ?? [],
      oldestMs: this.#oldest(view?.timeMs),
      backlog: this.#backlog,
      routed: parts?.pump.records ?? 0,
      pending: parts?.pump.pending ?? 0,
      inLanes: parts?.lanes.waiting ?? this.#backlog?.inLanes ?? 0,
      needed:
        parts === undefined
          ? earliest(
              this.#cursor.lanes.map((lane) => lane.position),
              this.#cursor.main,
            )
          : earliest(parts.lanes.positions(), parts.pump.position),
      inFlightBytes: parts?.pump.inFlight.bytes ?? 0,
      delivered: { ...(parts?.dispatch.delivered ?? none.delivered) },
      rejected: { ...(parts?.dispatch.rejected ?? none.rejected) },
      batches: parts?.dispatch.batches ?? 0,
      concurrency: parts?.adaptive.concurrency ?? 0,
      unreachable: parts?.dispatch.outage,
      published: parts?.publication.published,
      publishedMs: parts?.publication.publishedMs,
    };
  }

  /** Before the main reader has begun, what it will meet first. */
  #oldest(inMain: number | undefined): number | undefined {
    if (this.#parts === undefined) return this.#backlog?.oldestMs;
    const inLanes = this.#parts.lanes.oldestMs;
    return inMain === undefined ? inLanes : Math.min(inMain, inLanes ?? inMain);
  }

  #isIdle({ pump, lanes, publication }: Parts): boolean {
    const { segment, offset } = this.#durable;
    const at = (position: Position) => position.segment === segment && position.offset === offset;
    return lanes.count === 0 && at(pump.position) && at(publication.position);
  }

  #assemble(cursor: CursorValue, places: Places): Parts {
    const { upstream, host, clock, random, batch, walDir: dir } = this.#options;
    const limits = this.#limits;
    const { signal } = this.#abort;
    const adaptive = new Adaptive(limits);
    const { factsAgeMsMax } = limits;
    const destinations = new Destinations({ upstream, places, clock, factsAgeMsMax });
    const register = this.#register;
    const watchers = this.#watchers;
    const sending = { upstream, host, clock, destinations, places, register, watchers, adaptive, batch };
    const dispatch = new Dispatch(sending);
    const { rejected = async () => [] } = this.#options;
    const retries = new Retries({ ...sending, random, signal, rejected, durable: () => this.#durable });
    const mark = new SentMark(cursor.sent, cursor.sent);
    const keeper = new CursorKeeper(this.#options.store, places, snapshot, (before) => {
      register.prune(before);
      host.trim(before);
    });
    const moved = () => {
      lanes.wake();
      publication.wake();
    };
    const routed = () => pump.routed;
    const left = () => {
      mark.raise(pump.routed);
      moved();
    };
    const common = { dir, clock, random, signal, destinations, dispatch, routed };
    const event = host.event.bind(host);
    const fatal = (error: unknown) => this.#fail(error);
    const lanes = new Lanes({ ...common, ...limits, batchBytesMax: 1024 * 1024, keeper, event, fatal, left });
    const pump = new Pump(
      {
        ...common,
        ...limits,
        adaptive,
        moved,
        from: cursor.main,
        unknownUntil: cursor.sent,
        sent: (next) => mark.reach(next, keeper),
        divert: (destination, position, why) => lanes.divert(destination, position, why),
        leftOut: (count) => lanes.take(count),
        seal: (frame) => publication.offer(frame),
      },
      this.#durable,
    );
    const publication = new Publication({
      ...common,
      upstream,
      event,
      from: cursor.seals,
      safe: () => earliest(lanes.positions(), pump.position),
      backoffMsMax: limits.backoffMsMax,
    });
    function snapshot(): CursorValue {
      return { main: pump.position, sent: mark.wanted, seals: publication.position, lanes: lanes.cursors() };
    }
    return { keeper, pump, lanes, publication, dispatch, adaptive, destinations, retries };
  }

  /** Often enough that a restart looks little up, seldom enough to cost nothing. */
  async #keepCursor(keeper: CursorKeeper): Promise<void> {
    const { signal } = this.#abort;
    let last = '';
    while (!signal.aborted) {
      await pause(this.#options.clock, this.#limits.cursorIntervalMs, signal);
      // A lane that has got on tells nobody.
      this.#parts?.publication.wake();
      const now = JSON.stringify(this.#parts === undefined ? '' : this.#progress(this.#parts));
      if (now === last) continue;
      last = now;
      await keeper.save();
    }
  }

  #progress({ pump, publication, lanes }: Parts): unknown {
    return [pump.position, publication.position, lanes.cursors()];
  }

  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#options.fatal(error);
  }
}
