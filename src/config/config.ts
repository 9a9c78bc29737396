/**
 * The configuration as every stage receives it: complete, checked, in plain units.
 * Durations are milliseconds, sizes are bytes; a member has the same name here as in file, environment and flags.
 */

export interface Config {
  /** Directory of everything that must survive: log, keys, identity. */
  readonly dataDir: string;
  readonly listen: Endpoint;
  readonly adminListen: Endpoint;
  /** Of the port for shippers; its certificate is also that of the admin port where that speaks TLS. */
  readonly tls: {
    readonly certificateFile: string | undefined;
    readonly keyFile: string | undefined;
    readonly clientCaFile: string | undefined;
    readonly clientCertificates: 'none' | 'request' | 'require';
    readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  };
  readonly admin: {
    readonly tokenFile: string | undefined;
    readonly tls: 'auto' | 'on' | 'off';
    readonly clientCaFile: string | undefined;
  };
  /** Clients of the proxy's own; without a file everybody's credentials are passed on. */
  readonly clients: { readonly file: string | undefined; readonly mode: 'own' | 'either' };
  readonly ack: Acknowledgement;
  readonly elasticsearch: {
    /** Nodes of one cluster; empty means the embedded store. */
    readonly url: readonly string[];
    readonly caFile: string | undefined;
    readonly caFingerprint: string | undefined;
    readonly certificateFile: string | undefined;
    readonly keyFile: string | undefined;
    readonly apiKeyFile: string | undefined;
    readonly username: string | undefined;
    readonly passwordFile: string | undefined;
    readonly requestTimeout: number;
  };
  readonly encryption: {
    readonly keyFile: string | undefined;
    readonly previousKeyFiles: readonly string[];
    readonly inClear: readonly ClearPlace[];
  };
  readonly secrets: { readonly permissions: 'private' | 'any' };
  readonly signature: {
    readonly suite: SuiteName;
    readonly hash: boolean;
    readonly raw: 'auto' | 'always';
    readonly digests: readonly DigestName[];
  };
  readonly auditor: { readonly certificates: readonly string[] };
  /** PEM files of public keys. */
  readonly operator: { readonly keys: readonly string[] };
  readonly instance: { readonly name: string | undefined };
  readonly chains: {
    /** The first rule whose pattern matches a destination names its chain. */
    readonly rules: readonly ChainRule[];
    readonly max: number;
    readonly rotateEvery: number;
  };
  readonly epoch: { readonly recordsMax: number; readonly ageMax: number; readonly idle: number };
  readonly wal: {
    readonly bytesMax: number;
    readonly reserveBytes: number;
    readonly segmentBytes: number;
    readonly keep: number;
  };
  readonly intake: {
    readonly bodyBytesMax: number;
    readonly documentBytesMax: number;
    readonly itemsMax: number;
    readonly depthMax: number;
    readonly requestsMax: number;
    readonly memoryBytesMax: number;
    readonly holdMax: number;
    /** Patterns (`*`) of User-Agent headers. */
    readonly closeInsteadOf429: readonly string[];
  };
  /** Of shippers. */
  readonly connections: {
    readonly max: number;
    readonly headerBytesMax: number;
    readonly headersMax: number;
    readonly targetBytesMax: number;
    readonly headersTimeout: number;
    readonly requestTimeout: number;
    readonly idleTimeout: number;
    readonly keepAlive: number;
  };
  readonly delivery: {
    readonly batchBytesMax: number;
    readonly batchRecordsMax: number;
    readonly concurrencyMax: number;
    readonly giveUpAfter: number;
    readonly backoffMax: number;
  };
  readonly stop: { readonly timeout: number };
  readonly templates: 'compose' | 'advise' | 'off';
  readonly log: { readonly level: LogLevel };
  readonly newUpstream: boolean;
}

export interface Endpoint {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface ChainRule {
  /** Destination names, `*` for any run of characters. */
  readonly pattern: string;
  readonly chain: string;
}

export const acknowledgements = ['wal', 'store'] as const;
export type Acknowledgement = (typeof acknowledgements)[number];

export const suiteNames = ['sha256', 'sha512-256', 'sha3-256', 'blake2s-256'] as const;
export type SuiteName = (typeof suiteNames)[number];

/** May be shown beside a record; never decide anything. */
export const digestNames = ['crc32', 'md5', 'sha1'] as const;
export type DigestName = (typeof digestNames)[number];

/** Where records may stand on disk in clear although a key is configured. */
export const clearPlaces = ['log', 'store'] as const;
export type ClearPlace = (typeof clearPlaces)[number];

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

type Leaf = string | number | boolean | undefined | readonly unknown[] | Endpoint;
type Leaves<T> = {
  [K in keyof T & string]: T[K] extends Leaf ? K : `${K}.${Leaves<T[K]>}`;
}[keyof T & string];

/** The name of one setting, as in the file with dots: `wal.keep`. */
export type SettingKey = Leaves<Config>;
