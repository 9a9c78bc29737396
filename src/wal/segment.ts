/**
 * One segment file: how it comes to be, and how its header is read.
 * A segment has its name only when its header is on disk, and is used only when its name is on disk.
 */

import type { DiskFile, FileSystem } from '../lib/file-system.ts';
import { isMissingError, writeAll } from '../lib/file-system.ts';
import type { FrameFileHeader } from '../lib/frame-file.ts';
import { encodeFileHeader, fileHeaderBytes, readFileHeader } from '../lib/frame-file.ts';
import { corrupt, segmentMagic, segmentPath, temporaryPath } from './format.ts';

export interface OpenSegment {
  header: FrameFileHeader;
  file: DiskFile;
}

/** Creates an empty segment, durable with its name. The caller closes the file; after an error nothing is left open. */
export async function createSegment(fs: FileSystem, directory: string, header: FrameFileHeader): Promise<DiskFile> {
  const path = segmentPath(directory, header.number);
  const file = await fs.open(temporaryPath(path), 'create');
  try {
    await writeAll(file, [encodeFileHeader(segmentMagic, header)], 0);
    await file.sync();
    await fs.rename(temporaryPath(path), path);
    await fs.syncDirectory(directory);
    return file;
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

/** Opens an existing segment. Throws WAL_CORRUPT if its header is not right; undefined if there is no such file. */
export async function openSegment(
  fs: FileSystem,
  directory: string,
  segment: number,
  mode: 'read' | 'edit' = 'read',
): Promise<OpenSegment | undefined> {
  let file: DiskFile;
  try {
    file = await fs.open(segmentPath(directory, segment), mode);
  } catch (error) {
    if (isMissingError(error)) return undefined;
    throw error;
  }
  try {
    const header = await readFileHeader(file, segmentMagic, segment, 'allowed');
    if (typeof header === 'string') throw corrupt(segment, 0, `the file ${header}`);
    return { header, file };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The header of a segment, or undefined if there is no such file. */
export async function readSegmentHeader(
  fs: FileSystem,
  directory: string,
  segment: number,
): Promise<FrameFileHeader | undefined> {
  const opened = await openSegment(fs, directory, segment);
  await opened?.file.close();
  return opened?.header;
}

/** Offset of the first frame of every segment. */
export const firstOffset = fileHeaderBytes;
