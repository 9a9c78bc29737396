/**
 * Sends again what the log still keeps, from a point in time on: heals a search engine that was restored from an older
 * snapshot. Every record is looked up first and created only where it is missing, so it may be done twice, and beside the
 * delivery of new records. Moves no cursor.
 */

import { LogsealError } from '../errors.ts';
import { entryKinds } from '../journal/entry-kind.ts';
import { recordsHeaderBytes } from '../journal/records-entry.ts';
import { decodeSealEntry } from '../journal/seal-entry.ts';
import type { Position } from '../wal/position.ts';
import type { Frame } from '../wal/reader.ts';
import { WalReader } from '../wal/reader.ts';
import { Adaptive } from './adaptive.ts';
import { learnFromLog } from './control-documents.ts';
import { beginning } from './cursor-keeper.ts';
import type { DeliveryOptions } from './delivery.ts';
import { defaultLimits } from './delivery.ts';
import { Destinations } from './destinations.ts';
import { Dispatch } from './dispatch.ts';
import type { Item } from './item.ts';
import { recordsFrame, viewOf } from './item.ts';
import { ItemReader } from './item-reader.ts';
import { Places } from './places.ts';
import { RejectRegister } from './rejects.ts';
import { Backoff, pause } from './retry-policy.ts';
import { checkpointDocument, sealDocument } from './seal-document.ts';
import { Watchers } from './watchers.ts';

export type RedeliverOptions = Pick<DeliveryOptions, 'walDir' | 'upstream' | 'host' | 'clock' | 'random' | 'batch'> & {
  /** The file `places` of the delivery directory. */
  placesPath: string;
  /** Records accepted at or after it, milliseconds since 1970. */
  fromMs: number;
  /** Everything before it was answered for: what lies after it is delivery's own. */
  until: Position;
  /** Tries of a batch before what is left of it is given up, and reported. */
  triesMax: number;
  signal: AbortSignal;
  /** Called after every batch. */
  onProgress?: (report: Readonly<RedeliverReport>) => void;
};

export interface RedeliverReport {
  /** Looked at. */
  records: number;
  /** Were missing, and are there again. */
  sent: number;
  seals: number;
  /** Could not be sent; the first reasons. */
  failed: number;
  reasons: string[];
  /** Time of the oldest record that the log still has, milliseconds since 1970; undefined when it has none. */
  oldestMs: number | undefined;
}

const reasonsMax = 10;
const batchItemsMax = 1000;

export async function redeliver(options: RedeliverOptions): Promise<RedeliverReport> {
  const { walDir, host, upstream, clock, batch, placesPath, until } = options;
  const places = await Places.open({ path: placesPath, host, upstream });
  const register = new RejectRegister();
  const destinations = new Destinations({ upstream, places, clock, factsAgeMsMax: defaultLimits.factsAgeMsMax });
  const dispatch = new Dispatch({
    ...{ upstream, host, clock, destinations, places, register, batch },
    watchers: new Watchers(host),
    adaptive: new Adaptive(defaultLimits),
  });
  // To the very end: the record that names a reject stands after it, and may stand after `until`.
  await whileTrimmed(() => learnFromLog(walDir, beginning, undefined, { register, places }));
  const report: RedeliverReport = { records: 0, sent: 0, seals: 0, failed: 0, reasons: [], oldestMs: undefined };
  const items = new ItemReader(destinations);
  let newest: Frame | undefined;
  await whileTrimmed(async () => {
    await using reader = await WalReader.open(walDir, undefined);
    // After a trim this begins with what is oldest then, all of it still to come.
    for (let frames = await reader.next(until); frames !== undefined; frames = await reader.next(until)) {
      if (options.signal.aborted) break;
      await bringAll(recordsOf(frames, items, options.fromMs, report), dispatch, options, report);
      const seals = frames.filter(({ payload }) => payload[0] === entryKinds.seal);
      if (await bringSeals(seals, options, report)) newest = seals.at(-1) ?? newest;
    }
  });
  if (newest !== undefined)
    await upstream.send([checkpointDocument(decodeSealEntry(newest.payload)).lines], { count: 1 });
  return report;
}

/** Beside a running proxy the oldest segment may go while it is read; what follows it is still there. */
async function whileTrimmed(read: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof LogsealError) || error.code !== 'WAL_TRIMMED') throw error;
    }
  }
}

function recordsOf(frames: readonly Frame[], reader: ItemReader, fromMs: number, report: RedeliverReport): Item[] {
  const items: Item[] = [];
  for (const { payload, position, next } of frames) {
    if (payload[0] !== entryKinds.records || payload.length <= recordsHeaderBytes) continue;
    reader.read(recordsFrame(payload, position, next), true, () => true, items);
  }
  return items.filter((item) => {
    const { timeMs } = viewOf(item);
    report.oldestMs = Math.min(report.oldestMs ?? timeMs, timeMs);
    return timeMs >= fromMs;
  });
}

async function bringAll(
  items: readonly Item[],
  dispatch: Dispatch,
  options: RedeliverOptions,
  report: RedeliverReport,
): Promise<void> {
  for (let start = 0; start < items.length && !options.signal.aborted; start += batchItemsMax) {
    await bring(items.slice(start, start + batchItemsMax), dispatch, options, report);
    options.onProgress?.(report);
  }
}

async function bring(
  batch: readonly Item[],
  dispatch: Dispatch,
  options: RedeliverOptions,
  report: RedeliverReport,
): Promise<void> {
  const { clock, random, signal, triesMax } = options;
  const backoff = newBackoff(random);
  let items = batch;
  const sent = new Set<Item>();
  report.records += batch.length;
  for (let tries = 1; items.length > 0 && !signal.aborted; tries += 1) {
    const { left, outage } = await dispatch.attempt(items, async (missing) => {
      // What is neither found nor named by a reject record is about to be sent.
      for (const item of missing) sent.add(item);
    });
    const open = new Set(left.map((entry) => entry.item));
    for (const item of sent) {
      if (open.has(item)) continue;
      report.sent += 1;
      sent.delete(item);
    }
    if (left.length === 0) return;
    items = [...open];
    if (tries >= triesMax) {
      report.failed += items.length;
      for (const { refusal } of left) addReason(report, outage?.message ?? refusal?.reason ?? 'no answer');
      return;
    }
    await pause(clock, backoff.next(outage?.retryAfterMs), signal);
  }
}

/** True if there were any that had to be looked after. */
async function bringSeals(
  seals: readonly Frame[],
  { upstream, clock, random, signal, triesMax }: RedeliverOptions,
  report: RedeliverReport,
): Promise<boolean> {
  if (seals.length === 0) return false;
  const backoff = newBackoff(random);
  const documents = seals.map(({ payload }) => sealDocument(decodeSealEntry(payload)));
  for (let tries = 1; tries <= triesMax && !signal.aborted; tries += 1) {
    const answer = await upstream.send(
      documents.map((document) => document.lines),
      { count: documents.length },
    );
    const refused = answer.items.find(({ status }) => status >= 300 && status !== 409);
    if (refused === undefined) {
      report.seals += seals.length;
      return true;
    }
    if (tries === triesMax) addReason(report, `seals: ${refused.error?.reason ?? refused.status}`);
    await pause(clock, backoff.next(), signal);
  }
  report.failed += seals.length;
  return false;
}

function addReason({ reasons }: RedeliverReport, reason: string): void {
  if (reasons.length < reasonsMax && !reasons.includes(reason)) reasons.push(reason);
}

function newBackoff(random: () => number): Backoff {
  return new Backoff({ minMs: 500, maxMs: 30_000, random });
}
