/**
 * What delivery itself must know from control records that it meets in the log. They go to `logseal-control` spliced and
 * sent like all other records; nothing here changes that.
 */

import { entryKinds } from '../journal/entry-kind.ts';
import { RecordView, recordsHeaderBytes } from '../journal/records-entry.ts';
import { decodeRejectDetail } from '../journal/reject-detail.ts';
import { BufferPool } from '../lib/buffer-pool.ts';
import { diskFileSystem } from '../lib/file-system.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import { WalReader } from '../wal/reader.ts';
import type { BacklogCount } from './backlog-count.ts';
import { readFrom } from './cursor-keeper.ts';
import type { Places } from './places.ts';
import type { PlaceBody } from './port.ts';
import type { RejectRegister } from './rejects.ts';

export interface Learned {
  register: RejectRegister;
  places: Places;
  /** Where given, every frame of records is shown to it. */
  count?: BacklogCount;
}

const keptBytesMax = 32 * 1024 * 1024;

interface Runs {
  chain: string;
  seqs: [number, number][];
  reason?: string;
}

/** Reads the log once from the oldest cursor to `to`, or to its end: what was decided before a restart holds after it. */
export async function learnFromLog(
  dir: LogDirectory,
  from: Position,
  to: Position | undefined,
  learned: Learned,
): Promise<void> {
  const pool = new BufferPool(keptBytesMax);
  const reader = await WalReader.open(dir, readFrom(from), diskFileSystem, pool);
  try {
    for (let frames = await reader.next(to); frames !== undefined; frames = await reader.next(to)) {
      for (const { payload, position } of frames) learnFromFrame(payload, position, learned);
      if (frames[0] !== undefined) pool.giveBack(frames[0].payload);
    }
  } finally {
    await reader.close();
  }
}

/** Nothing of the memory of `payload` is kept. */
function learnFromFrame(payload: Buffer, position: Position, { register, places, count }: Learned): void {
  if (payload[0] === entryKinds.rejectDetail) register.addDetail(decodeRejectDetail(Buffer.from(payload)));
  if (payload[0] !== entryKinds.records || payload.length <= recordsHeaderBytes) return;
  count?.add(payload, position);
  const record = new RecordView();
  // A frame holds records of one chain, and a chain is of data or of control records: the first one tells.
  for (let at = recordsHeaderBytes; at < payload.length; at = record.next) {
    record.seek(payload, at);
    if (record.type === 0) return;
    const content = JSON.parse(record.content.toString()) as { place?: PlaceBody; reject?: Runs; retry?: Runs };
    if (content.place !== undefined) places.learn(content.place);
    const { reject, retry } = content;
    if (reject !== undefined) register.add(reject.chain, reject.seqs, reject.reason ?? 'unknown', position);
    if (retry !== undefined) register.remove(retry.chain, retry.seqs);
  }
}
