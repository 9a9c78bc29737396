/**
 * RFC 6962 Merkle trees over a suite's hash: of an epoch's leaves, and of the log's entries.
 *
 *   leaf = H(00 ‖ entry)     node = H(01 ‖ left ‖ right)     empty tree: H of nothing
 *
 * Owns roots, their running form and what a retire record keeps of deleted leaves. Proofs are in merkle-proof.ts.
 */
import { hash } from 'node:crypto';
import { readSafeInteger, writeSafeInteger } from './header.ts';
import type { Suite } from './suite.ts';
import { digest, hashBytes } from './suite.ts';

const leafPrefix = Buffer.from([0]);
const nodePrefix = Buffer.from([1]);

/** H(00 ‖ parts): of an entry of the log, or of a record's header and tag. */
export function leafHash(suite: Suite, ...parts: readonly Buffer[]): Buffer {
  return digest(suite, leafPrefix, ...parts);
}

export function nodeHash(suite: Suite, left: Buffer, right: Buffer): Buffer {
  return digest(suite, nodePrefix, left, right);
}

/** Root of the tree over these leaf hashes. */
export function rootOf(suite: Suite, leaves: readonly Buffer[]): Buffer {
  const range = new CompactRange(suite);
  for (const leaf of leaves) range.append(leaf);
  return range.root();
}

/** Most levels of a tree whose size is a safe integer. */
const levelsMax = 53;

/** A tree that grows to the right, kept as the roots of its complete subtrees: one for each set bit of its size. */
export class CompactRange {
  readonly #suite: Suite;
  /** The complete subtree of 2^level leaves stands at 32 × level. */
  readonly #peaks = Buffer.alloc(levelsMax * hashBytes);
  /** 01 ‖ left ‖ right */
  readonly #node = Buffer.alloc(1 + 2 * hashBytes, 1);
  #size = 0;

  constructor(suite: Suite) {
    this.#suite = suite;
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size;
  }

  /** Appends a leaf by its hash (copied). */
  append(leaf: Buffer): void {
    this.#carry(leaf, 0);
  }

  /** Appends an entry of the log. */
  appendEntry(entry: Buffer): void {
    this.#carry(leafHash(this.#suite, entry), 0);
  }

  /** Appends a complete subtree of `size` leaves by its root: a power of two that divides the size so far. */
  appendSubtree(root: Buffer, size: number): void {
    const level = Math.log2(size);
    if (!Number.isInteger(level) || this.#size % size !== 0) {
      throw new RangeError(`a subtree of ${size} leaves cannot begin at leaf ${this.#size}`);
    }
    this.#carry(root, level);
  }

  root(): Buffer {
    if (this.#size === 0) return digest(this.#suite, Buffer.alloc(0));
    const node = this.#node;
    let found = false;
    for (let level = 0, rest = this.#size; rest > 0; level++, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 0) continue;
      const at = level * hashBytes;
      if (found) {
        this.#peaks.copy(node, 1, at, at + hashBytes);
        node.latin1Write(hash(this.#suite.algorithm, node, 'latin1'), 1 + hashBytes, hashBytes);
      } else {
        this.#peaks.copy(node, 1 + hashBytes, at, at + hashBytes);
        found = true;
      }
    }
    return Buffer.from(node.subarray(1 + hashBytes));
  }

  /** Size u64, then the roots of the complete subtrees, the largest first. */
  encode(): Buffer {
    const peaks: Buffer[] = [];
    for (const level of levelsOf(this.#size)) {
      peaks.push(this.#peaks.subarray(level * hashBytes, (level + 1) * hashBytes));
    }
    const size = Buffer.alloc(8);
    writeSafeInteger(size, this.#size, 0);
    return Buffer.concat([size, ...peaks]);
  }

  /** The inverse of `encode`. Throws if the bytes are not of its form. */
  static decode(suite: Suite, bytes: Buffer): CompactRange {
    const size = bytes.length < 8 ? undefined : readSafeInteger(bytes, 0);
    const levels = size === undefined ? [] : levelsOf(size);
    if (size === undefined || bytes.length !== 8 + levels.length * hashBytes) {
      throw new RangeError('the bytes are not a compact range');
    }
    const range = new CompactRange(suite);
    for (const [i, level] of levels.entries()) {
      bytes.copy(range.#peaks, level * hashBytes, 8 + i * hashBytes, 8 + (i + 1) * hashBytes);
    }
    range.#size = size;
    return range;
  }

  #carry(root: Buffer, fromLevel: number): void {
    const node = this.#node;
    let level = fromLevel;
    let rest = Math.floor(this.#size / 2 ** level);
    let carried = false;
    for (; rest % 2 === 1; level++, rest = Math.floor(rest / 2)) {
      const at = level * hashBytes;
      if (!carried) root.copy(node, 1 + hashBytes, 0, hashBytes);
      this.#peaks.copy(node, 1, at, at + hashBytes);
      node.latin1Write(hash(this.#suite.algorithm, node, 'latin1'), 1 + hashBytes, hashBytes);
      carried = true;
    }
    if (carried) node.copy(this.#peaks, level * hashBytes, 1 + hashBytes);
    else root.copy(this.#peaks, level * hashBytes, 0, hashBytes);
    this.#size += 2 ** fromLevel;
  }
}

/** The levels of a size's set bits, the highest first. */
function levelsOf(size: number): number[] {
  const levels: number[] = [];
  for (let level = 0, rest = size; rest > 0; level++, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) levels.unshift(level);
  }
  return levels;
}

/** A complete subtree: `size` leaves, a power of two, from `start` on, which it divides. */
export interface Subtree {
  readonly start: number;
  readonly size: number;
}

/**
 * The largest complete subtrees of what is retired, left to right. `ranges` are [first, last] of leaf indices, ascending and apart;
 * touching ones count as one. `size` is the tree's.
 */
export function subtreesOf(ranges: readonly (readonly [number, number])[], size: number): Subtree[] {
  const merged: [number, number][] = [];
  for (const [first, last] of ranges) {
    const before = merged.at(-1);
    if (first < 0 || last < first || last >= size || (before !== undefined && first <= before[1])) {
      throw new RangeError(`leaves ${first} to ${last} are no range of ${size} leaves, or out of order`);
    }
    if (before !== undefined && first === before[1] + 1) before[1] = last;
    else merged.push([first, last]);
  }
  const subtrees: Subtree[] = [];
  for (const [first, last] of merged) {
    for (let start = first; start <= last; ) {
      let width = 1;
      while (start % (width * 2) === 0 && start + width * 2 - 1 <= last) width *= 2;
      subtrees.push({ start, size: width });
      start += width;
    }
  }
  return subtrees;
}
