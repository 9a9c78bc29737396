/**
 * The key file of a chain: the keys from its open epoch on, and nothing that leads back (FORMAT section 3).
 *
 *   | LSK1 | suite u8 | chain 16 | epoch u32 | K_e 32 | nodes 32 × 32 | SHA-256 of all before 32 |        1,113 bytes
 *
 * The nodes are the right siblings on the path of e, one for each zero bit of e, the shallowest first; the rest is zero. One fixed size, so
 * that an old file can be overwritten in its place. Assumes one process, and one write at a time for a chain. Must never put a key into
 * a string, nor leave an earlier key in a file: the old inode is overwritten before it is let go. What an SSD keeps, only the disk knows.
 */

import { hash, timingSafeEqual } from 'node:crypto';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyNode } from '../chain/key-tree.ts';
import { chainIdBytes, EpochKeys, keyBytes, treeDepth } from '../chain/key-tree.ts';
import { suiteOf } from '../chain/suite.ts';
import { LogsealError } from '../errors.ts';
import { syncDirectory } from '../lib/durable-file.ts';
import { isFullError } from '../lib/file-system.ts';

const magic = Buffer.from('LSK1');
const suiteAt = magic.length;
const chainAt = suiteAt + 1;
const epochAt = chainAt + chainIdBytes;
const macKeyAt = epochAt + 4;
const nodesAt = macKeyAt + keyBytes;
const checksumAt = nodesAt + treeDepth * keyBytes;
const fileBytes = checksumAt + 32;

/** Path of a chain's key file. */
export function keyFilePath(dir: string, chain: Buffer): string {
  return join(dir, `${chain.toString('base64url')}.key`);
}

/**
 * Puts the keys in place of those of the epoch before, durably, then overwrites what was there. ENOSPC can be tried again.
 * Throws WAL_FAILED, naming the file, when the disk fails.
 */
export async function writeKeyFile(dir: string, keys: EpochKeys): Promise<void> {
  const path = keyFilePath(dir, keys.chain);
  try {
    await replaceKeyFile(dir, path, keys);
  } catch (cause) {
    if (isFullError(cause)) throw cause;
    throw new LogsealError('WAL_FAILED', `the key file ${path} failed to reach the disk`, { cause, path });
  }
}

async function replaceKeyFile(dir: string, path: string, keys: EpochKeys): Promise<void> {
  const temporary = `${path}.tmp`;
  const old = await openIfThere(path);
  const bytes = encode(keys);
  try {
    // Not truncated: a file that a crash left here is overwritten in its place too.
    const file = await open(temporary, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      await overwrite(file, bytes);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dir);
    if (old !== undefined) await overwrite(old, Buffer.alloc(fileBytes));
  } finally {
    bytes.fill(0);
    await old?.close();
  }
}

/** Reads a key file. Throws KEY_INVALID if it is missing or damaged. */
export async function readKeyFile(path: string): Promise<EpochKeys> {
  const file = await openIfThere(path);
  if (file === undefined) throw invalid(path, 'is missing: without it the chain cannot go on');
  const bytes = Buffer.alloc(fileBytes + 1);
  try {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return decode(bytes.subarray(0, bytesRead), path);
  } finally {
    bytes.fill(0);
    await file.close();
  }
}

/** Overwrites and removes the key file of a chain that has ended; none is no error. */
export async function removeKeyFile(dir: string, chain: Buffer): Promise<void> {
  const path = keyFilePath(dir, chain);
  for (const name of [path, `${path}.tmp`]) {
    const file = await openIfThere(name);
    if (file === undefined) continue;
    try {
      await overwrite(file, Buffer.alloc(fileBytes));
    } finally {
      await file.close();
    }
    await unlink(name);
  }
  await syncDirectory(dir);
}

function encode(keys: EpochKeys): Buffer {
  const { suite, chain, epoch, macKey, nodes } = keys.state();
  const bytes = Buffer.alloc(fileBytes);
  magic.copy(bytes);
  bytes[suiteAt] = suite.id;
  chain.copy(bytes, chainAt);
  bytes.writeUInt32BE(epoch, epochAt);
  macKey.copy(bytes, macKeyAt);
  macKey.fill(0);
  for (const [i, node] of nodes.entries()) {
    node.key.copy(bytes, nodesAt + i * keyBytes);
    node.key.fill(0);
  }
  hash('sha256', bytes.subarray(0, checksumAt), 'buffer').copy(bytes, checksumAt);
  return bytes;
}

function decode(bytes: Buffer, path: string): EpochKeys {
  if (bytes.length !== fileBytes || magic.compare(bytes, 0, magic.length) !== 0) throw invalid(path, 'is no key file');
  const checksum = hash('sha256', bytes.subarray(0, checksumAt), 'buffer');
  if (!timingSafeEqual(checksum, bytes.subarray(checksumAt))) throw invalid(path, 'is damaged: its checksum is wrong');
  const suite = suiteOf(bytes.readUInt8(suiteAt));
  if (suite === undefined) throw invalid(path, `is of the unknown suite ${bytes[suiteAt]}`);
  const epoch = bytes.readUInt32BE(epochAt);
  const nodes: KeyNode[] = [];
  for (let depth = 1; depth <= treeDepth; depth++) {
    const prefix = epoch >>> (treeDepth - depth);
    if (prefix % 2 === 1) continue;
    const at = nodesAt + nodes.length * keyBytes;
    nodes.push({ depth, prefix: prefix + 1, key: bytes.subarray(at, at + keyBytes) });
  }
  const chain = bytes.subarray(chainAt, epochAt);
  return EpochKeys.fromState({ suite, chain, epoch, macKey: bytes.subarray(macKeyAt, nodesAt), nodes });
}

async function overwrite(file: FileHandle, bytes: Buffer): Promise<void> {
  const { bytesWritten } = await file.write(bytes, 0, bytes.length, 0);
  if (bytesWritten !== bytes.length) {
    throw Object.assign(new Error('the disk is full: a key file was cut short'), { code: 'ENOSPC' });
  }
  await file.truncate(bytes.length);
  await file.sync();
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function invalid(path: string, what: string): LogsealError {
  return new LogsealError('KEY_INVALID', `${path} ${what}`, { path });
}
