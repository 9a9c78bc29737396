/** Encryption at rest as the stages need it: where the log is and its keys, and what stands on disk in clear all the same. */
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { readEncryptionKeys } from '../config/encryption-keys.ts';
import type { EventLog } from '../log.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';

/** Errors: CONFIG_INVALID for a file that holds no key. */
export function logDirectoryOf(config: Config): LogDirectory {
  const keys = readEncryptionKeys(config);
  const path = join(config.dataDir, 'wal');
  return keys === undefined ? path : { path, keys };
}

/** Never silently: where a key is or was configured, what is in clear is said at each start. */
export function tellInClear(config: Config, wal: Pick<WriteAheadLog, 'clearSegments'>, log: EventLog): void {
  const { keyFile, previousKeyFiles } = config.encryption;
  if (keyFile === undefined) {
    if (previousKeyFiles.length > 0) log.event('encryption-ended');
    return;
  }
  if (wal.clearSegments > 0) log.event('log-in-clear', { segments: wal.clearSegments });
  if (config.elasticsearch.url.length === 0) log.event('store-in-clear');
}

/** Sentences for readyz. */
export function inClearReasons({ clearSegments }: Pick<WriteAheadLog, 'clearSegments'>): string[] {
  if (clearSegments === 0) return [];
  return [`${clearSegments} segments of the write-ahead log, from before its key, are on disk in clear`];
}
