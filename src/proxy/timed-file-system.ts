/** A file system that tells how long each fdatasync took. Everything else is passed on as it is. */
import type { DiskFile, FileSystem } from '../lib/file-system.ts';

/** `synced` is called with milliseconds for each that succeeded. */
export function timedFileSystem(fs: FileSystem, monotonic: () => number, synced: (ms: number) => void): FileSystem {
  return { ...fs, open: async (path, mode) => new TimedFile(await fs.open(path, mode), monotonic, synced) };
}

class TimedFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #monotonic: () => number;
  readonly #synced: (ms: number) => void;

  constructor(file: DiskFile, monotonic: () => number, synced: (ms: number) => void) {
    this.#file = file;
    this.#monotonic = monotonic;
    this.#synced = synced;
  }

  async syncBytes(): Promise<void> {
    const begin = this.#monotonic();
    await this.#file.syncBytes();
    this.#synced(this.#monotonic() - begin);
  }

  read(target: Buffer, position: number): Promise<number> {
    return this.#file.read(target, position);
  }

  write(parts: readonly Buffer[], position: number): Promise<number> {
    return this.#file.write(parts, position);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  truncate(bytes: number): Promise<void> {
    return this.#file.truncate(bytes);
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
