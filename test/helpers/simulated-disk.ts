/**
 * A disk in memory that can lose power, run out of room, write short, and fail a sync.
 * What was not synced survives a power cut in any part: each 512-byte sector of a write, each truncation, each name on its own.
 * A failed sync behaves as on Linux: the cache still shows the bytes, and no later sync writes them.
 */

import type { DiskFile, FileSystem } from '../../src/lib/file-system.ts';

type Change = { at: number; bytes: Buffer } | { size: number };
type NameChange = { set?: [string, Inode]; remove?: string };

const sectorBytes = 512;

class Inode {
  cache = Buffer.alloc(0);
  durable = Buffer.alloc(0);
  pending: Change[] = [];

  change(change: Change): void {
    this.cache = applied(this.cache, change);
    this.pending.push(change);
  }

  sync(): void {
    for (const change of this.pending) this.durable = applied(this.durable, change);
    this.pending = [];
  }

  survive(random: () => number): void {
    const keep = [0, 1, 0.5, 0.9][Math.floor(random() * 4)] ?? 0;
    for (const change of this.pending) {
      if ('size' in change) {
        if (random() < keep) this.durable = applied(this.durable, change);
        continue;
      }
      for (let at = 0; at < change.bytes.length; ) {
        const end = Math.min(
          change.bytes.length,
          (Math.floor((change.at + at) / sectorBytes) + 1) * sectorBytes - change.at,
        );
        const bytes = change.bytes.subarray(at, end);
        if (random() < keep) this.durable = applied(this.durable, { at: change.at + at, bytes });
        at = end;
      }
    }
    this.pending = [];
    this.cache = Buffer.from(this.durable);
  }
}

function applied(content: Buffer<ArrayBuffer>, change: Change): Buffer<ArrayBuffer> {
  const size = 'size' in change ? change.size : Math.max(content.length, change.at + change.bytes.length);
  const result = Buffer.alloc(size);
  content.copy(result, 0, 0, Math.min(size, content.length));
  if ('bytes' in change) change.bytes.copy(result, change.at);
  return result;
}

export class PowerCut extends Error {}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}

export class SimulatedDisk implements FileSystem {
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #pendingNames: NameChange[] = [];
  /** Calls so far, and the call before which the power goes. */
  calls = 0;
  cutAt = Number.POSITIVE_INFINITY;
  capacity = Number.POSITIVE_INFINITY;
  /** Asked before each call; may throw, or for a write answer how many bytes are written at most. */
  fault: ((call: string, path: string) => number | undefined) | undefined;
  log: string[] = [];

  /** The power goes and comes back. */
  restart(random: () => number): void {
    for (const inode of new Set([...this.#names.values(), ...this.#durableNames.values()])) inode.survive(random);
    const keep = [0, 1, 0.5][Math.floor(random() * 3)] ?? 0;
    for (const change of this.#pendingNames) if (random() < keep) changeName(this.#durableNames, change);
    this.#pendingNames = [];
    this.#names = new Map(this.#durableNames);
    this.calls = 0;
    this.cutAt = Number.POSITIVE_INFINITY;
    this.fault = undefined;
  }

  /** The process dies, the machine goes on: what the cache shows is what there is. */
  kill(): void {
    this.calls = 0;
    this.cutAt = Number.POSITIVE_INFINITY;
    this.fault = undefined;
  }

  content(path: string): Buffer {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT');
    return inode.cache;
  }

  /** Changes bytes as a bad disk would: in the cache and on disk. */
  damage(path: string, change: (content: Buffer) => Buffer | undefined): void {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT');
    inode.cache = Buffer.from(change(inode.cache) ?? inode.cache);
    inode.durable = Buffer.from(inode.cache);
    inode.pending = [];
  }

  copy(): SimulatedDisk {
    const disk = new SimulatedDisk();
    for (const [name, inode] of this.#names) {
      const twin = new Inode();
      twin.cache = Buffer.from(inode.cache);
      twin.durable = Buffer.from(inode.durable);
      twin.pending = [...inode.pending];
      disk.#names.set(name, twin);
      disk.#durableNames.set(name, twin);
    }
    return disk;
  }

  get usedBytes(): number {
    let sum = 0;
    for (const inode of this.#names.values()) sum += inode.cache.length;
    return sum;
  }

  #call(name: string, path: string): number | undefined {
    this.calls += 1;
    if (this.calls >= this.cutAt) throw new PowerCut(`power cut at call ${this.calls} (${name} ${path})`);
    this.log.push(`${name} ${path}`);
    return this.fault?.(name, path);
  }

  #rename(change: NameChange): void {
    changeName(this.#names, change);
    this.#pendingNames.push(change);
  }

  async open(path: string, mode: 'read' | 'edit' | 'create'): Promise<DiskFile> {
    this.#call('open', path);
    let inode = this.#names.get(path);
    if (inode === undefined) {
      if (mode !== 'create') throw systemError('ENOENT');
      inode = new Inode();
      this.#rename({ set: [path, inode] });
    } else if (mode === 'create') {
      inode.change({ size: 0 });
    }
    return this.#handle(path, inode);
  }

  #handle(path: string, inode: Inode): DiskFile {
    let open = true;
    const call = (name: string): number | undefined => {
      if (!open) throw systemError('EBADF');
      return this.#call(name, path);
    };
    return {
      read: async (target, position) => {
        call('read');
        if (position >= inode.cache.length) return 0;
        return inode.cache.copy(target, 0, position, position + target.length);
      },
      write: async (parts, position) => {
        const most = call('write');
        let bytes = Buffer.concat(parts);
        if (most !== undefined) bytes = bytes.subarray(0, most);
        const grows = Math.max(0, position + bytes.length - inode.cache.length);
        const room = this.capacity - this.usedBytes;
        if (grows > 0 && room <= 0) throw systemError('ENOSPC');
        if (grows > room) bytes = bytes.subarray(0, bytes.length - (grows - room));
        inode.change({ at: position, bytes: Buffer.from(bytes) });
        return bytes.length;
      },
      syncBytes: async () => this.#sync(inode, () => call('syncBytes')),
      sync: async () => this.#sync(inode, () => call('sync')),
      truncate: async (size) => {
        call('truncate');
        inode.change({ size });
      },
      size: async () => {
        call('size');
        return inode.cache.length;
      },
      close: async () => {
        open = false;
      },
    };
  }

  #sync(inode: Inode, call: () => unknown): void {
    try {
      call();
    } catch (error) {
      if (!(error instanceof PowerCut)) inode.pending = [];
      throw error;
    }
    inode.sync();
  }

  async names(directory: string): Promise<string[]> {
    this.#call('names', directory);
    const prefix = `${directory}/`;
    return [...this.#names.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }

  async makeDirectory(path: string): Promise<void> {
    this.#call('makeDirectory', path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#call('rename', from);
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError('ENOENT');
    this.#rename({ set: [to, inode], remove: from });
  }

  async remove(path: string): Promise<void> {
    this.#call('remove', path);
    if (!this.#names.has(path)) throw systemError('ENOENT');
    this.#rename({ remove: path });
  }

  async syncDirectory(path: string): Promise<void> {
    this.#call('syncDirectory', path);
    for (const change of this.#pendingNames) changeName(this.#durableNames, change);
    this.#pendingNames = [];
  }

  async freeBytes(path: string): Promise<number> {
    this.#call('freeBytes', path);
    return Math.max(0, this.capacity - this.usedBytes);
  }
}

function changeName(names: Map<string, Inode>, change: NameChange): void {
  if (change.remove !== undefined) names.delete(change.remove);
  if (change.set !== undefined) names.set(change.set[0], change.set[1]);
}

/** Mulberry32: the same numbers for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
