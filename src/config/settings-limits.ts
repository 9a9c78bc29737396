/** The part of the list of settings that bounds memory, disk and time. Every queue, body and wait has its bound here. */
import type { SettingKey } from './config.ts';
import type { Setting } from './settings.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const limitSettings = {
  'chains.max': {
    type: 'count',
    unit: 'chains',
    default: 64,
    min: 2,
    max: 4096,
    reason: 'each chain is a seal every epoch.ageMax; past the bound a catch-all chain takes the rest',
  },
  'chains.rotateEvery': {
    type: 'duration',
    default: '30d',
    min: SECOND,
    max: 3650 * DAY,
    reason: 'a stolen key file is good for all later epochs of its chain, so chains end on a schedule',
  },
  'epoch.recordsMax': {
    type: 'count',
    unit: 'records',
    default: 16384,
    min: 1,
    max: 1_048_576,
    reason: 'the most records one stolen epoch key can forge, and one verifier reads again',
  },
  'epoch.ageMax': {
    type: 'duration',
    default: '10s',
    min: 100,
    max: HOUR,
    reason: 'how long a key lives at most after the first record under it',
  },
  'epoch.idle': {
    type: 'duration',
    default: '60s',
    min: SECOND,
    max: HOUR,
    reason: 'after that long without a seal the control chain seals an empty epoch, so that silence is visible',
  },
  'wal.bytesMax': {
    type: 'size',
    default: '8GiB',
    min: 96 * MIB,
    max: 64 * TIB,
    reason: 'what may wait for a search engine that is away; then shippers are held and answered 429',
  },
  'wal.reserveBytes': {
    type: 'size',
    default: '64MiB',
    min: 64 * MIB,
    max: 4 * GIB,
    reason:
      'of bytesMax, allocated at start for seals, control records and the cursor, so that a full log can still drain',
  },
  'wal.segmentBytes': {
    type: 'size',
    default: '64MiB',
    min: MIB,
    max: GIB,
    reason: 'space is given back by whole segments',
  },
  'wal.keep': {
    type: 'duration',
    default: '1h',
    min: 0,
    max: 30 * DAY,
    reason:
      'stored segments stay that long for logseal redeliver, when the search engine is restored from a young snapshot',
  },
  'intake.bodyBytesMax': {
    type: 'size',
    default: '100MiB',
    min: KIB,
    max: 2 * GIB - 1,
    reload: true,
    reason: 'of one request, also after inflating; as http.max_content_length of Elasticsearch',
  },
  'intake.documentBytesMax': {
    type: 'size',
    default: '16MiB',
    min: KIB,
    max: 256 * MIB,
    reload: true,
    reason: 'of one document; larger ones are refused item by item',
  },
  'intake.itemsMax': {
    type: 'count',
    unit: 'operations',
    default: 500_000,
    min: 1,
    max: 5_000_000,
    reload: true,
    reason: 'of one bulk request; each costs some tens of bytes of bookkeeping whatever its size',
  },
  'intake.depthMax': {
    type: 'count',
    unit: 'levels',
    default: 1000,
    min: 1,
    max: 10_000,
    reason: 'nesting of one document; as the JSON parser of Elasticsearch',
  },
  'intake.requestsMax': {
    type: 'count',
    unit: 'requests',
    default: 1024,
    min: 1,
    max: 65_536,
    reason: 'open at once; more wait for a place',
  },
  'intake.memoryBytesMax': {
    type: 'size',
    default: '512MiB',
    min: MIB,
    max: TIB,
    reason: 'of all bodies that are held at once; more wait for a place',
  },
  'intake.holdMax': {
    type: 'duration',
    default: '45s',
    min: 0,
    max: 10 * MINUTE,
    reason:
      'a request is held that long before 429, because a held answer loses nothing with any shipper; most give up at 60 s',
  },
  'intake.closeInsteadOf429': {
    type: 'patterns',
    default: [],
    reload: true,
    reason: 'User-Agents that drop a batch on 429 but resend after a closed connection',
  },
  'delivery.batchBytesMax': {
    type: 'size',
    default: '8MiB',
    min: 64 * KIB,
    max: 100 * MIB,
    reason: 'of one bulk request to the search engine; the size in use adapts below it',
  },
  'delivery.batchRecordsMax': {
    type: 'count',
    unit: 'records',
    default: 5000,
    min: 1,
    max: 100_000,
    reason: 'of one bulk request to the search engine; the number in use adapts below it',
  },
  'delivery.concurrencyMax': {
    type: 'count',
    unit: 'requests',
    default: 4,
    min: 1,
    max: 64,
    reason: 'bulk requests on their way at once; the number in use adapts below it',
  },
  'delivery.giveUpAfter': {
    type: 'duration',
    default: '24h',
    min: MINUTE,
    max: 365 * DAY,
    reason: 'what a cluster that answers others refuses for so long goes to the rejects as blocked',
  },
  'delivery.backoffMax': {
    type: 'duration',
    default: '30s',
    min: 100,
    max: HOUR,
    reason: 'longest pause between two tries, with jitter; a second while no connection can be made',
  },
  'stop.timeout': {
    type: 'duration',
    default: '25s',
    min: SECOND,
    max: 10 * MINUTE,
    reason:
      'then the process ends whatever is undone, and what waits stays in the log; below what ends it by force (Kubernetes 30 s)',
  },
} as const satisfies Partial<Record<SettingKey, Setting>>;
