/** Runs a command of the command line in this process, with everything it writes kept. */
import { Readable, Writable } from 'node:stream';
import { runCommandLine } from '../../cli/command-line.ts';
import { commands } from '../../cli/commands.ts';
import type { Terminal } from '../../cli/terminal.ts';

export interface Ran {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** As in an empty environment unless one is given; stderr is no terminal. */
export async function runLogseal(
  argv: readonly string[],
  environment: Record<string, string> = {},
  stdin: string | Buffer = '',
): Promise<Ran> {
  const stdout = new Kept();
  const stderr = new Kept();
  const terminal: Terminal = { stdin: Readable.from([stdin]), stdout, stderr, environment, exitCode: 0 };
  await runCommandLine(argv, terminal, commands);
  return { exitCode: terminal.exitCode, stdout: stdout.text, stderr: stderr.text };
}

/** What is written to it stays in memory. */
export class Kept extends Writable {
  readonly #chunks: Buffer[] = [];
  isTTY = false;

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }
}
