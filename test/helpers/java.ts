/**
 * Java for the real search engines of the tests: finds a JDK, fetches jars with Maven, compiles.
 * Nothing here is needed to run Logseal. Where the machine lacks either, `javaMissing` says what to install.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { run } from './command.ts';

const versionMin = 21;
const jvmDirs = ['/usr/lib/jvm', '/opt/java', '/Library/Java/JavaVirtualMachines'];

/** Why the real engines cannot run here and how to mend it, or undefined when they can. */
export function javaMissing(): string | undefined {
  const lacking: string[] = [];
  if (!jdkHome()) lacking.push(`a JDK of version ${versionMin} or newer`);
  if (!onPath('mvn')) lacking.push('Maven');
  if (lacking.length === 0) return undefined;
  return (
    `NOT RUN: the real search engine needs ${lacking.join(' and ')}. Install with ` +
    '`sudo apt-get install -y maven openjdk-21-jdk-headless` (or any newer JDK, found by JAVA_HOME, PATH or in ' +
    '/usr/lib/jvm), or point LOGSEAL_TEST_ELASTICSEARCH_URL at an Elasticsearch 9 that tests may write to'
  );
}

/** The newest-enough JDK of JAVA_HOME, PATH or the usual folders. */
function jdkHome(): string | undefined {
  const candidates = [process.env.JAVA_HOME, homeOf(onPath('javac'))];
  for (const dir of jvmDirs) {
    if (!existsSync(dir)) continue;
    for (const name of readdirSync(dir).sort().reverse()) {
      candidates.push(join(dir, name), join(dir, name, 'Contents', 'Home'));
    }
  }
  return candidates.find((home) => home !== undefined && versionOf(home) >= versionMin);
}

export function java(tool: 'java' | 'javac' | 'jar'): string {
  const home = jdkHome();
  if (!home) throw new Error(javaMissing());
  return join(home, 'bin', tool);
}

/** Copies the run-time dependencies of a pom.xml into `dir`. */
export async function fetchJars(pom: string, dir: string): Promise<void> {
  const args = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${dir}`];
  await attempt(3, () => run('mvn', [...args, '-DincludeScope=runtime']));
}

export async function compile(args: readonly string[]): Promise<void> {
  await run(java('javac'), args);
}

/** The system's libzstd, which the published Elasticsearch jars lack; undefined where there is none. */
export function libzstd(): string | undefined {
  const dirs = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib', '/lib'];
  return dirs.map((dir) => join(dir, 'libzstd.so.1')).find(existsSync);
}

export function onPath(command: string): string | undefined {
  const dirs = (process.env.PATH ?? '').split(delimiter);
  return dirs.map((dir) => join(dir, command)).find(existsSync);
}

function homeOf(javac: string | undefined): string | undefined {
  return javac === undefined ? undefined : dirname(dirname(realpathSync(javac)));
}

/** From the file `release` that every JDK carries: no process is started. */
function versionOf(home: string): number {
  if (!existsSync(join(home, 'bin', 'javac')) || !existsSync(join(home, 'release'))) return 0;
  const release = readFileSync(join(home, 'release'), 'utf8');
  return Number(/^JAVA_VERSION="(\d+)/m.exec(release)?.[1] ?? 0);
}

/** A download over a busy network sometimes fails once. */
async function attempt<T>(times: number, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (times <= 1) throw error;
    return attempt(times - 1, act);
  }
}
