/** What the main thread and the delivery thread say to each other: plain data, in the order of sending. */
import type { UpstreamSettings } from '../config/credentials.ts';
import type { RejectDetail } from '../journal/reject-detail.ts';
import type { EventName } from '../log.ts';
import type { Credentials } from '../upstream/connection.ts';
import type { TemplatesMode } from '../upstream/mapping-keeper.ts';
import type { NodeTls } from '../upstream/node-connector.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import type { BatchOptions } from './batch.ts';
import type { DeliveryLimits } from './delivery.ts';
import type { DeliveryStats, PlaceBody, RejectBody, RetryBody, SettledRecord } from './port.ts';
import type { RetriedRecord, RetryRequest } from './retry.ts';
import type { BulkTiming } from './search-engine.ts';

/** Everything the thread needs to work; holds the credentials for the search engine and the log's keys, so it is never logged. */
export interface ThreadStart {
  walDir: LogDirectory;
  dir: string;
  durable: Position;
  /** Before it anything may have been sent, whatever the cursor says: an old copy of the directory was put back. */
  lookUpUntil: Position | undefined;
  upstream: UpstreamSettings & {
    embedded: boolean;
    templates: TemplatesMode;
  };
  batch: BatchOptions;
  limits: Partial<DeliveryLimits>;
}

export type ToDelivery =
  | { kind: 'start' }
  | { kind: 'grew'; durable: Position }
  | { kind: 'watch'; chain: string; from: number; count: number }
  | { kind: 'unwatch'; chain: string; from: number; count: number }
  | { kind: 'retry'; call: number; request: RetryRequest }
  | { kind: 'controlled'; call: number; error: string | undefined }
  | { kind: 'credentials'; credentials: Credentials & NodeTls }
  /** What the search engine has not answered after `graceMs` is left unknown. */
  | { kind: 'stop'; graceMs: number };

export type FromDelivery =
  | { kind: 'started' }
  | { kind: 'control'; call: number; control: ControlCall }
  | { kind: 'retried'; call: number; records: RetriedRecord[] | undefined; error: string }
  | { kind: 'settled'; outcomes: SettledRecord[] }
  | { kind: 'trim'; before: Position }
  | { kind: 'event'; level: 'info' | 'warn' | 'error'; name: EventName; fields: Record<string, unknown> }
  /** `nodesOut`: addresses of nodes that get nothing at the moment. */
  | { kind: 'stats'; stats: DeliveryStats; durable: Position; timings: BulkTiming[]; nodesOut: string[] }
  | { kind: 'fatal'; error: unknown }
  | { kind: 'stopped' };

export type ControlCall =
  | { kind: 'place'; body: PlaceBody; details: RejectDetail[] }
  | { kind: 'reject'; body: RejectBody; details: RejectDetail[] }
  | { kind: 'retry'; body: RetryBody; details: RejectDetail[] };

/** Name of the cursor file in the delivery directory. */
export const cursorName = 'cursor';
