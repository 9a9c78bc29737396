/**
 * The stages behind the sockets, each built and handed the next: identity, log, chains, delivery thread, and the embedded store
 * where there is no search engine.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeVkey, encodeVkey } from '../chain/note.ts';
import type { Suite } from '../chain/suite.ts';
import { suiteByName } from '../chain/suite.ts';
import type { Config, SuiteName } from '../config/config.ts';
import { readUpstreamSettings } from '../config/credentials.ts';
import { configDigest } from '../config/load.ts';
import { batchOptions } from '../delivery/batch.ts';
import type { CursorValue } from '../delivery/cursor-keeper.ts';
import { neededFrom, readCursorValue } from '../delivery/cursor-keeper.ts';
import { cursorName } from '../delivery/message.ts';
import { RemoteDelivery } from '../delivery/remote.ts';
import { LogsealError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import { diskFileSystem } from '../lib/file-system.ts';
import type { RemoteKnowledge } from '../sequencer/catch-up.ts';
import { Instance } from '../sequencer/instance.ts';
import { Signing } from '../sequencer/open.ts';
import type { RunningStore } from '../store/worker.ts';
import { startStore } from '../store/worker.ts';
import { Upstream } from '../upstream/upstream.ts';
import { CursorFile } from '../wal/cursor.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import { keysOf, pathOf } from '../wal/frame-cipher.ts';
import type { DirectoryLock } from '../wal/lock.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions, readPosition } from '../wal/position.ts';
import { WriteAheadLog } from '../wal/write-ahead-log.ts';
import type { findAuditors } from './auditors.ts';
import { Contact } from './contact.ts';
import type { Waiting } from './delivery-metrics.ts';
import { DeliveryCounts, lookWhenScraped, noteCertificates, waitingNow } from './delivery-metrics.ts';
import { logDirectoryOf, tellInClear } from './encryption.ts';
import type { ProxyOptions } from './options.ts';
import { remoteKnowledge } from './remote-knowledge.ts';
import { StateWatch } from './state-watch.ts';
import { timedFileSystem } from './timed-file-system.ts';
import { keepTrust } from './trust-keeper.ts';
import { unsealedSaver } from './unsealed-saver.ts';

export interface Stages {
  lock: DirectoryLock;
  instance: Instance;
  wal: WriteAheadLog;
  unsealed: CursorFile<Position>;
  signing: Signing;
  delivery: RemoteDelivery;
  waiting: () => Waiting;
  upstream: Upstream;
  store: RunningStore | undefined;
  contact: Contact;
  /** Destinations that cannot be signed. */
  notCovered: Set<string>;
}

/** Bytes that may be admitted and not yet on disk; what is kept aside in the log must be able to take it, seals and control records beside it. */
const pendingShare = 1 / 2;

type Certificates = Awaited<ReturnType<typeof findAuditors>>['certificates'];

/** Opens identity, log, chains and delivery thread, in this order; delivery waits for `contact`. */
export async function openStages(
  options: ProxyOptions,
  lock: DirectoryLock,
  store: RunningStore | undefined,
  upstream: Upstream,
  certificates: Certificates,
): Promise<Stages> {
  const { config, fatal } = options;
  const { dataDir } = config;
  const instance = await Instance.open(dataDir, config.instance.name, systemClock.now());
  const walDir = logDirectoryOf(config);
  const cursor = await readDeliveryCursor(join(dataDir, 'delivery'));
  const { cursor: unsealed, value: unsealedFrom } = await CursorFile.open(join(dataDir, 'unsealed'), readPosition);
  const { wal, recovery } = await openLog(options, walDir, firstWanted(cursor, unsealedFrom));
  const notCovered = new Set<string>();
  const vkey = encodeVkey(instance.origin, instance.checkpointPublicKey);
  const contact = new Contact({ options, instance, upstream, store });
  const remote = (await contact.tryOnce()) && store === undefined ? knowledgeOf(upstream, vkey) : undefined;
  let delivery: RemoteDelivery | undefined;
  const signing = await Signing.open({
    instance,
    wal,
    walDir,
    unsealedFrom,
    replayedFrames: recovery.frames,
    suite: suiteNamed(config.signature.suite),
    certificates,
    rules: config.chains.rules,
    chainsMax: config.chains.max,
    rotateEveryMs: config.chains.rotateEvery,
    limits: {
      recordsMax: config.epoch.recordsMax,
      ageMaxMs: config.epoch.ageMax,
      idleMs: config.epoch.idle,
    },
    pendingBytesMax: config.wal.reserveBytes * pendingShare,
    holdMaxMs: config.intake.holdMax,
    version: options.version,
    configHash: configDigest(config),
    vkey,
    unsigned: notCovered,
    clock: systemClock,
    metrics: options.metrics,
    watching: {
      watch: (chain, from, count) => delivery?.watch(chain, from, count),
      unwatch: (chain, from, count) => delivery?.unwatch(chain, from, count),
    },
    remote,
    fatal,
  });
  const chains = signing.chains.all.map((chain) => chain.id22);
  const trust = { origin: instance.origin, vkey, control: signing.chains.control.id22, chains };
  await keepTrust(dataDir, trust, (chain) => signing.knowsChain(chain));
  const started = startDelivery({ options, walDir, wal, upstream, store, signing, instance, unsealed });
  delivery = started;
  // Nothing was signed since the thread was told how far the log goes.
  const signedBefore = signing.sequencer.signed;
  const waiting = () => waitingNow({ wal, stats: started.stats, signed: signing.sequencer.signed - signedBefore });
  wal.onDurable((durable) => started.grew(durable));
  contact.attach(signing, started, vkey);
  noteCertificates(
    options.metrics,
    'auditor',
    certificates.map((certificate) => certificate.notAfterMs),
  );
  lookWhenScraped({
    metrics: options.metrics,
    stats: () => started.stats,
    waiting,
    wal,
    chains: () => signing.chains.all.length,
    delivering: () => contact.problem === undefined && started.stats?.unreachable === undefined,
    notCovered,
    diskFreeBytes: () => diskFileSystem.freeBytes(dataDir),
  });
  return { lock, instance, wal, unsealed, signing, delivery: started, waiting, upstream, store, contact, notCovered };
}

function knowledgeOf({ connection }: Upstream, vkey: string): RemoteKnowledge {
  const key = decodeVkey(vkey);
  if (key === undefined) throw new TypeError('our own verifier key cannot be read');
  return remoteKnowledge(connection, key);
}

async function openLog(
  { config, log, metrics, fatal }: ProxyOptions,
  walDir: LogDirectory,
  cursor: Position | undefined,
): ReturnType<typeof WriteAheadLog.open> {
  const opened = await WriteAheadLog.open({
    dir: pathOf(walDir),
    keys: keysOf(walDir),
    // The configured bound is that of the directory; what is kept aside stands beside the log's own.
    bytesMax: config.wal.bytesMax - config.wal.reserveBytes,
    reserveBytes: config.wal.reserveBytes,
    segmentBytes: config.wal.segmentBytes,
    keepMs: config.wal.keep,
    clock: systemClock,
    cursor,
    fatal,
    fs: timedFileSystem(diskFileSystem, systemClock.monotonic, (ms) => metrics.logSyncSeconds.observe(ms / 1000)),
  });
  log.event('log-recovered', { ...opened.recovery });
  const { tornBytes } = opened.recovery;
  if (tornBytes > 0) log.event('log-torn-tail', { bytes: tornBytes });
  tellInClear(config, opened.wal, log);
  return opened;
}

function startDelivery(parts: {
  options: ProxyOptions;
  walDir: LogDirectory;
  wal: WriteAheadLog;
  upstream: Upstream;
  store: RunningStore | undefined;
  signing: Signing;
  instance: Instance;
  unsealed: CursorFile<Position>;
}): RemoteDelivery {
  const { options, walDir, wal, store, signing, instance, unsealed } = parts;
  const { config, log, metrics, fatal } = options;
  const counts = new DeliveryCounts(metrics);
  const watch = new StateWatch({
    freeBytes: () => wal.freeBytes,
    chains: () => signing.chains.all,
    chainsMax: config.chains.max,
    clock: systemClock,
    log,
  });
  const saveUnsealed = unsealedSaver(unsealed, () => signing.unsealedFrom(), fatal);
  return new RemoteDelivery({
    start: {
      walDir,
      dir: join(config.dataDir, 'delivery'),
      durable: { ...wal.durable },
      lookUpUntil: instance.state.lookUpUntil,
      upstream: { ...upstreamSettings(config, store), embedded: store !== undefined, templates: config.templates },
      batch: batchOptions(config.signature),
      limits: {
        batchBytesMax: config.delivery.batchBytesMax,
        batchItemsMax: config.delivery.batchRecordsMax,
        concurrencyMax: config.delivery.concurrencyMax,
        giveUpAfterMs: config.delivery.giveUpAfter,
        backoffMsMax: config.delivery.backoffMax,
      },
    },
    control: ({ kind, body, details }) => signing.sequencer.control(kind, body, details),
    settled: (outcomes) => signing.watchers.settle(outcomes),
    trim: (before) => {
      const from = signing.unsealedFrom();
      const trimmed = unsealed.save(from).then(() => wal.trim(comparePositions(before, from) < 0 ? before : from));
      trimmed.then(() => signing.admission.recheck(), fatal);
    },
    event: (_level, name, fields) => log.event(name, fields),
    stats: (stats, timings) => {
      counts.take(stats, timings);
      watch.look(stats);
      saveUnsealed();
      // A disk that was full can have room again without any delivery.
      signing.admission.recheck();
    },
    fatal,
  });
}

export async function startEmbedded({ config, log, fatal }: ProxyOptions): Promise<RunningStore> {
  const store = await startStore({
    dataDir: config.dataDir,
    failed: (error, isFatal) => {
      log.event('store-failed', { error });
      if (isFatal) fatal(error);
    },
  });
  log.event('store-started');
  return store;
}

export function openUpstream({ config, log }: ProxyOptions, store: RunningStore | undefined): Upstream {
  return new Upstream({
    ...upstreamSettings(config, store),
    embedded: store !== undefined,
    templates: config.templates,
    clock: systemClock,
    advise: (template, text) => log.event('template-advised', { template, text }),
  });
}

function upstreamSettings(config: Config, store: RunningStore | undefined) {
  const settings = readUpstreamSettings(config);
  return store === undefined ? settings : { ...settings, nodes: [`unix:${store.socketPath}`] };
}

async function readDeliveryCursor(directory: string): Promise<CursorValue | undefined> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { cursor, value } = await CursorFile.open(join(directory, cursorName), readCursorValue);
  await cursor.close();
  return value;
}

function firstWanted(cursor: CursorValue | undefined, unsealed: Position | undefined): Position | undefined {
  if (cursor === undefined || unsealed === undefined) return undefined;
  const needed = neededFrom(cursor);
  const first = comparePositions(needed, unsealed) < 0 ? needed : unsealed;
  return first.segment === 0 ? undefined : first;
}

function suiteNamed(name: SuiteName): Suite {
  const suite = suiteByName(name);
  if (suite === undefined) throw new LogsealError('CONFIG_INVALID', `signature.suite: ${name} is not known`);
  return suite;
}
