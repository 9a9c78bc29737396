/**
 * A range key (FORMAT section 3): the smallest set of tree nodes whose leaves are exactly epochs a..b, to hand an auditor no more
 * than he needs. Owns its making and its one JSON form. Whoever has it can check, and make, every tag of these epochs.
 */
import { decodeBase64Url } from '../lib/base64url.ts';
import { hasMembers, isInteger, isObject } from './json-form.ts';
import type { KeyNode } from './key-tree.ts';
import { chainIdBytes, childOf, keyBytes, treeDepth } from './key-tree.ts';
import type { Suite } from './suite.ts';
import { suiteOf } from './suite.ts';

export interface RangeKey {
  readonly chain: Buffer;
  readonly suite: Suite;
  /** In the order of the epochs below them, without overlap. */
  readonly nodes: readonly KeyNode[];
}

/** The largest smallest set there is: two flanks of the tree. */
const nodesMax = 2 * treeDepth;

/** The key of epochs `from` to `to`, both included. */
export function makeRangeKey(suite: Suite, chain: Buffer, secret: Buffer, from: number, to: number): RangeKey {
  const nodes: KeyNode[] = [];
  const visit = (depth: number, prefix: number, key: Buffer): void => {
    const width = 2 ** (treeDepth - depth);
    const first = prefix * width;
    const last = first + width - 1;
    if (first > to || last < from) {
      key.fill(0);
    } else if (first >= from && last <= to) {
      nodes.push({ depth, prefix, key });
    } else {
      visit(depth + 1, prefix * 2, childOf(suite, key, 0));
      visit(depth + 1, prefix * 2 + 1, childOf(suite, key, 1));
      key.fill(0);
    }
  };
  visit(0, 0, Buffer.from(secret));
  return { chain, suite, nodes };
}

/** The file's text: a secret. */
export function encodeRangeKey(range: RangeKey): string {
  return JSON.stringify({
    chain: range.chain.toString('base64url'),
    suite: range.suite.id,
    nodes: range.nodes.map(({ depth, prefix, key }) => ({ depth, prefix, key: key.toString('base64url') })),
  });
}

export type DecodedRangeKey = { ok: true; range: RangeKey } | { ok: false; reason: string };

/** Reads the file's text, blanks between its tokens allowed, an unknown member not. */
export function decodeRangeKey(text: string): DecodedRangeKey {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The cause is left out: its message quotes the text, and the text is a key.
    return { ok: false, reason: 'is not JSON' };
  }
  if (!isObject(value) || !hasMembers(value, ['chain', 'suite', 'nodes'])) {
    return { ok: false, reason: 'needs the members chain, suite and nodes, and no others' };
  }
  const chain = typeof value.chain === 'string' ? decodeBase64Url(value.chain, chainIdBytes) : undefined;
  if (chain === undefined) return { ok: false, reason: 'chain is not an id of 22 base64url characters' };
  const suite = typeof value.suite === 'number' ? suiteOf(value.suite) : undefined;
  if (suite === undefined) return { ok: false, reason: 'suite is not a known number' };
  const list: unknown = value.nodes;
  if (!Array.isArray(list) || list.length === 0 || list.length > nodesMax) {
    return { ok: false, reason: `nodes is not a list of 1 to ${nodesMax}` };
  }
  const nodes: KeyNode[] = [];
  let free = 0;
  for (const entry of list as unknown[]) {
    const node = decodeNode(entry);
    if (node === undefined) return { ok: false, reason: `node ${nodes.length} is not {depth, prefix, key}` };
    const width = 2 ** (treeDepth - node.depth);
    if (node.prefix * width < free) return { ok: false, reason: `node ${nodes.length} is out of order or overlaps` };
    free = (node.prefix + 1) * width;
    nodes.push(node);
  }
  return { ok: true, range: { chain, suite, nodes } };
}

function decodeNode(value: unknown): KeyNode | undefined {
  if (!isObject(value) || !hasMembers(value, ['depth', 'prefix', 'key'])) return undefined;
  const { depth, prefix, key } = value;
  if (!isInteger(depth, treeDepth) || !isInteger(prefix, 2 ** depth - 1)) return undefined;
  const bytes = typeof key === 'string' ? decodeBase64Url(key, keyBytes) : undefined;
  return bytes === undefined ? undefined : { depth, prefix, key: bytes };
}
