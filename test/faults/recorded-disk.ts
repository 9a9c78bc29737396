/**
 * What a disk may hold when the power goes, reckoned from a record of everything that was asked of it.
 * A call that syncs makes what it names durable: `fsync` and `fdatasync` the bytes of a file, `fsync` of a directory the names
 * in it. Of everything else any part is there, in any order: each sector or page of a write, each size, each name on its own; one
 * sector or page may be half written, and room that a file grew by may hold the disk's old bytes.
 * Assumes a record from an empty directory on. As test/helpers/simulated-disk.ts, for a tree of real files.
 */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Change } from './changes.ts';

/** How a state was drawn. */
export interface Draw {
  random: () => number;
  /** Share of what was not synced that is there; drawn again for each file and directory. */
  keep: readonly number[];
}

/** Nothing, everything, and parts of what was not synced. */
export const anyPart: readonly number[] = [0, 1, 0.5, 0.9, 0.1];

/** Of these the size alone is kept: their content is random bytes that nobody reads. */
const contentless = /(^|\/)wal\/reserve$/;
const pieceBytes = [512, 4096] as const;

interface Write {
  at: number;
  bytes: Buffer;
}
type Pending = Write | { size: number };
type NameChange = { set?: [string, Node]; remove?: string };

class File {
  readonly kind = 'file';
  durable = new Content();
  pending: Pending[] = [];
  /** As the process sees it. */
  size = 0;
  readonly hollow: boolean;

  constructor(hollow: boolean) {
    this.hollow = hollow;
  }

  change(change: Pending): void {
    this.size = 'size' in change ? change.size : Math.max(this.size, change.at + change.bytes.length);
    this.pending.push(change);
  }

  sync(): void {
    for (const change of this.pending) this.durable.apply(change);
    this.pending = [];
  }
}

class Directory {
  readonly kind = 'directory';
  readonly names = new Map<string, Node>();
  readonly durable = new Map<string, Node>();
  pending: NameChange[] = [];

  change(change: NameChange): void {
    rename(this.names, change);
    this.pending.push(change);
  }

  sync(): void {
    for (const change of this.pending) rename(this.durable, change);
    this.pending = [];
  }
}

type Node = File | Directory;

/** Bytes of a file in a buffer that grows. */
class Content {
  bytes = Buffer.alloc(0);
  size = 0;

  apply(change: Pending): void {
    if ('size' in change) {
      this.resize(change.size);
      return;
    }
    const end = change.at + change.bytes.length;
    if (end > this.size) this.resize(end);
    change.bytes.copy(this.bytes, change.at);
  }

  resize(size: number): void {
    if (size > this.bytes.length) {
      const larger = Buffer.alloc(Math.max(size, 2 * this.bytes.length));
      this.bytes.copy(larger, 0, 0, this.size);
      this.bytes = larger;
    }
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }

  copy(): Content {
    const twin = new Content();
    twin.bytes = Buffer.from(this.bytes.subarray(0, this.size));
    twin.size = this.size;
    return twin;
  }
}

export class RecordedDisk {
  readonly #root = new Directory();
  readonly #files = new Map<string, File>();
  #number = 0;

  /** The number of the last change that this disk has seen. */
  get number(): number {
    return this.#number;
  }

  /** The next change of the record happens, in memory only. */
  apply(change: Change): void {
    this.#number = change.number;
    if (change.errno !== 0) return;
    this.#happen(change);
  }

  /** Makes the folder `target` what the disk may hold if the power goes now. Other draws give other folders. */
  async writeState(target: string, { random, keep }: Draw): Promise<void> {
    const share = () => keep[Math.floor(random() * keep.length)] ?? 0;
    const writeDirectory = async (directory: Directory, path: string): Promise<void> => {
      await mkdir(path, { mode: 0o700 });
      const names = new Map(directory.durable);
      const kept = share();
      for (const change of directory.pending) if (random() < kept) rename(names, change);
      for (const [name, node] of names) {
        const inside = join(path, name);
        if (node.kind === 'directory') await writeDirectory(node, inside);
        else await writeContent(inside, survivors(node, random, share()));
      }
    };
    await mkdir(dirname(target), { recursive: true });
    await writeDirectory(this.#root, target);
  }

  #happen(change: Change): void {
    const { kind, path } = change;
    if (kind === 'write') this.#write(change);
    else if (kind === 'truncate') this.#file(change).change({ size: change.size });
    else if (kind === 'sync' || kind === 'syncBytes') this.#file(change).sync();
    else if (kind === 'syncDir') this.#directory(path).sync();
    else if (kind === 'create') this.#create(change);
    else if (kind === 'mkdir') this.#name(path, new Directory());
    else if (kind === 'rename') this.#rename(path, change.path2);
    else if (kind === 'remove' || kind === 'rmdir') this.#remove(path);
    else throw new Error(`change ${change.number}: ${kind} is not reckoned with`);
  }

  #create({ path, file }: Change): void {
    const made = new File(contentless.test(path));
    this.#files.set(file, made);
    this.#name(path, made);
  }

  #remove(path: string): void {
    const { parent, name } = this.#place(path);
    parent.change({ remove: name });
  }

  #write(change: Change): void {
    const file = this.#file(change);
    if (file.hollow) file.change({ size: Math.max(file.size, change.at + change.size) });
    else file.change({ at: change.at, bytes: change.bytes });
  }

  #file({ file, number }: Change): File {
    const found = this.#files.get(file);
    if (found === undefined) throw new Error(`change ${number} is of a file that the record did not see made`);
    return found;
  }

  #directory(path: string): Directory {
    let directory = this.#root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      const next = directory.names.get(name);
      if (next?.kind !== 'directory') throw new Error(`there is no directory ${path}`);
      directory = next;
    }
    return directory;
  }

  #place(path: string): { parent: Directory; name: string } {
    const cut = path.lastIndexOf('/');
    return { parent: this.#directory(path.slice(0, Math.max(0, cut))), name: path.slice(cut + 1) };
  }

  #name(path: string, node: Node): void {
    const { parent, name } = this.#place(path);
    parent.change({ set: [name, node] });
  }

  #rename(from: string, to: string): void {
    const source = this.#place(from);
    const target = this.#place(to);
    const node = source.parent.names.get(source.name);
    if (node === undefined) throw new Error(`there is no ${from} to rename`);
    if (source.parent === target.parent) {
      source.parent.change({ remove: source.name, set: [target.name, node] });
      return;
    }
    source.parent.change({ remove: source.name });
    target.parent.change({ set: [target.name, node] });
  }
}

function rename(names: Map<string, Node>, change: NameChange): void {
  if (change.remove !== undefined) names.delete(change.remove);
  if (change.set !== undefined) names.set(change.set[0], change.set[1]);
}

/** A file's bytes after the cut. */
function survivors(file: File, random: () => number, keep: number): Content {
  if (file.pending.length === 0) return file.durable;
  const content = file.durable.copy();
  const unit = pieceBytes[random() < 0.5 ? 0 : 1];
  const garbage = random() < 0.1;
  const torn = Math.floor(random() * file.pending.length * 2);
  for (const [place, change] of file.pending.entries()) {
    if ('size' in change) {
      if (random() < keep) content.apply(change);
      continue;
    }
    // The room can be there without the bytes.
    const grows = change.at + change.bytes.length > content.size && random() < keep;
    if (grows) growTo(content, change.at + change.bytes.length, garbage ? random : undefined, file.hollow);
    if (keep === 1) content.apply(change);
    else if (keep > 0) applySome(content, change, unit, random, keep, place === torn);
  }
  return content;
}

function growTo(content: Content, size: number, random: (() => number) | undefined, hollow: boolean): void {
  const before = content.size;
  content.resize(size);
  if (random === undefined || hollow) return;
  for (let at = before; at < size; at += 1) content.bytes[at] = random() * 256;
}

/** Each sector or page of a write on its own; with `torn` one of them in half. */
function applySome(
  content: Content,
  { at, bytes }: Write,
  unit: number,
  random: () => number,
  keep: number,
  torn: boolean,
): void {
  let tear = torn ? Math.floor((random() * bytes.length) / unit) : -1;
  for (let from = 0; from < bytes.length; tear -= 1) {
    const end = Math.min(bytes.length, (Math.floor((at + from) / unit) + 1) * unit - at);
    const piece = bytes.subarray(from, tear === 0 ? from + Math.floor(random() * (end - from)) : end);
    if (piece.length > 0 && random() < keep) content.apply({ at: at + from, bytes: piece });
    from = end;
  }
}

const blockBytes = 64 * 1024;
const zeros = Buffer.alloc(blockBytes);

/** Runs of zeros are left out of the file: a state is written thousands of times. */
async function writeContent(path: string, { bytes, size }: Content): Promise<void> {
  if (size < 2 * blockBytes) return writeFile(path, bytes.subarray(0, size), { mode: 0o600 });
  const file = await open(path, 'wx', 0o600);
  try {
    for (let at = 0; at < size; at += blockBytes) {
      const block = bytes.subarray(at, Math.min(size, at + blockBytes));
      if (zeros.compare(block, 0, block.length, 0, block.length) !== 0) await file.write(block, 0, block.length, at);
    }
    await file.truncate(size);
  } finally {
    await file.close();
  }
}
