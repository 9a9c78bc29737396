/**
 * Opens what signs: recovers the chains of a data directory, closes what another process left open, announces the start.
 * Order of FORMAT §8 "start", up to "accept and sign, to disk only"; delivery begins elsewhere.
 */
import { join } from 'node:path';
import type { RotateReason } from '../chain/control-form.ts';
import { CompactRange } from '../chain/merkle.ts';
import type { Suite } from '../chain/suite.ts';
import { logSuite } from '../chain/suite.ts';
import { LogsealError } from '../errors.ts';
import type { Certificate } from '../keys/auditor.ts';
import { removeKeyFile, writeKeyFile } from '../keys/key-file.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { SealLog } from '../log/seal-log.ts';
import type { Metrics } from '../metrics.ts';
import type { LogDirectory } from '../wal/frame-cipher.ts';
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';
import { Admission } from './admission.ts';
import type { RemoteKnowledge } from './catch-up.ts';
import { catchUp, contradicted } from './catch-up.ts';
import type { ChainRule } from './chain-rule.ts';
import { chainNaming, controlChain } from './chain-rule.ts';
import { ChainSet } from './chain-set.ts';
import type { EpochLimits } from './epochs.ts';
import { Epochs } from './epochs.ts';
import { LogHeads } from './heads.ts';
import type { Instance, OrderedRotation } from './instance.ts';
import type { LiveChain } from './live-chain.ts';
import type { RecoveredChains, RecoveryOptions } from './recovery.ts';
import { recoverChains } from './recovery.ts';
import { Sequencer } from './sequencer.ts';
import type { WatcherHost } from './watchers.ts';
import { Watchers } from './watchers.ts';

export interface SigningOptions {
  instance: Instance;
  wal: WriteAheadLog;
  walDir: LogDirectory;
  /** Oldest frame whose epoch may have no seal yet. */
  unsealedFrom: Position | undefined;
  /** Frames that the log moved at start because they were not yet delivered. */
  replayedFrames: number;
  suite: Suite;
  certificates: readonly Certificate[];
  rules: readonly ChainRule[];
  chainsMax: number;
  rotateEveryMs: number;
  limits: EpochLimits;
  pendingBytesMax: number;
  holdMaxMs: number;
  /** For the boot record. */
  version: string;
  configHash: string;
  vkey: string;
  unsigned: ReadonlySet<string>;
  clock: Clock;
  metrics: Metrics;
  watching: WatcherHost;
  /** What the search engine knows; undefined while it does not answer. */
  remote?: RemoteKnowledge | undefined;
  fatal: (error: unknown) => void;
}

const rotationCheckMs = 60_000;

export class Signing {
  readonly sequencer: Sequencer;
  readonly watchers: Watchers;
  readonly admission: Admission;
  readonly chains: ChainSet;
  /** Seals in the log before this process made one. */
  sizeAtStart = 0;
  readonly #epochs: Epochs;
  readonly #sealLog: SealLog;
  readonly #options: SigningOptions;
  readonly #heads: LogHeads;
  #rotationTimer: Timer | undefined;
  #rotating: Promise<void> = Promise.resolve();
  #stopping = false;
  #unsealedBound: Position;

  private constructor(options: SigningOptions, sealLog: SealLog, heads: LogHeads) {
    const { instance, wal, clock } = options;
    const keysDir = join(instance.dir, 'keys');
    this.#options = options;
    this.#sealLog = sealLog;
    this.#heads = heads;
    this.#unsealedBound = wal.durable;
    this.#epochs = new Epochs({
      wal,
      sealLog,
      heads,
      keysDir,
      origin: instance.origin,
      checkpointKey: instance.checkpointKey,
      clock,
      limits: options.limits,
      metrics: options.metrics,
      fatal: options.fatal,
    });
    this.chains = new ChainSet({
      instance,
      epochs: this.#epochs,
      suite: options.suite,
      certificates: options.certificates,
      keysDir,
      chainsMax: options.chainsMax,
      nameOf: chainNaming(options.rules),
      now: () => clock.now(),
      control: (kind, body, operator) => this.sequencer.control(kind, body, [], operator),
    });
    this.admission = new Admission({
      room: (bytes) => wal.room(bytes),
      largestBytes: wal.largestBytes,
      pendingBytesMax: options.pendingBytesMax,
      holdMaxMs: options.holdMaxMs,
      clock,
      onHold: () => options.metrics.holds.inc(),
    });
    this.watchers = new Watchers(options.watching);
    this.sequencer = new Sequencer({
      wal,
      chains: this.chains,
      epochs: this.#epochs,
      admission: this.admission,
      watchers: this.watchers,
      clock,
      metrics: options.metrics,
      unsigned: options.unsigned,
      fatal: options.fatal,
      chainPrefixes: new Set(
        [...heads.byChain.keys(), ...heads.ended].map((id) => Buffer.from(id, 'base64url').latin1Slice(0, 8)),
      ),
    });
  }

  static async open(options: SigningOptions): Promise<Signing> {
    const { instance } = options;
    const sealLog = await SealLog.open(join(instance.dir, 'log'));
    const heads = await loadHeads(sealLog);
    const signing = new Signing(options, sealLog, heads);
    const clean = instance.state.clean;
    const limit = options.wal.durable;
    const { walDir, unsealedFrom } = options;
    const from = { instance, heads, sealLog, walDir, from: unsealedFrom, limit };
    const own = await recoverChains(from);
    const recovered = await signing.#caughtUp(own, from);
    signing.sizeAtStart = heads.range.size;
    const seqs = Object.fromEntries(recovered.chains.map(({ id22, nextSeq }) => [id22, nextSeq]));
    const here = { size: signing.sizeAtStart, seqs };
    const before = recovered === own ? instance.state.unconfirmed : undefined;
    await instance.update({ clean: false, unconfirmed: before ?? here });
    if (recovered.over.some((chain) => chain.id === instance.state.control)) {
      const control = recovered.chains.findLast((chain) => chain.name === controlChain);
      await instance.update({ control: control?.id22 });
    }
    if (instance.state.control === undefined) await signing.chains.createControl();
    else await signing.#resume(recovered, clean);
    await signing.chains.replaceEarly(instance.state.rolledBack?.chains ?? []);
    await signing.#forget(recovered.over.map((chain) => chain.id));
    await signing.#boot(clean);
    await signing.#rotateForCertificates();
    signing.#epochs.watchIdle(() => signing.chains.control);
    signing.#scheduleRotation();
    return signing;
  }

  /** Where the search engine knows more than this directory does: chains and log go on after what it knows. */
  async #caughtUp(recovered: RecoveredChains, from: RecoveryOptions): Promise<RecoveredChains> {
    const { instance, remote, clock } = this.#options;
    const found =
      remote === undefined
        ? undefined
        : await catchUp(recovered.chains, from.heads, remote, instance.origin).catch(orAbsent);
    if (found === undefined) return recovered;
    const { rolledBack, prepared = [] } = instance.state;
    const early = new Set(prepared.map(({ body }) => body.id));
    const own = recovered.chains.map(({ id22 }) => id22).filter((id) => !early.has(id));
    const chains = new Set([...(rolledBack?.chains ?? []), ...own]);
    // First: whatever a crash leaves of the rest, nothing is delivered.
    await instance.update({
      rolledBack: { chains: [...chains], sinceMs: clock.now() },
      lookUpUntil: { segment: from.limit.segment, offset: from.limit.offset },
    });
    for (const chain of recovered.chains) chain.wipe();
    for (const text of found.seals) {
      await this.#sealLog.append(text);
      from.heads.add(text);
    }
    for (const text of found.remade) await this.#epochs.enterRemade(text);
    if (instance.state.control !== undefined && from.heads.ended.has(instance.state.control)) {
      throw new LogsealError(
        'DATA_DIR_INVALID',
        'an old copy was put back, from before the control chain was rotated: the keys of the new one are lost. ' +
          'Start with a new data directory',
      );
    }
    const rest = [...chains].filter((id) => !from.heads.ended.has(id));
    await instance.update({ rolledBack: { chains: rest, sinceMs: clock.now() } });
    return recoverChains({ ...from, remote: found.open });
  }

  /** Whether the search engine has records in places that we thought were ours to give, since nobody has compared. */
  async isContradicted(remote: RemoteKnowledge): Promise<boolean> {
    const { unconfirmed } = this.#options.instance.state;
    return unconfirmed !== undefined && contradicted(this.chains.all, unconfirmed.seqs, remote);
  }

  /** Whether a checkpoint that somebody shows is one of a former state of this log. */
  async knows({ size, root }: { size: number; root: Buffer }): Promise<boolean> {
    if (size > this.#sealLog.size) return false;
    const range = new CompactRange(logSuite);
    for await (const { entry, text } of this.#sealLog.read(0)) {
      if (entry >= size) break;
      range.appendEntry(text);
    }
    return range.root().equals(root);
  }

  /** Whether the chain is or ever was one of this instance. `id` has 22 characters. */
  knowsChain(id: string): boolean {
    return this.#heads.ended.has(id) || this.chains.all.some((chain) => chain.id22 === id);
  }

  /** Before it nothing of the log belongs to an epoch without a seal. Lags a little behind, on the safe side. */
  unsealedFrom(): Position {
    const bound = this.#unsealedBound;
    this.#unsealedBound = this.#options.wal.durable;
    const open = this.chains.all.map((chain) => chain.unsealedFrom).filter((position) => position !== undefined);
    return open.reduce((least, position) => (comparePositions(position, least) < 0 ? position : least), bound);
  }

  /** Closes every epoch with records; the control chain stays open for what delivery still has to say. No rotation begins after it. */
  async sealData(): Promise<void> {
    this.#stopping = true;
    this.#rotationTimer?.cancel();
    this.#epochs.leave();
    await this.#rotating;
    await this.#sealData();
  }

  async #sealData(): Promise<void> {
    const chains = this.chains.all.filter((chain) => chain !== this.chains.control);
    await Promise.all(
      chains.map((chain) =>
        chain.exclusive(() =>
          chain.count > 0 || chain.epoch === 0 ? this.#epochs.close(chain, 'shutdown') : undefined,
        ),
      ),
    );
  }

  /** The last seal of this process, of the control chain, unless delivery has more to say. */
  async sealControl(): Promise<void> {
    const { control } = this.chains;
    await control.exclusive(() => this.#epochs.close(control, 'shutdown'));
  }

  /** Seals what was signed since, so that the next start need not recover. Destroys the keys in memory. */
  async close(): Promise<void> {
    await this.#sealData();
    if (this.chains.control.count > 0) await this.sealControl();
    await this.#epochs.stop();
    await this.#sealLog.close();
    for (const chain of this.chains.all) chain.wipe();
    await this.#options.instance.update({ clean: true });
  }

  /** Ends every chain and begins a new one in its place, also while the proxy stops. Throws STOPPING if it comes after that began. */
  rotateAll(why: RotateReason): Promise<void> {
    return this.#rotate(() => this.chains.all, why);
  }

  /** Ends one chain by an operator's act, onto the chain that was prepared for it. Errors: ACT_REFUSED, STOPPING. */
  rotateOrdered(order: OrderedRotation): Promise<{ id: string; seq: number }> {
    return this.#inTurn(() => this.chains.rotateOrdered(order));
  }

  #rotate(due: () => LiveChain[], why: RotateReason): Promise<void> {
    return this.#inTurn(async () => {
      for (const chain of due()) await this.chains.rotate(chain, why);
    });
  }

  /** One rotation after the other, or a chain could get two successors. */
  #inTurn<T>(rotate: () => Promise<T>): Promise<T> {
    const turn = this.#rotating.then(() => {
      // Refused, not left out: whoever keeps the reason must not take it for done.
      if (this.#stopping)
        throw new LogsealError('STOPPING', 'the proxy is stopping: chains are rotated by the next start');
      return rotate();
    });
    this.#rotating = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  async #resume({ chains: recovered, rotated }: RecoveredChains, clean: boolean): Promise<void> {
    const keysDir = join(this.#options.instance.dir, 'keys');
    const interrupted: [LiveChain, LiveChain][] = [];
    const early = new Set(this.#options.instance.state.prepared?.map(({ body }) => body.id));
    const byName = new Map<string, LiveChain>();
    for (const chain of recovered) {
      const older = byName.get(chain.name);
      if (older !== undefined && early.has(chain.id22)) this.chains.adoptEarly(older, chain);
      else if (older !== undefined) interrupted.push([older, chain]);
      else this.chains.adopt(chain);
      byName.set(chain.name, chain);
      await writeKeyFile(keysDir, chain.keys);
    }
    for (const chain of recovered) {
      if (clean && chain.count === 0) continue;
      await chain.exclusive(() => this.#epochs.close(chain, 'recovery'));
    }
    for (const [old, successor] of interrupted) {
      await this.chains.end(old, successor, 'schedule', rotated.has(old.id22));
    }
  }

  async #forget(ids: string[]): Promise<void> {
    if (ids.length === 0) return;
    const { instance } = this.#options;
    const keysDir = join(instance.dir, 'keys');
    await instance.update({ chains: instance.state.chains.filter((chain) => !ids.includes(chain.id)) });
    for (const id of ids) await removeKeyFile(keysDir, Buffer.from(id, 'base64url'));
  }

  async #boot(clean: boolean): Promise<void> {
    const { instance, version, vkey, replayedFrames, configHash } = this.#options;
    const chains = Object.fromEntries(
      this.chains.all.map((chain) => [chain.id22, { epoch: chain.epoch, seq: chain.nextSeq }]),
    );
    await this.sequencer.control('boot', {
      version,
      clean,
      replayed: replayedFrames,
      vkey,
      log: this.#sealLog.size,
      upstream: instance.state.upstream ?? 'unknown',
      config: configHash,
      chains,
    });
  }

  async #rotateForCertificates(): Promise<void> {
    const { instance, certificates } = this.#options;
    const wanted = certificates.map((certificate) => certificate.sha256).toSorted();
    if (wanted.join() === instance.state.certificates.toSorted().join()) return;
    // Which chains end now is the operator's to say; the next start after that goes on here.
    if (instance.state.rolledBack !== undefined) return;
    await this.rotateAll('certificates');
    // Not before the last of them: what a crash leaves out is rotated by the next start.
    await instance.update({ certificates: wanted });
  }

  #scheduleRotation(): void {
    const { clock, rotateEveryMs, fatal, instance } = this.#options;
    this.#rotationTimer = clock.after(Math.min(rotationCheckMs, rotateEveryMs), () => {
      const due = () =>
        instance.state.rolledBack === undefined
          ? this.chains.all.filter((chain) => clock.now() - chain.createdMs >= rotateEveryMs)
          : [];
      const again = () => {
        if (!this.#stopping) this.#scheduleRotation();
      };
      // Without room for a new chain the old one goes on for a while.
      this.#rotate(due, 'schedule').then(again, (error) => (passes(error) ? again() : fatal(error)));
    });
  }
}

/** A search engine that goes away meanwhile is as one that was not there: its checkpoints are looked at before delivery begins. */
function orAbsent(error: unknown): undefined {
  if (!passes(error)) throw error;
}

function passes(error: unknown): boolean {
  return error instanceof LogsealError && error.disposition === 'retry';
}

async function loadHeads(sealLog: SealLog): Promise<LogHeads> {
  const saved = await sealLog.loadHead();
  const heads = saved === undefined ? new LogHeads() : LogHeads.decode(saved.blob);
  for await (const { text } of sealLog.read(heads.range.size)) heads.add(text);
  return heads;
}
