/**
 * What records will take: bytes a day in the log and in the search engine, the disk for an outage, and how long wal.bytesMax
 * lasts. From the records that the log has now, or from a rate and a size that somebody gives. The formulas are those of
 * docs/operating.md (Sizing).
 *
 *   log bytes a record   L = S + O           S document, O overhead, both measured where the log has records
 *   disk for an outage     = R × 3600 × N × L + reserve + segment
 *   how long bytesMax lasts = (bytesMax − reserve) ÷ (R × L)
 */
import type { Config } from '../config/config.ts';
import { encryptionBytes } from '../wal/frame-cipher.ts';
import type { LogSample } from './log-sample.ts';
import { countText, durationText, sizeText } from './words.ts';

/** Beside a document of some hundred bytes in bulks of a hundred or more: see docs/operating.md. */
const overheadBytes = 150;
/**
 * Of docs/performance.md, records of 490 bytes: 148 unsigned and 230 signed with best_compression, 184 and 313 with the
 * default codec. The field costs the same whatever the document; how well the document compresses is a guess.
 */
const indexed = { compressed: { share: 148 / 490, field: 82 }, plain: { share: 184 / 490, field: 129 } } as const;
const daySeconds = 86_400;
/** A rate over less than that says nothing. */
const spanMsMin = 1000;

export interface EstimateOptions {
  config: Config;
  sample: LogSample | undefined;
  /** Length of the outage. */
  hours: number;
  /** In place of what is measured. */
  recordsPerSecond?: number;
  recordBytes?: number;
}

export interface Estimate {
  /** Records that it was measured of; 0: nothing was measured. */
  measuredRecords: number;
  measuredMs: number;
  recordsPerSecond: number;
  /** Of a document, as it came in. */
  recordBytes: number;
  /** In the log, beside the document. */
  overheadBytes: number;
  overheadMeasured: boolean;
  recordsPerDay: number;
  logBytesPerDay: number;
  /** One copy, without replicas: with best_compression, with the default codec. */
  indexBytesPerDay: [number, number];
  hours: number;
  outageBytes: number;
  /** How long the configured wal.bytesMax lasts; infinite without records. */
  walLastsMs: number;
}

/** Undefined where neither the log nor the options say how many and how large records are. */
export function estimate(options: EstimateOptions): Estimate | undefined {
  const { config, sample, hours } = options;
  const { wal } = config;
  const measured = sample !== undefined && sample.records > 0 ? sample : undefined;
  const measuredMs = (measured?.lastMs ?? 0) - (measured?.firstMs ?? 0);
  const measuredRate =
    measured !== undefined && measuredMs >= spanMsMin ? (measured.records * 1000) / measuredMs : undefined;
  const recordsPerSecond = options.recordsPerSecond ?? measuredRate;
  const recordBytes = options.recordBytes ?? (measured && measured.contentBytes / measured.records);
  if (recordsPerSecond === undefined || recordBytes === undefined) return undefined;
  const overhead =
    measured === undefined
      ? overheadBytes + (config.encryption.keyFile === undefined ? 0 : encryptionBytes / 100)
      : (measured.logBytes - measured.contentBytes) / measured.records;
  const recordsPerDay = recordsPerSecond * daySeconds;
  const logBytes = recordBytes + overhead;
  const stored = ({ share, field }: { share: number; field: number }) => recordsPerDay * (recordBytes * share + field);
  return {
    measuredRecords: measured?.records ?? 0,
    measuredMs,
    recordsPerSecond,
    recordBytes,
    overheadBytes: overhead,
    overheadMeasured: measured !== undefined,
    recordsPerDay,
    logBytesPerDay: recordsPerDay * logBytes,
    indexBytesPerDay: [stored(indexed.compressed), stored(indexed.plain)],
    hours,
    outageBytes: recordsPerSecond * 3600 * hours * logBytes + wal.reserveBytes + wal.segmentBytes,
    walLastsMs: ((wal.bytesMax - wal.reserveBytes) / (recordsPerSecond * logBytes)) * 1000,
  };
}

export const nothingToEstimate =
  'Nothing to estimate from: the log has no records over a second or more. Give --records-per-second and --record-bytes.';

export function estimateLines(found: Estimate, config: Config): string[] {
  const { measuredRecords, measuredMs, recordsPerSecond, recordBytes, hours } = found;
  const from =
    measuredRecords === 0
      ? 'by what was given'
      : `by ${countText(measuredRecords)} records of the log, over ${durationText(measuredMs)}`;
  const [compressed, plain] = found.indexBytesPerDay;
  const overhead = `${Math.round(found.overheadBytes)} bytes beside it in the log (${found.overheadMeasured ? 'measured' : 'a usual value'})`;
  return [
    `Estimate, ${from}`,
    `  ${recordsPerSecond.toFixed(recordsPerSecond < 10 ? 2 : 0)} records a second of ${Math.round(recordBytes)} bytes, and ${overhead}`,
    `  a day             ${countText(Math.round(found.recordsPerDay))} records, ${sizeText(found.logBytesPerDay)} through the log`,
    `  search engine     ${sizeText(compressed)} (best_compression) to ${sizeText(plain)} (default codec) a day and copy: an estimate from docs/performance.md`,
    `  outage of ${`${hours} h`.padEnd(7)} ${sizeText(found.outageBytes)} of disk, reserve and one segment included`,
    `  wal.bytesMax      ${sizeText(config.wal.bytesMax)} last ${durationText(Math.min(found.walLastsMs, Number.MAX_SAFE_INTEGER))} of an outage; then shippers are held and answered 429`,
  ];
}
