/**
 * The real Elasticsearch 9.5.3, from its published jars, on a loopback port of its own.
 * `sharedElasticsearch` is for most tests: one server for a whole `npm test`. `startElasticsearch` is for tests that
 * kill, restart or configure it. Neither answers what the unpublished modules would: ingest processors, data streams,
 * reindex and painless are on OpenSearch (opensearch.ts).
 */
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { cached } from './cache.ts';
import type { Child } from './child.ts';
import { startChild } from './child.ts';
import { run } from './command.ts';
import { compile, fetchJars, java, javaMissing, libzstd } from './java.ts';

const version = '9.5.3';
const sources = join(import.meta.dirname, 'java', 'elasticsearch');

export interface ElasticsearchOptions {
  /** Kept after the end when given; else a temporary folder that goes. */
  dataDir?: string;
  /** Settings of elasticsearch.yml, flat. */
  settings?: Readonly<Record<string, string>>;
  /** Asks for Basic credentials, and lets each user write only to indices that match one of the patterns (`*` at the end). */
  security?: readonly { user: string; password: string; write: readonly string[] }[];
  /** 0 takes any free port; a restart keeps the port it had. */
  port?: number;
  /** In front of the defaults `-Xms256m -Xmx1g -XX:+UseSerialGC`. */
  jvm?: readonly string[];
}

export interface Elasticsearch {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  /** True where best_compression and logsdb work: the machine has libzstd. */
  readonly zstd: boolean;
  output(): string;
  /** Ends it in order. The data stays until `remove` if a restart is to follow. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same data and the same port, with other settings if given. Ends it in order before if it runs. */
  restart(settings?: Readonly<Record<string, string>>): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

/** What `{ skip }` of a test is set to: false when the engine can run here, else the reason with what to install. */
export function elasticsearchMissing(): string | false {
  if (process.env['LOGSEAL_TEST_ELASTICSEARCH_URL']) return false;
  return javaMissing() ?? false;
}

export interface SharedElasticsearch {
  readonly url: string;
  /** A prefix for names of indices, templates and so on that no other test file has; letters and digits, ends in `-`. */
  readonly prefix: string;
  /** Removes the indices under the prefix, and ends the server if it was started for this file alone. */
  release(): Promise<void>;
}

/** The server of this test run (LOGSEAL_TEST_ELASTICSEARCH_URL, set by `npm test` or by hand), else one for this file. */
export async function sharedElasticsearch(): Promise<SharedElasticsearch> {
  const given = process.env['LOGSEAL_TEST_ELASTICSEARCH_URL'];
  const own = given ? undefined : await startElasticsearch();
  const url = given ?? own?.url ?? '';
  const prefix = `t${randomUUID().slice(0, 8)}-`;
  return {
    url,
    prefix,
    async release() {
      if (own) return own.remove();
      await fetch(`${url}/${prefix}*?expand_wildcards=all`, { method: 'DELETE' });
    },
  };
}

export async function startElasticsearch(options: ElasticsearchOptions = {}): Promise<Elasticsearch> {
  const home = await installed();
  const temporary = options.dataDir === undefined;
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'logseal-elasticsearch-')));
  await mkdir(dataDir, { recursive: true });
  const zstd = libzstd() !== undefined;
  let settings = options.settings ?? {};
  let child: Child = await launch(home, dataDir, options, settings, options.port ?? 0);
  const port = Number(child.ready[1]);
  return {
    url: `http://127.0.0.1:${port}`,
    get pid() {
      return child.pid;
    },
    dataDir,
    zstd,
    output: () => child.output(),
    async stop() {
      await child.stop();
    },
    kill: () => child.kill(),
    async restart(changed) {
      await child.stop();
      settings = changed ?? settings;
      child = await launch(home, dataDir, options, settings, port);
    },
    async remove() {
      await child.kill();
      if (temporary) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function launch(
  home: string,
  dataDir: string,
  options: ElasticsearchOptions,
  settings: Readonly<Record<string, string>>,
  port: number,
): Promise<Child> {
  const all: Record<string, string> = {
    'path.home': home,
    'path.data': dataDir,
    'path.logs': join(dataDir, 'logs'),
    'http.port': String(port),
    'transport.port': '0',
    'network.host': '127.0.0.1',
    'discovery.type': 'single-node',
    // A test machine's disk is often nearly full; the thresholds would make indices read-only.
    'cluster.routing.allocation.disk.threshold_enabled': 'false',
    ...settings,
  };
  const modules = ['--add-modules=jdk.incubator.vector', '-p', join(home, 'core'), '--add-modules=ALL-MODULE-PATH'];
  const native = [`-Des.nativelibs.path=${join(home, 'native')}`, '--enable-native-access=ALL-UNNAMED'];
  native.push('-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false');
  const users = (options.security ?? []).map((entry) => `${entry.user}:${entry.password}:${entry.write.join(',')}`);
  if (users.length > 0) native.push(`-Dlogseal.test.users=${users.join(';')}`);
  const jvm = ['-Xms256m', '-Xmx1g', '-XX:+UseSerialGC', ...(options.jvm ?? [])];
  const args = Object.entries(all).map(([key, value]) => `${key}=${value}`);
  return startChild({
    command: java('java'),
    args: [...jvm, ...native, ...modules, '-cp', join(home, 'classes'), 'Launcher', ...args],
    ready: /^READY (\d+)/,
    readyMsMax: 120_000,
  });
}

/** The home folder: jars, our launcher, our plugin that answers `GET /`. Fetched and built once. */
async function installed(): Promise<string> {
  const files = ['pom.xml', 'Launcher.java', 'TestPlugin.java', 'TestUsers.java', 'plugin-descriptor.properties'];
  const parts = await Promise.all(files.map((file) => readFile(join(sources, file), 'utf8')));
  return cached(`elasticsearch-${version}`, [...parts, String(libzstd())], async (dir) => {
    const core = join(dir, 'core');
    const netty = join(dir, 'modules', 'transport-netty4');
    const plugin = join(dir, 'plugins', 'logseal-test');
    const classes = join(dir, 'classes');
    for (const path of [core, netty, plugin, classes, join(dir, 'native'), join(dir, 'config')]) {
      await mkdir(path, { recursive: true });
    }
    await fetchJars(join(sources, 'pom.xml'), core);
    for (const jar of await readdir(core)) {
      if (/^(netty|transport-netty4)/.test(jar)) await rename(join(core, jar), join(netty, jar));
    }
    await extractDescriptor(netty);
    const modulePath = ['-p', core, '--add-modules=ALL-MODULE-PATH'];
    await compile([...modulePath, '-d', classes, join(sources, 'Launcher.java')]);
    const pluginClasses = join(dir, 'plugin-classes');
    const pluginSources = ['TestPlugin.java', 'TestUsers.java'].map((file) => join(sources, file));
    await compile(['-cp', join(core, '*'), '-d', pluginClasses, ...pluginSources]);
    await run(java('jar'), ['cf', join(plugin, 'logseal-test.jar'), '-C', pluginClasses, '.']);
    await copyFile(join(sources, 'plugin-descriptor.properties'), join(plugin, 'plugin-descriptor.properties'));
    const zstd = libzstd();
    if (zstd) await copyFile(zstd, join(dir, 'native', 'libzstd.so'));
  });
}

/** The module's descriptor lies inside its jar; the server wants it beside. */
async function extractDescriptor(netty: string): Promise<void> {
  const inside = 'META-INF/es-plugins/transport-netty4';
  await run(java('jar'), ['xf', `transport-netty4-${version}.jar`, inside], { cwd: netty });
  for (const file of await readdir(join(netty, inside))) {
    await rename(join(netty, inside, file), join(netty, basename(file)));
  }
  await rm(join(netty, 'META-INF'), { recursive: true });
}
