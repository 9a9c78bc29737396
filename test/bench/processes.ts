/** The processes of a benchmark: shipper, sink, bare proxy, Logseal. Each is started, asked, and ended with the run. */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';
import type { LoadOptions, LoadResult } from './load.ts';

type Message = Record<string, unknown>;

export class BenchProcess {
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? -1;
  }

  static start(script: string, args: readonly string[]): BenchProcess {
    const execArgv = ['--max-old-space-size=4096'];
    return new BenchProcess(fork(join(import.meta.dirname, script), args, { execArgv }));
  }

  /** The next message of the process; fails if it ends before. */
  next(): Promise<Message> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`a process of the benchmark ended with ${code}`));
      this.#child.once('exit', ended);
      this.#child.once('message', (message) => {
        this.#child.removeListener('exit', ended);
        resolve(message as Message);
      });
    });
  }

  ask(message: Message): Promise<Message> {
    const answer = this.next();
    this.#child.send(message);
    return answer;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
  }
}

export class Sink {
  readonly process: BenchProcess;
  readonly url: string;

  private constructor(process: BenchProcess, url: string) {
    this.process = process;
    this.url = url;
  }

  static async start(keepFile?: string): Promise<Sink> {
    const process = BenchProcess.start('sink.ts', keepFile === undefined ? [] : [keepFile]);
    return new Sink(process, `http://127.0.0.1:${(await process.next()).port}`);
  }

  /** Records that came for a destination. */
  async count(dest: string): Promise<number> {
    const { counts } = (await this.process.ask({ ask: 'counts' })) as { counts: Record<string, number> };
    return counts[dest] ?? 0;
  }

  /** Everything is in the file. */
  async closeFile(): Promise<void> {
    await this.process.ask({ ask: 'close' });
  }
}

export interface BareProxy {
  process: BenchProcess;
  url: string;
}

export async function startBareProxy(target: string): Promise<BareProxy> {
  const process = BenchProcess.start('bare-proxy.ts', [target]);
  return { process, url: `http://127.0.0.1:${(await process.next()).port}` };
}

export interface BenchProxy extends RunningProxy {
  remove(): Promise<void>;
}

/** Logseal as it comes, but for how long stored segments are kept: a benchmark would fill the disk. */
export async function startLogseal(
  elasticsearchUrl: string,
  directory: string | undefined,
  nodeFlags: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<BenchProxy> {
  const base = mkdtempSync(join(directory ?? tmpdir(), 'logseal-bench-'));
  const proxy = await startProxy({
    dataDir: join(base, 'data'),
    elasticsearchUrl,
    environment: { LOGSEAL_WAL_KEEP: '0s', ...environment },
    nodeFlags: [...nodeFlags],
  });
  const remove = async () => {
    await proxy.stop();
    rmSync(base, { recursive: true, force: true });
  };
  return { ...proxy, remove };
}

/** Sends a load. `delivered`: resolves when the target has this many records; what is timed ends then. */
export async function sendLoad(
  options: LoadOptions,
  delivered?: (records: number) => Promise<void>,
  begin?: () => void,
): Promise<LoadResult & { deliveredSeconds: number }> {
  const load = BenchProcess.start('load.ts', [JSON.stringify(options)]);
  await load.next();
  begin?.();
  const start = performance.now();
  const { result, failed } = (await load.ask({ go: true })) as { result?: LoadResult; failed?: string };
  if (result === undefined) throw new Error(`the load failed: ${failed}`);
  await delivered?.(result.records);
  const deliveredSeconds = delivered === undefined ? result.seconds : (performance.now() - start) / 1000;
  await load.stop();
  return { ...result, deliveredSeconds };
}

/** Looks until `reached` is true; two minutes without is an error. */
export async function untilTrue(reached: () => Promise<boolean>, everyMs: number, msMax = 120_000): Promise<void> {
  const end = performance.now() + msMax;
  while (!(await reached())) {
    if (performance.now() > end) throw new Error(`the records did not arrive within ${msMax / 60_000} minutes`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
