/**
 * The proxy's relation to its search engine: waits for the first answer, checks that it is the right one and that it knows no
 * more than we do, and only then lets delivery begin. Afterwards it knows whether the search engine is there.
 */
import { decodeVkey } from '../chain/note.ts';
import type { RemoteDelivery } from '../delivery/remote.ts';
import { LogsealError } from '../errors.ts';
import type { Timer } from '../lib/clock.ts';
import { systemClock } from '../lib/clock.ts';
import type { Instance, InstanceState } from '../sequencer/instance.ts';
import type { Signing } from '../sequencer/open.ts';
import type { RunningStore } from '../store/worker.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { checkUpstream, newestCheckpoint } from './first-contact.ts';
import type { ProxyOptions } from './options.ts';
import type { ReadyReason } from './readiness.ts';
import { remoteKnowledge } from './remote-knowledge.ts';

export interface ContactOptions {
  options: Pick<ProxyOptions, 'config' | 'log' | 'fatal'>;
  instance: Instance;
  upstream: Upstream;
  store: RunningStore | undefined;
}

const tryOnceMs = 2_000;
const retryMsMin = 250;
const retryMsMax = 5_000;
/** A search engine that takes the connection and says nothing for so long is away. */
const silentMs = 5_000;

export class Contact {
  readonly #options: ContactOptions;
  readonly #opened = Promise.withResolvers<void>();
  #attached: { signing: Signing; delivery: RemoteDelivery; vkey: string } | undefined;
  #timer: Timer | undefined;
  #stopped = false;
  #unavailable = false;
  /** Until an operator has rotated what was rolled back. */
  #held = false;
  /** Why nothing is delivered; undefined while it is. */
  problem: ReadyReason | undefined = {
    code: 'upstream-not-contacted',
    reason: 'the search engine has not answered yet',
  };

  constructor(options: ContactOptions) {
    this.#options = options;
  }

  /** What the search engine answered to `GET /` when it was last asked, maybe before this start. */
  get root(): Buffer | undefined {
    const { root } = this.#options.instance.state;
    return root === undefined ? undefined : Buffer.from(JSON.stringify(root));
  }

  /** Looks once, shortly, so that a wrong search engine is noticed before anything is signed. An absent one is no error. True: it is there. */
  async tryOnce(): Promise<boolean> {
    let timer: Timer | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = systemClock.after(tryOnceMs, () => resolve(undefined));
    });
    try {
      const found = await Promise.race([this.#ask(), late]);
      if (found !== undefined) await this.#identify(found);
      return found !== undefined;
    } catch (error) {
      if (!(error instanceof LogsealError) || error.disposition !== 'retry') throw error;
      return false;
    } finally {
      timer?.cancel();
    }
  }

  /** After an operator's act: where it was the last chain that held up delivery, delivery begins. */
  acted(): void {
    const { instance } = this.#options;
    if (this.problem?.code === 'rolled-back' && this.#held && instance.state.rolledBack === undefined) this.begin();
  }

  attach(signing: Signing, delivery: RemoteDelivery, vkey: string): void {
    this.#attached = { signing, delivery, vkey };
  }

  /** Goes on asking until the search engine answers, then begins delivery. */
  begin(delayMs = retryMsMin): void {
    systemClock.after(silentMs, () => {
      if (this.problem !== undefined) this.#unavailable = true;
    });
    this.#open().then(undefined, (error) => {
      if (this.#stopped) return;
      if (!(error instanceof LogsealError) || error.disposition !== 'retry') {
        this.#options.options.fatal(error);
        return;
      }
      if (delayMs === retryMsMin) this.#options.options.log.event('upstream-unreachable', { error });
      this.#unavailable = true;
      const reason = `the search engine does not answer: ${error.message}`;
      this.problem = { code: 'upstream-unreachable', reason };
      this.#timer = systemClock.after(delayMs, () => this.begin(Math.min(delayMs * 2, retryMsMax)));
    });
  }

  /** Resolves when delivery has begun. */
  opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves when it makes no sense to wait for delivery: the search engine is away, or must not be sent anything. */
  async away(): Promise<void> {
    for (;;) {
      const { delivery } = this.#attached ?? {};
      if (this.#unavailable || delivery?.stats?.unreachable !== undefined) return;
      await new Promise<void>((resolve) => systemClock.after(retryMsMin, resolve));
      if (this.#stopped) return;
    }
  }

  /** Keeps what was last found out about credentials, so that it holds over an outage with a restart in it. */
  async noteSecured(): Promise<void> {
    const { instance, upstream } = this.#options;
    const { secured } = upstream;
    if (secured !== undefined && secured !== instance.state.secured) await this.#remember({ secured });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #open(): Promise<void> {
    const { options, instance, upstream, store } = this.#options;
    const { signing, delivery, vkey } = this.#attached ?? {};
    if (signing === undefined || delivery === undefined || vkey === undefined) throw new TypeError('nothing attached');
    await this.#identify(await this.#ask());
    if (instance.state.rotateForUpstream === true) {
      await signing.rotateAll('upstream');
      await instance.update({ rotateForUpstream: false });
    }
    if (instance.state.rolledBack !== undefined) {
      const { chains } = instance.state.rolledBack;
      this.#held = true;
      this.#hold(
        'ROLLED-BACK: the search engine knew more than this data directory: an old copy was put back. Records are accepted and ' +
          `kept; nothing is delivered until an operator rotates ${chains.length} chains: logseal rotate --all --why rolled-back`,
      );
      options.log.event('chain-rolled-back', { instance: instance.origin, chains });
      return;
    }
    const key = decodeVkey(vkey);
    if (key === undefined) throw new TypeError('our own verifier key cannot be read');
    const newest = await newestCheckpoint(upstream.connection, key);
    const published = newest?.size ?? 0;
    const { unconfirmed } = instance.state;
    const ownSize = unconfirmed?.size ?? signing.sizeAtStart;
    const behind = newest !== undefined && published > ownSize && !(await signing.knows(newest));
    if (behind || (store === undefined && (await signing.isContradicted(remoteKnowledge(upstream.connection, key))))) {
      this.#hold(
        'ROLLED-BACK: the search engine knows more than this data directory did when it was started, and it was signed on ' +
          'before the search engine answered. An old copy was put back: nothing is delivered, and what was signed waits in the log',
      );
      options.log.event('chain-rolled-back', { instance: instance.origin, published, own: ownSize });
      return;
    }
    if (this.#stopped) return;
    // A full disk keeps nobody from draining: then the next start looks closer before it believes in a roll-back.
    await this.#remember({ unconfirmed: undefined });
    await delivery.start();
    this.#unavailable = false;
    this.problem = undefined;
    options.log.event('delivery-started');
    this.#opened.resolve();
  }

  #hold(reason: string): void {
    this.problem = { code: 'rolled-back', reason };
    this.#unavailable = true;
  }

  async #ask(): Promise<string> {
    const { upstream, store, instance } = this.#options;
    const { clusterUuid, root } = await upstream.identity();
    const known = instance.state.upstream === undefined || instance.state.upstream === clusterUuid;
    const changed = JSON.stringify(root) !== JSON.stringify(instance.state.root);
    if (store === undefined && known && changed) await this.#remember({ root });
    // It is asked again with the first request; an odd answer holds up no delivery.
    await upstream.isSecured().catch(() => undefined);
    return store === undefined ? clusterUuid : 'embedded';
  }

  /** What only helps the next start: a full disk is no reason to refuse a request, or to end. */
  async #remember(change: Partial<InstanceState>): Promise<void> {
    await this.#options.instance.update(change).catch((error: unknown) => {
      if (!(error instanceof LogsealError) || error.code !== 'LOG_FULL') throw error;
    });
  }

  async #identify(found: string): Promise<void> {
    const { instance, options } = this.#options;
    const known = instance.state.upstream;
    const changed = known !== undefined && known !== found && options.config.newUpstream;
    if (!changed) checkUpstream(known, found, instance.dir);
    await this.noteSecured();
    if (known === found) return;
    // Both at once: a crash before the rotation must not hide that it is due.
    await instance.update({ upstream: found, ...(changed ? { rotateForUpstream: true } : {}) });
    options.log.event('upstream-connected', { upstream: found });
  }
}
