/**
 * The real rsyslog with its Elasticsearch output, as Debian ships it: listens for syslog over TCP on loopback and sends
 * what it gets where the configuration says.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Child } from './child.ts';
import { startChild } from './child.ts';
import { debianMissing, debianPackages, libraryDirs } from './debian.ts';

const packages = ['rsyslog', 'rsyslog-elasticsearch', 'libestr0', 'libfastjson4', 'liblognorm5'];

export interface RsyslogOptions {
  /** Templates and actions; the input, the modules and the folders are ours. `elasticsearchOutput` makes a usual one. */
  configuration: string;
}

export interface Rsyslog {
  readonly pid: number;
  /** Loopback port that takes syslog over TCP, octet-counted (RFC 6587) or by lines. */
  readonly port: number;
  /** Working folder: `errors.json` is where elasticsearchOutput writes what it gives up. */
  readonly dir: string;
  output(): string;
  /** Sends messages in order over one connection and resolves when rsyslog has read them all. */
  send(messages: readonly string[]): Promise<void>;
  /** SIGTERM: it delivers what it has, as far as it can, and ends. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** For `{ skip }` of a test: false, or the reason with what to do. */
export function rsyslogMissing(): string | false {
  return debianMissing() ?? false;
}

/**
 * An output as operators write it: bulk, queue in memory, retry for ever. `index` leaves the id to Elasticsearch; `create`
 * needs one in Debian's version, and takes a UUID.
 */
export function elasticsearchOutput(url: string, index: string, operation: 'index' | 'create' = 'index'): string {
  const { hostname, port, protocol } = new URL(url);
  const create = 'writeoperation="create" bulkid="id" dynbulkid="on"';
  return `
    template(name="id" type="string" string="%uuid%")
    template(name="record" type="list" option.jsonf="on") {
      property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
      property(outname="host" name="hostname" format="jsonf")
      property(outname="severity" name="syslogseverity-text" format="jsonf")
      property(outname="facility" name="syslogfacility-text" format="jsonf")
      property(outname="program" name="programname" format="jsonf")
      property(outname="pid" name="procid" format="jsonf")
      property(outname="structured" name="structured-data" format="jsonf")
      property(outname="message" name="msg" format="jsonf")
    }
    action(
      type="omelasticsearch" server="${hostname}" serverport="${port}" usehttps="${protocol === 'https:' ? 'on' : 'off'}"
      template="record" searchIndex="${index}" searchType="" bulkmode="on" ${operation === 'create' ? create : ''}
      errorFile="errors.json" action.resumeRetryCount="-1" action.resumeInterval="1"
      queue.type="LinkedList" queue.size="100000" queue.dequeueBatchSize="500" queue.timeoutShutdown="10000"
    )
  `;
}

export async function startRsyslog(options: RsyslogOptions): Promise<Rsyslog> {
  const root = await debianPackages('rsyslog', packages);
  const libraries = await libraryDirs(root);
  const modules = libraries.map((dir) => join(dir, 'rsyslog')).find(existsSync);
  if (!modules) throw new Error(`${root} has no rsyslog modules`);
  const dir = await mkdtemp(join(tmpdir(), 'logseal-rsyslog-'));
  await mkdir(join(dir, 'work'));
  const portFile = join(dir, 'port');
  const file = join(dir, 'rsyslog.conf');
  await writeFile(
    file,
    `global(workDirectory="${dir}/work" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
     module(load="imtcp") module(load="omelasticsearch")
     input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="${portFile}")
     ${options.configuration}`,
  );
  const child = await startChild({
    command: join(root, 'usr', 'sbin', 'rsyslogd'),
    args: ['-n', '-f', file, '-i', join(dir, 'pid'), '-M', modules],
    cwd: dir,
    env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':') },
    ready: { file: portFile },
  });
  return rsyslogOf(child, dir, Number(child.ready[0]));
}

function rsyslogOf(child: Child, dir: string, port: number): Rsyslog {
  const end = async (act: () => Promise<unknown>) => {
    await act();
    await rm(dir, { recursive: true, force: true });
  };
  return {
    pid: child.pid,
    port,
    dir,
    output: () => child.output(),
    async send(messages) {
      const socket = connect(port, '127.0.0.1');
      const frames = messages.map((message) => `${Buffer.byteLength(message)} ${message}`);
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        // Its end of the connection closes once it has read to ours.
        socket.once('close', () => resolve());
        socket.end(frames.join(''));
        socket.resume();
      });
    },
    stop: () => end(() => child.stop(30_000)),
    kill: () => end(() => child.kill()),
  };
}
