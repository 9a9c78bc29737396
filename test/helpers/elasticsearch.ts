/**
 * The real Elasticsearch 9.5.3, from its published jars, on a loopback port.
 * `sharedElasticsearch` is for most tests: one server for a whole `npm test`. `startElasticsearch` is for tests that
 * kill, restart or configure it. What the unpublished modules would do is missing here (ingest processors, data
 * streams, reindex, painless): OpenSearch has it (opensearch.ts).
 */
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cached } from './cache.ts';
import { run } from './command.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { startEngine } from './engine.ts';
import { compile, fetchJars, java, javaMissing, libzstd } from './java.ts';

const version = '9.5.3';
const sources = join(import.meta.dirname, 'java', 'elasticsearch');
const pluginSources = ['TestPlugin.java', 'TestUsers.java'];

export interface ElasticsearchOptions extends EngineOptions {
  /**
   * Asks for credentials, and lets each user create indices and write only where a pattern (`*` at its end) matches.
   * Basic, or ApiKey with the user as id. Answers `_security/_authenticate` and `_security/user/_has_privileges`.
   */
  security?: readonly { user: string; password: string; write: readonly string[] }[];
}

/** For `{ skip }` of a test: false when the server can run here, else the reason with what to install. */
export function elasticsearchMissing(): string | false {
  if (process.env.LOGSEAL_TEST_ELASTICSEARCH_URL) return false;
  return javaMissing() ?? false;
}

/** For tests that need a server of their own, or best_compression or logsdb: false, or the reason with what to install. */
export function ownElasticsearchMissing(): string | false {
  if (!libzstd()) return 'NOT RUN: Elasticsearch needs libzstd. Install with `sudo apt-get install -y libzstd1`';
  return javaMissing() ?? false;
}

export interface SharedElasticsearch {
  readonly url: string;
  /** For names of indices, templates and so on that no other test file has: `t`, eight hex digits, `-`. */
  readonly prefix: string;
  /** Removes the indices under the prefix, and ends the server if it was started for this file alone. */
  release(): Promise<void>;
}

/** The server of this test run (LOGSEAL_TEST_ELASTICSEARCH_URL: set by `npm test`, or by hand), else one for this file. */
export async function sharedElasticsearch(): Promise<SharedElasticsearch> {
  const given = process.env.LOGSEAL_TEST_ELASTICSEARCH_URL;
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

/** A server of the caller's own: 3 s here, 9 s the first time. */
export async function startElasticsearch(options: ElasticsearchOptions = {}): Promise<Engine> {
  const home = await installed();
  const users = (options.security ?? []).map((entry) => `${entry.user}:${entry.password}:${entry.write.join(',')}`);
  const launcher = [
    '--add-modules=jdk.incubator.vector,ALL-MODULE-PATH',
    '--enable-native-access=ALL-UNNAMED',
    `-Des.nativelibs.path=${join(home, 'native')}`,
    '-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false',
    `-Dlogseal.test.users=${users.join(';')}`,
    '-p',
    join(home, 'core'),
    '-cp',
    join(home, 'classes'),
  ];
  return startEngine(home, launcher, options);
}

/** The home folder: jars, our launcher, our plugin that answers `GET /`. Fetched and built once. */
async function installed(): Promise<string> {
  const files = ['pom.xml', 'Launcher.java', ...pluginSources, 'plugin-descriptor.properties'];
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
    await compile(['-p', core, '--add-modules=ALL-MODULE-PATH', '-d', classes, join(sources, 'Launcher.java')]);
    const pluginClasses = join(dir, 'plugin-classes');
    const plugins = pluginSources.map((file) => join(sources, file));
    await compile(['-cp', join(core, '*'), '-d', pluginClasses, ...plugins]);
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
