/** A search engine's process and its data: what the real Elasticsearch and the real OpenSearch of the tests share. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from './child.ts';
import { java } from './java.ts';

export type EngineSettings = Readonly<Record<string, string>>;

export interface Engine {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  /** The newest part of what it wrote. */
  output(): string;
  /** Ends it in order; its data stays. */
  stop(): Promise<void>;
  /** SIGKILL; its data stays. */
  kill(): Promise<void>;
  /**
   * Starts it on the same data and port, with other settings if given; ends it in order before, if it runs.
   * As with any start, indices answer a moment later: `_cluster/health?wait_for_status=yellow` waits for them.
   */
  restart(settings?: EngineSettings): Promise<void>;
  /** Ends it, and removes its data unless the folder was given. */
  remove(): Promise<void>;
}

export interface EngineOptions {
  /** Kept after the end when given; else a temporary folder. */
  dataDir?: string | undefined;
  /** Flat settings, as in elasticsearch.yml. */
  settings?: EngineSettings | undefined;
  /** 0, the default, takes any free port; a restart keeps it. */
  port?: number | undefined;
  /**
   * After the defaults: a heap of 1 GiB, the serial collector, and only the quick compiler, which makes a start and a short
   * run twice as fast where the cores are shared. A benchmark wants `-XX:TieredStopAtLevel=4`.
   */
  jvm?: readonly string[] | undefined;
}

/** Starts the class `Launcher` with `launcher` as the Java options that find it and what it needs. */
export async function startEngine(home: string, launcher: readonly string[], options: EngineOptions): Promise<Engine> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'logseal-engine-')));
  await mkdir(dataDir, { recursive: true });
  let settings = options.settings ?? {};
  const launch = (port: number) => {
    const all: Record<string, string> = {
      'path.home': home,
      'path.data': join(dataDir, 'data'),
      'path.logs': join(dataDir, 'logs'),
      'http.port': String(port),
      'transport.port': '0',
      'network.host': '127.0.0.1',
      'discovery.type': 'single-node',
      // A test machine's disk is often nearly full, and past a threshold indices become read-only.
      'cluster.routing.allocation.disk.threshold_enabled': 'false',
      ...settings,
    };
    const jvm = ['-Xms256m', '-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...(options.jvm ?? [])];
    const pairs = Object.entries(all).map(([key, value]) => `${key}=${value}`);
    return startChild({
      command: java('java'),
      args: [...jvm, ...launcher, 'Launcher', ...pairs],
      ready: /^READY (\d+)/,
      readyMsMax: 120_000,
    });
  };
  let child = await launch(options.port ?? 0);
  const port = Number(child.ready[1]);
  return {
    url: `http://127.0.0.1:${port}`,
    get pid() {
      return child.pid;
    },
    dataDir,
    output: () => child.output(),
    async stop() {
      await child.stop();
    },
    kill: () => child.kill(),
    async restart(changed) {
      await child.stop();
      settings = changed ?? settings;
      child = await launch(port);
    },
    async remove() {
      await child.kill();
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}
