/** What the faulty disk wrote down, in its order: the format is described in fuse/journal.go. */
import { readFile } from 'node:fs/promises';

const kinds = [
  'create',
  'write',
  'truncate',
  'sync',
  'syncDir',
  'rename',
  'remove',
  'mkdir',
  'rmdir',
  'link',
  'allocate',
  'syncBytes',
] as const;

export interface Change {
  kind: (typeof kinds)[number];
  /** Counts from the mount. */
  number: number;
  /** 0, or why the call failed and changed nothing. */
  errno: number;
  /** The inode behind the mount: a write reaches the file, whatever it is called by then. */
  file: string;
  /** Offset of a write, mode of what is made. */
  at: number;
  /** Bytes of a write, new size of a file. */
  size: number;
  /** Below the mount, without a slash at its beginning; empty for the mount itself. */
  path: string;
  /** The new name. */
  path2: string;
  bytes: Buffer;
}

const headBytes = 48;

export async function readChanges(file: string): Promise<Change[]> {
  const all = await readFile(file);
  const changes: Change[] = [];
  for (let start = 0; start < all.length; ) {
    const end = start + 4 + all.readUInt32LE(start);
    const kind = kinds[all.readUInt8(start + 4) - 1];
    if (kind === undefined) throw new Error(`${file}: unknown kind at byte ${start}`);
    const pathEnd = start + headBytes + all.readUInt16LE(start + 44);
    const path2End = pathEnd + all.readUInt16LE(start + 46);
    changes.push({
      kind,
      errno: all.readUInt32LE(start + 8),
      number: Number(all.readBigUInt64LE(start + 12)),
      file: String(all.readBigUInt64LE(start + 20)),
      at: Number(all.readBigUInt64LE(start + 28)),
      size: Number(all.readBigUInt64LE(start + 36)),
      path: all.toString('utf8', start + headBytes, pathEnd),
      path2: all.toString('utf8', pathEnd, path2End),
      bytes: all.subarray(path2End, end),
    });
    start = end;
  }
  return changes;
}
