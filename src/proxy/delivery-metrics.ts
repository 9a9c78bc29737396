/**
 * What the stages behind the sockets are counted by. Counters follow the delivery thread's messages; what has a value only at
 * the moment is looked up when somebody scrapes. Costs nothing a record.
 */
import type { DeliveryStats } from '../delivery/port.ts';
import { rejectReasons } from '../delivery/port.ts';
import type { BulkTiming } from '../delivery/search-engine.ts';
import type { CertificateKind, Metrics } from '../metrics.ts';
import { timestamp } from '../metrics.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';

export interface Waiting {
  /** Control records too; undefined until the delivery thread has looked through the log. */
  records: number | undefined;
  bytes: number;
  /** Time of the oldest, wall clock; undefined if none waits or nobody has looked. */
  oldestMs: number | undefined;
}

export interface WaitingSources {
  wal: Pick<WriteAheadLog, 'bytesFrom'>;
  /** The newest of the delivery thread. */
  stats: DeliveryStats | undefined;
  /** Records that were signed since the delivery thread was started. */
  signed: number;
}

/** What is on disk and not yet answered for. */
export function waitingNow({ wal, stats, signed }: WaitingSources): Waiting {
  if (stats === undefined) return { records: undefined, bytes: 0, oldestMs: undefined };
  const { backlog, routed, pending, inLanes, needed, oldestMs } = stats;
  const bytes = wal.bytesFrom(needed);
  if (backlog === undefined) return { records: undefined, bytes, oldestMs };
  // The newest message may be older than what was signed since, never younger.
  const records = Math.max(0, backlog.records + signed - routed) + pending + inLanes;
  return { records, bytes: records === 0 ? 0 : bytes, oldestMs: records === 0 ? undefined : oldestMs };
}

/** Takes the thread's messages. */
export class DeliveryCounts {
  readonly #metrics: Metrics;
  #last: Pick<DeliveryStats, 'delivered' | 'rejected'> | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    // Counters that are there from the start: a rate needs a first value.
    for (const kind of ['data', 'control'] as const) metrics.recordsDelivered.inc({ kind }, 0);
    for (const reason of rejectReasons) metrics.recordsRejected.inc({ reason }, 0);
  }

  take(stats: DeliveryStats, timings: readonly BulkTiming[]): void {
    const { recordsDelivered, recordsRejected, upstreamRequestSeconds } = this.#metrics;
    for (const { outcome, ms } of timings) upstreamRequestSeconds.observe({ outcome }, ms / 1000);
    for (const kind of ['data', 'control'] as const) {
      recordsDelivered.inc({ kind }, stats.delivered[kind] - (this.#last?.delivered[kind] ?? 0));
    }
    for (const reason of rejectReasons) {
      recordsRejected.inc({ reason }, stats.rejected[reason] - (this.#last?.rejected[reason] ?? 0));
    }
    this.#last = stats;
  }
}

export interface ScrapeSources {
  metrics: Metrics;
  stats: () => DeliveryStats | undefined;
  waiting: () => Waiting;
  wal: Pick<WriteAheadLog, 'usedBytes' | 'freeBytes'>;
  chains: () => number;
  /** Nothing is in the way of delivery as a whole. */
  delivering: () => boolean;
  notCovered: ReadonlySet<string>;
  /** Of the data directory's disk. */
  diskFreeBytes: () => Promise<number>;
}

export function lookWhenScraped(sources: ScrapeSources): void {
  const { metrics, wal } = sources;
  metrics.beforeScrape(async () => {
    const stats = sources.stats();
    const waiting = sources.waiting();
    metrics.waitingRecords.set(waiting.records ?? Number.NaN);
    metrics.waitingBytes.set(waiting.bytes);
    timestamp(metrics.waitingOldest, waiting.oldestMs ?? Number.NaN);
    metrics.logUsedBytes.set(wal.usedBytes);
    metrics.logFreeBytes.set(wal.freeBytes);
    metrics.chainsOpen.set(sources.chains());
    metrics.destinationsHeld.set(stats?.held.length ?? 0);
    metrics.destinationsNotCovered.set(sources.notCovered.size);
    metrics.upstreamUp.set(sources.delivering() ? 1 : 0);
    if (stats?.publishedMs !== undefined) {
      metrics.lastAnchor.set({ anchor: 'search-engine' }, stats.publishedMs / 1000);
    }
    metrics.diskFreeBytes.set(await sources.diskFreeBytes().catch(() => Number.NaN));
  });
}

/** The first of a kind to end counts; without any the kind is not shown. */
export function noteCertificates(metrics: Metrics, kind: CertificateKind, notAfterMs: readonly number[]): void {
  if (notAfterMs.length > 0) metrics.certificateExpiry.set({ kind }, Math.min(...notAfterMs) / 1000);
}
