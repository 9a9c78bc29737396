/**
 * The key tree of a chain (FORMAT section 3), seen from the proxy: only forward.
 *
 *   N_root = S_chain     N_x0 = M(N_x, "LSP1/L")     N_x1 = M(N_x, "LSP1/R")     depth 32
 *   K_e    = M(N_bits32(e), "LSP1/mac")
 *
 * Holds K_e and the right siblings on the path of e, nothing that leads to an earlier epoch. Assumes nobody keeps the buffers it
 * copies out. Must never let a node become a string or leave a used one in memory.
 */
import { LogsealError } from '../errors.ts';
import type { Suite } from './suite.ts';
import { mac, secretDigest } from './suite.ts';

/** Depth of the leaves. */
export const treeDepth = 32;
/** Epochs of a chain: 0 <= e < epochCount. */
export const epochCount = 2 ** treeDepth;
/** Bytes of a chain's id. */
export const chainIdBytes = 16;
/** Bytes of S_chain, of every node and of K_e. */
export const keyBytes = 32;

const chainLabel = Buffer.from('LSP1/chain\0');
const leftLabel = Buffer.from('LSP1/L');
const rightLabel = Buffer.from('LSP1/R');
const macLabel = Buffer.from('LSP1/mac');

/** A node of the tree: `prefix` is its path from the root, the first `depth` bits of the epochs below it. */
export interface KeyNode {
  readonly depth: number;
  readonly prefix: number;
  readonly key: Buffer;
}

/** What a key file holds. The buffers are copies: the caller overwrites them. */
export interface KeyState {
  readonly suite: Suite;
  readonly chain: Buffer;
  readonly epoch: number;
  readonly macKey: Buffer;
  /** Right siblings on the path of the epoch, the shallowest first. */
  readonly nodes: readonly KeyNode[];
}

/** The chain's id: 16 bytes, derived from its secret, so that a wrong key is recognised. */
export function chainIdOf(suite: Suite, secret: Buffer): Buffer {
  return Buffer.from(secretDigest(suite, chainLabel, secret).subarray(0, chainIdBytes));
}

/** The child of a node: `bit` 0 left, 1 right. */
export function childOf(suite: Suite, node: Buffer, bit: 0 | 1): Buffer {
  return mac(suite, node, bit === 0 ? leftLabel : rightLabel);
}

/** K_e of a leaf of the tree. */
export function macKeyOf(suite: Suite, leaf: Buffer): Buffer {
  return mac(suite, leaf, macLabel);
}

/** The keys of one chain from its open epoch on. */
export class EpochKeys {
  readonly suite: Suite;
  readonly #chain: Buffer;
  #epoch: number;
  #macKey: Buffer;
  #nodes: KeyNode[];

  private constructor(suite: Suite, chain: Buffer, epoch: number, macKey: Buffer, nodes: KeyNode[]) {
    this.suite = suite;
    this.#chain = chain;
    this.#epoch = epoch;
    this.#macKey = macKey;
    this.#nodes = nodes;
  }

  /** A new chain, at epoch 0. The secret is not kept: the caller overwrites it. */
  static fromSecret(suite: Suite, secret: Buffer): EpochKeys {
    const keys = new EpochKeys(suite, chainIdOf(suite, secret), 0, Buffer.alloc(0), []);
    keys.#macKey = keys.#walkLeft({ depth: 0, prefix: 0, key: Buffer.from(secret) });
    return keys;
  }

  /** A chain as its key file has it. Copies everything. The state's form has been checked by whoever read it. */
  static fromState(state: KeyState): EpochKeys {
    const nodes = state.nodes.map((node) => ({ ...node, key: copyOf(node.key) }));
    return new EpochKeys(state.suite, Buffer.from(state.chain), state.epoch, copyOf(state.macKey), nodes);
  }

  /** The chain's id: 16 bytes. */
  get chain(): Buffer {
    return this.#chain;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The right siblings still ahead, the shallowest first; copies, for the key file. */
  get nodes(): KeyNode[] {
    return this.#nodes.map((node) => ({ ...node, key: copyOf(node.key) }));
  }

  /** A copy of K_e: the caller overwrites it as soon as its pads are made. */
  macKey(): Buffer {
    return copyOf(this.#macKey);
  }

  /** A copy of all that must survive: the caller overwrites its buffers. */
  state(): KeyState {
    return { suite: this.suite, chain: this.#chain, epoch: this.#epoch, macKey: this.macKey(), nodes: this.nodes };
  }

  /** Goes to the next epoch and destroys the key of this one. */
  advance(): void {
    const next = this.#nodes.pop();
    if (next === undefined) {
      throw new LogsealError(
        'KEY_INVALID',
        `chain ${this.#chain.toString('base64url')} has no epoch after ${this.#epoch}`,
      );
    }
    this.#macKey.fill(0);
    this.#macKey = this.#walkLeft(next);
    this.#epoch++;
  }

  /** Destroys all keys; nothing can be signed or advanced afterwards. */
  wipe(): void {
    this.#macKey.fill(0);
    for (const node of this.#nodes) node.key.fill(0);
    this.#nodes = [];
  }

  /** From a node down to its leftmost leaf, keeping the right siblings and overwriting the path. Returns K of that leaf. */
  #walkLeft(from: KeyNode): Buffer {
    let key = from.key;
    let prefix = from.prefix;
    for (let depth = from.depth; depth < treeDepth; depth++) {
      this.#nodes.push({ depth: depth + 1, prefix: prefix * 2 + 1, key: childOf(this.suite, key, 1) });
      const left = childOf(this.suite, key, 0);
      key.fill(0);
      key = left;
      prefix *= 2;
    }
    const macKey = macKeyOf(this.suite, key);
    key.fill(0);
    return macKey;
  }
}

/** Outside the buffer pool, so that overwriting the copy leaves nothing behind. */
function copyOf(key: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(key.length);
  key.copy(copy);
  return copy;
}
