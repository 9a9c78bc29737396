/** The proxy's process: configuration, signals, exit code, and for a person what to type next. */
import packageFile from '../package.json' with { type: 'json' };
import type { Config } from './config/config.ts';
import { readFlags } from './config/flags.ts';
import { loadConfig } from './config/load.ts';
import { LogsealError } from './errors.ts';
import type { EventLog } from './log.ts';
import { createEventLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { guardProcess } from './proxy/process-guard.ts';
import { LogsealProxy } from './proxy/proxy.ts';

/** As for the command line: it could not run. */
const couldNotRun = 3;
const failed = 1;
/** It stopped before all was done. */
const leftUndone = 4;

await run();

async function run(): Promise<void> {
  let log: EventLog | undefined;
  try {
    const { file, flags, help, version } = readFlags(process.argv.slice(2));
    if (version) return say(packageFile.version);
    if (help) return say(usage);
    const load = () => loadConfig({ file, flags });
    const { config } = load();
    const events = createEventLog(config.log.level);
    log = events;
    guardProcess(events);
    const reloadFrom = reloadOnSignal(() => load().config);
    events.event('proxy-starting', { version: packageFile.version, dataDir: config.dataDir });
    const metrics = createMetrics();
    metrics.buildInfo.set({ version: packageFile.version, node: process.version }, 1);
    const starting = LogsealProxy.start({
      config,
      log: events,
      metrics,
      version: packageFile.version,
      fatal: (error) => die(events, error),
    });
    endOnSignal(starting, config.stop.timeout, events);
    const proxy = await starting;
    reloadFrom(proxy);
    events.event('proxy-ready', { listen: proxy.listen, admin: proxy.adminListen });
    process.stderr.write(welcome(proxy, config));
  } catch (error) {
    if (log !== undefined) log.event('proxy-failed', { error });
    else process.stderr.write(`logseal: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof LogsealError ? couldNotRun : failed);
  }
}

/** The first signal ends in order, within a bound, also during the start; a second one at once. */
function endOnSignal(starting: Promise<LogsealProxy>, timeoutMs: number, log: EventLog): void {
  let proxy: LogsealProxy | undefined;
  let stopping = false;
  starting.then(
    (started) => {
      proxy = started;
    },
    // Said by whoever waits for the start.
    () => undefined,
  );
  const leave = (event: 'proxy-stop-forced' | 'proxy-stop-timed-out', fields: object) => {
    log.event(event, { ...fields, undone: proxy?.undone ?? ['start'], ...proxy?.waiting });
    process.exit(leftUndone);
  };
  const stop = (signal: string) => {
    if (stopping) leave('proxy-stop-forced', { signal });
    stopping = true;
    log.event('proxy-stopping', { signal });
    setTimeout(() => leave('proxy-stop-timed-out', { timeoutMs }), timeoutMs);
    starting
      .then(async (started) => {
        await started.stop();
        log.event('proxy-stopped', started.waiting);
        process.exit(0);
      })
      .catch((error) => die(log, error));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** A signal during the start, which it would end otherwise, is answered after it: give the proxy to what is returned. */
function reloadOnSignal(load: () => Config): (proxy: LogsealProxy) => void {
  let proxy: LogsealProxy | undefined;
  let asked = false;
  process.on('SIGHUP', () => {
    asked = true;
    proxy?.reload(load);
  });
  return (started) => {
    proxy = started;
    if (asked) proxy.reload(load);
  };
}

/** Nothing is saved on the way out: what is durable is on disk, and the next start recovers. */
function die(log: EventLog, error: unknown): never {
  log.event('proxy-failed', { error });
  process.exit(failed);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const usage = `usage: npm start -- [--config FILE] [--SETTING VALUE …]

Every setting of config/logseal.yaml can be given as a flag (--data-dir ./data) or in the environment
(LOGSEAL_DATA_DIR=./data). Without any the proxy listens on 127.0.0.1:9280 and keeps records in ./data.`;

function welcome(proxy: LogsealProxy, { tls, dataDir, elasticsearch }: Config): string {
  const url = `http${tls.certificateFile === undefined ? '' : 's'}://${proxy.listen.host}:${proxy.listen.port}`;
  const embedded = elasticsearch.url.length === 0;
  const development =
    proxy.developmentDir === undefined
      ? ''
      : `
  For real use make the auditor's key on another machine: npm run -s logseal -- keygen auditor --out DIR
  and start with LOGSEAL_AUDITOR_CERTIFICATES=…/auditor.cert.pem and a data directory of its own.`;
  return `
Logseal accepts records on ${url}${embedded ? `, and keeps them in ${dataDir} (embedded store)` : ''}.

  Send one:    curl -H 'content-type: application/json' ${url}/logs-try/_doc -d '{"message":"hello"}'
  Verify all:  npm run -s logseal -- verify${embedded ? ` ${dataDir}` : ''}
${development}
`;
}
