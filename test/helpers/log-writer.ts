/** A write-ahead log with records as the sequencer writes them, but with random tags: delivery never checks one. */

import { randomBytes } from 'node:crypto';
import { writeSafeInteger } from '../../src/chain/header.ts';
import { generatedId } from '../../src/chain/record-id.ts';
import {
  recordBytes,
  recordFlags,
  recordsHeaderBytes,
  saltBytes,
  writeRecordsHeader,
} from '../../src/journal/records-entry.ts';
import type { RejectDetail } from '../../src/journal/reject-detail.ts';
import { encodeRejectDetail } from '../../src/journal/reject-detail.ts';
import { encodeSealEntry } from '../../src/journal/seal-entry.ts';
import type { LogKeys } from '../../src/wal/frame-cipher.ts';
import type { Position } from '../../src/wal/position.ts';
import { WriteAheadLog } from '../../src/wal/write-ahead-log.ts';
import { ManualClock } from './manual-clock.ts';

export interface TestRecord {
  dest: string;
  content: string;
  id?: string;
  meta?: object;
  timeMs?: number;
}

export interface WrittenRecord {
  chain: string;
  seq: number;
  dest: string;
  id: string;
  tag: string;
  content: string;
  position: Position;
}

/** One payload of kind records; `seqs` counts on. */
export function recordsPayload(
  chain: Buffer,
  firstSeq: number,
  records: readonly TestRecord[],
  options: { type?: 0 | 1; epoch?: number; timeMs?: number } = {},
): { payload: Buffer; tags: string[]; ids: string[] } {
  const parts: Buffer[] = [Buffer.alloc(recordsHeaderBytes)];
  writeRecordsHeader(parts[0]!, { suite: 1, chain, epoch: options.epoch ?? 0, count: records.length });
  const tags: string[] = [];
  const ids: string[] = [];
  records.forEach((record, i) => {
    const seq = firstSeq + i;
    const id = record.id ?? generatedId(chain, seq);
    const meta = record.meta === undefined ? '' : JSON.stringify(record.meta);
    const tag = randomBytes(16);
    const [dest, idBytes, metaBytes, content] = [record.dest, id, meta, record.content].map((text) =>
      Buffer.from(text),
    );
    const total = recordBytes(dest!.length, idBytes!.length, metaBytes!.length, content!.length);
    const head = Buffer.alloc(36);
    head.writeUInt32BE(total, 0);
    head.writeUInt32BE(i, 4);
    writeSafeInteger(head, seq, 8);
    writeSafeInteger(head, record.timeMs ?? options.timeMs ?? 1_763_891_234_567, 16);
    head[24] = options.type ?? 0;
    head[25] = flagsOf(record);
    head.writeUInt16BE(dest!.length, 26);
    head.writeUInt16BE(idBytes!.length, 28);
    head.writeUInt16BE(metaBytes!.length, 30);
    head.writeUInt32BE(content!.length, 32);
    parts.push(head, randomBytes(48), tag, dest!, idBytes!, metaBytes!, randomBytes(saltBytes), content!);
    tags.push(tag.toString('base64url'));
    ids.push(id);
  });
  return { payload: Buffer.concat(parts), tags, ids };
}

function flagsOf(record: TestRecord): number {
  let flags = record.id === undefined ? 0 : recordFlags.idGiven;
  if (/[\n\r]/.test(record.content)) flags |= recordFlags.lineFeed;
  if (/^\{\s*\}$/.test(record.content)) flags |= recordFlags.emptyObject;
  if (/\[\d+(,\d+){127,}\]/.test(record.content)) flags |= recordFlags.longNumberArray;
  return flags;
}

export class LogWriter {
  readonly wal: WriteAheadLog;
  readonly dir: string;
  readonly chain = randomBytes(16);
  readonly control = randomBytes(16);
  readonly written: WrittenRecord[] = [];
  /** Control records' contents, in order. */
  readonly controls: Record<string, unknown>[] = [];
  #seq = 0;
  #controlSeq = 0;
  #entry = 0;

  private constructor(wal: WriteAheadLog, dir: string) {
    this.wal = wal;
    this.dir = dir;
  }

  static async open(dir: string, segmentBytes = 64 * 1024 * 1024, keys?: LogKeys): Promise<LogWriter> {
    const { wal } = await WriteAheadLog.open({
      dir,
      ...(keys === undefined ? {} : { keys }),
      bytesMax: 4 * 1024 ** 3,
      reserveBytes: 64 * 1024,
      segmentBytes,
      keepMs: 0,
      clock: new ManualClock(),
      cursor: undefined,
      fatal: (error) => {
        throw error;
      },
    });
    return new LogWriter(wal, dir);
  }

  get chainId(): string {
    return this.chain.toString('base64url');
  }

  async records(records: readonly TestRecord[], timeMs?: number): Promise<Position> {
    const first = this.#seq;
    this.#seq += records.length;
    const { payload, tags, ids } = recordsPayload(this.chain, first, records, timeMs === undefined ? {} : { timeMs });
    const position = await this.wal.append(payload, 'normal');
    records.forEach(({ dest, content }, i) => {
      const place = { id: ids[i] ?? '', tag: tags[i] ?? '', position };
      this.written.push({ chain: this.chainId, seq: first + i, dest, content, ...place });
    });
    return position;
  }

  async controlRecord(content: Record<string, unknown>, details: readonly RejectDetail[] = []): Promise<void> {
    for (const detail of details) await this.wal.append(encodeRejectDetail(detail), 'reserve');
    const text = JSON.stringify(content);
    const seq = this.#controlSeq++;
    const record = { dest: 'logseal-control', content: text };
    const { payload, tags, ids } = recordsPayload(this.control, seq, [record], { type: 1 });
    const position = await this.wal.append(payload, 'reserve');
    this.controls.push(content);
    const chain = this.control.toString('base64url');
    this.written.push({ chain, seq, ...record, id: ids[0] ?? '', tag: tags[0] ?? '', position });
  }

  async seal(epoch: number): Promise<string> {
    const entry = this.#entry++;
    const seal = `LSP1 seal\norigin t/logseal\nsuite 1\nchain ${this.chain.toString('hex')}\nepoch ${epoch}\nfirst 0\nclosed 1763891244000\nmac x\n`;
    const checkpoint = `t/logseal\n${entry + 1}\nAAAA\n\n— t/logseal ${randomBytes(68).toString('base64')}\n`;
    const payload = encodeSealEntry({ entry, seal: Buffer.from(seal), checkpoint: Buffer.from(checkpoint) });
    await this.wal.append(payload, 'reserve');
    return seal;
  }
}
