/**
 * The files of the seal log: their names and headers, how one is made, and the tail that a start writes anew.
 * Each file has its full size from the start, filled with zeros, and the next one is made ahead of its use: a seal never
 * waits for disk space that records have taken. Assumes that a file has its name only when it is complete on disk.
 *
 *   log/0000000000000000.seals     named by its first entry; header and frames as in src/lib, one frame an entry
 *   ┌──────────────────────┬────────────┬────────────┬─────┬───────────────┐
 *   │ header, 64 bytes     │ entry 0    │ entry 1    │  …  │ zeros         │
 *   └──────────────────────┴────────────┴────────────┴─────┴───────────────┘
 */

import { join } from 'node:path';
import { LogsealError } from '../errors.ts';
import type { DiskFile, FileSystem } from '../lib/file-system.ts';
import { isMissingError, writeAll } from '../lib/file-system.ts';
import type { FrameFileHeader } from '../lib/frame-file.ts';
import { encodeFileHeader, fileHeaderBytes, findProofOfDamage, readFileHeader, readFrames } from '../lib/frame-file.ts';

const sealMagic = Buffer.from('LSPSEAL\n', 'latin1');
/** Also what a start reads and writes anew at most. */
export const sealFileBytes = 8 * 1024 * 1024;
export const entryBytesMax = 64 * 1024;

/** Where the files are, and how large each of them is: a multiple of 64 KiB, at least two. */
export interface SealFiles {
  fs: FileSystem;
  directory: string;
  fileBytes: number;
}

export function sealPath(directory: string, firstEntry: number): string {
  return join(directory, `${String(firstEntry).padStart(16, '0')}.seals`);
}

function sparePath(directory: string): string {
  return join(directory, 'next.tmp');
}

/** First entries of the files in a directory, ascending. */
export async function listSealFiles(fs: FileSystem, directory: string): Promise<number[]> {
  const names = await fs.names(directory);
  const firsts = names.flatMap((name) => {
    const digits = /^(\d{16})\.seals$/.exec(name)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
  return firsts.sort((a, b) => a - b);
}

/** LOG_CORRUPT, with entry, file offset and file in the details. */
export function corruptSeal(entry: number, offset: number, firstEntry: number, what: string): LogsealError {
  const sentence = `seal log entry ${entry} (file ${firstEntry}, byte ${offset}): ${what}`;
  return new LogsealError('LOG_CORRUPT', sentence, { entry, offset, file: firstEntry });
}

export async function openSealFile(
  fs: FileSystem,
  directory: string,
  firstEntry: number,
): Promise<{ file: DiskFile; header: FrameFileHeader }> {
  const file = await fs.open(sealPath(directory, firstEntry), 'read').catch((error: unknown) => {
    throw isMissingError(error) ? corruptSeal(firstEntry, 0, firstEntry, 'the file is missing') : error;
  });
  const header = await readFileHeader(file, sealMagic, firstEntry);
  if (typeof header !== 'string') return { file, header };
  await file.close();
  throw corruptSeal(firstEntry, 0, firstEntry, `the file ${header}`);
}

/** Fills the spare file with zeros: the next file, not yet named. Durable except for its name. */
export async function fillSpare({ fs, directory, fileBytes }: SealFiles): Promise<void> {
  const file = await fs.open(sparePath(directory), 'create');
  try {
    const zeros = Buffer.alloc(64 * 1024);
    for (let at = 0; at < fileBytes; at += zeros.length * 16) {
      const count = Math.min(16, (fileBytes - at) / zeros.length);
      await writeAll(file, Array<Buffer>(count).fill(zeros), at);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives the filled spare file its header and name. Returns it open for writing. */
export async function startSealFile({ fs, directory }: SealFiles, header: FrameFileHeader): Promise<DiskFile> {
  const spare = sparePath(directory);
  const file = await fs.open(spare, 'edit');
  try {
    await writeAll(file, [encodeFileHeader(sealMagic, header)], 0);
    await file.sync();
    await fs.rename(spare, sealPath(directory, header.number));
    await fs.syncDirectory(directory);
    return file;
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

export interface SealTail {
  file: DiskFile;
  header: FrameFileHeader;
  /** Where the frames end. */
  end: number;
  /** Offsets of the entries in this file. */
  offsets: number[];
  tornBytes: number;
}

/**
 * Reads the last file, drops its torn tail, and writes it anew into the filled spare file: what the page cache shows after
 * a failed fsync need not be on disk, and on a seal depends that a key may be destroyed.
 */
export async function rewriteTail(files: SealFiles, firstEntry: number): Promise<SealTail> {
  const { fs, directory } = files;
  const { file: source, header } = await openSealFile(fs, directory, firstEntry);
  try {
    const offsets: number[] = [];
    const pieces: Buffer[] = [];
    const bound = await source.size();
    let end = fileHeaderBytes;
    let tornBytes = 0;
    for (;;) {
      const run = await readFrames(source, header, end, bound);
      for (const frame of run.frames) offsets.push(frame.offset);
      pieces.push(run.bytes);
      end = run.next;
      if (run.stop === 'piece') continue;
      if (run.stop === 'damage') {
        const proof = await findProofOfDamage(source, header, end, bound);
        const what = `the frame fails its checksum, though frames follow (at byte ${proof})`;
        if (proof !== undefined) throw corruptSeal(firstEntry + offsets.length, end, firstEntry, what);
        tornBytes = await countUnwritten(source, end, bound);
      }
      break;
    }
    const target = await fs.open(sparePath(directory), 'edit');
    await writeAll(target, pieces, fileHeaderBytes).finally(() => target.close());
    const file = await startSealFile(files, header);
    return { file, header, end, offsets, tornBytes };
  } finally {
    await source.close();
  }
}

/** Bytes after `end` that are not the zeros of an unused file: up to and with the last of them. */
async function countUnwritten(source: DiskFile, end: number, bound: number): Promise<number> {
  const rest = Buffer.alloc(bound - end);
  const filled = await source.read(rest, end);
  let last = filled;
  while (last > 0 && rest[last - 1] === 0) last -= 1;
  return last;
}
