/**
 * What the proxy counts, for Prometheus: one registry a process, made by the composition root and handed to the stages.
 * Labels are closed sets; never a destination, an id or anything else that a shipper chooses. Base units; a moment is a
 * timestamp, NaN until there was one; what has a value only now is looked up when somebody scrapes.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type RequestKind = 'bulk' | 'document' | 'passthrough' | 'refused';

/** Whose certificate: `auditor` chain secrets are wrapped to, `intake` and `admin` are shown to clients, `upstream` to the search engine. */
export type CertificateKind = 'auditor' | 'intake' | 'admin' | 'upstream';

export type RecordKind = 'data' | 'control';

/** `answered`: with a result for every record. `refused`: certainly nothing was applied. `unknown`: some of it may have been. */
export type UpstreamOutcome = 'answered' | 'refused' | 'unknown';

/** Types of the errors that single operations are refused with; any other counts as `other`. */
const itemRefusals = [
  'document_parsing_exception',
  'illegal_argument_exception',
  'invalid_index_name_exception',
  'security_exception',
] as const;

export type ItemRefusal = (typeof itemRefusals)[number] | 'other';

/** The label for an item error's type. */
export function itemRefusal(type: string): ItemRefusal {
  return itemRefusals.find((known) => known === type) ?? 'other';
}

export interface Metrics {
  /** Requests by kind and class of status, `2xx`. */
  readonly requests: Counter<'kind' | 'status'>;
  readonly requestSeconds: Histogram<'kind'>;
  readonly requestBytes: Counter;
  /** By code of errors.ts. */
  readonly requestsRefused: Counter<'reason'>;
  readonly holds: Counter;
  readonly recordsReceived: Counter;
  readonly recordsRefused: Counter<'reason'>;
  readonly recordsForwarded: Counter;
  readonly recordsSigned: Counter<'kind'>;
  readonly recordsAcknowledged: Counter;
  readonly recordsDelivered: Counter<'kind'>;
  readonly recordsRejected: Counter<'reason'>;
  readonly waitingRecords: Gauge;
  readonly waitingBytes: Gauge;
  readonly waitingOldest: Gauge;
  readonly chainsOpen: Gauge;
  readonly epochsSealed: Counter<'reason'>;
  readonly lastSeal: Gauge;
  readonly lastAnchor: Gauge<'anchor'>;
  readonly logAppendSeconds: Histogram;
  readonly logSyncSeconds: Histogram;
  readonly logUsedBytes: Gauge;
  readonly logFreeBytes: Gauge;
  readonly diskFreeBytes: Gauge;
  readonly upstreamRequestSeconds: Histogram<'outcome'>;
  readonly upstreamUp: Gauge;
  readonly destinationsHeld: Gauge;
  readonly destinationsNotCovered: Gauge;
  readonly certificateExpiry: Gauge<'kind'>;
  readonly reloadSucceeded: Gauge;
  readonly lastReload: Gauge;
  readonly buildInfo: Gauge<'version' | 'node'>;
  readonly contentType: string;
  /** Calls `look` before each scrape is answered; what it throws is left out of the scrape, not of the log. */
  beforeScrape(look: () => void | Promise<void>): void;
  /** The text that a scrape is answered with. */
  text(): Promise<string>;
}

const fast = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 45];

/** Sums of gauges that prom-client gives beside the gauges, under names that are for counters. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

export function createMetrics(options: { processMetrics: boolean } = { processMetrics: true }): Metrics {
  const registry = new Registry();
  const looks: (() => void | Promise<void>)[] = [];
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
  return {
    ...requestMetrics(registry),
    ...recordMetrics(registry),
    ...stateMetrics(registry),
    contentType: registry.contentType,
    beforeScrape: (look) => void looks.push(look),
    async text() {
      for (const look of looks) await look();
      return registry.metrics();
    },
  };
}

/** A moment in the form of a gauge: seconds since 1970. */
export function timestamp(gauge: { set(seconds: number): void }, ms: number): void {
  gauge.set(ms / 1000);
}

function requestMetrics(registry: Registry) {
  const { counter, histogram } = makers(registry);
  return {
    requests: counter('requests', 'Requests answered', ['kind', 'status']),
    requestSeconds: histogram('request', 'From the first byte of a request to the last of its answer', ['kind']),
    requestBytes: counter('request_bytes', 'Bytes of request bodies, after inflating'),
    requestsRefused: counter('requests_refused', 'Requests refused whole, by code of docs/errors.md', ['reason']),
    holds: counter('holds', 'Requests that were held because the log was full or behind'),
    upstreamRequestSeconds: histogram('upstream_request', 'Bulk requests of delivery to the search engine', [
      'outcome',
    ]),
  };
}

function recordMetrics(registry: Registry) {
  const { counter, gauge, moment, histogram } = makers(registry);
  return {
    recordsReceived: counter('records_received', 'Operations that clients sent in requests that could be read'),
    recordsRefused: counter('records_refused', 'Operations refused one by one, by type of their error', ['reason']),
    recordsForwarded: counter('records_forwarded', 'Operations on what cannot be signed, passed on as they came'),
    recordsSigned: counter('records_signed', 'Records tagged and durable in the write-ahead log', ['kind']),
    recordsAcknowledged: counter('records_acknowledged', 'Records that their sender heard yes for'),
    recordsDelivered: counter('records_delivered', 'Records the search engine has answered for', ['kind']),
    recordsRejected: counter('records_rejected', 'Records named as rejects by a control record', ['reason']),
    waitingRecords: gauge('waiting_records', 'Records in the log that are not yet answered for, control records too'),
    waitingBytes: gauge('waiting_bytes', 'Bytes of the log from the oldest record that is not yet answered for'),
    waitingOldest: moment('waiting_oldest', 'Time of the oldest record that is not yet answered for; NaN if none'),
    epochsSealed: counter('epochs_sealed', 'Epochs closed', ['reason']),
    lastSeal: moment('last_seal', 'When this process last sealed an epoch'),
    lastAnchor: moment('last_anchor', 'When this process last brought a checkpoint to an anchor', ['anchor']),
    logAppendSeconds: histogram('log_append', 'From append to durable, of frames of signed records'),
    logSyncSeconds: histogram('log_fsync', 'One fdatasync of the write-ahead log'),
  };
}

function stateMetrics(registry: Registry) {
  const { gauge, moment } = makers(registry);
  return {
    chainsOpen: gauge('chains_open', 'Chains with an open key'),
    logUsedBytes: gauge('log_used_bytes', 'Bytes of the write-ahead log in use, by whole segments'),
    logFreeBytes: gauge('log_free_bytes', 'Bytes that requests may still fill of wal.bytesMax; 0 on a full disk'),
    diskFreeBytes: gauge('disk_free_bytes', 'Bytes left on the disk of the data directory'),
    upstreamUp: gauge('upstream_up', '1 while the search engine answers and is sent records'),
    destinationsHeld: gauge('destinations_held', 'Destinations that take no records at the moment'),
    destinationsNotCovered: gauge('destinations_not_covered', 'Destinations whose records pass through unsigned'),
    certificateExpiry: moment('certificate_expiry', 'When the first certificate of a kind ends', ['kind']),
    reloadSucceeded: gauge('config_last_reload_successful', '1 unless the last SIGHUP met a wrong configuration'),
    lastReload: moment('config_last_reload_success', 'When the configuration in force was read'),
    buildInfo: gauge('build_info', 'Always 1', ['version', 'node']),
  };
}

function makers(registry: Registry) {
  const registers = [registry];
  const gauge = <T extends string = never>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Gauge<T>({ name: `logseal_${name}`, help, labelNames, registers });
  return {
    gauge,
    counter: <T extends string = never>(name: string, help: string, labelNames: readonly T[] = []) =>
      new Counter<T>({ name: `logseal_${name}_total`, help, labelNames, registers }),
    histogram: <T extends string = never>(name: string, help: string, labelNames: readonly T[] = []) =>
      new Histogram<T>({ name: `logseal_${name}_duration_seconds`, help, labelNames, buckets: fast, registers }),
    moment: <T extends string = never>(name: string, help: string, labelNames: readonly T[] = []) => {
      const made = gauge(`${name}_timestamp_seconds`, help, labelNames);
      if (labelNames.length === 0) (made as Gauge).set(Number.NaN);
      return made;
    },
  };
}
