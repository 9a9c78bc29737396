/**
 * Writes results to stdout: lines for people, or with `--json` one object a line. Waits when the reader is slow, so that an
 * export of any size needs no memory; a reader that goes away (`| head`) ends the command quietly.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** The reader of stdout is gone; not an error of ours. */
export class ReaderGone extends Error {}

export class Output {
  readonly #stream: Writable;
  #failure: Error | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.once('error', (error: NodeJS.ErrnoException) => {
      this.#failure = error.code === 'EPIPE' ? new ReaderGone() : error;
    });
  }

  /** One line for people. */
  async line(text = ''): Promise<void> {
    await this.write(`${text}\n`);
  }

  /** One line for programs. */
  async json(object: Readonly<Record<string, unknown>>): Promise<void> {
    await this.write(`${JSON.stringify(object)}\n`);
  }

  /** Bytes as they are. Errors: ReaderGone, or that of the stream. */
  async write(chunk: string | Buffer): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#stream.write(chunk)) return;
    try {
      await once(this.#stream, 'drain');
    } catch (error) {
      throw this.#failure ?? error;
    }
  }
}

/** Lines with columns as wide as their widest cell, two blanks between. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
