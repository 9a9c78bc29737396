/**
 * The table of FORMAT section 7: the kinds of control records, the members of each body in their order, and what each may be.
 * Owns the forms alone; reading, writing and signing are in control-record.ts.
 */
import { decodeBase64, decodeBase64Url } from '../lib/base64url.ts';
import { isInteger, isObject } from './json-form.ts';
import { chainIdBytes } from './key-tree.ts';
import { hashBytes } from './suite.ts';

/** [first, last] of seqs, both included. */
export type SeqRange = readonly [number, number];

export const rejectReasons = ['mapping', 'conflict', 'duplicate', 'dropped', 'failure-store', 'blocked'] as const;
export type RejectReason = (typeof rejectReasons)[number];

export const rotateReasons = ['schedule', 'clock', 'certificates', 'upstream', 'suspicion', 'rolled-back'] as const;
export type RotateReason = (typeof rotateReasons)[number];

/** Chains are ids of 22 base64url characters; hashes, certificates and keys are SHA-256 in hexadecimal. */
export interface ControlBodies {
  chain: {
    id: string;
    name: string;
    suite: number;
    /** base64 of the CMS EnvelopedData that holds S_chain; empty where no auditor has it. */
    wrapped: string;
    certificates: readonly string[];
    origin: string;
  };
  boot: {
    version: string;
    clean: boolean;
    /** Frames replayed. */
    replayed: number;
    vkey: string;
    /** Entries of the log of seals. */
    log: number;
    /** cluster_uuid of the search engine, or `embedded`; empty before the first contact. */
    upstream: string;
    config: string;
    chains: Readonly<Record<string, { readonly epoch: number; readonly seq: number }>>;
  };
  place: { dest: string; index: string; documents: number };
  reject: { chain: string; seqs: readonly SeqRange[]; reason: RejectReason };
  retry: { chain: string; seqs: readonly SeqRange[] };
  discard: { chain: string; seqs: readonly SeqRange[]; reason: string };
  policy: {
    /** Name of the retention class. */
    class: string;
    /** Smallest age at which records may be retired, milliseconds. */
    age: number;
    /** Dotted paths that a pipeline may change. */
    paths: readonly string[];
    /** Operator keys: SHA-256 of each SPKI. */
    keys: readonly string[];
  };
  retire: {
    chain: string;
    seqs: readonly SeqRange[];
    /** Epoch → base64 roots of the largest complete subtrees of its retired leaves. */
    leaves: Readonly<Record<string, readonly string[]>>;
    reason: string;
  };
  erase: { chain: string; seq: number; reason: string };
  rotate: { old: string; new: string; why: RotateReason };
  acknowledge: { chain: string; from: number; to: number; verdict: string; reason: string };
}

export type ControlKind = keyof ControlBodies;

/** What a member must be, in words and as a test. */
interface Form {
  readonly what: string;
  readonly test: (value: unknown) => boolean;
}

const maximum = Number.MAX_SAFE_INTEGER;
const epochMax = 0xffff_ffff;
const textCharactersMax = 65_536;

const text: Form = { what: 'text', test: (value) => isText(value) };
const integer: Form = { what: 'an integer', test: (value) => isInteger(value, maximum) };
const suite: Form = { what: 'the number of a suite', test: (value) => isInteger(value, 0xff) && value > 0 };
const truth: Form = { what: 'true or false', test: (value) => typeof value === 'boolean' };
const chainId: Form = { what: 'a chain id of 22 base64url characters', test: isChainId };
const sha256: Form = { what: 'a SHA-256 in lower-case hexadecimal', test: isSha256 };
const base64: Form = { what: 'base64', test: (value) => isText(value, 1 << 24) && decodeBase64(value) !== undefined };
const seqs: Form = { what: 'a list of [from, to]', test: (value) => isListOf(value, isSeqRange) && value.length > 0 };

/** Members in the order of the table. */
export const controlForms: { readonly [K in ControlKind]: Readonly<Record<keyof ControlBodies[K] & string, Form>> } = {
  chain: { id: chainId, name: text, suite, wrapped: base64, certificates: listOf(sha256), origin: text },
  boot: {
    version: text,
    clean: truth,
    replayed: integer,
    vkey: text,
    log: integer,
    upstream: text,
    config: sha256,
    chains: { what: 'an object of chain id to {epoch, seq}', test: (value) => isMapOf(value, isChainId, isHead) },
  },
  place: { dest: text, index: text, documents: integer },
  reject: { chain: chainId, seqs, reason: oneOf(rejectReasons) },
  retry: { chain: chainId, seqs },
  discard: { chain: chainId, seqs, reason: text },
  policy: { class: text, age: integer, paths: listOf(text), keys: listOf(sha256) },
  retire: {
    chain: chainId,
    seqs,
    leaves: { what: 'an object of epoch to base64 roots', test: (value) => isMapOf(value, isEpochName, isRootList) },
    reason: text,
  },
  erase: { chain: chainId, seq: integer, reason: text },
  rotate: { old: chainId, new: chainId, why: oneOf(rotateReasons) },
  acknowledge: {
    chain: chainId,
    from: integer,
    to: integer,
    verdict: { what: 'a verdict', test: (value) => isText(value) && /^[A-Z][A-Z-]{1,31}$/.test(value) },
    reason: text,
  },
};

/** What is wrong with the body of this kind, or undefined. */
export function bodyFault(kind: ControlKind, body: unknown): string | undefined {
  if (!isObject(body)) return `${kind} is no object`;
  const forms: Readonly<Record<string, Form>> = controlForms[kind];
  for (const name of Object.keys(body)) {
    if (!Object.hasOwn(forms, name)) return `${kind} has the unknown member ${JSON.stringify(name)}`;
  }
  for (const [name, form] of Object.entries(forms)) {
    if (!Object.hasOwn(body, name)) return `${kind} lacks ${name}`;
    if (!form.test(body[name])) return `${kind}.${name} is not ${form.what}`;
  }
  return undefined;
}

/** Whether the value is a SHA-256 in lower-case hexadecimal. */
export function isSha256(value: unknown): value is string {
  return isText(value) && /^[0-9a-f]{64}$/.test(value);
}

function oneOf(choices: readonly string[]): Form {
  return { what: `one of ${choices.join(', ')}`, test: (value) => isText(value) && choices.includes(value) };
}

function listOf(form: Form): Form {
  return { what: `a list, each ${form.what}`, test: (value) => isListOf(value, form.test) };
}

function isText(value: unknown, charactersMax = textCharactersMax): value is string {
  return typeof value === 'string' && value.length <= charactersMax && value.isWellFormed();
}

function isChainId(value: unknown): boolean {
  return isText(value) && decodeBase64Url(value, chainIdBytes) !== undefined;
}

function isSeqRange(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [from, to] = value as unknown[];
  return isInteger(to, maximum) && isInteger(from, to);
}

function isHead(value: unknown): boolean {
  if (!isObject(value) || Object.keys(value).length !== 2) return false;
  return isInteger(value.epoch, epochMax) && isInteger(value.seq, maximum);
}

function isEpochName(name: unknown): boolean {
  return isText(name) && /^(?:0|[1-9][0-9]{0,9})$/.test(name) && Number(name) <= epochMax;
}

function isRootList(value: unknown): boolean {
  return isListOf(value, (root) => isText(root) && decodeBase64(root, hashBytes) !== undefined);
}

function isListOf(value: unknown, test: (item: unknown) => boolean): value is unknown[] {
  return Array.isArray(value) && value.every(test);
}

function isMapOf(value: unknown, nameTest: (name: unknown) => boolean, test: (item: unknown) => boolean): boolean {
  return isObject(value) && Object.entries(value).every(([name, item]) => nameTest(name) && test(item));
}
