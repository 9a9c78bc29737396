/**
 * The one list of settings: name, type, default, bounds, reason. Schema, example file, environment, flags and the table
 * in the manual are all made from it. The compiler refuses a member of `Config` that is not listed here.
 */
import type { SettingKey } from './config.ts';
import { acknowledgements, clearPlaces, digestNames, logLevels, suiteNames } from './config.ts';
import { clientSettings } from './settings-clients.ts';
import { connectionSettings } from './settings-connections.ts';
import { doorSettings } from './settings-doors.ts';
import { limitSettings } from './settings-limits.ts';

export type SettingType =
  | 'text' // one string
  | 'path' // of a file or directory, from the working directory
  | 'secret' // path of a file that holds a secret
  | 'endpoint' // host:port
  | 'urls' // http(s) URLs, one or several
  | 'paths'
  | 'secrets' // paths of such files
  | 'patterns' // strings in which * stands for any run of characters
  | 'choice' // one of `choices`
  | 'choices' // any of `choices`
  | 'rules' // list of {pattern, chain}
  | 'flag' // true, false
  | 'count' // a number of things, min..max
  | 'size' // text with a unit, bytes; min..max
  | 'duration'; // text with a unit, milliseconds; min..max

/** A value as it stands in the file; null is "not set". */
export type FileValue = string | number | boolean | null | readonly (string | Readonly<Record<string, string>>)[];

export interface Setting {
  readonly type: SettingType;
  readonly default: FileValue;
  readonly reason: string;
  /** What a count counts. */
  readonly unit?: string;
  readonly choices?: readonly string[];
  /** Bytes, milliseconds or counted things. */
  readonly min?: number;
  readonly max?: number;
  /** Takes effect on SIGHUP; `replaced`: unless it comes or goes. Everything else needs a restart. */
  readonly reload?: boolean | 'replaced';
}

export const settings: Readonly<Record<SettingKey, Setting>> = {
  dataDir: {
    type: 'path',
    default: './data',
    reason:
      'write-ahead log, chain keys and identity of this instance; one proxy a directory, on a disk that honours fsync',
  },
  listen: {
    type: 'endpoint',
    default: '127.0.0.1:9280',
    reason: 'where shippers send; loopback until somebody decides otherwise',
  },
  adminListen: {
    type: 'endpoint',
    default: '127.0.0.1:9281',
    reason:
      'readyz, livez, metrics and operator acts, apart from shippers; on another address than loopback with a token only',
  },
  ...doorSettings,
  ...clientSettings,
  ack: {
    type: 'choice',
    choices: acknowledgements,
    default: 'wal',
    reason:
      'when a shipper hears yes: "wal" once the record is on this disk, "store" once the search engine answered for it',
  },
  'elasticsearch.url': {
    type: 'urls',
    default: [],
    reason:
      'nodes of one cluster; empty is the embedded store, enough for a first try; a data directory belongs to one cluster',
  },
  'elasticsearch.caFile': {
    type: 'path',
    default: null,
    reload: true,
    reason: 'PEM of the authority that signed the cluster certificate; not set means those of Node.js',
  },
  'elasticsearch.caFingerprint': {
    type: 'text',
    default: null,
    reload: true,
    reason:
      'SHA-256 of the certificate of that authority, or of the node itself, as Elasticsearch prints it at its first start; in place of caFile',
  },
  'elasticsearch.certificateFile': {
    type: 'path',
    default: null,
    reload: true,
    reason: "PEM of the proxy's own certificate, for a cluster that asks its clients for one; with keyFile",
  },
  'elasticsearch.keyFile': {
    type: 'secret',
    default: null,
    reload: true,
    reason: 'PEM of the private key of that certificate',
  },
  'elasticsearch.apiKeyFile': {
    type: 'secret',
    default: null,
    reload: true,
    reason: 'file with the encoded API key of the proxy itself; instead of user name and password',
  },
  'elasticsearch.username': {
    type: 'text',
    default: null,
    reload: true,
    reason: 'user of the proxy itself, with passwordFile',
  },
  'elasticsearch.passwordFile': {
    type: 'secret',
    default: null,
    reload: true,
    reason: 'file with the password of that user',
  },
  'elasticsearch.requestTimeout': {
    type: 'duration',
    default: '60s',
    min: 1_000,
    max: 3_600_000,
    reason: 'then an answer counts as unknown, and the records are looked up before they are sent again',
  },
  'encryption.keyFile': {
    type: 'secret',
    default: null,
    reason:
      'file with 32 random bytes (logseal keygen encryption): the write-ahead log is encrypted with it; a copy belongs elsewhere, without it what waits is lost',
  },
  'encryption.previousKeyFiles': {
    type: 'secrets',
    default: [],
    reason: 'keys that keyFile replaced, for as long as segments written under them are kept',
  },
  'encryption.inClear': {
    type: 'choices',
    choices: clearPlaces,
    default: [],
    reason:
      'what may stand in clear all the same: "store", the embedded store beside a keyFile; "log", new segments, where previousKeyFiles stands alone to end encryption',
  },
  'secrets.permissions': {
    type: 'choice',
    choices: ['private', 'any'],
    default: 'private',
    reload: true,
    reason:
      '"private" refuses secret files that group or others can read; "any" is for platforms that mount secrets as 0444',
  },
  'signature.suite': {
    type: 'choice',
    choices: suiteNames,
    default: 'sha256',
    reason: 'hash and MAC of new chains; sha256 is the fastest where the processor has instructions for it',
  },
  'signature.hash': {
    type: 'flag',
    default: true,
    reason: 'keeps damage one record wide for a verifier without key; false saves 37 bytes a record',
  },
  'signature.raw': {
    type: 'choice',
    choices: ['auto', 'always'],
    default: 'auto',
    reason: '"auto" leaves the copy of the received text out where the search engine keeps _source to the byte',
  },
  'signature.digests': {
    type: 'choices',
    choices: digestNames,
    default: [],
    reason: 'shown beside a record for other tools; they protect nothing',
  },
  'auditor.certificates': {
    type: 'paths',
    default: [],
    reason:
      'PEM certificates (RSA, 3072 bits or more) to which chain secrets are wrapped; empty makes a development key and warns',
  },
  'operator.keys': {
    type: 'paths',
    default: [],
    reason: 'PEM public keys (Ed25519) of operators, whose signed acts are taken at the admin port; empty takes none',
  },
  'instance.name': {
    type: 'text',
    default: null,
    reason:
      'origin of log and checkpoints, fixed when the data directory is made; not set makes one that ends in 8 random characters',
  },
  'chains.rules': {
    type: 'rules',
    default: [],
    reason: 'destinations that share a chain, first match; otherwise the name without date, number or rollover suffix',
  },
  ...limitSettings,
  ...connectionSettings,
  templates: {
    type: 'choice',
    choices: ['compose', 'advise', 'off'],
    default: 'compose',
    reason:
      'the mapping of the signature field: "compose" adds it to index templates, "advise" only prints what to add',
  },
  'log.level': {
    type: 'choice',
    choices: logLevels,
    default: 'info',
    reload: true,
    reason: 'the least severe event that is written',
  },
  newUpstream: {
    type: 'flag',
    default: false,
    reason: 'allows, once, an old data directory in front of another cluster: rotates all chains',
  },
};

export const settingKeys = Object.keys(settings) as readonly SettingKey[];
