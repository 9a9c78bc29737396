/**
 * When an epoch closes, and in which order: seal, fdatasync, key, next.
 * Owns the instance's log of seals and signs its checkpoints. Nobody else appends a seal, and no chain's key moves on
 * before its seal is durable.
 */
import type { KeyObject } from 'node:crypto';
import { signCheckpoint } from '../chain/note.ts';
import type { SealReason } from '../chain/seal.ts';
import { LogsealError } from '../errors.ts';
import { encodeSealEntry } from '../journal/seal-entry.ts';
import { removeKeyFile, writeKeyFile } from '../keys/key-file.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { isFullError } from '../lib/file-system.ts';
import type { SealLog } from '../log/seal-log.ts';
import type { Metrics } from '../metrics.ts';
import { timestamp } from '../metrics.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';
import type { LogHeads } from './heads.ts';
import type { LiveChain } from './live-chain.ts';

export interface EpochLimits {
  recordsMax: number;
  /** Milliseconds from an epoch's first record to its seal. */
  ageMaxMs: number;
  /** Milliseconds without any seal after which the control chain closes an empty epoch. */
  idleMs: number;
}

export interface EpochsOptions {
  wal: Pick<WriteAheadLog, 'append'>;
  sealLog: Pick<SealLog, 'append' | 'saveHead' | 'size'>;
  heads: LogHeads;
  keysDir: string;
  origin: string;
  checkpointKey: KeyObject;
  clock: Clock;
  limits: EpochLimits;
  metrics: Pick<Metrics, 'epochsSealed' | 'lastSeal'>;
  /** Called with what makes it unsafe to go on: the process stops and recovers. */
  fatal: (error: unknown) => void;
}

const fullRetryMs = 1000;
/** Seals between two snapshots of the heads. */
const headIntervalSeals = 1000;

export class Epochs {
  readonly limits: EpochLimits;
  readonly #options: EpochsOptions;
  readonly #ageTimers = new Map<LiveChain, Timer>();
  #idleTimer: Timer | undefined;
  #sealsSinceHead = 0;
  #leaving = false;
  /** Each wakes one wait for room. */
  readonly #waiting = new Set<() => void>();
  #logQueue: Promise<unknown> = Promise.resolve();

  constructor(options: EpochsOptions) {
    this.#options = options;
    this.limits = options.limits;
  }

  /** Sees to it that the open epoch of the chain is closed when it is old enough. Called after each signing. */
  arm(chain: LiveChain): void {
    if (this.#ageTimers.has(chain)) return;
    const epoch = chain.epoch;
    const timer = this.#options.clock.after(this.limits.ageMaxMs, () => {
      this.#ageTimers.delete(chain);
      this.#background(
        chain.exclusive(async () => {
          if (chain.epoch === epoch && chain.count > 0) await this.close(chain, 'time');
        }),
      );
    });
    this.#ageTimers.set(chain, timer);
  }

  /** Closes an empty epoch of the control chain whenever nothing was sealed for the idle time: silence is visible. */
  watchIdle(control: () => LiveChain): void {
    this.#idleTimer?.cancel();
    this.#idleTimer = this.#options.clock.after(this.limits.idleMs, () => {
      const chain = control();
      this.#background(chain.exclusive(() => this.close(chain, 'idle')));
      this.watchIdle(control);
    });
    this.#watched = control;
  }

  #watched: (() => LiveChain) | undefined;

  /**
   * Closes the chain's open epoch. Must be called inside `chain.exclusive`; resolves when the next epoch's key is in place.
   * Does nothing on a chain that has ended: a timer may have waited behind the rotation. A failure is fatal whoever asked:
   * memory has gone on where the disk has not, and an epoch must not be written to, nor an entry be given, a second time.
   */
  async close(chain: LiveChain, reason: SealReason): Promise<void> {
    if (chain.ended) return;
    try {
      await this.#close(chain, reason);
    } catch (error) {
      this.#options.fatal(error);
      throw error;
    }
  }

  async #close(chain: LiveChain, reason: SealReason): Promise<void> {
    this.#ageTimers.get(chain)?.cancel();
    this.#ageTimers.delete(chain);
    if (reason !== 'idle' && this.#watched !== undefined) this.watchIdle(this.#watched);
    const { clock, origin, wal, keysDir } = this.#options;
    const { text, closedMs } = chain.seal(origin, reason, clock.now(), undefined);
    // The log's order is the order of these two calls, so nothing may be awaited between them.
    const entry = this.#enter(text);
    const durable = wal.append(entry, 'reserve');
    const mac = this.#options.heads.byChain.get(chain.id22)?.mac;
    // The seal too, or a trim could pass it before the seal log has it.
    chain.noteFrame(chain.epoch, await durable);
    await this.#keep(text);
    this.#options.metrics.epochsSealed.inc({ reason });
    timestamp(this.#options.metrics.lastSeal, closedMs);
    if (reason === 'rotate') {
      chain.wipe();
      await removeKeyFile(keysDir, chain.id);
      return;
    }
    chain.advance(mac as Buffer, closedMs);
    await this.#replaceKey(chain);
  }

  /** A seal that was lost with its directory, made again: enters the log and is published like all others. */
  async enterRemade(text: Buffer): Promise<void> {
    await this.#options.wal.append(this.#enter(text), 'reserve');
    await this.#keep(text);
  }

  /**
   * A full disk is waited for, but not by a stop: the seal is on disk, and the chain signs nothing before its key is. What is
   * left then is what a crash leaves between seal and key.
   */
  async #replaceKey(chain: LiveChain): Promise<void> {
    const { keysDir, clock } = this.#options;
    for (;;) {
      try {
        await writeKeyFile(keysDir, chain.keys);
        return;
      } catch (error) {
        if (!isFullError(error)) throw error;
        if (this.#leaving) throw noRoomForKey(keysDir, error);
      }
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        clock.after(fullRetryMs, () => {
          this.#waiting.delete(resolve);
          resolve();
        });
      });
    }
  }

  /** From now on a full disk is not waited for: whoever waits tries once more, and then fails. */
  leave(): void {
    this.#leaving = true;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Stops the timers, and keeps the heads for the next start. */
  async stop(): Promise<void> {
    this.#idleTimer?.cancel();
    this.#watched = undefined;
    for (const timer of this.#ageTimers.values()) timer.cancel();
    this.#ageTimers.clear();
    await this.#logQueue;
    await this.#saveHead();
  }

  /** Only a cache: where there is no room for it, or it is too large, the next start reads more seals. */
  async #saveHead(): Promise<void> {
    const { sealLog, heads } = this.#options;
    try {
      await sealLog.saveHead(heads.encode());
    } catch (error) {
      if (!isFullError(error) && !(error instanceof RangeError)) throw error;
    }
  }

  #enter(seal: Buffer): Buffer {
    const { heads, origin, checkpointKey } = this.#options;
    const entry = heads.range.size;
    heads.add(seal);
    const note = signCheckpoint({ origin, size: heads.range.size, root: heads.range.root() }, checkpointKey);
    return encodeSealEntry({ entry, seal, checkpoint: Buffer.from(note) });
  }

  /** Appends to the seal log, in the order of the calls. The write-ahead log already has it: a crash here loses nothing. */
  #keep(seal: Buffer): Promise<void> {
    const { sealLog, heads } = this.#options;
    const turn = this.#logQueue.then(async () => {
      await sealLog.append(seal);
      this.#sealsSinceHead += 1;
      // A snapshot must not be ahead of the seals it stands for.
      if (this.#sealsSinceHead < headIntervalSeals || heads.range.size !== sealLog.size) return;
      this.#sealsSinceHead = 0;
      await this.#saveHead();
    });
    this.#logQueue = turn.catch(() => undefined);
    return turn;
  }

  #background(work: Promise<unknown>): void {
    work.catch((error) => this.#options.fatal(error));
  }
}

function noRoomForKey(directory: string, cause: unknown): LogsealError {
  const sentence = `the disk has no room for a key file in ${directory}: what was sealed is on disk, and the next start goes on from there`;
  return new LogsealError('WAL_FAILED', sentence, { cause, directory });
}
