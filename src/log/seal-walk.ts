/**
 * Reads the whole seal log for somebody who only looks at it, beside a proxy that appends or without one. Takes no lock,
 * writes nothing. Texts are opaque here.
 */
import { join } from 'node:path';
import { LogsealError } from '../errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { diskFileSystem } from '../lib/file-system.ts';
import { walkFrames, walkPool } from '../lib/frame-walk.ts';
import { hasHeadFile, readHead } from './head-file.ts';
import { listSealFiles, openSealFile, sealPath } from './seal-file.ts';

export interface SealLogState {
  files: number;
  /** Entries that can be read. */
  entries: number;
  /** Bytes of all entries with their frames. */
  bytes: number;
  /** Entries that the head stands for; undefined without a head. A head that cannot be read is a damage. */
  headSize: number | undefined;
  damage: { file: string; offset: number; what: string }[];
}

export async function walkSealLog(
  directory: string,
  visit: (entry: number, text: Buffer) => void,
  fs: FileSystem = diskFileSystem,
): Promise<SealLogState> {
  const state: SealLogState = { files: 0, entries: 0, bytes: 0, headSize: undefined, damage: [] };
  // The head first: it is written after its entries, so whatever it knows stands in the files that are read after it.
  state.headSize = (await readHead(fs, directory))?.size;
  if (state.headSize === undefined && (await hasHeadFile(fs, directory))) {
    const what = 'the head fails its checksum; the next start reads every seal instead';
    state.damage.push({ file: join(directory, 'head'), offset: 0, what });
  }
  const firsts = await listSealFiles(fs, directory);
  for (const [index, first] of firsts.entries()) {
    const entries = await walkFile(fs, directory, first, firsts[index + 1], visit, state);
    state.files += 1;
    state.entries = first + entries;
  }
  if (firsts.length > 0 && firsts[0] !== 0) {
    state.damage.push({ file: sealPath(directory, 0), offset: 0, what: 'the file is missing' });
  }
  if ((state.headSize ?? 0) > state.entries) {
    const what = `the log ends after ${state.entries} entries, but its head knows ${state.headSize}`;
    state.damage.push({ file: sealPath(directory, firsts.at(-1) ?? 0), offset: 0, what });
  }
  return state;
}

/** Returns the number of entries in the file. */
async function walkFile(
  fs: FileSystem,
  directory: string,
  first: number,
  next: number | undefined,
  visit: (entry: number, text: Buffer) => void,
  state: SealLogState,
): Promise<number> {
  const path = sealPath(directory, first);
  const opened = await openOrFault(fs, directory, first);
  if (typeof opened === 'string') {
    state.damage.push({ file: path, offset: 0, what: opened });
    return next === undefined ? 0 : next - first;
  }
  try {
    const following = next === undefined ? undefined : await openOrFault(fs, directory, next);
    const knownEnd = typeof following === 'object' ? following.header.previousEnd : undefined;
    if (typeof following === 'object') await following.file.close();
    let entry = first;
    const count = (text: Buffer) => {
      visit(entry, text);
      entry += 1;
    };
    const walk = await walkFrames(opened.file, opened.header, knownEnd, count, walkPool());
    state.bytes += walk.end;
    if (walk.damage !== undefined) state.damage.push({ file: path, ...walk.damage });
    else if (next !== undefined && entry !== next) {
      const what = `the file ends after entry ${entry - 1}, but the next one begins with ${next}`;
      state.damage.push({ file: path, offset: walk.end, what });
    }
    return entry - first;
  } finally {
    await opened.file.close();
  }
}

async function openOrFault(fs: FileSystem, directory: string, first: number) {
  try {
    return await openSealFile(fs, directory, first);
  } catch (error) {
    if (error instanceof LogsealError && error.code === 'LOG_CORRUPT') return error.message;
    throw error;
  }
}
