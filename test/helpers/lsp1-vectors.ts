/** The vectors of format LSP1, and small helpers to read them with. */
import type { KeyObject } from 'node:crypto';
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface RecordVector {
  epoch: number;
  index: number;
  seq: number;
  time: number;
  type: 0 | 1;
  flags: 0 | 1;
  dest: string;
  id: string;
  salt: string;
  content: string;
  P: string;
  C: string;
  header: string;
  T: string;
  leaf: string;
}

export interface SuiteVector {
  suite: number;
  hash: string;
  blockSize: number;
  S_chain: string;
  chain: string;
  chain22: string;
  N_0: string;
  N_1: string;
  K: Record<string, string>;
  emptyRoot: string;
  record: RecordVector;
  field: string;
}

export interface Received {
  received?: string;
  hex?: string;
  reason?: string;
}

export interface Vectors {
  suites: SuiteVector[];
  rangeKey: { file: { chain: string; suite: number; nodes: { depth: number; prefix: number; key: string }[] } };
  log: {
    origin: string;
    S_chain: Record<string, string>;
    trust: { origin: string; vkey: string; control: string; chains: string[] };
    checkpointSeed: string;
    operatorSeed: string;
    operatorSpki: string;
    documents: { about: string; line: string }[];
    epochs: { chain: string; epoch: number; first: number; K: string; leaves: string[]; root: string }[];
    entries: { seal: string; leaf: string }[];
    roots: string[];
    inclusion: { index: number; size: number; proof: string[] }[];
    consistency: { from: number; to: number; proof: string[] }[];
    checkpoint: string;
    vkey: string;
    operator: { kind: string; serial: number; canonical: string; message: string; sig: string }[];
  };
  retired: {
    leaves: string[];
    root: string;
    cases: { retired: [number, number][]; subtrees: [number, number][]; roots: string[] }[];
  };
  refused: { contents: Received[] };
  accepted: { salt: string; contents: { about: string; received: string; C: string; spliced: string }[] };
}

export const vectors = readJson('vectors.json') as Vectors;

/** A file of test/vectors. */
export function readJson(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'));
}

export function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

/** An Ed25519 private key from its 32 bytes of seed, hexadecimal. */
export function ed25519Key(seed: string): KeyObject {
  const der = Buffer.concat([hex('302e020100300506032b657004220420'), hex(seed)]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}
