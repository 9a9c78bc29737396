/**
 * The head of the seal log: what the owner knows after `size` entries (chain heads, the tree's edge), so that a start need
 * not read every seal. A cache: without it everything is read. But a head that knows more entries than the log has proves
 * that seals were lost, because a head is written only after its entries are on disk.
 *
 *   0 magic (8) ‖ 8 size u64 ‖ 16 length u32 ‖ 20 CRC-32 over bytes 0–19 and the blob ‖ 24 blob
 */

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { FileSystem } from '../lib/file-system.ts';
import { isMissingError, replaceDurably } from '../lib/file-system.ts';

export interface Head {
  /** Entries that the blob stands for. */
  size: number;
  blob: Buffer;
}

const headBytesMax = 16 * 1024 * 1024;
const magic = Buffer.from('LSPHEAD\n', 'latin1');
const headerBytes = 24;
const headName = 'head';

export async function writeHead(fs: FileSystem, directory: string, head: Head): Promise<void> {
  if (head.blob.length > headBytesMax) throw new RangeError(`a head has at most ${headBytesMax} bytes`);
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.writeBigUInt64BE(BigInt(head.size), 8);
  header.writeUInt32BE(head.blob.length, 16);
  header.writeUInt32BE(crc32(head.blob, crc32(header.subarray(0, 20))), 20);
  await replaceDurably(fs, headPath(directory), [header, head.blob]);
}

/** Undefined if there is none, or none that is whole. */
export async function readHead(fs: FileSystem, directory: string): Promise<Head | undefined> {
  const bytes = await readWhole(fs, headPath(directory));
  if (bytes === undefined || bytes.length < headerBytes || !bytes.subarray(0, 8).equals(magic)) return undefined;
  const blob = bytes.subarray(headerBytes);
  if (blob.length !== bytes.readUInt32BE(16)) return undefined;
  if (crc32(blob, crc32(bytes.subarray(0, 20))) !== bytes.readUInt32BE(20)) return undefined;
  return { size: Number(bytes.readBigUInt64BE(8)), blob };
}

/** Whether there is a file, whole or not. */
export async function hasHeadFile(fs: FileSystem, directory: string): Promise<boolean> {
  return (await fs.names(directory)).includes(headName);
}

async function readWhole(fs: FileSystem, path: string): Promise<Buffer | undefined> {
  try {
    const file = await fs.open(path, 'read');
    try {
      const size = await file.size();
      if (size > headBytesMax + headerBytes) return undefined;
      const bytes = Buffer.alloc(size);
      return bytes.subarray(0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissingError(error)) return undefined;
    throw error;
  }
}

function headPath(directory: string): string {
  return join(directory, headName);
}
