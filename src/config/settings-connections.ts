/** The part of the list of settings that bounds what one connection of a shipper may cost: its head, its pauses, its number. */
import type { SettingKey } from './config.ts';
import type { Setting } from './settings.ts';

const KIB = 1024;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export const connectionSettings = {
  'connections.max': {
    type: 'count',
    unit: 'connections',
    default: 16_384,
    min: 16,
    max: 1_000_000,
    reason:
      'open at once; more are closed; the limit of open files must be above it, and an idle one costs some 20 KiB',
  },
  'connections.headerBytesMax': {
    type: 'size',
    default: '16KiB',
    min: KIB,
    max: 256 * KIB,
    reason: 'of request line and headers together; as http.max_header_size of Elasticsearch',
  },
  'connections.headersMax': {
    type: 'count',
    unit: 'headers',
    default: 128,
    min: 16,
    max: 2000,
    reason: 'of one request; shippers send a dozen',
  },
  'connections.targetBytesMax': {
    type: 'size',
    default: '8KiB',
    min: KIB,
    max: 128 * KIB,
    reason: 'of path and query; Elasticsearch itself takes 4 KiB unless http.max_initial_line_length says more',
  },
  'connections.headersTimeout': {
    type: 'duration',
    default: '60s',
    min: 100,
    max: 10 * MINUTE,
    reason: 'from the first byte of a request (or the beginning of the connection) to the end of its headers; then 408',
  },
  'connections.requestTimeout': {
    type: 'duration',
    default: '5m',
    min: 100,
    max: HOUR,
    reason:
      'from the first byte of a request to the last of its body; then 408: a slow sender holds memory all the time',
  },
  'connections.idleTimeout': {
    type: 'duration',
    default: '60s',
    min: 100,
    max: HOUR,
    reason:
      'a pause in the middle of a body, or of an answer that the client does not take; then the connection is cut',
  },
  'connections.keepAlive': {
    type: 'duration',
    default: '2m',
    min: 100,
    max: HOUR,
    reason:
      'between an answer and the next request; longer than shippers keep theirs, or one of them writes into a closing connection',
  },
} as const satisfies Partial<Record<SettingKey, Setting>>;
