/**
 * A child process of a test: started, waited for until it says that it is ready, ended or killed.
 * Its standard input stays open for as long as the test lives, so that a child that watches it dies with the test.
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { bare } from './command.ts';

const outputBytesMax = 256 * 1024;

export interface Child {
  readonly pid: number;
  /** What the ready pattern matched, or the text of the ready file. */
  readonly ready: readonly string[];
  /** The newest part of what it wrote to both outputs. */
  output(): string;
  /** Exit code, or the signal's name, once it has ended. */
  readonly ended: Promise<number | string>;
  /** SIGTERM, and SIGKILL if it has not ended after `graceMs`. */
  stop(graceMs?: number): Promise<number | string>;
  /** SIGKILL: what a power cut is to a process. */
  kill(): Promise<void>;
}

export interface ChildOptions {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** It is ready when a line of either output matches, or when the file has something in it. */
  ready: RegExp | { file: string };
  /** Default 60 s. */
  readyMsMax?: number;
}

/** Starts it and resolves when it is ready; an end or a silence before that is an error that shows its output. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const spawnOptions: SpawnOptions = { stdio: ['pipe', 'pipe', 'pipe'], env: options.env ?? process.env };
  if (options.cwd !== undefined) spawnOptions.cwd = options.cwd;
  const child = spawn(...bare(options.command, options.args), spawnOptions);
  child.stdin?.on('error', () => {});
  const tail = new OutputTail();
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? code ?? -1));
  });
  const ready = await waitUntilReady(child, tail, ended, options);
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref();
  child.unref();
  const killNow = () => child.exitCode === null && child.signalCode === null && child.kill('SIGKILL');
  process.once('exit', killNow);
  void ended.then(() => process.removeListener('exit', killNow));
  const pid = child.pid ?? -1;
  return {
    pid,
    ready,
    ended,
    output: () => tail.text,
    async stop(graceMs = 20_000) {
      child.ref();
      const timer = setTimeout(killNow, graceMs);
      child.kill('SIGTERM');
      const result = await ended;
      clearTimeout(timer);
      return result;
    },
    async kill() {
      child.ref();
      killNow();
      await ended;
    },
  };
}

async function waitUntilReady(
  child: ChildProcess,
  tail: OutputTail,
  ended: Promise<number | string>,
  options: ChildOptions,
): Promise<readonly string[]> {
  const over = new AbortController();
  const { ready } = options;
  const found = new Promise<readonly string[]>((resolve) => {
    if (!(ready instanceof RegExp)) void textOf(ready.file, over.signal).then((text) => resolve([text]));
    for (const stream of [child.stdout, child.stderr]) {
      let partial = '';
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        tail.add(chunk);
        const lines = (partial + chunk).split('\n');
        partial = lines.pop() ?? '';
        for (const line of lines) {
          const match = ready instanceof RegExp ? line.match(ready) : undefined;
          if (match) resolve(match);
        }
      });
    }
  });
  const name = [options.command, ...options.args].join(' ');
  const end = ended.then((result) => {
    throw new Error(`ended with ${result} before it was ready: ${name}\n${tail.text}`);
  });
  const late = pause(options.readyMsMax ?? 60_000, undefined, { signal: over.signal }).then(() => {
    child.kill('SIGKILL');
    throw new Error(`was not ready in time: ${name}\n${tail.text}`);
  });
  end.catch(() => {});
  late.catch(() => {});
  try {
    return await Promise.race([found, end, late]);
  } finally {
    over.abort();
  }
}

/** The file's text once there is some; never, after the signal. */
async function textOf(file: string, signal: AbortSignal): Promise<string> {
  while (!signal.aborted) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text !== '') return text;
    await pause(25);
  }
  return new Promise(() => {});
}

class OutputTail {
  text = '';
  add(chunk: string): void {
    this.text = (this.text + chunk).slice(-outputBytesMax);
  }
}
