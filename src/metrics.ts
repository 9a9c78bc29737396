/**
 * What the proxy counts, for Prometheus: one registry a process, made by the composition root and handed to the stages.
 * Labels are closed sets; never a destination, an id or anything else that a shipper chooses.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type RequestKind = 'bulk' | 'document' | 'passthrough' | 'refused';

export interface Metrics {
  /** Requests by kind and class of status, `2xx`. */
  readonly requests: Counter<'kind' | 'status'>;
  readonly requestSeconds: Histogram<'kind'>;
  readonly requestBytes: Counter;
  readonly itemsRefused: Counter<'reason'>;
  readonly holds: Counter;
  readonly tooManyRequests: Counter;
  readonly recordsSigned: Counter;
  readonly chainsOpen: Gauge;
  readonly epochsSealed: Counter<'reason'>;
  readonly logAppendSeconds: Histogram;
  readonly logBytesUsed: Gauge;
  readonly logBytesFree: Gauge;
  readonly recordsDelivered: Counter;
  readonly recordsRejected: Counter;
  /** Seconds between now and the oldest record that is not yet answered for; 0 when all are. */
  readonly deliveryLagSeconds: Gauge;
  readonly destinationsHeld: Gauge;
  readonly upstreamUp: Gauge;
  readonly contentType: string;
  /** The text that a scrape is answered with. */
  text(): Promise<string>;
}

const fast = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 45];

export function createMetrics(options: { processMetrics: boolean } = { processMetrics: true }): Metrics {
  const registry = new Registry();
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  const counter = <T extends string = never>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Counter<T>({ name: `logseal_${name}_total`, help, labelNames, registers: [registry] });
  const gauge = (name: string, help: string) => new Gauge({ name: `logseal_${name}`, help, registers: [registry] });
  const histogram = <T extends string = never>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Histogram<T>({ name: `logseal_${name}_seconds`, help, labelNames, buckets: fast, registers: [registry] });
  return {
    requests: counter('requests', 'Requests answered', ['kind', 'status']),
    requestSeconds: histogram('request', 'From the first byte of a request to the last of its answer', ['kind']),
    requestBytes: counter('request_bytes', 'Bytes of request bodies, after inflating'),
    itemsRefused: counter('items_refused', 'Operations of bulk requests refused one by one', ['reason']),
    holds: counter('holds', 'Requests that were held because the log was full or behind'),
    tooManyRequests: counter('too_many_requests', 'Requests answered 429 after being held'),
    recordsSigned: counter('records_signed', 'Records tagged and durable in the write-ahead log'),
    chainsOpen: gauge('chains_open', 'Chains with an open key'),
    epochsSealed: counter('epochs_sealed', 'Epochs closed', ['reason']),
    logAppendSeconds: histogram('log_append', 'From append to durable'),
    logBytesUsed: gauge('log_bytes_used', 'Bytes of the write-ahead log in use'),
    logBytesFree: gauge('log_bytes_free', 'Bytes left of wal.bytesMax'),
    recordsDelivered: counter('records_delivered', 'Records the search engine has answered for'),
    recordsRejected: counter('records_rejected', 'Records that ended in the rejects index'),
    deliveryLagSeconds: gauge('delivery_lag_seconds', 'Age of the oldest record not yet answered for'),
    destinationsHeld: gauge('destinations_held', 'Destinations that take no records at the moment'),
    upstreamUp: gauge('upstream_up', '1 if the last request to the search engine was answered'),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
