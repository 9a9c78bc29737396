/**
 * `logseal redeliver`: sends again what the write-ahead log still keeps, from a point in time on, and heals a search engine
 * that was restored from a young snapshot. Runs beside the proxy or without it; reads the data directory and writes nothing there.
 * Must never sign: only the proxy has the keys, so what would need a control record is left to it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../src/config/config.ts';
import { readUpstreamSettings } from '../src/config/credentials.ts';
import { batchOptions } from '../src/delivery/batch.ts';
import { neededFrom, readCursorValue } from '../src/delivery/cursor-keeper.ts';
import { cursorName } from '../src/delivery/message.ts';
import type { DeliveryHost, PlaceBody, RejectBody, RetryBody } from '../src/delivery/port.ts';
import type { RedeliverReport } from '../src/delivery/redeliver.ts';
import { redeliver } from '../src/delivery/redeliver.ts';
import { SearchEngine } from '../src/delivery/search-engine.ts';
import { LogsealError } from '../src/errors.ts';
import { systemClock } from '../src/lib/clock.ts';
import { logDirectoryOf } from '../src/proxy/encryption.ts';
import { startStore, storeSocketPath } from '../src/store/worker.ts';
import { Upstream } from '../src/upstream/upstream.ts';
import { CursorFile } from '../src/wal/cursor.ts';
import { DirectoryLock } from '../src/wal/lock.ts';
import type { Position } from '../src/wal/position.ts';
import { exitCodes } from './exit-codes.ts';
import { Output } from './output.ts';
import { startProgress } from './progress.ts';
import { addSourceOptions, chooseSource } from './source-argument.ts';
import type { Terminal } from './terminal.ts';
import { timeOf } from './verify-flags.ts';

interface RedeliverFlags extends Readonly<Record<string, unknown>> {
  readonly from: string;
  readonly json?: boolean;
}

const triesMax = 5;

export function register(program: Command, terminal: Terminal): void {
  const command = program
    .command('redeliver')
    .description('Send again what the log of a data directory still keeps (wal.keep), where it is missing.');
  addSourceOptions(command, 'none')
    .requiredOption(
      '--from <time>',
      'records accepted at or after this time: that of the snapshot, or a little earlier',
    )
    .option('--json', 'the report as one object')
    .action((flags: RedeliverFlags) => run(flags, terminal));
}

async function run(flags: RedeliverFlags, terminal: Terminal): Promise<void> {
  const fromMs = timeOf('--from', flags.from);
  const { config } = chooseSource(undefined, flags, terminal);
  const until = await answeredUntil(config.dataDir);
  await using opened = await openUpstream(config, terminal);
  await checkCluster(opened.upstream, config);
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  // The timers of a pause between two tries keep no process alive.
  const alive = setInterval(() => undefined, 1_000_000);
  const progress = startProgress(terminal, 'looking at', 'records');
  try {
    const report = await redeliver({
      walDir: logDirectoryOf(config),
      placesPath: join(config.dataDir, 'delivery', 'places'),
      upstream: new SearchEngine(opened.upstream, opened.embedded),
      host: unsigning(terminal),
      clock: systemClock,
      random: Math.random,
      batch: batchOptions(config.signature),
      fromMs,
      until,
      triesMax,
      signal: stopping.signal,
      onProgress: ({ records }) => progress.update(records),
    });
    progress.stop();
    const whole = report.failed === 0 && !stopping.signal.aborted;
    terminal.exitCode = whole ? exitCodes.ok : exitCodes.cannotSay;
    await tell(report, { fromMs, stopped: stopping.signal.aborted, json: flags.json === true }, terminal);
  } finally {
    progress.stop();
    clearInterval(alive);
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** Before it delivery needs nothing any more; what lies after it is delivery's own, and comes by itself. */
async function answeredUntil(dataDir: string): Promise<Position> {
  const path = join(dataDir, 'delivery', cursorName);
  if (!existsSync(join(dataDir, 'instance.json')) || !existsSync(join(dataDir, 'wal'))) {
    throw new LogsealError('USAGE', `${dataDir} is no data directory of a proxy: give it with --data-dir`);
  }
  const cursor = await CursorFile.peek(path, readCursorValue);
  if (cursor === undefined) {
    throw new LogsealError('USAGE', `${dataDir} has delivered nothing yet: there is nothing to send again`);
  }
  return neededFrom(cursor);
}

interface Opened extends AsyncDisposable {
  upstream: Upstream;
  embedded: boolean;
}

async function openUpstream(config: Config, terminal: Terminal): Promise<Opened> {
  const settings = readUpstreamSettings(config);
  const embedded = config.elasticsearch.url.length === 0;
  const store = embedded ? await openStore(config.dataDir) : undefined;
  const upstream = new Upstream({
    ...settings,
    ...(store === undefined ? {} : { nodes: [`unix:${store.socketPath}`] }),
    clock: systemClock,
    embedded,
    templates: config.templates,
    advise: (_template, text) => terminal.stderr.write(`logseal: ${text}\n`),
  });
  return {
    upstream,
    embedded,
    async [Symbol.asyncDispose]() {
      await upstream.close();
      await store?.stop();
    },
  };
}

/** The embedded store of a running proxy is reached through it; without a proxy it is opened, and the directory locked as long. */
async function openStore(dataDir: string): Promise<{ socketPath: string; stop(): Promise<void> }> {
  let lock: DirectoryLock;
  try {
    lock = await DirectoryLock.acquire(dataDir);
  } catch (error) {
    const socketPath = storeSocketPath(dataDir);
    const running = error instanceof LogsealError && error.code === 'DATA_DIR_LOCKED';
    if (!running || socketPath === undefined) throw error;
    return { socketPath, stop: async () => undefined };
  }
  try {
    const store = await startStore({ dataDir });
    return {
      socketPath: store.socketPath,
      async stop() {
        await store.stop();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Records must not come into a search engine that they never were meant for. Errors: UPSTREAM_CHANGED. */
async function checkCluster(upstream: Upstream, config: Config): Promise<void> {
  if (config.elasticsearch.url.length === 0) return;
  const { clusterUuid } = await upstream.identity();
  const state = JSON.parse(readFileSync(join(config.dataDir, 'instance.json'), 'utf8')) as { upstream?: string };
  if (state.upstream === clusterUuid) return;
  throw new LogsealError(
    'UPSTREAM_CHANGED',
    `the records of ${config.dataDir} went to the search engine ${state.upstream ?? 'unknown'}, and this one is ${clusterUuid}`,
    { known: state.upstream, found: clusterUuid },
  );
}

/** A host outside the proxy: it has no keys, so it signs nothing. */
function unsigning(terminal: Terminal): DeliveryHost {
  return {
    control: (_kind: string, body: PlaceBody | RejectBody | RetryBody) =>
      Promise.reject(
        new LogsealError(
          'CONTROL_INVALID',
          'dest' in body
            ? `${body.dest} now stands in an index that no control record names, and only the proxy can sign one: ` +
                `send one record to ${body.dest} through the running proxy, then redeliver again`
            : 'a record is refused now that was taken before, and only the proxy can sign that it goes to the rejects: ' +
                'mend the mapping of its index, then redeliver again',
        ),
      ),
    settled: () => undefined,
    trim: () => undefined,
    event: (level, name, fields) => {
      if (level !== 'info') terminal.stderr.write(`logseal: ${name} ${JSON.stringify(fields)}\n`);
    },
  };
}

interface Told {
  fromMs: number;
  stopped: boolean;
  json: boolean;
}

async function tell(report: RedeliverReport, { fromMs, stopped, json }: Told, terminal: Terminal): Promise<void> {
  const { records, sent, failed, seals, reasons, oldestMs } = report;
  const there = records - sent - failed;
  const output = new Output(terminal.stdout);
  const oldest = oldestMs === undefined ? undefined : new Date(oldestMs).toISOString();
  if (json) {
    return output.json({
      ...{ type: 'redelivery', v: 1, records, sent, there, failed, seals, reasons, stopped },
      ...(oldest === undefined ? {} : { oldest }),
    });
  }
  await output.line(`${records} records looked at: ${there} were there already, ${sent} were missing and are sent`);
  await output.line(`${seals} seals looked at`);
  if (oldest === undefined) await output.line('The log keeps no records: what was lost is older than wal.keep.');
  else if ((oldestMs ?? 0) > fromMs) {
    await output.line(`The log begins at ${oldest}: what was accepted before that cannot be sent again.`);
  }
  if (stopped) await output.line('Stopped before the end; it may be done again.');
  if (failed > 0) await output.line(`${failed} could not be sent:`);
  for (const reason of reasons) await output.line(`  ${reason}`);
}
