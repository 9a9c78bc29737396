/**
 * The chains of this instance: finds the one of a destination, makes new ones, rotates old ones.
 * A new chain needs nobody at a keyboard: its secret is wrapped to the auditors' certificates and erased.
 * Order for a new chain: key file, registry, its `chain` record on the control chain, first use.
 */
import { randomBytes } from 'node:crypto';
import type { ControlBodies, RotateReason } from '../chain/control-form.ts';
import type { OperatorSignature } from '../chain/control-record.ts';
import { EpochKeys } from '../chain/key-tree.ts';
import type { Suite } from '../chain/suite.ts';
import { LogsealError } from '../errors.ts';
import type { Certificate } from '../keys/auditor.ts';
import { keyFilePath, readKeyFile, removeKeyFile, writeKeyFile } from '../keys/key-file.ts';
import { wrapSecret } from '../keys/wrap.ts';
import { isFullError } from '../lib/file-system.ts';
import { catchAllChain, controlChain } from './chain-rule.ts';
import type { Epochs } from './epochs.ts';
import type { Instance, OrderedRotation } from './instance.ts';
import { LiveChain } from './live-chain.ts';

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
  control: (
    kind: 'chain' | 'rotate',
    body: object,
    operator?: OperatorSignature,
  ) => Promise<{ id: string; seq: number }>;
}

export class ChainSet {
  readonly #options: ChainSetOptions;
  readonly #byName = new Map<string, LiveChain>();
  readonly #making = new Map<string, Promise<LiveChain>>();
  /** Chains that wait for an operator to end them, while others sign in their place. By id. */
  readonly #waiting = new Map<string, LiveChain>();
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
    return [
      ...this.#byName.values(),
      ...this.#waiting.values(),
      ...(this.#control === undefined ? [] : [this.#control]),
    ];
  }

  /** Takes over a chain that an earlier process made. */
  adopt(chain: LiveChain): void {
    if (chain.name === controlChain) this.#control = chain;
    else this.#byName.set(chain.name, chain);
  }

  /** Takes over two chains of which the newer signs in place of the older, which an operator has yet to end. */
  adoptEarly(old: LiveChain, successor: LiveChain): void {
    this.#waiting.set(old.id22, old);
    this.#byName.set(successor.name, successor);
  }

  /**
   * Nothing more is signed on these chains (of records: the control chain goes on): what is prepared to replace them does it from
   * now on, and is announced when an operator ends them.
   */
  async replaceEarly(ids: readonly string[]): Promise<void> {
    for (const old of [...this.#byName.values()]) {
      if (!ids.includes(old.id22)) continue;
      const body = await this.prepare(old);
      const prepared = this.#options.instance.state.prepared?.find((entry) => entry.body === body);
      const chain = await this.#openPrepared(old, body.id, prepared?.createdMs ?? old.createdMs);
      await this.#register(chain);
      this.adoptEarly(old, chain);
    }
  }

  /** The chain of a destination, or the one that is named; at once if it is active, else when it has been made. */
  of(dest: string, named?: string): LiveChain | Promise<LiveChain> {
    const wanted = named ?? this.#options.nameOf(dest);
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
  async rotate(old: LiveChain, why: RotateReason): Promise<void> {
    const { control } = this.#options;
    const { chain, body } = await this.#begin(old.name);
    await control('chain', body);
    await this.end(old, chain, why);
  }

  /** Makes the chain that an operator is to name as the one that replaces `old`, or returns the one made before. */
  async prepare(old: LiveChain): Promise<ControlBodies['chain']> {
    const { instance, certificates } = this.#options;
    const wanted = certificates.map((certificate) => certificate.sha256).toSorted();
    const { prepared = [] } = instance.state;
    const before = prepared.find((entry) => entry.old === old.id22);
    if (before !== undefined && before.body.certificates.toSorted().join() === wanted.join()) return before.body;
    const { chain, body } = await withRoom(() => this.#create(old.name));
    chain.wipe();
    const active = new Set(instance.state.chains.map(({ id }) => id));
    const others = prepared.filter((entry) => entry !== before && active.has(entry.old));
    await instance.update({ prepared: [...others, { old: old.id22, createdMs: chain.createdMs, body }] });
    for (const { body: dropped } of prepared.filter((entry) => !others.includes(entry))) {
      await removeKeyFile(this.#options.keysDir, Buffer.from(dropped.id, 'base64url'));
    }
    return body;
  }

  /** As `rotate`, by an operator's act, onto the chain that was prepared. Throws CONTROL_INVALID if it was not. */
  async rotateOrdered(order: OrderedRotation): Promise<{ id: string; seq: number }> {
    const { control, instance } = this.#options;
    const old = this.all.find((chain) => chain.id22 === order.old);
    const prepared = instance.state.prepared?.find((entry) => entry.old === order.old && entry.body.id === order.new);
    if (old === undefined || prepared === undefined) {
      throw new LogsealError('ACT_REFUSED', `no chain ${order.new} was prepared to replace ${order.old}`);
    }
    if (instance.state.rolledBack?.chains.includes(old.id22) === true && order.why !== 'rolled-back') {
      throw new LogsealError('ACT_REFUSED', `${order.old} was rolled back: rotate it for that reason`);
    }
    const early = this.all.find((chain) => chain.id22 === order.new);
    const chain = early ?? (await this.#openPrepared(old, order.new, prepared.createdMs));
    const { chains: before, prepared: others = [], ordered = [] } = instance.state;
    const chains = before.filter(({ id }) => id !== chain.id22);
    const added = { id: chain.id22, name: chain.name, suite: chain.suite, createdMs: chain.createdMs };
    await instance.update({
      chains: [...chains, added],
      prepared: others.filter((entry) => entry !== prepared),
      ordered: [...ordered, order],
      ...(chain.name === controlChain ? { control: chain.id22 } : {}),
    });
    await control('chain', prepared.body);
    return this.end(old, chain, order.why);
  }

  /**
   * Closes a chain for ever in favour of its successor; also finishes what a crash interrupted. An operator's order for it goes
   * before `why`. `said`: its rotate record is on disk already.
   */
  async end(
    old: LiveChain,
    successor: LiveChain,
    why: RotateReason,
    said = false,
  ): Promise<{ id: string; seq: number }> {
    const { epochs, control, instance } = this.#options;
    const order = instance.state.ordered?.find((entry) => entry.old === old.id22 && entry.new === successor.id22);
    const body = { old: old.id22, new: successor.id22, why: order?.why ?? why };
    const record = said ? { id: '', seq: 0 } : await control('rotate', body, order?.operator);
    await old.exclusive(async () => {
      await epochs.close(old, 'rotate');
      old.successor = successor;
      this.adopt(successor);
    });
    this.#waiting.delete(old.id22);
    const { chains, ordered = [], rolledBack } = instance.state;
    const left = rolledBack?.chains.filter((id) => id !== old.id22) ?? [];
    await instance.update({
      ...(rolledBack !== undefined && { rolledBack: left.length === 0 ? undefined : { ...rolledBack, chains: left } }),
      chains: chains.filter((other) => other.id !== old.id22),
      ...(ordered.length === 0 ? {} : { ordered: ordered.filter((entry) => entry !== order) }),
    });
    // A successor may wait long for its first record, and a chain of which there is nothing looks like one that was deleted.
    await successor.exclusive(async () => {
      if (successor.epoch === 0 && successor.count === 0) await epochs.close(successor, 'idle');
    });
    return record;
  }

  async #openPrepared(old: LiveChain, id: string, createdMs: number): Promise<LiveChain> {
    const { keysDir, suite } = this.#options;
    const keys = await readKeyFile(keyFilePath(keysDir, Buffer.from(id, 'base64url')));
    return new LiveChain(old.name, createdMs, suite, keys, newHead());
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
  #begin(name: string): Promise<Begun> {
    return withRoom(async () => {
      const begun = await this.#create(name);
      await this.#register(begun.chain);
      return begun;
    });
  }

  async #create(name: string): Promise<Begun> {
    const { suite, certificates, keysDir, instance, now } = this.#options;
    const secret = randomBytes(32);
    const wrapped = wrapSecret(
      secret,
      certificates.map((certificate) => certificate.pem),
    );
    const keys = EpochKeys.fromSecret(suite, secret);
    secret.fill(0);
    await writeKeyFile(keysDir, keys);
    const chain = new LiveChain(name, now(), suite, keys, newHead());
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

interface Begun {
  chain: LiveChain;
  body: ControlBodies['chain'];
}

function newHead() {
  return { nextSeq: 0, prev: Buffer.alloc(16), lastTimeMs: 0 };
}

async function withRoom<T>(make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (cause) {
    if (!isFullError(cause)) throw cause;
    throw new LogsealError('LOG_FULL', 'the disk has no room for a new chain', { cause });
  }
}
