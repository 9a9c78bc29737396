/**
 * RFC 6962 proofs: that an entry is in a tree, and that a tree is the beginning of another. Verification follows RFC 9162, sections
 * 2.1.3.2 and 2.1.4.2, and takes nothing for granted: sizes and proofs come from outside. Sizes are safe integers.
 */
import { nodeHash, rootOf } from './merkle.ts';
import type { Suite } from './suite.ts';
import { hashBytes } from './suite.ts';

export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leaf: Buffer;
  readonly root: Buffer;
  readonly proof: readonly Buffer[];
}

export interface ConsistencyClaim {
  readonly from: number;
  readonly to: number;
  readonly fromRoot: Buffer;
  readonly toRoot: Buffer;
  readonly proof: readonly Buffer[];
}

/** The proof that leaf `index` is in the tree over these leaf hashes. */
export function inclusionProof(suite: Suite, leaves: readonly Buffer[], index: number): Buffer[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length)
    throw new RangeError(`there is no leaf ${index}`);
  if (leaves.length === 1) return [];
  const split = splitOf(leaves.length);
  const left = leaves.slice(0, split);
  const right = leaves.slice(split);
  return index < split
    ? [...inclusionProof(suite, left, index), rootOf(suite, right)]
    : [...inclusionProof(suite, right, index - split), rootOf(suite, left)];
}

/** The proof that the tree over the first `from` leaves is the beginning of the tree over all of them. */
export function consistencyProof(suite: Suite, leaves: readonly Buffer[], from: number): Buffer[] {
  if (!Number.isInteger(from) || from < 0 || from > leaves.length) throw new RangeError(`there is no size ${from}`);
  return from === 0 || from === leaves.length ? [] : subproof(suite, leaves, from, true);
}

function subproof(suite: Suite, leaves: readonly Buffer[], from: number, whole: boolean): Buffer[] {
  if (from === leaves.length) return whole ? [] : [rootOf(suite, leaves)];
  const split = splitOf(leaves.length);
  const left = leaves.slice(0, split);
  const right = leaves.slice(split);
  return from <= split
    ? [...subproof(suite, left, from, whole), rootOf(suite, right)]
    : [...subproof(suite, right, from - split, false), rootOf(suite, left)];
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

export function verifyInclusion(suite: Suite, claim: InclusionClaim): boolean {
  const { index, size, leaf, root, proof } = claim;
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leaf, root, ...proof])) return false;
  let fn = index;
  let sn = size - 1;
  let result = leaf;
  for (const hash of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      result = nodeHash(suite, hash, result);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      result = nodeHash(suite, result, hash);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && result.equals(root);
}

export function verifyConsistency(suite: Suite, claim: ConsistencyClaim): boolean {
  const { from, to, fromRoot, toRoot, proof } = claim;
  if (!isSize(from) || !isSize(to) || from > to || !areHashes([fromRoot, toRoot, ...proof])) return false;
  if (from === to) return proof.length === 0 && fromRoot.equals(toRoot);
  if (from === 0) return proof.length === 0 && fromRoot.equals(rootOf(suite, []));
  const path = isPowerOfTwo(from) ? [fromRoot, ...proof] : [...proof];
  let fn = from - 1;
  let sn = to - 1;
  while (fn % 2 === 1) {
    fn = half(fn);
    sn = half(sn);
  }
  const first = path.shift();
  if (first === undefined) return false;
  let fromResult = first;
  let toResult = first;
  for (const hash of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fromResult = nodeHash(suite, hash, fromResult);
      toResult = nodeHash(suite, hash, toResult);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      toResult = nodeHash(suite, toResult, hash);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && fromResult.equals(fromRoot) && toResult.equals(toRoot);
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(values: readonly Buffer[]): boolean {
  return values.every((value) => value.length === hashBytes);
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

function half(value: number): number {
  return Math.floor(value / 2);
}
