/**
 * The chains of this instance: finds the one of a destination, makes new ones, rotates old ones.
 * A new chain needs nobody at a keyboard: its secret is wrapped to the auditors' certificates and erased.
 * Order for a new chain: key file, registry, its `chain` record on the control chain, first use.
 */
import { randomBytes } from 'node:crypto';
import { EpochKeys } from '../chain/key-tree.ts';
import type { Suite } from '../chain/suite.ts';
import { LogsealError } from '../errors.ts';
import type { Certificate } from '../keys/auditor.ts';
import { writeKeyFile } from '../keys/key-file.ts';
import { wrapSecret } from '../keys/wrap.ts';
import { isFullError } from '../lib/file-system.ts';
import { catchAllChain, controlChain } from './chain-rule.ts';
import type { Epochs } from './epochs.ts';
import type { Instance } from './instance.ts';
import { LiveChain } from './live-chain.ts';

export type RotationReason = 'schedule' | 'clock' | 'certificates' | 'upstream' | 'suspicion' | 'rolled-back';

export interface ChainSetOptions {
  instance: Instance;
  epochs: Epochs;
  suite: Suite;
  certificates: readonly Certificate[];
  keysDir: string;
  /** Chains beside the control chain; the catch-all chain takes the rest. */
  chainsMax: number;
  nameOf: (dest: string) => string;
  now: () => number;
  /** Signs a control record, durable when resolved. */
  control: (kind: 'chain' | 'rotate', body: object) => Promise<void>;
}

export class ChainSet {
  readonly #options: ChainSetOptions;
  readonly #byName = new Map<string, LiveChain>();
  readonly #making = new Map<string, Promise<LiveChain>>();
  #control: LiveChain | undefined;

  constructor(options: ChainSetOptions) {
    this.#options = options;
  }

  /** The control chain; made by `createControl` or taken over by `adopt`. */
  get control(): LiveChain {
    if (this.#control === undefined) throw new TypeError('the control chain is not open yet');
    return this.#control;
  }

  /** All active chains, the control chain last. */
  get all(): LiveChain[] {
    return [...this.#byName.values(), ...(this.#control === undefined ? [] : [this.#control])];
  }

  /** Takes over a chain that an earlier process made. */
  adopt(chain: LiveChain): void {
    if (chain.name === controlChain) this.#control = chain;
    else this.#byName.set(chain.name, chain);
  }

  /** The chain of a destination; at once if it is active, else when it has been made. */
  of(dest: string): LiveChain | Promise<LiveChain> {
    const wanted = this.#options.nameOf(dest);
    const active = this.#byName.get(wanted);
    if (active !== undefined) return active;
    const full = this.#byName.size + this.#making.size >= this.#options.chainsMax - 1;
    const name = full && !this.#making.has(wanted) ? catchAllChain : wanted;
    return this.#byName.get(name) ?? this.#making.get(name) ?? this.#make(name);
  }

  /** Makes the control chain of a new instance; its own `chain` record is the first on it. */
  async createControl(): Promise<void> {
    const { certificates, instance } = this.#options;
    const { chain, body } = await this.#begin(controlChain);
    await instance.update({ certificates: certificates.map((certificate) => certificate.sha256) });
    this.#control = chain;
    await this.#options.control('chain', body);
  }

  /** Ends a chain and continues under a new one of the same name. Only the control chain knows both. */
  async rotate(old: LiveChain, why: RotationReason): Promise<LiveChain> {
    const { control } = this.#options;
    const { chain, body } = await this.#begin(old.name);
    await control('chain', body);
    await this.end(old, chain, why);
    return chain;
  }

  /** Closes a chain for ever in favour of its successor; also finishes what a crash interrupted. */
  async end(old: LiveChain, successor: LiveChain, why: RotationReason): Promise<void> {
    const { epochs, control, instance } = this.#options;
    await control('rotate', { old: old.id22, new: successor.id22, why });
    await old.exclusive(async () => {
      await epochs.close(old, 'rotate');
      old.successor = successor;
      this.adopt(successor);
    });
    await instance.update({ chains: instance.state.chains.filter((other) => other.id !== old.id22) });
    // A successor may wait long for its first record, and a chain of which there is nothing looks like one that was deleted.
    await successor.exclusive(async () => {
      if (successor.epoch === 0 && successor.count === 0) await epochs.close(successor, 'idle');
    });
  }

  #make(name: string): Promise<LiveChain> {
    const making = this.#begin(name).then(async ({ chain, body }) => {
      await this.#options.control('chain', body);
      this.#byName.set(name, chain);
      return chain;
    });
    this.#making.set(name, making);
    const done = () => this.#making.delete(name);
    making.then(done, done);
    return making;
  }

  /** A chain with its key file that the registry knows. Throws LOG_FULL when the disk has no room: nothing was signed on it. */
  async #begin(name: string): Promise<{ chain: LiveChain; body: object }> {
    try {
      const begun = await this.#create(name);
      await this.#register(begun.chain);
      return begun;
    } catch (cause) {
      if (!isFullError(cause)) throw cause;
      throw new LogsealError('LOG_FULL', 'the disk has no room for a new chain', { cause });
    }
  }

  async #create(name: string): Promise<{ chain: LiveChain; body: object }> {
    const { suite, certificates, keysDir, instance, now } = this.#options;
    const secret = randomBytes(32);
    const wrapped = wrapSecret(
      secret,
      certificates.map((certificate) => certificate.pem),
    );
    const keys = EpochKeys.fromSecret(suite, secret);
    secret.fill(0);
    await writeKeyFile(keysDir, keys);
    const chain = new LiveChain(name, now(), suite, keys, { nextSeq: 0, prev: Buffer.alloc(16), lastTimeMs: 0 });
    const body = {
      id: chain.id22,
      name,
      suite: suite.id,
      wrapped: wrapped.toString('base64'),
      certificates: certificates.map((certificate) => certificate.sha256),
      origin: instance.origin,
    };
    return { chain, body };
  }

  async #register(chain: LiveChain): Promise<void> {
    const { instance } = this.#options;
    const added = { id: chain.id22, name: chain.name, suite: chain.suite, createdMs: chain.createdMs };
    await instance.update({
      chains: [...instance.state.chains, added],
      ...(chain.name === controlChain ? { control: chain.id22 } : {}),
    });
  }
}
