/** Looks at the data directory: whose it is, who else can read it, how much room its disk has, and what kind of disk that is. Writes nothing. */
import type { Stats } from 'node:fs';
import { readdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import { isMissingError } from '../lib/file-system.ts';
import type { Check, Status } from './check.ts';
import { sizeText } from './words.ts';

const area = 'directory';

/** Numbers of statfs(2). */
const kinds: Readonly<Record<number, { name: string; status: Status; why?: string }>> = {
  61267: { name: 'ext4', status: 'ok' },
  1481003842: { name: 'XFS', status: 'ok' },
  2435016766: { name: 'Btrfs', status: 'ok' },
  801189825: { name: 'ZFS', status: 'ok' },
  4076150800: { name: 'F2FS', status: 'ok' },
  16914836: memory('tmpfs'),
  2240043254: memory('ramfs'),
  2035054128: {
    name: 'overlayfs',
    status: 'warn',
    why: 'it is the writable layer of a container and goes with it: mount a volume',
  },
  26985: network('NFS'),
  20859: network('SMB'),
  4283649346: network('CIFS'),
  4266872130: network('SMB2'),
  12805120: network('CephFS'),
  16914839: network('9p'),
  198183888: network('Lustre'),
  2020557398: network('vboxsf'),
  1702057286: {
    name: 'FUSE',
    status: 'warn',
    why: 'what its fsync promises depends on the program behind it: use a local disk unless you know that program',
  },
};

function memory(name: string) {
  return { name, status: 'fail' as const, why: 'it is memory: what is acknowledged is lost with the power' };
}

function network(name: string) {
  return {
    name,
    status: 'warn' as const,
    why: 'over a network locks and fsync promise less, and the proxy stops when the network does: use a local disk',
  };
}

/** The directory, or the nearest one above it that is there: on the same disk as far as one can tell. */
export async function nearestDirectory(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    if ((await statOf(at)) !== undefined || at === dirname(at)) return at;
  }
}

export async function checkDirectory(config: Config): Promise<Check[]> {
  const { dataDir } = config;
  const found = await statOf(dataDir);
  const checks: Check[] = [];
  if (found === undefined) {
    const there = `${dataDir} is not there: the first start makes it`;
    checks.push({ area, status: 'ok', found: there });
  } else if (!found.isDirectory()) {
    const advice = 'set dataDir to a directory';
    return [{ area, status: 'fail', found: `${dataDir} is no directory`, advice }];
  } else {
    checks.push(ownerOf(dataDir, found), await permissions(dataDir, found));
  }
  checks.push(await room(config), await kindOf(await nearestDirectory(dataDir)));
  return checks;
}

function ownerOf(dataDir: string, { uid }: Stats): Check {
  const own = process.getuid?.() ?? uid;
  if (own === uid) return { area, status: 'ok', found: `${dataDir} belongs to the user who runs this (uid ${uid})` };
  const advice = 'run the doctor, and the proxy, as the owner';
  return { area, status: 'warn', found: `${dataDir} belongs to uid ${uid}, and this runs as uid ${own}`, advice };
}

async function permissions(dataDir: string, found: Stats): Promise<Check> {
  const secret = [
    ...(await filesUnder(join(dataDir, 'keys'))),
    join(dataDir, 'development-auditor', 'auditor.key.pem'),
  ];
  const open: string[] = [];
  for (const path of secret) {
    const one = await statOf(path);
    if (one !== undefined && isOpen(one)) open.push(path);
  }
  const [first] = open;
  if (first !== undefined) {
    const text = `others can read ${open.length === 1 ? first : `${first} and ${open.length - 1} more secret files`}`;
    return {
      area,
      status: 'fail',
      found: text,
      advice: `chmod -R go= ${join(dataDir, 'keys')}; whoever read a key can forge: rotate`,
    };
  }
  if (isOpen(found)) {
    const mode = (found.mode & 0o777).toString(8);
    return {
      area,
      status: 'warn',
      found: `${dataDir} has mode ${mode}: others can look into it`,
      advice: `chmod 700 ${dataDir}`,
    };
  }
  return { area, status: 'ok', found: 'nobody else can read the directory or the secret files in it' };
}

function isOpen({ mode }: Stats): boolean {
  return process.platform !== 'win32' && (mode & 0o077) !== 0;
}

async function filesUnder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).map((name) => join(path, name));
  } catch {
    return [];
  }
}

/** What the log may still take, against what the disk still has. */
async function room({ dataDir, wal }: Config): Promise<Check> {
  const { bavail, bsize } = await statfs(await nearestDirectory(dataDir));
  const free = bavail * bsize;
  let taken = 0;
  for (const path of await filesUnder(join(dataDir, 'wal'))) taken += (await statOf(path))?.size ?? 0;
  const wanted = Math.max(0, wal.bytesMax + wal.segmentBytes - taken);
  const found = `${sizeText(free)} free; the log may still take ${sizeText(wanted)} (wal.bytesMax and a segment, less what it has)`;
  if (free >= wanted) return { area, status: 'ok', found };
  const least = wal.reserveBytes + wal.segmentBytes;
  const status = free + taken < least ? 'fail' : 'warn';
  return {
    area,
    status,
    found,
    advice: 'make room, or set wal.bytesMax to what the disk has: requests are refused once it is full',
  };
}

async function kindOf(path: string): Promise<Check> {
  const { type } = await statfs(path);
  const kind = kinds[type];
  if (kind === undefined)
    return { area, status: 'ok', found: `the file system is of kind 0x${type.toString(16)}, which is not known here` };
  const { name, status, why } = kind;
  return { area, status, found: `the file system is ${name}`, ...(why === undefined ? {} : { advice: why }) };
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissingError(error)) return undefined;
    throw error;
  }
}
