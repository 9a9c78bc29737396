/**
 * The proxy's own log: one JSON line an event, event names from a closed list, so that alerts can be written against them.
 * Never holds a key, a credential or a document's body; never called once a record.
 */
import { pino } from 'pino';
import { LogsealError } from './errors.ts';

/** As in `log.level` of the configuration. */
type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Each event with its level and its sentence. Names are an interface: they are added, never renamed. */
export const events = {
  'proxy-starting': ['info', 'starting'],
  'proxy-ready': ['info', 'records can be accepted'],
  'proxy-stopping': ['info', 'stopping: no new requests, waiting for those under way'],
  'proxy-stopped': ['info', 'stopped; what waits is in the log'],
  'proxy-stop-timed-out': ['error', 'stop.timeout is over: left with this undone; what waits is in the log'],
  'proxy-stop-forced': ['warn', 'a second signal: left with this undone; what waits is in the log'],
  'proxy-failed': ['error', 'stopped by an error'],
  'config-reloaded': ['info', 'configuration read again'],
  'config-needs-restart': ['warn', 'changed settings that take effect at the next start only'],
  'config-rejected': ['error', 'the changed configuration is wrong; the old one stays in force'],
  'core-dumps-on': ['warn', 'a crash may write the memory of the proxy, keys included, to a file: LimitCORE=0'],
  'debugger-refused': ['warn', 'somebody sent SIGUSR1, which opens a debugger elsewhere; nothing was opened'],
  'tls-certificate-invalid': ['warn', 'the server certificate does not hold now; clients that check it stay away'],
  'tls-plain-http': ['warn', 'a client spoke plain HTTP to a port that speaks TLS'],
  'tls-handshake-failed': ['warn', 'a client did not get past the TLS handshake'],
  'intake-in-clear': ['warn', 'shippers of other machines send records and credentials without TLS'],
  'admin-in-clear': ['warn', 'the admin token crosses the network without TLS'],
  'admin-refused': ['warn', 'somebody was turned away at the admin port'],
  'development-key': [
    'warn',
    'no auditor certificate is configured: a development key was made beside the data and proves nothing to others',
  ],
  'log-recovered': ['info', 'write-ahead log read'],
  'log-torn-tail': [
    'warn',
    'an unfinished write at the end of the write-ahead log was dropped; nobody had been answered for it',
  ],
  'log-in-clear': [
    'warn',
    'a key is configured, and segments from before it stand on disk in clear until they are delivered and wal.keep has passed',
  ],
  'store-in-clear': [
    'warn',
    'a key is configured, and the embedded store keeps records in clear, as encryption.inClear allows',
  ],
  'encryption-ended': ['warn', 'no encryption.keyFile: new records are written in clear, as encryption.inClear allows'],
  'log-full': ['warn', 'the write-ahead log is full: requests are held, then answered 429'],
  'log-has-room': ['info', 'the write-ahead log has room again'],
  'chain-created': ['info', 'a chain was created and its secret wrapped to the auditors'],
  'chain-rotated': ['info', 'a chain ended and another replaces it'],
  'chain-rolled-back': ['error', 'the search engine knows a later state of this chain than this data directory'],
  'operator-act': ['info', "an operator's act was signed as a control record"],
  'chains-exhausted': ['warn', 'chains.max is reached: further destinations share the catch-all chain'],
  'clock-jumped': ['warn', 'the wall clock jumped by more than a minute'],
  'upstream-connected': ['info', 'the search engine answers'],
  'upstream-unreachable': ['warn', 'the search engine does not answer; records wait in the write-ahead log'],
  'delivery-started': ['info', 'delivery continues at the cursor'],
  'delivery-left': ['warn', 'stopping without waiting for delivery: the next start goes on with it'],
  'destination-held': ['warn', 'a destination takes no records; others go on'],
  'destination-released': ['info', 'a destination takes records again'],
  'destination-not-covered': ['warn', 'records of this destination cannot be signed and pass through'],
  'publication-held': ['warn', 'seals, checkpoints and control records wait to be published'],
  'records-rejected': ['warn', 'records ended in the rejects index'],
  'template-advised': ['warn', 'an index template lacks the mapping of the signature field'],
  'store-started': ['info', 'the embedded store is open'],
  'store-failed': ['error', 'the embedded store failed'],
  'checkpoint-published': ['debug', 'a checkpoint was published'],
  'request-refused': ['info', 'a request was refused'],
  'request-failed': ['error', 'a request failed for a reason of our own'],
  'internal-error': ['error', 'unexpected error'],
} as const satisfies Record<string, readonly [LogLevel, string]>;

export type EventName = keyof typeof events;

export interface EventLog {
  /** `fields` are plain values for machines; `error` is written as code, sentence and causes. */
  event(name: EventName, fields?: Readonly<Record<string, unknown>>): void;
  setLevel(level: LogLevel): void;
}

/** Member names whose values never reach a line, at the top and one level down. */
const secretNames = [
  'authorization',
  'password',
  'passphrase',
  'apiKey',
  'secret',
  'token',
  'key',
  'cookie',
  'content',
  'body',
];

/** Writes to stdout, synchronously: an event before a crash is on its way when the process dies. */
export function createEventLog(
  level: LogLevel,
  destination: { write(line: string): void } = pino.destination({ dest: 1, sync: true }),
): EventLog {
  const logger = pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      messageKey: 'message',
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
      serializers: { error: errorFields },
    },
    destination,
  );
  return {
    event(name, fields = {}) {
      const [eventLevel, sentence] = events[name];
      logger[eventLevel]({ event: name, ...fields }, sentence);
    },
    setLevel(next) {
      logger.level = next;
    },
  };
}

/** An error as plain values: no stack for what is expected, causes by sentence only. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const causes: string[] = [];
  for (let cause = error.cause; cause instanceof Error && causes.length < 5; cause = cause.cause) {
    causes.push(cause.message);
  }
  const common = { message: error.message, ...(causes.length > 0 && { causes }) };
  if (error instanceof LogsealError) return { code: error.code, ...common, details: error.details };
  return { ...common, ...('code' in error && { code: error.code }), stack: error.stack };
}
