/**
 * Keys of a chain as the verifier needs them: any epoch, in any order, from S_chain or from a range key.
 * Keeps the path to the epoch asked for last, so that ascending epochs cost about two macs each. The buffers stay until `wipe`.
 */
import { EpochMac } from './epoch-mac.ts';
import type { KeyNode } from './key-tree.ts';
import { chainIdOf, childOf, epochCount, macKeyOf, treeDepth } from './key-tree.ts';
import type { RangeKey } from './range-key.ts';
import type { Suite } from './suite.ts';

export class KeyReader {
  /** 16 bytes. From a secret it is derived; from a range key it is what the key's file says, which only tags can prove. */
  readonly chain: Buffer;
  readonly suite: Suite;
  readonly #roots: readonly KeyNode[];
  /** Nodes on the path to `#epoch`, by depth, from the depth of `#root` on. */
  readonly #path: (Buffer | undefined)[] = [];
  #pathEpoch = 0;
  #root: KeyNode | undefined;
  #epoch = -1;
  #mac: EpochMac | undefined;

  private constructor(suite: Suite, chain: Buffer, roots: readonly KeyNode[]) {
    this.suite = suite;
    this.chain = chain;
    this.#roots = roots;
  }

  /** Copies the secret. */
  static fromSecret(suite: Suite, secret: Buffer): KeyReader {
    return new KeyReader(suite, chainIdOf(suite, secret), [{ depth: 0, prefix: 0, key: Buffer.from(secret) }]);
  }

  static fromRange(range: RangeKey): KeyReader {
    return new KeyReader(
      range.suite,
      range.chain,
      range.nodes.map((node) => ({ ...node, key: Buffer.from(node.key) })),
    );
  }

  /** M under K_e, valid until another epoch is asked for; undefined if the key does not reach this epoch. */
  epochMac(epoch: number): EpochMac | undefined {
    if (epoch === this.#epoch) return this.#mac;
    const key = this.macKey(epoch);
    if (key === undefined) return undefined;
    this.#mac?.wipe();
    this.#mac = new EpochMac(this.suite, key);
    this.#epoch = epoch;
    key.fill(0);
    return this.#mac;
  }

  /** K_e, which the caller overwrites; undefined if the key does not reach this epoch. */
  macKey(epoch: number): Buffer | undefined {
    const root = this.#rootOf(epoch);
    if (root === undefined) return undefined;
    let depth = this.#sharedDepth(root, epoch);
    for (const gone of this.#path.splice(depth + 1)) gone?.fill(0);
    for (; depth < treeDepth; depth++) {
      const bit = (epoch >>> (treeDepth - depth - 1)) & 1;
      this.#path[depth + 1] = childOf(this.suite, this.#path[depth] as Buffer, bit === 0 ? 0 : 1);
    }
    this.#pathEpoch = epoch;
    return macKeyOf(this.suite, this.#path[treeDepth] as Buffer);
  }

  /** Destroys all keys. */
  wipe(): void {
    for (const node of this.#roots) node.key.fill(0);
    for (const key of this.#path) key?.fill(0);
    this.#mac?.wipe();
    this.#path.length = 0;
    this.#epoch = -1;
  }

  #rootOf(epoch: number): KeyNode | undefined {
    if (!Number.isInteger(epoch) || epoch < 0 || epoch >= epochCount) return undefined;
    return this.#roots.find((node) => Math.floor(epoch / 2 ** (treeDepth - node.depth)) === node.prefix);
  }

  /** How deep the kept path leads towards the epoch. Begins a new path if the epoch lies under another root. */
  #sharedDepth(root: KeyNode, epoch: number): number {
    if (root !== this.#root || this.#path.length === 0) {
      for (const gone of this.#path.splice(0)) gone?.fill(0);
      this.#path[root.depth] = Buffer.from(root.key);
      this.#root = root;
      return root.depth;
    }
    return Math.max(root.depth, Math.clz32((epoch ^ this.#pathEpoch) >>> 0));
  }
}
